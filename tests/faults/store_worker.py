"""What a child process of the store's fault tests does: `python -m tests.faults.store_worker ROLE TARGET …`.

TARGET is `sqlite:PATH` or a PostgreSQL URL. A worker says "ready", waits for a line, works, and says what happened as JSON
lines: an acknowledgement is a line, so that whoever kills the worker knows what it was promised.
"""

import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any

from runtime.errors import Conflict
from runtime.ports import Append, EventStore, New
from tests.conformance.appends import append


def store_on(target: str) -> EventStore:
    """The store at `target`; imports only what it needs, since many of these are started."""
    if target.startswith("sqlite:"):
        from providers.sqlite.events import SqliteEventStore

        return SqliteEventStore(target.removeprefix("sqlite:"))
    from providers.postgres.events import PostgresEventStore

    return PostgresEventStore(target, "conformance")


def say(**fields: Any) -> None:
    """One JSON line, flushed."""
    os.write(1, json.dumps(fields).encode() + b"\n")  # in one piece, whatever other threads say


def race(store: EventStore, name: str, count: str) -> None:
    """Append at every version of one stream that is thought to be the head, up to `count`."""
    version, wins, conflicts = 0, 0, 0
    while version < int(count):
        try:
            version = store.append(append("contested", version, name, key=f"{name}-{version}")).last
            wins += 1
        except Conflict as conflict:
            version = conflict.actual
            conflicts += 1
    say(wins=wins, conflicts=conflicts)


def duplicate(store: EventStore, first: str, last: str) -> None:
    """Send the same commands as the other processes do, and say every reply."""
    for number in range(int(first), int(last)):
        answer = store.append(append(f"d-{number}", 0, f"command {number}", key=f"command-{number}"))
        say(stream=answer.stream, first=answer.first, last=answer.last)


def write(store: EventStore, name: str, count: str) -> None:
    """In three threads, append three events at a time to a few streams each, and acknowledge each append after it returned."""

    def thread(name: str) -> None:
        heads: dict[str, int] = {}
        for number in range(int(count)):
            stream = f"{name}-{number % 5}"
            sent = triple(stream, heads.get(stream, 0), f"{name}-{number}")
            heads[stream] = store.append(sent).last
            say(key=sent.key, stream=stream, last=heads[stream])

    threads = [threading.Thread(target=thread, args=(f"{name}{number}",)) for number in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def single(store: EventStore, name: str, count: str) -> None:
    """Append one event at a time to a few streams."""
    for number in range(int(count)):
        store.append(append(f"{name}-{number % 7}", number // 7, str(number), key=f"{name}-{number}"))
    say(written=int(count))


def die(store: EventStore, point: str, stream: str) -> None:
    """Append once and kill this very process at a point of it: before the n-th statement (SQLite) or wait (PostgreSQL)."""
    arm(store, int(point))
    store.append(triple(stream, 0, stream))
    say(key=stream)


def triple(stream: str, expected: int, key: str) -> Append:
    """Three events that must be stored together."""
    return Append(stream, expected, tuple(New("Noted", f"{key}/{part}".encode()) for part in range(3)), key, key.encode())


class Doomed:
    """An SQLite connection whose `execute` is another."""

    def __init__(self, connection: Any, execute: Callable[..., Any]) -> None:
        self._connection = connection
        self.execute = execute

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def arm(store: Any, point: int) -> None:
    """Let this process die before its n-th statement (SQLite) or its n-th wait for an answer (PostgreSQL)."""
    calls = iter(range(point))

    def doomed(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **options: Any) -> Any:
            if next(calls, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return counted

    connection = getattr(store.database, "_writer", None)
    if connection is not None:
        store.database._writer = Doomed(connection, doomed(connection.execute))
    else:
        from providers.postgres.database import Connection

        Connection.wait = doomed(Connection.wait)  # type: ignore[method-assign]


ROLES: dict[str, Callable[..., None]] = {"race": race, "duplicate": duplicate, "write": write, "single": single, "die": die}


def main() -> None:
    """Run one role."""
    role, target, *arguments = sys.argv[1:]
    store = store_on(target)
    say(ready=True)
    sys.stdin.readline()
    ROLES[role](store, *arguments)
    store.close()


if __name__ == "__main__":
    main()
