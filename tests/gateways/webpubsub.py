"""Azure Web PubSub as clients and webhooks see it.

`connect` and messages are blocking CloudEvents: the next message of a connection waits until the webhook has answered the last one; the
answer's body is one frame back, its `ce-connectionState` is kept and comes with every later event, anything but 2xx drops the connection.
`connected` and `disconnected` are told and not waited for. REST sends and closes (normal closure) with a JWT of the access key. 1 MB a frame.

Source: https://learn.microsoft.com/azure/azure-web-pubsub/reference-cloud-events and …/reference-rest-api-data-plane
"""

import asyncio
import contextlib
import hashlib
import hmac
import json
import logging
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import parse_qs, unquote

import httpx
import jwt
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from tests.gateways.sea import Closed, Delays, Full, Open
from tests.gateways.web import Asked, Told, Web

FRAME_BYTES = 1024 * 1024
HUB = "graphql"
ORIGIN = "trimaran.webpubsub.azure.com"
UPSTREAM_S = 30.0

QUIET = logging.getLogger("trimaran.tests.websockets")
QUIET.setLevel(logging.CRITICAL)


class Refused(Exception):
    """The webhook did not pass the service's validation of its endpoint."""


class WebPubSub:
    """The service on two loopback ports: sockets, and its REST API. An async context manager."""

    def __init__(self, webhook: str, access_key: str, *, seed: int = 1, delay_s: float = 0.0, port: int = 0) -> None:
        self._webhook, self._key, self._port = webhook, access_key, port
        self._delays = Delays(seed, delay_s)
        self._http = httpx.AsyncClient(timeout=UPSTREAM_S, limits=httpx.Limits(max_connections=None, max_keepalive_connections=200))
        self._answers: dict[ServerConnection, tuple[str, str, str]] = {}  # connection id, subprotocol, user
        self._states: dict[str, str] = {}
        self._telling: set[asyncio.Task[None]] = set()
        self._front: Server | None = None
        self.open = Open()
        self.api = Web(self._manage)
        self.failures = 0  # events that were not answered with 2xx

    async def __aenter__(self) -> "WebPubSub":
        await self.api.__aenter__()
        await self._validate()
        self._front = await serve(
            self._socket,
            "127.0.0.1",
            self._port,
            process_request=self._handshake,
            select_subprotocol=self._subprotocol,
            max_size=FRAME_BYTES,
            max_queue=None,
            ping_interval=None,
            compression=None,
            close_timeout=1,
            open_timeout=60,
            logger=QUIET,
            backlog=1024,
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._front is not None
        self._front.close()
        await self._front.wait_closed()
        await self.idle()
        await self._http.aclose()
        await self.api.__aexit__()

    async def idle(self) -> None:
        """No event is on its way any more."""
        while self._telling:
            await asyncio.wait(self._telling)  # gather gives done ones back at once, before they leave the set: it would never let go

    @property
    def url(self) -> str:
        """Where clients connect."""
        assert self._front is not None
        return f"ws://127.0.0.1:{self._front.sockets[0].getsockname()[1]}/client/hubs/{HUB}"

    @property
    def endpoint(self) -> str:
        """Where functions send and close."""
        return f"http://{self.api.address}"

    async def _validate(self) -> None:
        answer = await self._http.options(self._webhook, headers={"WebHook-Request-Origin": ORIGIN})
        if answer.status_code != 200 or answer.headers.get("WebHook-Allowed-Origin") not in ("*", ORIGIN):
            raise Refused(f"{self._webhook} answered {answer.status_code} to the abuse protection request")

    # a socket's life
    async def _handshake(self, socket: ServerConnection, request: Request) -> Response | None:
        id = uuid.uuid4().hex
        offered = [part.strip() for value in request.headers.get_all("Sec-WebSocket-Protocol") for part in value.split(",")]
        headers = {name: request.headers.get_all(name) for name in request.headers}
        body = {"claims": {}, "query": parse_qs(request.path.partition("?")[2]), "headers": headers, "subprotocols": offered}
        answer = await self._event(id, "sys", "connect", json.dumps(body | {"clientCertificates": []}).encode(), "application/json")
        if answer is None or answer.status_code // 100 != 2:
            status = 500 if answer is None else answer.status_code
            return socket.respond(HTTPStatus(status), "" if answer is None else answer.text)
        told = answer.json() if answer.content else {}
        if not told.get("userId"):
            return socket.respond(HTTPStatus.UNAUTHORIZED, "the connection has no user id")
        self._answers[socket] = id, told.get("subprotocol", ""), told["userId"]
        return None

    def _subprotocol(self, socket: ServerConnection, _: Sequence[Subprotocol]) -> Subprotocol | None:
        return cast(Subprotocol, self._answers[socket][1]) or None

    async def _socket(self, socket: ServerConnection) -> None:
        id, _, _ = self._answers.pop(socket)
        self.open.add(id, socket)
        self._tell(id, "connected", b"{}")
        try:
            async for data in socket:
                if not await self._message(id, data):
                    socket.transport.abort()
                    break
        except ConnectionClosed:
            pass
        self.open.remove(id)
        self._tell(id, "disconnected", json.dumps({"reason": socket.close_reason or ""}).encode())

    async def _message(self, id: str, data: str | bytes) -> bool:
        kind = "text/plain; charset=utf-8" if isinstance(data, str) else "application/octet-stream"
        await self._delays()
        answer = await self._event(id, "user", "message", data.encode() if isinstance(data, str) else data, kind)
        if answer is None or answer.status_code // 100 != 2:
            self.failures += 1
            return False
        if answer.content:
            with contextlib.suppress(Closed, Full):
                await self.open.send(id, answer.text)
        return True

    # the webhook
    async def _event(self, id: str, kind: str, name: str, body: bytes, content_type: str) -> httpx.Response | None:
        headers = {
            "content-type": content_type,
            "webhook-request-origin": ORIGIN,
            "ce-specversion": "1.0",
            "ce-type": f"azure.webpubsub.{kind}.{name}",
            "ce-source": f"/hubs/{HUB}/client/{id}",
            "ce-id": uuid.uuid4().hex,
            "ce-time": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
            "ce-signature": f"sha256={hmac.digest(b'the secondary key', id.encode(), hashlib.sha256).hex()},sha256={self._signature(id)}",
            "ce-hub": HUB,
            "ce-connectionId": id,
            "ce-eventName": name,
        }
        if id in self._states:
            headers["ce-connectionState"] = self._states[id]
        try:
            answer = await self._http.post(self._webhook, content=body, headers=headers)
        except httpx.HTTPError:
            return None
        if "ce-connectionState" in answer.headers:
            self._states[id] = answer.headers["ce-connectionState"]
        return answer

    def _signature(self, id: str) -> str:
        return hmac.digest(self._key.encode(), id.encode(), hashlib.sha256).hex()

    def _tell(self, id: str, name: str, body: bytes) -> None:
        async def telling() -> None:
            await self._delays()
            await self._event(id, "sys", name, body, "application/json")
            if name == "disconnected":
                self._states.pop(id, None)

        task = asyncio.get_running_loop().create_task(telling())
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    # REST
    async def _manage(self, asked: Asked) -> Told:
        path, _, query = asked.target.partition("?")
        if not self._authorized(asked, f"{self.endpoint}{path}"):
            return Told(401)
        prefix = f"/api/hubs/{HUB}/connections/"
        if not path.startswith(prefix) or "api-version=" not in query:
            return Told(404)
        name, _, verb = path.removeprefix(prefix).partition("/")
        id = unquote(name)
        await self._delays()
        try:
            if asked.method == "DELETE" and not verb:
                await self.open.close(id)
                return Told(204)
            if asked.method == "POST" and verb == ":send":
                if len(asked.body) > FRAME_BYTES:
                    return Told(413)
                await self.open.send(id, asked.body.decode())
                return Told(202)
        except Closed:
            return Told(204 if asked.method == "DELETE" else 404)
        except Full:
            return Told(429)
        return Told(405)

    def _authorized(self, asked: Asked, url: str) -> bool:
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        if scheme != "Bearer":
            return False
        try:
            claims: dict[str, Any] = jwt.decode(token, self._key, algorithms=["HS256"], audience=url, options={"require": ["exp", "aud"]})
        except jwt.InvalidTokenError:
            return False
        return bool(claims)
