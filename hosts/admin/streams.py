"""Streams, their events, and what a stream folds to at any version: GET /admin/streams, /admin/stream, /admin/state.

Everything is read in bounded pages. Heads come in code point order, so the streams of a kind, or of a prefix, lie side by side; only
in an app with tenants those of a kind do not (tenants come first in a name), and there a page may be short while more comes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from hosts.admin import Admin, NotFound
from hosts.http import known
from runtime.domain import App
from runtime.domain.plans import Plan
from runtime.errors import LimitExceeded, Malformed, Rejected
from runtime.ports import EventStore, Head, Recorded

STREAMS, EVENTS = 500, 1_000  # a page at most
BYTES = 4 * 1024 * 1024  # of event data a page; at least one event comes
SCAN = 5_000  # heads looked at for one page
FOLDED = 200_000  # events that a state is folded from, after its snapshot
PAGE = 1_000
LAST = 2**62
TOP = "\U0010ffff"


def streams(admin: Admin, asked: Mapping[str, str]) -> object:
    """A page of streams in the order of their names; `next` is what to ask `after` for more."""
    known(asked, ("kind", "prefix", "after", "limit"))
    kind, limit = asked.get("kind", ""), number(asked, "limit", 50, 1, STREAMS)
    if kind and kind not in admin.app.plans:
        raise Malformed(f"kind={kind!r}: {admin.app.name!r} has {', '.join(admin.app.plans)}")
    prefix = _prefix(admin.app, kind, _plain(asked, "prefix"))
    found: list[Head] = []
    place, scanned = max(_plain(asked, "after"), before(prefix)), 0
    while scanned < SCAN:
        page = admin.local.events.store.heads(place, min(PAGE, limit + 1 if not kind or admin.app.tenant is None else PAGE))
        for head in page:
            if prefix and head.stream > prefix and not head.stream.startswith(prefix):
                return _listed(admin.app, found, "")
            place, scanned = head.stream, scanned + 1
            if head.stream.startswith(prefix) and (not kind or admin.app.category_of(head.stream) == kind):
                if len(found) == limit:
                    return _listed(admin.app, found, found[-1].stream)
                found.append(head)
        if not page:
            return _listed(admin.app, found, "")
    return _listed(admin.app, found, place)


def recent(admin: Admin, asked: Mapping[str, str]) -> object:
    """The streams that commands of this process went to, the newest first."""
    known(asked, ())
    return {"streams": [_stream(admin.app, Head(stream, version)) for stream, version in admin.watching.recent()]}


def stream(admin: Admin, asked: Mapping[str, str]) -> object:
    """A page of a stream's events. Raises `NotFound`."""
    known(asked, ("name", "after", "limit"))
    name, limit = asked_for(asked, "name"), number(asked, "limit", 200, 1, EVENTS)
    after = number(asked, "after", 0, 0, LAST)
    version = version_of(admin.app, admin.local.events.store, name)
    events = _bounded(admin.local.events.store.read(name, after, limit))
    return {
        "stream": name,
        "kind": admin.app.category_of(name),
        "version": version,
        "events": [_event(event) for event in events],
        "next": events[-1].version if events and events[-1].version < version else None,
    }


def state(admin: Admin, asked: Mapping[str, str]) -> object:
    """What the decider knew of a stream at a version (0: before its first event; left out: now). Raises `NotFound`."""
    known(asked, ("name", "at"))
    name = asked_for(asked, "name")
    plan = plan_of(admin.app, name)
    version = version_of(admin.app, admin.local.events.store, name)
    at = number(asked, "at", version, 0, LAST)
    if at > version:
        raise Malformed(f"at={at}: {name!r} stands at {version}")
    shown, start = plan.decider.initial, 0
    if plan.decider.snapshot_every and at:
        snapshot = admin.local.events.snapshots.newest(name, plan.stamp)
        if snapshot is not None and snapshot.version <= at:
            shown, start = plan.decode_state(snapshot.state), snapshot.version
    if at - start > FOLDED:
        raise LimitExceeded(
            "the number of events to fold", at - start, FOLDED, "ask for a version nearer to the beginning, or keep snapshots"
        )
    for page in _pages(admin.local.events.store, name, start, at):
        shown = plan.fold(shown, [event.data for event in page])
    return {"stream": name, "at": at, "state": _as_json(plan, shown)}


def _pages(store: EventStore, name: str, after: int, until: int) -> Iterator[list[Recorded]]:
    while after < until:
        page = store.read(name, after, min(PAGE, until - after))
        if not page:
            raise Rejected(f"{name!r} has no event {after + 1}: the store has a hole")
        yield page
        after = page[-1].version


def _as_json(plan: Plan, shown: Any) -> Any:
    try:
        return msgspec.Raw(plan.encode_state(shown))
    except (TypeError, ValueError):  # a state of its own kind, which snapshots could not keep either
        return repr(shown)


def _listed(app: App, found: list[Head], place: str) -> object:
    return {"streams": [_stream(app, head) for head in found], "next": place}


def _stream(app: App, head: Head) -> dict[str, Any]:
    tenant = app.tenant_of(head.stream)
    kind, _, id = (head.stream if app.tenant is None else head.stream.partition("/")[2]).partition("-")
    return {"stream": head.stream, "kind": kind, "id": id, "tenant": tenant, "version": head.version}


def _event(event: Recorded) -> dict[str, Any]:
    return {
        "version": event.version,
        "type": event.type,
        "data": msgspec.Raw(event.data),
        "key": event.key,
        "cause": event.cause,
        "trace": event.trace,
        "time": event.time,
        "saga": saga_of(event),
    }


def _bounded(events: list[Recorded]) -> list[Recorded]:
    """As many as fit an answer, and one in any case."""
    size = 0
    for position, event in enumerate(events):
        size += len(event.data)
        if size > BYTES and position:
            return events[:position]
    return events


def _plain(asked: Mapping[str, str], name: str) -> str:
    if "\0" in asked.get(name, ""):
        raise Malformed(f"{name} holds a NUL character, which no stream has")
    return asked.get(name, "")


def _prefix(app: App, kind: str, prefix: str) -> str:
    """What the names begin with. Tenants come first: `acme/7` are streams of a kind that begin with 7, for acme."""
    if not kind:
        return prefix
    if app.tenant is None:
        return f"{kind}-{prefix}"
    tenant, slash, rest = prefix.partition("/")
    return f"{tenant}/{kind}-{rest}" if slash else tenant


def before(prefix: str) -> str:
    """A name before every name with this prefix, and after nearly all that are less; the few between are left out by who reads."""
    point = ord(prefix[-1]) - 1 if prefix else 0
    if point <= 0:
        return prefix[:-1]
    return prefix[:-1] + (chr(0xD7FF if 0xD800 <= point <= 0xDFFF else point) + TOP)


def saga_of(event: Recorded) -> str | None:
    """The saga whose command led to an event; its idempotency key says `saga:stream@version:n`."""
    saga, colon, rest = event.key.partition(":")
    return saga if colon and event.cause and rest.rpartition(":")[0] == event.cause else None


def plan_of(app: App, name: str) -> Plan:
    """The decider of a stream. Raises `NotFound`."""
    plan = app.plans.get(app.category_of(name))
    if plan is None:
        raise NotFound(f"stream {name!r} is of no decider of {app.name!r}: it has {', '.join(app.plans)}")
    return plan


def version_of(app: App, store: EventStore, name: str) -> int:
    """Where a stream stands. Raises `NotFound` for one without events."""
    version = store.load(name, "", LAST).version
    if not version:
        raise NotFound(f"there is no stream {name!r} in {app.name!r}")
    return version


def asked_for(asked: Mapping[str, str], name: str) -> str:
    """A parameter that must be there."""
    if not asked.get(name):
        raise Malformed(f"parameter {name!r} is missing")
    return asked[name]


def number(asked: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """A whole number within its limits."""
    text = asked.get(name, "")
    if not text:
        return default
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or not least <= int(text) <= most:
        raise Malformed(f"{name}={text!r}: a whole number from {least:,} to {most:,}")
    return int(text)
