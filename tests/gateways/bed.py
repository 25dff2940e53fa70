"""A whole stateless gateway: an app on stores in memory with its projectors, the driver behind an emulated service, the pusher, the sweeper.

with bed.running("apigateway", shop.app) as gateway:
    gateway.url                          # ws://…, for unmodified clients
    gateway.tokens.sign("ann")
    gateway.send(PlaceOrder(…))          # a command, carried out and projected as everywhere
"""

import asyncio
import contextvars
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct

from apps import shop
from hosts.dev_tokens import DevTokens
from hosts.gateway import sender_of
from hosts.local import Local, open_local
from hosts.settings import Settings
from providers.aws.signing import Credentials
from providers.aws.sockets import ApiGatewaySockets
from providers.azure.sockets import WebPubSubSockets
from providers.memory.sockets import MemoryConnections, Weather, calm
from runtime.domain import App, Command
from runtime.flow.reading import Reading
from runtime.live.answers.engine import Engine
from runtime.live.callers.identity import Verifier
from runtime.live.functions.push import Pusher
from runtime.live.functions.stateless import Stateless
from runtime.live.functions.subscribing import Io
from runtime.live.functions.sweeping import SILENCE_S, Sweeping
from runtime.live.limits import Limits
from runtime.ports import Answer
from runtime.ports.sockets import Connections, Sockets
from tests.gateways.apigateway import ApiGateway
from tests.gateways.rooms import Loop, api_gateway, web_pubsub
from tests.gateways.sigv4 import Keys
from tests.gateways.webpubsub import HUB, WebPubSub

MEMORY = "memory://"
THREADS = 64
SWEEP_S = 0.1
POLL_S = 0.25


class Bed(Struct):
    """What runs."""

    local: Local
    tokens: DevTokens
    service: ApiGateway | WebPubSub
    stateless: Stateless
    pusher: Pusher
    sweeping: Sweeping
    connections: Connections
    loop: Loop

    @property
    def url(self) -> str:
        """For clients."""
        return self.service.url

    def send(self, command: Command, key: str = "", tenant: str = "") -> Answer:
        """Carry out a command; its rows follow soon."""
        return self.local.commands.send(command, key, tenant)

    def settle(self) -> None:
        """Wait until everything that was sent is in the rows."""
        assert self.local.settle(threading.Event()), self.local.failure

    def drop_all(self) -> int:
        """The network fails for everybody."""

        async def dropped() -> int:
            return self.service.open.drop_all()

        return self.loop.run(dropped())


def threads(pool: ThreadPoolExecutor) -> Io:
    """Blocking calls on a pool, as a process does that serves many events at once."""

    async def io(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        context = contextvars.copy_context()
        return await asyncio.get_running_loop().run_in_executor(pool, partial(context.run, call, *args, **kwargs))

    return io


@contextmanager
def running(
    service: str,
    app: App = shop.app,
    *,
    limits: Limits = Limits(),  # noqa: B008  frozen
    verifier: Verifier | None = None,
    origins: tuple[str, ...] | None = None,
    seed: int = 1,
    delay_s: float = 0.0,
    store_s: float = 0.0,
    silence_s: float = SILENCE_S,
    rows: str = MEMORY,
    port: int = 0,
    connections: Connections | None = None,
    tokens: DevTokens | None = None,
) -> Iterator[Bed]:
    """`service`: "apigateway", "webpubsub", or "webpubsub-detached". `delay_s` delays and reorders what the service does, `store_s` the rows."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        tokens = tokens or DevTokens(folder)
        local = open_local(Settings(app.name, MEMORY, rows, MEMORY), app, stack)
        engine = Engine(app, Reading(app, local.rows), sender_of(local.commands), limits=limits)
        stack.callback(engine.close)
        kept = connections or MemoryConnections(Weather(seed, store_s) if store_s else calm)
        io = threads(stack.enter_context(ThreadPoolExecutor(THREADS, "function")))
        loop = stack.enter_context(Loop())
        known = verifier or tokens.verifier()

        def driver(sockets: Sockets, **how: Any) -> Stateless:
            return Stateless(
                app, engine, local.rows, kept, sockets, known, limits=limits, origins=origins, io=io, silence_s=silence_s, **how
            )

        made: list[Stateless] = []

        def amazon(endpoint: str, keys: Keys) -> Stateless:
            sockets = ApiGatewaySockets(endpoint, region=keys.region, credentials=lambda: Credentials(keys.access_key, keys.secret_key))
            stack.callback(sockets.shut)
            made.append(driver(sockets))
            return made[0]

        def azure(endpoint: str, key: str) -> Stateless:
            sockets = WebPubSubSockets(endpoint, key, HUB)
            stack.callback(sockets.shut)
            made.append(driver(sockets, answers=True, ordered=True, detached=service == "webpubsub-detached"))
            return made[0]

        local.start()
        opened: ApiGateway | WebPubSub
        if service == "apigateway":
            opened = api_gateway(loop, amazon, seed=seed, delay_s=delay_s, port=port)
        else:
            opened = web_pubsub(loop, azure, seed=seed, delay_s=delay_s, port=port)
        stateless = made[0]
        pusher, sweeping = Pusher(stateless.subscribing), Sweeping(stateless.subscribing, silence_s=silence_s)
        stop = threading.Event()

        async def sweep() -> None:
            while not stop.is_set():
                await sweeping.sweep()
                await asyncio.sleep(SWEEP_S)

        tasks = [asyncio.run_coroutine_threadsafe(doing, loop.loop) for doing in (pusher.run(local.signals, stop, POLL_S), sweep())]
        yield Bed(local, tokens, opened, stateless, pusher, sweeping, kept, loop)
        stop.set()
        for task in tasks:
            task.result(30)
        loop.run(stateless.idle())
        loop.leave()
