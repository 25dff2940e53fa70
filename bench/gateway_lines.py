"""The gateway: what a message to a subscriber costs, what an attack costs, and how long people wait.

A server's cost is the CPU time of its own process; messages are counted by the same load process against every server. Lines against a
bound instead of a peer show how much of it is used.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from statistics import median, quantiles
from tempfile import TemporaryDirectory
from time import sleep
from typing import Any

from bench import gateway_fan as fan
from bench.gateway_attacks import BOMBS, SIZES
from bench.gateway_child import Child, python
from bench.gateway_domain import ALL, FOLLOW_HOT, HOT, MUTATION, QUERY
from bench.measure import Line, Round, Turn, bounded, race, spent

SOCKETS = 1_000
CHANGES = 10  # a turn, each once all sockets have the one before
TURNS = 5
ACCOUNTS, FEW, BATCH, BATCHES = 5_000, 50, 50, 4
MEGABYTES = 10
BIG_MS, BOMB_MS, STALL_MS, WAIT_MS, LATENCY_MS, MESSAGE_MS = 50.0, 10.0, 50.0, 200.0, 10.0, 1.0
SILENT, OPERATIONS, HEALTHY_S = 2_000, 1_000, 5.0
MUTATIONS = 60

type Peer = Callable[[str], AbstractContextManager[Child]]


@contextlib.contextmanager
def both(peer: Peer, sockets: int) -> Iterator[tuple[Turn, Turn]]:
    """Turns of our server and of a peer, which sends what ours sent."""
    with fan.crowds(sockets) as (ours, load), peer(ours.last) as server:
        theirs = fan.Fan(server, load, "theirs")
        theirs.open(ALL, [{}] * sockets)
        theirs.publish(sockets)

        def us() -> float:
            return sum(ours.publish(sockets, accounts=[HOT]) for _ in range(CHANGES))

        def them() -> float:
            return sum(theirs.publish(sockets) for _ in range(CHANGES))

        us(), them()
        yield us, them


@contextlib.contextmanager
def fan_out(peer: Peer, sockets: int = SOCKETS) -> Iterator[Round]:
    """CPU a message, ours over theirs."""
    with both(peer, sockets) as (us, them):
        yield spent(us, them, turns=TURNS, scale=1e6 / (sockets * CHANGES))


@contextlib.contextmanager
def reference(sockets: int = SOCKETS) -> Iterator[Round]:
    """Messages per CPU second, ours over theirs: a reported line shows more as better."""
    with both(fan.graphql_ws, sockets) as (us, them):
        yield race(us, them, work=sockets * CHANGES, turns=TURNS)


@contextlib.contextmanager
def filters(many: int = ACCOUNTS, few: int = FEW, turns: int = 20) -> Iterator[Round]:
    """A change with many sockets that follow something else, over a change with few."""
    fan.check_open_files(many)
    with python("bench.gateway_load") as load, fan.ours() as crowded, fan.ours() as quiet:
        busy = fan.Filters(crowded, load, many, many, BATCH)
        calm = fan.Filters(quiet, load, many, few, BATCH)
        busy.turn(BATCHES), calm.turn(BATCHES)
        yield spent(lambda: busy.turn(BATCHES), lambda: calm.turn(BATCHES), turns=turns, scale=1e6 / (BATCH * BATCHES))


@contextlib.contextmanager
def big() -> Iterator[Round]:
    """CPU for a message of 10 MB: on a socket, as a body with its length, as a body without."""
    with python("bench.gateway_load") as load, fan.ours({}) as server:

        def cost_ms(do: str, **how: Any) -> float:
            before = server.cpu_s()
            load.order(do, port=server.port, megabytes=MEGABYTES, **how)
            sleep(0.1)  # what it still does after it has answered
            return (server.cpu_s() - before) * 1000

        def worst() -> float:
            return max(cost_ms("big"), cost_ms("big_body", chunked=False), cost_ms("big_body", chunked=True))

        worst()
        yield bounded(worst, BIG_MS)


@contextlib.contextmanager
def bombs(times: int = 5) -> Iterator[Round]:
    """CPU until a bomb is refused, of the worst kind and size."""
    with python("bench.gateway_load") as load, fan.ours({}) as server:

        def cost_ms(kind: str, size: str) -> float:
            before = server.cpu_s()
            load.order("bombs", port=server.port, kind=kind, size=size, times=times)
            return (server.cpu_s() - before) / times * 1000

        def worst() -> float:
            return max(cost_ms(kind, size) for kind in BOMBS for size in SIZES)

        worst()
        yield bounded(worst, BOMB_MS)


@contextlib.contextmanager
def stall(times: int = 5) -> Iterator[Round]:
    """The longest that somebody else's ping waits while bombs of all kinds come in."""
    with (
        python("bench.gateway_load") as load,
        python("bench.gateway_load") as others,
        fan.ours({}) as server,
        ThreadPoolExecutor(1) as side,
    ):

        def longest() -> float:
            pinging = side.submit(others.order, "pings", port=server.port, for_s=3.0, pause_s=0.008)
            for kind in BOMBS:
                for size in SIZES:
                    load.order("bombs", port=server.port, kind=kind, size=size, times=times)
            return float(max(pinging.result()["ms"]))

        yield bounded(longest, STALL_MS)


@contextlib.contextmanager
def crowd(silent: int = SILENT, operations: int = OPERATIONS) -> Iterator[Round]:
    """What 99 of 100 round trips of a healthy client stay below while others open silent sockets and too many operations."""
    with (
        python("bench.gateway_load") as load,
        python("bench.gateway_load") as healthy,
        fan.ours({}) as server,
        ThreadPoolExecutor(1) as side,
    ):
        server.order("publish", accounts=[HOT])
        asked: dict[str, Any] = {"port": server.port, "query": QUERY, "variables": {"account": HOT}, "address": "127.0.1.1"}
        healthy.order("round_trips", **asked, for_s=0.5, pause_s=0.01)
        addresses = [f"127.0.0.{number}" for number in range(2, 42)]

        def slowest() -> float:
            asking = side.submit(healthy.order, "round_trips", **asked, for_s=HEALTHY_S, pause_s=0.01)
            ran = load.order("operations", port=server.port, query=ALL, operations=operations, address="127.0.1.2")
            sat = load.order("crowd", port=server.port, sockets=silent, addresses=addresses, for_s=HEALTHY_S - 1)
            if ran["running"] > 100 or sat["most"] > 1_000 or sat["left"] > 0:
                raise RuntimeError(f"not capped: {ran}, {sat}")
            return float(quantiles(asking.result()["ms"], n=100)[98])

        yield bounded(slowest, WAIT_MS)


@contextlib.contextmanager
def latency() -> Iterator[Round]:
    """The median from sending a mutation to a subscriber's message of it, on the embedded defaults."""
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="trimaran-bench-"))
        load = stack.enter_context(python("bench.gateway_load"))
        server = stack.enter_context(python("bench.gateway_server", folder, json.dumps({"messages_per_second": 100_000})))
        inputs = {"account": HOT, "amount": 1, "text": "by hand", "day": "2026-11-23"}
        asked: dict[str, Any] = {"port": server.port, "subscription": FOLLOW_HOT, "mutation": MUTATION, "pause_s": 0.002}

        def turn() -> float:
            return float(median(load.order("latencies", variables=[{"input": inputs}] * MUTATIONS, **asked)["ms"]))

        turn()
        yield bounded(turn, LATENCY_MS)


@contextlib.contextmanager
def stateless(clients: int = 50) -> Iterator[Round]:
    """What the dearest kind of message costs the driver that keeps nothing in memory."""
    from bench.gateway_stateless import measured

    yield bounded(lambda: max(measured(clients, times=8).values()), MESSAGE_MS)


def used(most: float) -> str:
    """The peer of a line against a bound."""
    return f"at most {most:g} ms"


LINES = (
    Line("gateway-fanout-vs-broadcast", 1.35, "lower", "websockets.broadcast", "CPU µs/message", lambda: fan_out(fan.broadcast)),
    Line("gateway-fanout-vs-ariadne", 0.15, "lower", "ariadne 1.1.1", "CPU µs/message", lambda: fan_out(fan.ariadne)),
    Line("gateway-fanout-vs-graphql-ws", 0, "higher", "graphql-ws 6.4.2 (reported only; aim 2)", "messages/CPU s", reference),
    Line("gateway-filters-5000", 1.2, "lower", f"the same with {FEW} sockets", "CPU µs/change", filters),
    Line("gateway-attack-10mb", 1, "lower", used(BIG_MS), "CPU ms", big),
    Line("gateway-attack-bombs", 1, "lower", used(BOMB_MS), "CPU ms, the worst", bombs),
    Line("gateway-attack-stall", 1, "lower", used(STALL_MS), "ms, the longest", stall),
    Line("gateway-stateless", 1, "lower", used(MESSAGE_MS), "CPU ms/message, the worst", stateless),
    Line("gateway-crowd", 1, "lower", used(WAIT_MS), "ms, p99", crowd, rounds_max=3),
    Line("gateway-latency", 1, "lower", used(LATENCY_MS), "ms, p50", latency),
)
