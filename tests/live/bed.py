"""A whole gateway to test against: an app on stores in memory, its projectors, hub and engine, on a real uvicorn with a free port.

with bed.running(app) as gateway:
    token = gateway.tokens.sign("ann")
    gateway.send(PlaceOrder(…))          # a command, carried out and projected as everywhere
    gateway.url, gateway.socket_url      # http://…/graphql, ws://…/graphql
"""

import asyncio
import tempfile
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct

from apps import shop
from hosts.dev_tokens import DevTokens
from hosts.gateway import sender_of
from hosts.http import Face
from hosts.local import Local, open_local
from hosts.serving import Serving
from hosts.settings import Settings
from hosts.site import Site
from runtime.domain import App, Command
from runtime.flow.reading import Reading
from runtime.live.answers.engine import Engine
from runtime.live.callers.identity import Verifier
from runtime.live.callers.quotas import Quotas
from runtime.live.follow.hub import Hub
from runtime.live.limits import Limits
from runtime.live.wire.asgi import Gateway
from runtime.ports import Answer

MEMORY = "memory://"


class Bed(Struct):
    """What runs. `on_loop` runs a coroutine where the gateway lives; `call` a plain function."""

    local: Local
    engine: Engine
    hub: Hub
    gateway: Gateway
    tokens: DevTokens
    serving: Serving
    loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        """For HTTP."""
        return f"{self.serving.url}/graphql"

    @property
    def socket_url(self) -> str:
        """For WebSocket."""
        return self.url.replace("http://", "ws://")

    def send(self, command: Command, key: str = "", tenant: str = "") -> Answer:
        """Carry out a command; its rows follow soon."""
        return self.local.commands.send(command, key, tenant)

    def settle(self) -> None:
        """Wait until everything that was sent is in the rows."""
        assert self.local.settle(threading.Event()), self.local.failure

    def on_loop[T](self, work: Coroutine[Any, Any, T]) -> T:
        """Run it on the gateway's event loop and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def call[T](self, function: Callable[[], T]) -> T:
        """Call it on the gateway's event loop and wait for it."""

        async def called() -> T:
            return function()

        return self.on_loop(called())

    def drain(self) -> None:
        """Close every socket politely."""
        self.on_loop(self.gateway.drain())


@contextmanager
def running(
    app: App = shop.app,
    *,
    limits: Limits = Limits(),  # noqa: B008  frozen
    origins: tuple[str, ...] | None = None,
    production: bool = False,
    verifier: Verifier | None = None,
    events: str = MEMORY,
    rows: str = MEMORY,
) -> Iterator[Bed]:
    """A gateway over an app. `verifier` None: it believes the tokens that `tokens` signs."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        tokens = DevTokens(folder)
        local = open_local(Settings(app.name, events, rows, MEMORY), app, stack)
        reading = Reading(app, local.rows)
        engine = Engine(app, reading, sender_of(local.commands), limits=limits, production=production)
        hub = Hub(app, local.rows, local.signals, limits=limits)
        gateway = Gateway(
            engine,
            hub,
            tokens.verifier() if verifier is None else verifier,
            limits=limits,
            origins=origins,
            production=production,
            quotas=Quotas(limits),
        )
        loops: list[asyncio.AbstractEventLoop] = []

        async def begin() -> None:
            loops.append(asyncio.get_running_loop())
            await hub.start()

        async def end() -> None:
            await gateway.drain()
            await hub.stop()

        site = Site(
            gateway, Face(app, local.commands, local.reading, lambda: (True, {})), dict, begin=begin, end=end, pages=[], plain=False
        )
        serving = Serving(site, "127.0.0.1", 0, message_bytes=limits.message_bytes, keep_alive_s=limits.keep_alive_s)
        local.start()
        stack.callback(serving.stop)
        serving.start()
        yield Bed(local, engine, hub, gateway, tokens, serving, loops[0])
