"""GET /admin/traces: the ways of the last commands that were followed, ?limit= of them or the one of ?token=stream@version."""

from collections.abc import Mapping

from hosts.admin import Admin, NotFound
from hosts.http import known
from runtime.errors import Malformed

LIMIT = 20
MOST = 256


def traces(admin: Admin, asked: Mapping[str, str]) -> object:
    """The newest first; for a token its one trace, or 404."""
    known(asked, ("limit", "token"))
    if "token" in asked:
        found = admin.watching.trace_of(asked["token"])
        if found is None:
            raise NotFound(
                f"no trace of {asked['token']!r} is kept: a command that carries a traceparent is always traced, others are sampled"
            )
        return found.shown()
    limit = asked.get("limit", str(LIMIT))
    if not limit.isdecimal() or not 1 <= int(limit) <= MOST:
        raise Malformed(f"limit={limit!r}: a number from 1 to {MOST}")
    return {"traces": [trace.shown() for trace in admin.watching.traces(int(limit))]}
