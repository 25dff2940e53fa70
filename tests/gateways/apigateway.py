"""Amazon API Gateway's WebSocket API as clients and functions see it.

Each frame is one invocation of its own, concurrent and in any order; the handshake carries what `$connect` returns; a close from our side is
always 1000; a function that raises or is late makes the service say `Internal server error` in a frame of its own; there is no WebSocket
ping; 128 KB a message, 32 KB a frame, no binary frames (1003). `@connections` wants Signature Version 4 and says 410 for a socket that is not open.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html
and …/apigateway-how-to-call-websocket-api-connections.html
"""

import asyncio
import base64
import contextlib
import json
import logging
import os
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Any, cast
from urllib.parse import unquote

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.typing import Subprotocol

from tests.gateways.sea import Closed, Delays, Full, Open
from tests.gateways.sigv4 import Keys, verified
from tests.gateways.web import Asked, Told, Web

MESSAGE_BYTES = 128 * 1024
FRAME_BYTES = 32 * 1024
FUNCTION_S = 29.0
STAGE = "prod"

type Invoke = Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]

QUIET = logging.getLogger("trimaran.tests.websockets")
QUIET.setLevel(logging.CRITICAL)


class ApiGateway:
    """The service on two loopback ports: sockets, and `@connections`. An async context manager."""

    def __init__(
        self,
        invoke: Invoke,
        keys: Keys,
        *,
        seed: int = 1,
        delay_s: float = 0.0,
        function_s: float = FUNCTION_S,
        port: int = 0,
    ) -> None:
        self._invoke, self._keys, self._function_s, self._port = invoke, keys, function_s, port
        self._delays = Delays(seed, delay_s)
        self._answers: dict[ServerConnection, tuple[str, str]] = {}  # connection id and subprotocol
        self._running: set[asyncio.Task[None]] = set()
        self._front: Server | None = None
        self.open = Open()
        self.api = Web(self._manage)
        self.failures = 0  # functions that raised or were late

    async def __aenter__(self) -> "ApiGateway":
        await self.api.__aenter__()
        self._front = await serve(
            self._socket,
            "127.0.0.1",
            self._port,
            process_request=self._handshake,
            select_subprotocol=self._subprotocol,
            max_size=(MESSAGE_BYTES, FRAME_BYTES),
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
        await self.api.__aexit__()

    async def idle(self) -> None:
        """No function runs any more."""
        while self._running:
            await asyncio.wait(self._running)  # gather gives done ones back at once, before they leave the set: it would never let go

    @property
    def url(self) -> str:
        """Where clients connect."""
        assert self._front is not None
        return f"ws://127.0.0.1:{self._front.sockets[0].getsockname()[1]}/{STAGE}"

    @property
    def endpoint(self) -> str:
        """Where functions post to connections."""
        return f"http://{self.api.address}/{STAGE}"

    # a socket's life
    async def _handshake(self, socket: ServerConnection, request: Request) -> Response | None:
        id = base64.b64encode(os.urandom(8) + b"\0\1\2").decode()  # as theirs, with its "="
        headers = _joined(request)
        event = self._event(id, "$connect", "CONNECT", socket) | {
            "headers": headers,
            "multiValueHeaders": {k: [v] for k, v in headers.items()},
        }
        answer = await self._run(event)
        if answer is None or not 200 <= int(answer.get("statusCode", 200)) < 300:
            status = 502 if answer is None else int(answer["statusCode"])
            return socket.respond(HTTPStatus(status), str((answer or {}).get("body", "")))
        told = {name.lower(): value for name, value in (answer.get("headers") or {}).items()}
        self._answers[socket] = id, str(told.get("sec-websocket-protocol", ""))
        return None

    def _subprotocol(self, socket: ServerConnection, _: Sequence[Subprotocol]) -> Subprotocol | None:
        return cast(Subprotocol, self._answers[socket][1]) or None

    async def _socket(self, socket: ServerConnection) -> None:
        id, _ = self._answers.pop(socket)
        self.open.add(id, socket)
        try:
            async for data in socket:
                if isinstance(data, bytes):
                    await socket.close(1003, "")
                    break
                event = self._event(id, "$default", "MESSAGE", socket) | {"body": data}
                event["requestContext"]["messageId"] = uuid.uuid4().hex
                self._start(self._delayed(id, event))
        except ConnectionClosed:
            pass
        self.open.remove(id)
        event = self._event(id, "$disconnect", "DISCONNECT", socket)
        event["requestContext"] |= {"disconnectStatusCode": socket.close_code, "disconnectReason": socket.close_reason or ""}
        self._start(self._delayed(id, event))

    def _event(self, id: str, route: str, kind: str, socket: ServerConnection) -> dict[str, Any]:
        now = time.time()
        context = {
            "routeKey": route,
            "eventType": kind,
            "messageDirection": "IN",
            "stage": STAGE,
            "connectedAt": int(now * 1000),
            "requestTimeEpoch": int(now * 1000),
            "requestId": uuid.uuid4().hex,
            "domainName": self.api.address,
            "connectionId": id,
            "apiId": "emulated",
            "identity": {"sourceIp": (socket.remote_address or ("127.0.0.1",))[0]},
        }
        return {"requestContext": context, "isBase64Encoded": False}

    # functions
    def _start(self, running: Any) -> None:
        task = asyncio.get_running_loop().create_task(running)
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _delayed(self, id: str, event: dict[str, Any]) -> None:
        await self._delays()
        if await self._run(event) is None and event["requestContext"]["routeKey"] == "$default":
            told = {"message": "Internal server error", "connectionId": id, "requestId": event["requestContext"]["requestId"]}
            with contextlib.suppress(Closed, Full):
                await self.open.send(id, json.dumps(told))

    async def _run(self, event: dict[str, Any]) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(self._function_s):
                return await self._invoke(event)
        except Exception:  # noqa: BLE001  whatever a function raises, the service goes on
            self.failures += 1
            return None

    # @connections
    async def _manage(self, asked: Asked) -> Told:
        if not verified(asked, self._keys, self.api.address):
            return Told(403, b'{"message":"The request signature we calculated does not match the signature you provided."}')
        prefix = f"/{STAGE}/@connections/"
        id = unquote(asked.target.removeprefix(prefix))
        if not asked.target.startswith(prefix):
            return Told(404)
        await self._delays()
        try:
            if asked.method == "DELETE":
                await self.open.close(id)
                return Told(204)
            if len(asked.body) > MESSAGE_BYTES:
                return Told(413, b'{"message":"Payload Too Large"}', {"x-amzn-ErrorType": "PayloadTooLargeException"})
            await self.open.send(id, asked.body.decode())
            return Told(200)
        except Closed:
            return Told(410, b'{"message":"Gone"}', {"x-amzn-ErrorType": "GoneException"})
        except Full:
            return Told(429, b'{"message":"Too many requests"}', {"x-amzn-ErrorType": "LimitExceededException"})


def _joined(request: Request) -> dict[str, str]:
    """Headers as API Gateway hands them on: as the client wrote them, several of one name joined by commas."""
    joined: dict[str, str] = {}
    for name, value in request.headers.raw_items():
        joined[name] = f"{joined[name]}, {value}" if name in joined else value
    return joined
