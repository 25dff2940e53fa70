"""CloudEvents of Azure Web PubSub as calls of the stateless driver, and its answers as the service wants them.

`connect` and messages are blocking: the service waits, the answer's body is one frame back, and `ce-connectionState` comes with every later
event. That state is signed with the access key for its connection, so that it can be believed without a look into a table. Every
event's `ce-signature` is checked; an event that nobody signed is refused before it is read.

Source: https://learn.microsoft.com/azure/azure-web-pubsub/reference-cloud-events
"""

import base64
import hashlib
import hmac
import logging
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from runtime.ports.sockets import Calls, Frame, Opening

LOG = logging.getLogger("trimaran.gateway")


class Answer(Struct, frozen=True):
    """An HTTP response."""

    status: int
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Webhook:
    """Answers what the service posts. `keys` are the resource's access keys, the first signs; `origins` the services that may post."""

    def __init__(self, calls: Calls, keys: Sequence[str], *, origins: Sequence[str] = ("*",)) -> None:
        self._calls, self._keys, self._origins = calls, [key.encode() for key in keys], tuple(origins)

    async def answer(self, method: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """One request; header names in any case."""
        given = {name.lower(): value for name, value in headers.items()}
        if method == "OPTIONS":
            return self._allowed(given)
        connection = given.get("ce-connectionid", "")
        if method != "POST" or not connection:
            return Answer(405 if method != "POST" else 400)
        if not self._signed(connection, given.get("ce-signature", "")):
            LOG.warning("an event without a good ce-signature was refused")
            return Answer(401)
        match given.get("ce-type"):
            case "azure.webpubsub.sys.connect":
                return await self._connect(connection, body)
            case "azure.webpubsub.user.message":
                return await self._message(connection, given, body)
            case "azure.webpubsub.sys.disconnected":
                await self._calls.disconnect(connection, _time(given))
            case _:
                pass
        return Answer(204)

    def _allowed(self, given: Mapping[str, str]) -> Answer:
        """Abuse protection: whoever may post is named."""
        asked = [origin.strip() for origin in given.get("webhook-request-origin", "").split(",")]
        allowed = [origin for origin in asked if origin and ("*" in self._origins or origin in self._origins)]
        return Answer(200, {"WebHook-Allowed-Origin": allowed[0]}) if allowed else Answer(403)

    async def _connect(self, connection: str, body: bytes) -> Answer:
        try:
            event: dict[str, Any] = msgspec.json.decode(body)
            headers = {name.lower(): [str(value) for value in values] for name, values in (event.get("headers") or {}).items()}
            offered = tuple(str(name) for name in event.get("subprotocols") or ())
        except (ValueError, AttributeError, TypeError):
            return Answer(400)
        opened = await self._calls.connect(
            Opening(connection, offered, ", ".join(headers.get("origin", ())), ", ".join(headers.get("host", ())))
        )
        if opened.status != 200:
            return Answer(opened.status, {"content-type": "text/plain"}, opened.reason.encode())
        told = {"subprotocol": opened.subprotocol, "userId": connection}  # the service drops connections without a user
        return Answer(200, {"content-type": "application/json"} | self._kept(connection, opened.state), msgspec.json.encode(told))

    async def _message(self, connection: str, given: Mapping[str, str], body: bytes) -> Answer:
        data = body if given.get("content-type", "").startswith("application/octet-stream") else body.decode("utf-8", "replace")
        reply = await self._calls.message(
            Frame(connection, data, _time(given), self._state(connection, given.get("ce-connectionstate", "")))
        )
        headers = self._kept(connection, reply.state)
        if not reply.frame:
            return Answer(204, headers)
        return Answer(200, {"content-type": "text/plain; charset=utf-8"} | headers, reply.frame.encode())

    # signatures
    def _signed(self, connection: str, signatures: str) -> bool:
        """`sha256=…` of the connection's id, one for each access key."""
        good = [hmac.digest(key, connection.encode(), hashlib.sha256).hex() for key in self._keys]
        given = [each.strip().removeprefix("sha256=") for each in signatures.split(",")]
        return any(hmac.compare_digest(one, other.encode("ascii", "replace").decode()) for one in good for other in given)

    def _kept(self, connection: str, state: str) -> dict[str, str]:
        if not state:
            return {}
        body = base64.urlsafe_b64encode(state.encode()).decode()
        return {"ce-connectionState": f"{body}.{self._seal(self._keys[0], connection, body)}"}

    def _state(self, connection: str, kept: str) -> str:
        """What was kept; "" for what we did not write, which costs a look into the table."""
        body, _, seal = kept.partition(".")
        if not body or not any(hmac.compare_digest(self._seal(key, connection, body).encode(), seal.encode()) for key in self._keys):
            return ""
        return base64.urlsafe_b64decode(body).decode()

    def _seal(self, key: bytes, connection: str, body: str) -> str:
        return hmac.digest(key, f"state\n{connection}\n{body}".encode(), hashlib.sha256).hex()


def _time(given: Mapping[str, str]) -> float:
    try:
        return datetime.fromisoformat(given.get("ce-time", "")).timestamp()
    except ValueError:
        return time.time()
