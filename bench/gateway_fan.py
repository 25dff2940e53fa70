"""Sockets that follow something on a server, and what the server's process spends until all of them were told of a change.

The same load process holds the sockets of both sides, and a turn is over when it has counted every message.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.gateway_child import Child, child, python
from bench.gateway_domain import ALL, HOT, ONE
from bench.missing import Missing

OPEN_S = 200.0  # for thousands of sockets
GRAPHQL_WS = Path(__file__).parent / "peers" / "graphql_ws"
# thousands of sockets from one address, and no pings between the messages that are counted, as with the peers
ROOMY = {"connections_per_identity": 20_000, "operations_per_identity": 20_000, "keep_alive_s": 3600.0}


class Fan:
    """A server with its sockets. `group` names them in the load process."""

    def __init__(self, server: Child, load: Child, group: str) -> None:
        self.server, self._load, self._group = server, load, group
        self._frames, self.last = 0, ""

    def open(self, query: str, variables: list[dict[str, Any]]) -> None:
        """Open a socket per variables; each has its first picture when this returns."""
        told = self._load.order(
            "open", group=self._group, port=self.server.port, query=query, variables=variables, first=1, patience_s=OPEN_S
        )
        self._frames = told["frames"]

    def publish(self, messages: int, **what: Any) -> float:
        """One order to change something, until so many messages of it came; the CPU seconds that the server spent."""
        before = self.server.cpu_s()
        self.server.order("publish", **what)
        self._frames += messages
        self.last = self._load.order("reach", group=self._group, frames=self._frames)["last"]
        return self.server.cpu_s() - before


def ours(limits: Mapping[str, Any] = ROOMY) -> contextlib.AbstractContextManager[Child]:
    """Our gateway, on rows in memory."""
    return python("bench.gateway_server", "memory", json.dumps(limits))


@contextlib.contextmanager
def crowds(sockets: int) -> Iterator[tuple[Fan, Child]]:
    """Our server with so many sockets of one cohort, warm, and the load process."""
    with python("bench.gateway_load") as load, ours() as server:
        server.order("publish", accounts=[HOT])
        fan = Fan(server, load, "ours")
        fan.open(ALL, [{}] * sockets)
        fan.publish(sockets, accounts=[HOT])
        yield fan, load


@contextlib.contextmanager
def broadcast(frame: str) -> Iterator[Child]:
    """`websockets.broadcast` of this frame."""
    with python("bench.peers.gateway_broadcast", frame) as server:
        yield server


@contextlib.contextmanager
def ariadne(frame: str) -> Iterator[Child]:
    """ariadne over our schema, sending the data of this frame."""
    with python("bench.peers.gateway_ariadne", json.dumps(json.loads(frame)["payload"]["data"])) as server:
        yield server


@contextlib.contextmanager
def graphql_ws(frame: str) -> Iterator[Child]:
    """The reference server over our schema's SDL, sending the data of this frame."""
    from bench.gateway_domain import app
    from bench.peers.npm import installed
    from runtime.live.schema.building import print_schema

    with TemporaryDirectory(prefix="trimaran-bench-") as folder:
        sdl = Path(folder) / "ledger.graphql"
        sdl.write_text(print_schema(app))
        data = json.dumps(json.loads(frame)["payload"]["data"])
        with child(["node", "peer.mjs", str(sdl), data], installed(GRAPHQL_WS, "graphql-ws-6.4.2")) as server:
            yield server


class Filters:
    """Our server with a socket per account, each following its own one; all accounts are there in any case."""

    def __init__(self, server: Child, load: Child, accounts: int, sockets: int, batch: int) -> None:
        names = [f"account-{number:05}" for number in range(accounts)]
        followed = names[:: accounts // sockets][:sockets]
        self._fan = Fan(server, load, str(sockets))
        self._fan.open(ONE, [{"account": name} for name in followed])  # before there are rows: a filter scans those in memory
        self._fan.publish(sockets, accounts=names)
        self._next, self._batch = cycle(followed), batch

    def turn(self, batches: int) -> float:
        """Change followed accounts one after the other, some at once."""
        return sum(self._fan.publish(self._batch, accounts=list(islice(self._next, self._batch))) for _ in range(batches))


def check_open_files(sockets: int) -> None:
    """Raises `Missing` when this account may not open so many."""
    import resource

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most != resource.RLIM_INFINITY and most < sockets + 200:
        raise Missing(f"{sockets:,} sockets need more open files than this account may have ({most:,}): raise its hard limit (ulimit -Hn)")
