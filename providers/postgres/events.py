"""The event store in PostgreSQL, for any number of processes: one round trip per append, one per load, and no global lock."""

import contextlib
import struct
from collections.abc import Callable, Sequence
from typing import Any, cast

from psycopg import errors
from psycopg.pq.abc import PGresult

from providers.limits import check_append, check_key, check_restore, check_stream
from providers.postgres.database import TIMEOUT_S, Connection, Database
from providers.postgres.schema import APPEND, FIRST_EVENT, LOAD, MIGRATIONS, NEXT_EVENT, RECORDED
from providers.postgres.wire import Parameters, Statement, byteas, int8, integer, texts
from runtime.errors import Conflict, KeyReused, Rejected
from runtime.ports import Answer, Append, Head, KeptKey, Loaded, Recorded

LONG_S = 30.0  # the deadline of calls that page through the whole store

_HEAD = struct.Struct(">q")
_KEPT = struct.Struct(">qqi")


class PostgresEventStore:
    """One schema; `database` is shared with the snapshots and the relay beside it."""

    def __init__(self, url: str, namespace: str, timeout_s: float = TIMEOUT_S) -> None:
        """Open the schema `namespace`, making or migrating its tables. Raises `Misconfigured`, `Unavailable`."""
        self.database = Database(url, namespace, "events", MIGRATIONS, timeout_s)
        self.bells: list[Callable[[], None]] = []  # rung after every append
        self._append = Statement("append", self.database.sql(APPEND), 9)
        self._first_event = Statement("first_event", self.database.sql(FIRST_EVENT), 9)
        self._next_event = Statement("next_event", self.database.sql(NEXT_EVENT), 9)
        self._load = Statement("load", self.database.sql(LOAD), 3)

    def load(self, stream: str, key: str, after: int) -> Loaded:
        """See `EventStore.load`."""
        check_stream(stream)
        if key:
            check_key(key)
        parameters = (stream.encode(), key.encode(), int8(after))
        return _loaded(stream, self.database.call(lambda connection: self._load.run(connection, parameters), retry=True))

    def append(self, append: Append) -> Answer:
        """See `EventStore.append`."""
        check_append(append)
        outcome = _outcome(append, self.database.call(lambda connection: self._appended(connection, append), retry=False))
        if not isinstance(outcome, Answer):
            raise outcome
        self._ring()
        return outcome

    def append_all(self, appends: Sequence[Append]) -> list[Answer | Conflict | Rejected]:
        """See `EventStore.append_all`."""
        outcomes: dict[int, Answer | Conflict | Rejected] = {}
        for place, append in enumerate(appends):
            try:
                check_append(append)
            except Rejected as error:
                outcomes[place] = error
        # By stream, in every process alike, so that two of these never wait for each other's rows.
        places = sorted((place for place in range(len(appends)) if place not in outcomes), key=lambda place: appends[place].stream)
        if places:
            many = [_with_arrays(appends[place]) for place in places]
            results = self.database.call(lambda connection: self._append.run_all(connection, many), retry=False)
            outcomes |= {place: _outcome(appends[place], result) for place, result in zip(places, results, strict=True)}
            self._ring()
        return [outcomes[place] for place in range(len(appends))]

    def read(self, stream: str, after: int, limit: int) -> list[Recorded]:
        """See `EventStore.read`."""
        check_stream(stream)
        return self._recorded("stream = %s AND version > %s", (stream, after, limit))

    def bulk(self, after: Head, until: str, limit: int) -> list[Recorded]:
        """See `EventStore.bulk`."""
        place = (after.stream, after.version)
        if until:
            return self._recorded("(stream, version) > (%s, %s) AND stream < %s", (*place, until, limit))
        return self._recorded("(stream, version) > (%s, %s)", (*place, limit))

    def heads(self, after: str, limit: int) -> list[Head]:
        """See `EventStore.heads`."""
        sql = "SELECT stream, version FROM {s}.streams WHERE stream > %s ORDER BY stream LIMIT %s"
        return [Head(*row) for row in self._rows(sql, (after, limit))]

    def keys(self, after: tuple[str, str], limit: int) -> list[KeptKey]:
        """See `EventStore.keys`."""
        sql = "SELECT stream, key, digest, first, last, epoch FROM {s}.keys WHERE (stream, key) > (%s, %s) ORDER BY stream, key LIMIT %s"
        return [KeptKey(*row) for row in self._rows(sql, (*after, limit))]

    def epoch(self) -> int:
        """See `EventStore.epoch`."""
        return int(self._rows("SELECT epoch FROM {s}.meta", ())[0][0])

    def raise_epoch(self) -> int:
        """See `EventStore.raise_epoch`."""
        sql = self.database.sql("UPDATE {s}.meta SET epoch = epoch + 1 RETURNING epoch")

        def work(connection: Connection) -> Any:
            return connection.execute(sql).fetchall()

        return int(self.database.call(work, retry=False)[0][0])

    def restore(self, events: Sequence[Recorded], keys: Sequence[KeptKey]) -> None:
        """See `EventStore.restore`: all of it, or nothing when it raises."""
        from providers.postgres.restore import restore

        check_restore(events, keys)
        self.database.call(lambda connection: restore(connection, self.database, events, keys), retry=True, timeout_s=LONG_S)
        self._ring()

    def close(self) -> None:
        """See `EventStore.close`."""
        self.database.close()

    def _appended(self, connection: Connection, append: Append) -> PGresult:
        if len(append.events) == 1:
            (new,) = append.events
            usual = self._next_event if append.expected else self._first_event
            with contextlib.suppress(errors.UniqueViolation):  # the key is kept: nothing was stored
                result = usual.run(connection, _parameters(append, new.type.encode(), new.data))
                if result.ntuples:
                    return result
        return self._append.run(connection, _with_arrays(append))

    def _recorded(self, where: str, parameters: tuple[str | int, ...]) -> list[Recorded]:
        sql = f"SELECT {RECORDED} FROM {{s}}.events WHERE {where} ORDER BY stream, version LIMIT %s"
        return [Recorded(*row) for row in self._rows(sql, parameters)]

    def _rows(self, sql: str, parameters: tuple[str | int, ...]) -> list[Any]:
        text = self.database.sql(sql)
        return self.database.call(
            lambda connection: connection.execute(text, parameters, binary=True).fetchall(), retry=True, timeout_s=LONG_S
        )

    def _ring(self) -> None:
        for ring in self.bells:
            ring()


def _parameters(append: Append, types: bytes, datas: bytes) -> Parameters:
    return (
        append.stream.encode(),
        int8(append.expected),
        types,
        datas,
        append.key.encode(),
        append.digest,
        append.cause.encode(),
        append.trace.encode(),
        append.time.encode(),
    )


def _with_arrays(append: Append) -> Parameters:
    return _parameters(append, texts([new.type for new in append.events]), byteas([new.data for new in append.events]))


def _outcome(append: Append, result: PGresult) -> Answer | Conflict | Rejected:
    outcome, last = integer(result.get_value(0, 0)), integer(result.get_value(0, 2))
    if outcome == 2:
        return Conflict(append.stream, append.expected, last)
    if outcome == 3:
        return KeyReused(append.stream, append.key)
    return Answer(append.stream, integer(result.get_value(0, 1)), last, integer(result.get_value(0, 3)), outcome == 1)


def _loaded(stream: str, result: PGresult) -> Loaded:
    get = result.get_value
    first = get(0, 1)
    assert first is not None
    data = cast(list[bytes], [get(row, 1) for row in range(1, result.ntuples)])
    (head,) = _HEAD.unpack_from(first)
    if len(first) == _HEAD.size:
        return Loaded(head, data)
    kept_first, kept_last, epoch = _KEPT.unpack_from(first, _HEAD.size)
    return Loaded(head, data, Answer(stream, kept_first, kept_last, epoch, True), first[_HEAD.size + _KEPT.size :])
