"""Flights that arrive through the deployed gateway: a day in bursts, or day after day behind what a story does meanwhile."""

import contextlib
import threading
import time
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count
from types import TracebackType
from typing import Self

from hosts.audit import Audit, audit
from hosts.feed import Fed, Feed
from hosts.timetable import Flown, days
from runtime.errors import Unavailable
from runtime.flow.reading import Reading
from tests.cluster.asking import Asking
from tests.cluster.bed import Deployed
from tests.cluster.sending import Through

FIRST = date(2013, 1, 1)
PATIENCE_S = 60.0
QUESTION = "{ carrierRows(first: 20) { edges { node { carrier scheduled departed late } } } boardRows(first: 5) { edges { node { flight status } } } }"
_days = count()


class Flying:
    """One day, or several: `burst`, `behind`, `exact`."""

    def __init__(self, deployed: Deployed) -> None:
        self.deployed = deployed
        self.flights: list[Flown] = []
        self.day = self._first = self._take_off()
        self.commands = Through(deployed.app, deployed.url, self.token)
        self._failed: list[BaseException] = []
        self._enough = threading.Event()

    def _take_off(self) -> date:
        """The next day that nobody has fed."""
        day = FIRST + timedelta(days=next(_days))
        self.flights += next(flights for _, flights in days(day, day))
        return day

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.commands.close()

    def late(self, minutes: int) -> list[Flown]:
        """Flights that left so late: who only plans one of these leaves nothing that another story finds wrong, since it is flagged in the end."""
        return [flown for flown in self.flights if (flown.dep_delay or 0) > minutes]

    def token(self) -> str:
        """Of somebody in operations."""
        return self.deployed.bed.issuer.sign("tower", aud="shop", roles=["operations"])

    def asking(self, *, again: bool = False) -> Asking:
        """A client of the board, from now on."""
        return Asking(self.deployed.url, QUESTION, again=again)

    def burst(self) -> bool:
        """Send the next commands, about a thousand; whether the day is over. What a hurt system does not take is sent again."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                return self._burst()
            except Unavailable:  # the test's own connection to the database, for the saga's clock
                if time.monotonic() > until:
                    raise
                time.sleep(0.5)

    def _burst(self) -> bool:
        stop = threading.Event()
        sent = self.commands.sent

        def enough(_: Fed) -> None:
            if self.commands.sent > sent:
                stop.set()

        with self.deployed.stores() as (events, rows):
            feed = Feed(self.commands, events, rows, self.day, self.day)  # type: ignore[arg-type]
            return feed.run(stop, enough)

    @contextlib.contextmanager
    def behind(self) -> Iterator[threading.Thread]:
        """Send day after day while the block runs, and after it what is left of the last one."""
        thread = threading.Thread(target=self._all, name="flying")
        thread.start()
        try:
            yield thread
        finally:
            self._enough.set()
            thread.join(PATIENCE_S)
        assert not thread.is_alive(), "the day was not sent in time"
        if self._failed:
            raise self._failed[0]

    def _all(self) -> None:
        try:
            while True:
                if self.burst():
                    if self._enough.is_set():
                        return
                    self.day = self._take_off()
        except BaseException as error:  # noqa: BLE001 -- raised by the story
            self._failed.append(error)

    def exact(self) -> Audit:
        """The tables are what the csv says, no more and no less."""
        with self.deployed.stores() as (events, rows):
            found = audit(events, Reading(self.deployed.app, rows), self._first, self.day)
        assert (found.lost, found.doubled) == (0, 0), found
        assert found.flights >= len(self.flights)
        assert found.rows == found.flights
        return found
