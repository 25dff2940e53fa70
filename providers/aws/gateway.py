"""Events of an API Gateway WebSocket API as calls of the stateless driver, and its answers as the service wants them.

The handshake's answer must carry `Sec-WebSocket-Protocol`, or clients fail with "Server sent no subprotocol"; whatever else happens the
answer is 200, since anything else makes the service tell the client `Internal server error` in a frame that ends it for good.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-mapping-template-reference.html
"""

import base64
import time
from collections.abc import Mapping
from typing import Any

from runtime.ports.sockets import Calls, Frame, Opening

type Event = Mapping[str, Any]


async def answer(event: Event, calls: Calls) -> dict[str, Any]:
    """What the function returns for `$connect`, `$default` (or any route of a message) and `$disconnect`."""
    context = event["requestContext"]
    id, at = context["connectionId"], context.get("requestTimeEpoch", time.time() * 1000) / 1000
    match context.get("eventType"):
        case "CONNECT":
            return await _connect(event, calls)
        case "MESSAGE":
            await calls.message(Frame(id, _body(event), at))
        case "DISCONNECT":
            await calls.disconnect(id, at)
        case _:
            pass
    return {"statusCode": 200}


async def _connect(event: Event, calls: Calls) -> dict[str, Any]:
    context, headers = event["requestContext"], _headers(event)
    opening = Opening(
        context["connectionId"],
        _listed(headers.get("sec-websocket-protocol", "")),
        headers.get("origin", ""),
        headers.get("host", context.get("domainName", "")),
        context.get("identity", {}).get("sourceIp", ""),
    )
    opened = await calls.connect(opening)
    if opened.status != 200:
        return {"statusCode": opened.status, "body": opened.reason}
    return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": opened.subprotocol}}


def _headers(event: Event) -> dict[str, str]:
    """Headers by lower-case name; several of one name joined by commas."""
    several = event.get("multiValueHeaders") or {name: [value] for name, value in (event.get("headers") or {}).items()}
    joined: dict[str, str] = {}
    for name, values in several.items():
        joined[name.lower()] = ", ".join([joined[name.lower()], *values] if name.lower() in joined else values)
    return joined


def _listed(header: str) -> tuple[str, ...]:
    return tuple(part for part in (part.strip() for part in header.split(",")) if part)


def _body(event: Event) -> str | bytes:
    body = event.get("body") or ""
    return base64.b64decode(body) if event.get("isBase64Encoded") else body
