"""What sagas still want sent, in PostgreSQL: commands and durable timers in the order they become ready, and green's held ones."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from providers.postgres.database import Connection
from providers.postgres.rows_database import RowDatabase
from providers.postgres.rows_due import CLOCK, DUE
from providers.postgres.rows_values import AT_ONCE, integers, moments, numbers, texts
from runtime.ports import Output

type Statement = tuple[str, Sequence[Any]]

_COLUMNS = "saga, key, stream, version, n, command, tenant, due, generation, tries, error, stuck"
_KEYS = "unnest(%s::text[], %s::text[], %s::bigint[], %s::int[]) u (saga, stream, version, n)"
_THESE = "o.generation = 0 AND o.saga = u.saga AND o.stream = u.stream AND o.version = u.version AND o.n = u.n"


def putting(outputs: Sequence[Output]) -> Statement:
    """Store those that are not there."""
    text = (
        f"INSERT INTO {{s}}.read_outputs ({_COLUMNS}, ready) SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bigint[],"
        " %s::int[], %s::text[], %s::text[], %s::timestamptz[], %s::int[], %s::int[], %s::text[], %s::boolean[], %s::timestamptz[])"
        " ON CONFLICT DO NOTHING"
    )
    return text, (
        texts([one.saga for one in outputs]),
        texts([one.key for one in outputs]),
        texts([one.stream for one in outputs]),
        integers([one.version for one in outputs]),
        integers([one.n for one in outputs]),
        texts([one.command.decode() for one in outputs]),
        texts([one.tenant for one in outputs]),
        moments([one.due for one in outputs]),
        integers([one.generation for one in outputs]),
        integers([one.tries for one in outputs]),
        texts([one.error for one in outputs]),
        numbers([one.stuck for one in outputs]),
        moments([one.due or AT_ONCE for one in outputs]),
    )


def dropping_timers(ended: Sequence[tuple[str, str]], generation: int) -> Statement:
    """The saga ended: what waits for an instant goes."""
    text = "DELETE FROM {s}.read_outputs o USING unnest(%s::text[], %s::text[]) u (saga, key)"
    text += " WHERE o.saga = u.saga AND o.key = u.key AND o.generation = %s AND o.due IS NOT NULL"
    sagas, keys = zip(*ended, strict=True)
    return text, (texts(sagas), texts(keys), generation)


def releasing(sagas: Sequence[str], generation: int, gid: int) -> list[Statement]:
    """Held outputs beyond the watermarks of `gid` become real, the rest go."""
    held = "o.saga = ANY(%s::text[]) AND o.generation = %s"
    known_or_real = (
        "o.version <= coalesce((SELECT w.version FROM {s}.read_watermarks w WHERE w.gid = %s AND w.stream = o.stream), 0)"
        " OR EXISTS (SELECT 1 FROM {s}.read_outputs r WHERE r.saga = o.saga AND r.generation = 0 AND r.stream = o.stream"
        " AND r.version = o.version AND r.n = o.n)"
    )
    names = texts(sagas)
    return [
        (f"DELETE FROM {{s}}.read_outputs o WHERE {held} AND ({known_or_real})", (names, generation, gid)),
        (f"UPDATE {{s}}.read_outputs o SET generation = 0 WHERE {held}", (names, generation)),
    ]


class Outbox:
    """The part of the ReadStore port that dispatchers and clocks use."""

    _database: RowDatabase

    def due(self, saga: str, now: datetime, limit: int) -> list[Output]:
        """In the order they became ready."""
        text = f"SELECT {_COLUMNS} FROM {{s}}.read_outputs WHERE saga = %s AND {DUE} <= %s ORDER BY ready, turn LIMIT %s"
        return self._outputs(text, (saga, now, limit))

    def outputs(self, saga: str, limit: int) -> list[Output]:
        """In the order they were put."""
        return self._outputs(f"SELECT {_COLUMNS} FROM {{s}}.read_outputs WHERE saga = %s ORDER BY turn LIMIT %s", (saga, limit))

    def _outputs(self, text: str, values: Sequence[Any]) -> list[Output]:
        return [_output(row) for row in self._rows(text, values)]

    def sent(self, outputs: Sequence[Output]) -> None:
        """They go."""
        if outputs:
            self._do(f"DELETE FROM {{s}}.read_outputs o USING {_KEYS} WHERE {_THESE}", _keys(outputs))

    def failed(self, output: Output, error: str, retry_at: datetime | None) -> None:
        """Later, or stuck."""
        text = (
            "UPDATE {s}.read_outputs o SET tries = tries + 1, error = %s, stuck = %s, ready = greatest(%s::timestamptz, due)"
            f" FROM {_KEYS} WHERE {_THESE}"
        )
        self._do(text, (error, retry_at is None, retry_at or AT_ONCE, *_keys([output])), retry=False)

    def unstick(self, saga: str, outputs: Sequence[Output]) -> None:
        """From zero tries."""
        text = (
            "UPDATE {s}.read_outputs o SET tries = 0, error = '', stuck = false, ready = coalesce(due, %s)"
            f" FROM {_KEYS} WHERE {_THESE} AND o.stuck"
        )
        self._do(text, (AT_ONCE, *_keys([output for output in outputs if output.saga == saga])))

    def put_outputs(self, outputs: Sequence[Output]) -> None:
        """Those that are not there."""
        if outputs:
            self._do(*putting(outputs))

    def next_due(self) -> datetime | None:
        """Over all sagas."""
        text = "SELECT min(due) FROM {s}.read_outputs WHERE generation = 0 AND NOT stuck AND due IS NOT NULL"
        due: datetime | None = self._rows(text, ())[0][0]
        return due

    def clock(self) -> datetime:
        """Its row, or the database's time."""
        now: datetime = self._rows(f"SELECT {CLOCK}", ())[0][0]
        return now

    def set_clock(self, now: datetime | None) -> None:
        """Never backwards."""
        if now is None:
            self._do("DELETE FROM {s}.read_clock", ())
            return
        text = "INSERT INTO {s}.read_clock AS c VALUES (1, %s) ON CONFLICT (one) DO UPDATE SET now = greatest(c.now, excluded.now)"
        self._do(text, (now,))

    def _rows(self, text: str, values: Sequence[Any]) -> list[Any]:
        return self._database.ask(lambda connection: connection.execute(self._database.sql(text), values).fetchall())

    def _do(self, text: str, values: Sequence[Any], *, retry: bool = True) -> None:
        def work(connection: Connection) -> None:
            connection.execute(self._database.sql(text), values)

        self._database.ask(work, retry=retry)


def _output(row: Sequence[Any]) -> Output:
    saga, key, stream, version, n, command, tenant, due, generation, tries, error, stuck = row
    return Output(saga, key, stream, version, n, command.encode(), tenant, due, generation, tries, error, stuck)


def _keys(outputs: Sequence[Output]) -> tuple[str, str, str, str]:
    return (
        texts([one.saga for one in outputs]),
        texts([one.stream for one in outputs]),
        integers([one.version for one in outputs]),
        integers([one.n for one in outputs]),
    )
