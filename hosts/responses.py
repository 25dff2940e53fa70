"""A reply of the plain kind as Starlette sends it."""

from collections.abc import Mapping

import msgspec
from starlette.responses import Response

from hosts.http import Reply


def response(reply: Reply, headers: Mapping[str, str] | None = None) -> Response:
    """JSON."""
    status, content = reply
    return Response(msgspec.json.encode(content), status, headers, "application/json")
