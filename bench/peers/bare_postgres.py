"""Bare psycopg on PostgreSQL: the same rows as the event store's in one statement, one connection a writer, no class in between.

The tables are made by the event store itself; from there on nothing of it is used.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import blake2b
from os import urandom
from typing import Any

import msgspec
import psycopg

from bench.domain import Account, Entered, entered, evolve
from bench.peers.library import in_threads

NAMESPACE = "bare"

APPEND = f"""
WITH head AS (
    INSERT INTO {NAMESPACE}.streams (stream, version, unpublished) VALUES (%(stream)s, %(version)s, %(version)s)
    ON CONFLICT (stream) DO UPDATE SET version = excluded.version, unpublished = coalesce(streams.unpublished, excluded.unpublished)
        WHERE streams.version = excluded.version - 1
    RETURNING version),
kept AS (
    INSERT INTO {NAMESPACE}.keys SELECT %(stream)s, %(key)s, %(digest)s, version - 1, version, 1 FROM head)
INSERT INTO {NAMESPACE}.events
    SELECT %(stream)s, version, 'Entered', %(key)s, '', '', %(time)s, 1, '', '', %(data)s FROM head RETURNING version
"""
LOAD = f"SELECT data FROM {NAMESPACE}.events WHERE stream = %s ORDER BY version"

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Entered).decode


class Store:
    """So many connections; the first serves append and load."""

    def __init__(self, url: str, connections: int) -> None:
        from providers.postgres.events import PostgresEventStore

        PostgresEventStore(url, NAMESPACE).close()
        self._connections = [psycopg.connect(url, autocommit=True) for _ in range(connections)]
        self._versions: dict[str, int] = {}

    def append(self, stream: str, times: int, connection: int = 0) -> None:
        """Append one event at a time, each durable before the next."""
        execute = self._connections[connection].execute
        version = self._versions.get(stream, 0)
        for amount in range(times):
            data = _encode(entered(stream, amount))
            given: dict[str, Any] = {
                "stream": stream,
                "version": version + 1,
                "key": urandom(16).hex(),
                "digest": blake2b(data, digest_size=16).digest(),
                "time": datetime.now(UTC).isoformat(),
                "data": data,
            }
            row = execute(APPEND, given, prepare=True, binary=True).fetchone()
            if row is None:
                raise RuntimeError(f"{stream} is not at version {version}")
            version = row[0]
        self._versions[stream] = version

    def writers(self, streams: Sequence[str], times: int) -> None:
        """One thread and connection per stream."""
        in_threads([lambda place=place, stream=stream: self.append(stream, times, place) for place, stream in enumerate(streams)])  # type: ignore[misc]

    def load(self, stream: str, entries: int) -> None:
        """The account folded from its events."""
        account = Account()
        for (data,) in self._connections[0].execute(LOAD, (stream,), prepare=True, binary=True):
            account = evolve(account, _decode(data))
        assert account.entries == entries, account

    def prepare(self, stream: str, entries: int) -> None:
        """A stream of so many events."""
        with self._connections[0].transaction():
            self.append(stream, entries)

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            connection.close()
