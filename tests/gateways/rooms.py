"""The emulated services in a thread of their own, for tests that block; and a real function behind each."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any

from providers.aws import gateway as aws
from providers.azure.gateway import Webhook
from runtime.ports.sockets import Calls, Frame, Opened, Opening, Reply
from tests.gateways.apigateway import ApiGateway
from tests.gateways.sigv4 import Keys
from tests.gateways.web import Asked, Told, Web
from tests.gateways.webpubsub import WebPubSub

ACCESS_KEY = "an access key of the emulated resource, long enough"
START_S = 30.0


class Loop:
    """An event loop in a thread; a context manager. What was entered is left at the end, in reverse."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="emulated services", daemon=True)
        self._entered: list[AbstractAsyncContextManager[Any]] = []

    def __enter__(self) -> "Loop":
        self._thread.start()
        return self

    def leave(self) -> None:
        """Leave what was entered."""
        while self._entered:
            self.run(self._entered.pop().__aexit__(None, None, None))

    def __exit__(self, *_: object) -> None:
        self.leave()
        self.run(self.loop.shutdown_default_executor())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(START_S)
        self.loop.close()

    def run[T](self, doing: Coroutine[Any, Any, T], timeout_s: float = START_S) -> T:
        """Do it there, wait for it here."""
        return asyncio.run_coroutine_threadsafe(doing, self.loop).result(timeout_s)

    def enter[T](self, context: AbstractAsyncContextManager[T]) -> T:
        """Enter it there, until this is left."""

        async def entering() -> T:
            return await context.__aenter__()

        entered = self.run(entering())
        self._entered.append(context)
        return entered


class Later(Calls):
    """Calls to a driver that is made once the service's address is known."""

    calls: Calls

    async def connect(self, opening: Opening) -> Opened:
        return await self.calls.connect(opening)

    async def message(self, frame: Frame) -> Reply:
        return await self.calls.message(frame)

    async def disconnect(self, connection: str, at: float) -> None:
        await self.calls.disconnect(connection, at)


def api_gateway(loop: Loop, make: Callable[[str, Keys], Calls], *, keys: Keys | None = None, **options: Any) -> ApiGateway:
    """API Gateway before what `make(endpoint, keys)` makes."""
    known, later = keys or Keys(), Later()

    async def made() -> ApiGateway:
        return ApiGateway(lambda event: aws.answer(event, later), known, **options)

    service = loop.enter(loop.run(made()))
    later.calls = make(service.endpoint, known)
    return service


def web_pubsub(loop: Loop, make: Callable[[str, str], Calls], **options: Any) -> WebPubSub:
    """Web PubSub before what `make(endpoint, access key)` makes."""
    later = Later()

    webhook = Webhook(later, [ACCESS_KEY])

    async def answer(asked: Asked) -> Told:
        told = await webhook.answer(asked.method, asked.headers, asked.body)
        return Told(told.status, told.body, told.headers)

    async def made(address: str) -> WebPubSub:
        return WebPubSub(f"http://{address}/events", ACCESS_KEY, **options)

    service = loop.enter(loop.run(made(loop.enter(Web(answer)).address)))
    later.calls = make(service.endpoint, ACCESS_KEY)
    return service
