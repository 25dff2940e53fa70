"""PostgreSQL: append, eight writers and loading, against the eventsourcing library, Emmett, and bare psycopg with the same rows."""

import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from bench import servers
from bench.measure import Line, Round, Turn, race, timed
from bench.ours import Account, Ledger

LIBRARY = "eventsourcing 9.5.6"
EMMETT = "Emmett 0.42"
BARE = "bare psycopg, same rows"
ENTRIES = 1000
APPENDS = 50  # a turn
WRITES = 25  # a turn and writer
WRITERS = 8
LOADS = 4  # a turn


class Peer(NamedTuple):
    """The three turns of a peer on its own database."""

    append: Turn
    writers: Turn
    load: Turn


type OpenPeer = Callable[[], contextlib.AbstractContextManager[Peer]]


@contextlib.contextmanager
def trimaran() -> Iterator[Peer]:
    """Ours."""
    from providers.postgres.events import PostgresEventStore

    with servers.postgres() as url, contextlib.closing(PostgresEventStore(url, "bench")) as store:
        ledger = Ledger(store)
        ledger.prepare(["long"], ENTRIES)
        one, eight = Account("a"), [Account(f"w{number}") for number in range(WRITERS)]

        def load() -> None:
            for _ in range(LOADS):
                ledger.load("long", ENTRIES)

        yield Peer(timed(lambda: ledger.append(one, APPENDS)), timed(lambda: ledger.writers(eight, WRITES)), timed(load))


@contextlib.contextmanager
def library() -> Iterator[Peer]:
    """The eventsourcing library in its default mode (table lock)."""
    from bench.peers import library as peer

    with servers.postgres() as url, contextlib.closing(peer.on_postgres(url)) as theirs:
        long = peer.opened(theirs, ENTRIES - 1)
        one, *eight = [peer.Account("someone") for _ in range(1 + WRITERS)]
        theirs.save(one, *eight)

        def load() -> None:
            for _ in range(LOADS):
                assert theirs.repository.get(long).version == ENTRIES

        yield Peer(
            timed(lambda: peer.append(theirs, one, APPENDS)),
            timed(lambda: peer.writers(theirs, eight, WRITES)),
            timed(load),
        )


@contextlib.contextmanager
def emmett() -> Iterator[Peer]:
    """Emmett, timed by its own clock."""
    from bench.peers import emmett as peer

    with servers.postgres() as url, peer.running(url) as theirs:
        theirs.order("prepare", stream="account-long", events=ENTRIES)
        eight = [f"account-w{number}" for number in range(WRITERS)]
        yield Peer(
            lambda: theirs.order("append", stream="account-a", times=APPENDS),
            lambda: theirs.order("writers", streams=eight, times=WRITES),
            lambda: sum(theirs.order("load", stream="account-long", events=ENTRIES) for _ in range(LOADS)),
        )


@contextlib.contextmanager
def bare() -> Iterator[Peer]:
    """The same rows by hand."""
    from bench.peers import bare_postgres as peer

    with servers.postgres() as url, contextlib.closing(peer.Store(url, WRITERS)) as store:
        store.prepare("account-long", ENTRIES)

        def load() -> None:
            for _ in range(LOADS):
                store.load("account-long", ENTRIES)

        yield Peer(
            timed(lambda: store.append("account-a", APPENDS)),
            timed(lambda: store.writers([f"account-w{number}" for number in range(WRITERS)], WRITES)),
            timed(load),
        )


def against(peer: OpenPeer, which: int, work: int, turns: int) -> Callable[[], contextlib.AbstractContextManager[Round]]:
    """One of the three turns, ours against a peer's."""

    @contextlib.contextmanager
    def opened() -> Iterator[Round]:
        with trimaran() as ours, peer() as theirs:
            for _ in range(5):  # connections, plans, and the peer's compiler
                ours[which]()
                theirs[which]()
            yield race(ours[which], theirs[which], work=work, turns=turns)

    return opened


def lines_against(peer: OpenPeer, name: str, suffix: str, goals: tuple[float, float, float]) -> Iterator[Line]:
    """The three lines against one peer."""
    append_goal, writers_goal, load_goal = goals
    yield Line(f"postgres-append-1{suffix}", append_goal, "higher", name, "events/s", against(peer, 0, APPENDS, 8))
    yield Line(f"postgres-8-writers{suffix}", writers_goal, "higher", name, "events/s", against(peer, 1, WRITERS * WRITES, 4))
    yield Line(f"postgres-load-1000{suffix}", load_goal, "higher", name, "events/s", against(peer, 2, LOADS * ENTRIES, 6))


LINES = (
    *lines_against(library, LIBRARY, "", (2.4, 3.6, 15)),
    *lines_against(bare, BARE, "-vs-bare", (0.85, 0.85, 0.85)),
    *lines_against(emmett, EMMETT, "-vs-emmett", (2.4, 2.4, 3)),
)
