"""What sagas still want sent, in SQLite: commands and durable timers in the order they become ready, and green's held ones."""

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

import msgspec

from providers.sqlite.rows_database import RowDatabase
from providers.sqlite.rows_values import AT_ONCE, instant_of, micros
from runtime.ports import Output

_COLUMNS = "saga, key, stream, version, n, command, tenant, due, generation, tries, error, stuck"
_THIS = "saga = ? AND generation = 0 AND stream = ? AND version = ? AND n = ?"


def put(connection: sqlite3.Connection, outputs: Iterable[Output]) -> None:
    """Store those that are not there."""
    connection.executemany(
        f"INSERT INTO read_outputs ({_COLUMNS}, ready) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [_columns(output) for output in outputs],
    )


def drop_timers(connection: sqlite3.Connection, ended: Sequence[tuple[str, str]], generation: int) -> None:
    """The saga ended: what waits for an instant goes."""
    connection.executemany(
        "DELETE FROM read_outputs WHERE saga = ? AND key = ? AND generation = ? AND due IS NOT NULL",
        [(saga, key, generation) for saga, key in ended],
    )


def release(connection: sqlite3.Connection, sagas: Sequence[str], generation: int, gid: int) -> None:
    """Held outputs beyond the watermarks of `gid` become real, the rest go."""
    held = "saga IN (SELECT value FROM json_each(?)) AND generation = ?"
    names = msgspec.json.encode(sagas).decode()
    connection.execute(
        f"DELETE FROM read_outputs WHERE {held} AND (version <= coalesce((SELECT w.version FROM read_watermarks w"
        " WHERE w.gid = ? AND w.stream = read_outputs.stream), 0) OR EXISTS (SELECT 1 FROM read_outputs o WHERE o.saga = read_outputs.saga"
        " AND o.generation = 0 AND o.stream = read_outputs.stream AND o.version = read_outputs.version AND o.n = read_outputs.n))",
        (names, generation, gid),
    )
    connection.execute(f"UPDATE read_outputs SET generation = 0 WHERE {held}", (names, generation))


def _columns(output: Output) -> tuple[object, ...]:
    due = None if output.due is None else micros(output.due)
    ready = AT_ONCE if due is None else due
    return (
        *(output.saga, output.key, output.stream, output.version, output.n, output.command, output.tenant, due),
        *(output.generation, output.tries, output.error, output.stuck, ready),
    )


def _output(row: Sequence[object]) -> Output:
    values = list(row)
    values[7] = None if row[7] is None else instant_of(row[7])  # type: ignore[arg-type]
    values[11] = bool(row[11])
    return Output(*values)  # type: ignore[arg-type]


class Outbox:
    """The part of the ReadStore port that dispatchers and clocks use."""

    _database: RowDatabase

    def due(self, saga: str, now: datetime, limit: int) -> list[Output]:
        """In the order they became ready."""
        text = (
            f"SELECT {_COLUMNS} FROM read_outputs WHERE saga = ? AND generation = 0 AND stuck = 0 AND ready <= ?"
            " ORDER BY ready, turn LIMIT ?"
        )
        return self._outputs(text, (saga, micros(now), limit))

    def outputs(self, saga: str, limit: int) -> list[Output]:
        """In the order they were put."""
        return self._outputs(f"SELECT {_COLUMNS} FROM read_outputs WHERE saga = ? ORDER BY turn LIMIT ?", (saga, limit))

    def _outputs(self, text: str, values: tuple[object, ...]) -> list[Output]:
        return self._database.read(lambda connection: [_output(row) for row in connection.execute(text, values)])

    def sent(self, outputs: Sequence[Output]) -> None:
        """They go."""
        if outputs:
            self._write(lambda c: c.executemany(f"DELETE FROM read_outputs WHERE {_THIS}", [_key(output) for output in outputs]))

    def failed(self, output: Output, error: str, retry_at: datetime | None) -> None:
        """Later, or stuck."""
        again = AT_ONCE if retry_at is None else micros(retry_at)
        self._write(
            lambda c: c.execute(
                f"UPDATE read_outputs SET tries = tries + 1, error = ?, stuck = ?, ready = max(?, coalesce(due, ?)) WHERE {_THIS}",
                (error, retry_at is None, again, AT_ONCE, *_key(output)),
            )
        )

    def unstick(self, saga: str, outputs: Sequence[Output]) -> None:
        """From zero tries."""
        text = f"UPDATE read_outputs SET tries = 0, error = '', stuck = 0, ready = coalesce(due, ?) WHERE {_THIS} AND stuck = 1"
        self._write(lambda c: c.executemany(text, [(AT_ONCE, *_key(output)) for output in outputs if output.saga == saga]))

    def put_outputs(self, outputs: Sequence[Output]) -> None:
        """Those that are not there."""
        self._write(lambda c: put(c, outputs))

    def next_due(self) -> datetime | None:
        """Over all sagas."""
        text = "SELECT min(due) FROM read_outputs WHERE generation = 0 AND stuck = 0 AND due IS NOT NULL"
        (due,) = self._database.read(lambda c: c.execute(text).fetchone())
        return None if due is None else instant_of(due)

    def clock(self) -> datetime:
        """Its row, or this machine's time, which is the database's."""
        row = self._database.read(lambda c: c.execute("SELECT now FROM read_clock").fetchone())
        return datetime.now(UTC) if row is None else instant_of(row[0])

    def set_clock(self, now: datetime | None) -> None:
        """Never backwards."""
        if now is None:
            self._write(lambda c: c.execute("DELETE FROM read_clock"))
            return
        value = micros(now)
        text = "INSERT INTO read_clock VALUES (1, ?) ON CONFLICT DO UPDATE SET now = max(now, excluded.now)"
        self._write(lambda c: c.execute(text, (value,)))

    def _write(self, work: Callable[[sqlite3.Connection], object]) -> None:
        self._database.write(work)


def _key(output: Output) -> tuple[object, ...]:
    return output.saga, output.stream, output.version, output.n
