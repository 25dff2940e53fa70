"""SQLite, durable: append, command, concurrent writers and loading, against the eventsourcing library."""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.measure import Line, Round, race, timed
from bench.ours import Account, Ledger

PEER = "eventsourcing 9.5.6"


@contextlib.contextmanager
def ledger() -> Iterator[tuple[Ledger, Path]]:
    """Ours on a fresh SQLite file, and the folder it is in."""
    from providers.sqlite.events import SqliteEventStore

    with tempfile.TemporaryDirectory(prefix="trimaran-bench-") as folder:
        store = SqliteEventStore(str(Path(folder) / "ours.db"))
        try:
            yield Ledger(store), Path(folder)
        finally:
            store.close()


@contextlib.contextmanager
def append_1() -> Iterator[Round]:
    """Append one event to a stream in hand; durable before the next."""
    from bench.peers import library

    with ledger() as (ours, folder), contextlib.closing(library.on_sqlite(folder / "library.db")) as theirs:
        account, theirs_account = Account("a"), library.Account("someone")
        theirs.save(theirs_account)
        ours.append(account, 20)
        library.append(theirs, theirs_account, 20)
        yield race(
            timed(lambda: ours.append(account, 50)),
            timed(lambda: library.append(theirs, theirs_account, 50)),
            work=50,
            turns=10,
        )


@contextlib.contextmanager
def load_10_append_1() -> Iterator[Round]:
    """A whole command on an account with ten entries."""
    from bench.peers import library

    with ledger() as (ours, folder), contextlib.closing(library.on_sqlite(folder / "library.db")) as theirs:
        ids = [f"a{number}" for number in range(4000)]
        ours.prepare(ids, 10)
        mine = iter(ids)
        yours = iter([library.opened(theirs, 9) for _ in range(4000)])

        def peer() -> None:
            for _ in range(20):
                library.command(theirs, next(yours))

        def us() -> None:
            for _ in range(20):
                ours.command(next(mine))

        yield race(timed(us), timed(peer), work=20, turns=10)


@contextlib.contextmanager
def eight_writers() -> Iterator[Round]:
    """Eight threads, each appending to its own stream, one durable event at a time."""
    from bench.peers import library

    with ledger() as (ours, folder), contextlib.closing(library.on_sqlite(folder / "library.db")) as theirs:
        mine = [Account(f"w{number}") for number in range(8)]
        yours = [library.Account("someone") for _ in range(8)]
        for account in yours:
            theirs.save(account)
        ours.writers(mine, 10)
        library.writers(theirs, yours, 10)
        yield race(
            timed(lambda: ours.writers(mine, 50)),
            timed(lambda: library.writers(theirs, yours, 50)),
            work=400,
            turns=3,
        )


def load(entries: int) -> Callable[[], contextlib.AbstractContextManager[Round]]:
    """Fold an account of so many entries."""

    @contextlib.contextmanager
    def opened() -> Iterator[Round]:
        from bench.peers import library

        with ledger() as (ours, folder), contextlib.closing(library.on_sqlite(folder / "library.db")) as theirs:
            ours.prepare(["a"], entries)
            id = library.opened(theirs, entries - 1)
            times = max(1, 2000 // entries)

            def us() -> None:
                for _ in range(times):
                    ours.load("a", entries)

            def peer() -> None:
                for _ in range(times):
                    assert theirs.repository.get(id).version == entries

            us()
            yield race(timed(us), timed(peer), work=times * entries, turns=4)

    return opened


LINES = (
    Line("sqlite-append-1", 1.3, "higher", PEER, "events/s", append_1),
    Line("sqlite-load10-append1", 3.3, "higher", PEER, "commands/s", load_10_append_1, rounds_max=15),
    Line("sqlite-8-writers", 4.8, "higher", PEER, "events/s", eight_writers),
    Line("sqlite-load-100", 20, "higher", PEER, "events/s", load(100)),
    Line("sqlite-load-1000", 20, "higher", PEER, "events/s", load(1000)),
    Line("sqlite-load-10000", 20, "higher", PEER, "events/s", load(10_000)),
)
