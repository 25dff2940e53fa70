"""A week of real flights on Kafka and PostgreSQL, projectors and the saga's process killed every few seconds: the tables are exact.

What they have to be is computed from the csv alone (`hosts.audit`), without a line of projector code. `trimaran test --full`
flies four weeks.
"""

import threading
import time
from datetime import date, timedelta

import pytest

from apps import flights
from hosts.audit import audit
from hosts.feed import Feed
from runtime.errors import TrimaranError
from tests.processes.figures import report
from tests.processes.fleet import Process, until
from tests.processes.sea import Sea, at_sea
from tests.rounds import amount

FIRST = date(2013, 1, 1)
SAGA = "flagging"


class Flying(threading.Thread):
    """Feeds the days, beside the killing; the clock follows the saga."""

    def __init__(self, sea: Sea, last: date) -> None:
        super().__init__(daemon=True)
        ports = sea.ports
        self._feed = Feed(ports.commands, ports.store, ports.rows, FIRST, last, follow=self._followed)
        self._sea, self._failure, self.stop = sea, list[Exception](), threading.Event()
        self.seconds = 0.0

    def _followed(self, stream: str, version: int) -> bool:
        rows = self._sea.ports.rows
        try:
            return rows.watermarks_of(SAGA, 1, [stream]).get(stream, 0) >= version
        except TrimaranError:
            return False

    def run(self) -> None:
        """To the end."""
        started = time.monotonic()
        try:
            self._feed.run(self.stop)
        except Exception as error:  # noqa: BLE001  raised by `end`
            self._failure.append(error)
        self.seconds = time.monotonic() - started

    def end(self) -> None:
        """It came to its end."""
        self.join(600)
        assert not self.is_alive()
        if self._failure:
            raise self._failure[0]


def quiet(sea: Sea) -> bool:
    """Everything is published, folded by both groups, and every due flag is sent."""
    sea.fleet.check()
    try:
        ports = sea.ports
        return not (ports.relay.backlog() or ports.rows.due(SAGA, ports.rows.clock(), 1) or sea.behind() or sea.behind(SAGA))
    except TrimaranError:
        return False


@pytest.mark.long
@pytest.mark.rounds
def test_fault_28_a_week_of_flights_is_counted_exactly_while_processes_are_killed_every_few_seconds(
    postgres_url: str, kafka_url: str
) -> None:
    last = FIRST + timedelta(days=amount(35) - 1)
    with at_sea(postgres_url, kafka_url, app="tests.processes.twins:flying", parts_of=flights.app) as sea:
        saga = sea.start("projector", group=SAGA, sync_every_s=10.0, ready=True)
        members: list[Process] = [sea.start("projector", sync_every_s=10.0) for _ in range(3)]
        sea.start("relay")
        flying = Flying(sea, last)
        flying.start()
        kills = 0
        while flying.is_alive():
            time.sleep(2.0)
            if kills % 4 == 3:
                saga.kill()
                saga = sea.start("projector", group=SAGA, sync_every_s=10.0)
            else:
                members.pop(0).kill()
                members.append(sea.start("projector", sync_every_s=10.0))
            kills += 1
        flying.end()
        drained_s = until(lambda: quiet(sea), 120, "everything is folded and flagged", 0.2)
        found = audit(sea.ports.store, sea.ports.reading, FIRST, last)
    report(
        "28 flights with kills",
        days=(last - FIRST).days + 1,
        flights=found.flights,
        events=found.events,
        flagged=found.flagged,
        lost=found.lost,
        doubled=found.doubled,
        kills=kills,
        feed_s=flying.seconds,
        events_per_s=found.events / flying.seconds,
        drained_s=drained_s,
    )
    assert (found.lost, found.doubled) == (0, 0)
    assert found.rows == found.flights
    assert found.flagged == sum(row["late"] for row in found.tables)
    assert kills >= 3
