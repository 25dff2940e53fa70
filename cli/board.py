"""The live board of the demo: throughput, lag, and the worst delays of flights that are in the air now.

The flights come as signals, as a subscriber hears them; when signals were dropped, or at the start, the rows are read.
"""

import time
from collections import deque
from heapq import nlargest
from typing import Any

import msgspec
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from hosts.feed import Fed, Feed
from hosts.local import Local
from hosts.timeline import begin, last_due
from runtime.domain.filters import Compare, Order, Query
from runtime.domain.rows import as_json
from runtime.flow.reading import Reading
from runtime.steps import run

WORST = 12
REFRESH_S = 0.25
WINDOW_S = 3.0


class Aloft:
    """Flights that left and have not arrived."""

    def __init__(self, local: Local) -> None:
        self._reading = Reading(local.app, local.rows)
        self._listener = local.signals.listen()
        self._flights: dict[str, dict[str, Any]] = {}
        self._decode = msgspec.json.Decoder(dict[str, Any]).decode

    def __enter__(self) -> "Aloft":
        self._listener.__enter__()
        self._read()
        return self

    def __exit__(self, *error: object) -> None:
        self._listener.__exit__(*error)

    def _read(self) -> None:
        query = Query(Compare("status", "eq", "departed"), (Order("dep_delay", descending=True),), first=200)
        columns = self._reading.columns("board").columns
        _, page = run(self._reading.query("board", query))
        self._flights = {}
        for key, row in page.rows:
            self._flights[key] = as_json(columns, row.values) or {}

    def refresh(self) -> None:
        """Take what was signalled since."""
        if self._listener.overrun():
            while self._listener.take(10_000, 0.0):
                pass
            self._read()
        for signal in self._listener.take(10_000, 0.0):
            if signal.part != "board":
                continue
            row = self._decode(signal.after) if signal.after else {}
            if row.get("status") == "departed":
                self._flights[signal.key] = row
            else:
                self._flights.pop(signal.key, None)

    def worst(self) -> list[dict[str, Any]]:
        """The latest leavers."""
        return nlargest(WORST, self._flights.values(), key=lambda row: row["dep_delay"])

    def __len__(self) -> int:
        return len(self._flights)


class LiveBoard:
    """A context manager that draws as the feed goes; call `show` as often as you like."""

    def __init__(self, local: Local, feed: Feed) -> None:
        self._local, self._feed = local, feed
        self._aloft = Aloft(local)
        self._live = Live(console=Console(), refresh_per_second=4, transient=False)
        self._shown_s = 0.0
        self._rates: deque[tuple[float, int]] = deque()

    def __enter__(self) -> "LiveBoard":
        self._aloft.__enter__()
        self._live.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.show(self._feed.fed, force=True)
        self._live.__exit__(None, None, None)
        self._aloft.__exit__(*error)

    def show(self, fed: Fed, *, force: bool = False) -> None:
        """Draw, unless that was a moment ago."""
        now = time.monotonic()
        if force or now - self._shown_s >= REFRESH_S:
            self._shown_s = now
            self._aloft.refresh()
            self._live.update(self._drawn(fed, now))

    def _drawn(self, fed: Fed, now: float) -> RenderableType:
        self._rates.append((now, fed.commands))
        while self._rates[0][0] < now - WINDOW_S and len(self._rates) > 2:
            self._rates.popleft()
        (_, before), span = self._rates[0], now - self._rates[0][0]
        rate = (fed.commands - before) / span if span > 0 else 0.0
        lag = self._local.lag()
        flagged = sum(dispatcher.sent for dispatcher in self._local.dispatchers.values())
        head = Text()
        head.append(f"{fed.at:%a %d %b %Y %H:%M} UTC" if fed.at else "catching up", style="bold")
        head.append(f"   {self._part(fed):.0%} of {self._feed.first} to {self._feed.last}\n")
        head.append(f"{rate:,.0f} commands/s   {fed.commands:,} so far   {flagged:,} late checks sent   lag ")
        head.append("  ".join(f"{group} {count:,}" for group, count in lag.items()), style="yellow" if any(lag.values()) else "green")
        return Group(head, self._table())

    def _part(self, fed: Fed) -> float:
        whole = (last_due(self._feed.last) - begin(self._feed.first)).total_seconds()
        done = (fed.at - begin(self._feed.first)).total_seconds() if fed.at else 0.0
        return min(1.0, max(0.0, done / whole))

    def _table(self) -> Table:
        table = Table(title=f"worst delays of {len(self._aloft):,} flights in the air", title_justify="left")
        for column in ("flight", "from", "to", "scheduled"):
            table.add_column(column)
        table.add_column("late by", justify="right")
        table.add_column("flagged")
        for row in self._aloft.worst():
            late = row["dep_delay"]
            style = "red" if late > 60 else "yellow" if late > 15 else "green"
            flight = f"{row['carrier']} {row['number']}"
            hours = f"{late // 60}:{late % 60:02}" if late >= 0 else f"{late} min"
            flagged = "late" if row["flagged"] else ""
            table.add_row(
                flight, row["origin"], row["destination"], str(row["scheduled"])[:16].replace("T", " "), hours, flagged, style=style
            )
        return table
