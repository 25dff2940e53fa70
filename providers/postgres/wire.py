"""Prepared statements straight over libpq, for the few calls that every command makes.

psycopg's cursor costs about as much as a short round trip on one machine. These calls know their types, so they skip it: binary
parameters in, raw result out. Everything still waits through `Connection.wait`, that is, with a deadline.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from psycopg import errors
from psycopg.abc import PQGen
from psycopg.errors import error_from_result
from psycopg.generators import execute
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult
from psycopg.waiting import Ready, Wait

from providers.postgres.database import Connection

_INT8 = struct.Struct(">q")
_TEXT_OID, _BYTEA_OID = 25, 17
_BINARY = 1
_SENT_AT_ONCE = 50  # pipelined statements put into libpq's buffer before it is flushed

type Parameters = Sequence[bytes]


class Statement:
    """A statement that is prepared once per connection and takes binary parameters."""

    def __init__(self, name: str, sql: str, parameters: int) -> None:
        self.name, self.sql = name.encode(), sql.encode()
        self.formats = [_BINARY] * parameters

    def run(self, connection: Connection, parameters: Parameters) -> PGresult:
        """One execution, one round trip; raises psycopg's error for what the server refused."""

        def once() -> PGresult:
            self._send(connection.pgconn, parameters)
            return _rows(connection.wait(execute(connection.pgconn))[-1])

        return self._prepared(connection, once)

    def run_all(self, connection: Connection, many: Sequence[Parameters]) -> list[PGresult]:
        """Many executions in one round trip and, since no commit is sent in between, in one transaction."""
        pgconn = connection.pgconn

        def sends() -> Iterator[Callable[[], None]]:
            for parameters in many:
                yield lambda parameters=parameters: self._send(pgconn, parameters)  # type: ignore[misc]
            yield pgconn.pipeline_sync

        def once() -> list[PGresult]:
            pgconn.enter_pipeline_mode()
            results = connection.wait(_pipelined(pgconn, sends()))
            pgconn.exit_pipeline_mode()
            for result in results:
                if result.status != ExecStatus.PIPELINE_ABORTED:  # the first error says why, and the server rolled all of it back
                    _rows(result)
            return results

        return self._prepared(connection, once)

    def _send(self, pgconn: PGconn, parameters: Parameters) -> None:
        pgconn.send_query_prepared(self.name, parameters, self.formats, result_format=_BINARY)

    def _prepared[T](self, connection: Connection, once: Callable[[], T]) -> T:
        if self.name not in connection.prepared:
            self._prepare(connection)
        try:
            return once()
        except errors.InvalidSqlStatementName:  # psycopg forgets all statements after a rollback, ours too; nothing was done
            self._prepare(connection)
            return once()

    def _prepare(self, connection: Connection) -> None:
        connection.pgconn.send_prepare(self.name, self.sql)
        _rows(connection.wait(execute(connection.pgconn))[-1])
        connection.prepared.add(self.name)


def int8(value: int) -> bytes:
    """An int8 parameter."""
    return _INT8.pack(value)


def integer(value: bytes | None) -> int:
    """An integer column of a result."""
    assert value is not None
    return int.from_bytes(value, "big", signed=True)


def texts(values: Sequence[str]) -> bytes:
    """A text[] parameter."""
    return _array(_TEXT_OID, [value.encode() for value in values])


def byteas(values: Sequence[bytes]) -> bytes:
    """A bytea[] parameter."""
    return _array(_BYTEA_OID, values)


def _array(oid: int, values: Sequence[bytes]) -> bytes:
    if not values:
        return struct.pack(">iii", 0, 0, oid)
    parts = [struct.pack(">iiiii", 1, 0, oid, len(values), 1)]  # one dimension, no nulls, counted from 1
    for value in values:
        parts += (len(value).to_bytes(4, "big"), value)
    return b"".join(parts)


def _rows(result: PGresult) -> PGresult:
    if result.status in (ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK):
        return result
    raise error_from_result(result)


def _pipelined(pgconn: PGconn, sends: Iterator[Callable[[], None]]) -> PQGen[list[PGresult]]:
    """Send while receiving, so that neither side's buffers fill up and block; ends at the sync."""
    results: list[PGresult] = []
    sending = True
    while True:
        ready = yield (Wait.RW if sending else Wait.R)
        if ready & Ready.W:
            some = list(islice(sends, _SENT_AT_ONCE))
            for send in some:
                send()
            sending = pgconn.flush() != 0 or bool(some)
        if ready & Ready.R:
            pgconn.consume_input()
            while not pgconn.is_busy():
                result = pgconn.get_result()
                if result is None:  # the end of one statement's results
                    continue
                if result.status == ExecStatus.PIPELINE_SYNC:
                    return results
                results.append(result)
