"""The feed end to end in one process: the tables equal the csv, whatever the bus did and wherever it was stopped."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest

from apps.flights import app
from hosts.audit import Audit, audit
from hosts.feed import Fed, Feed
from hosts.local import Local, open_local
from hosts.settings import Settings
from hosts.timeline import begin, last_due
from providers.memory.chaos import Chaos
from runtime.errors import Misconfigured
from runtime.flow.cloudevents import from_bus
from runtime.ports import Append, Envelope, New

FIRST, LAST = date(2013, 1, 1), date(2013, 1, 2)
MEMORY = Settings("flights", "memory://", "memory://", "memory://")
WEEK = Audit(flights=6_099, events=18_262, rows=6_099, flagged=1_098)


@contextmanager
def running(told: Settings = MEMORY, chaos: int | None = None) -> Iterator[Local]:
    with ExitStack() as stack:
        local = open_local(told, app, stack, chaos=chaos)
        local.start()
        yield local
        assert local.failure is None, local.failure


def fed(local: Local, first: date, last: date, stop: threading.Event | None = None) -> Feed:
    feed = Feed(local.commands, local.events.store, local.rows, first, last, follow=local.follow("flagging"))
    feed.run(stop or threading.Event())
    return feed


def rest(local: Local) -> None:
    assert local.settle(threading.Event())


def audited(local: Local, first: date, last: date) -> Audit:
    rest(local)
    return audit(local.events.store, local.reading, first, last)


def exact(found: Audit) -> bool:
    return (found.lost, found.doubled) == (0, 0)


class Witness(Chaos):
    """Remembers the newest version of each stream that it let through."""

    def __init__(self, chaos: Chaos) -> None:
        self.__dict__ = chaos.__dict__
        self.passed: dict[str, int] = {}

    def disturb(self, envelopes: list[Envelope]) -> list[Envelope]:
        """What comes through is noted."""
        return self._noted(super().disturb(envelopes))

    def release(self) -> list[Envelope]:
        """What was held back comes through, too."""
        return self._noted(super().release())

    def _noted(self, passing: list[Envelope]) -> list[Envelope]:
        for event in (from_bus(envelope.body) for envelope in passing):
            self.passed[event.stream] = max(event.version, self.passed.get(event.stream, 0))
        return passing


@pytest.mark.parametrize("chaos", [pytest.param(None, marks=pytest.mark.long), 1])
def test_the_tables_of_a_week_equal_the_csv_also_on_a_bus_that_repeats_shuffles_and_loses(chaos: int | None) -> None:
    with running(chaos=chaos) as local:
        witness = None
        if chaos is not None:
            local.bus._chaos = witness = Witness(local.bus._chaos)  # type: ignore[attr-defined]
        fed(local, FIRST, date(2013, 1, 7))
        found = audited(local, FIRST, date(2013, 1, 7))
        if witness is not None:
            heads = local.events.store.heads("flight-", 100_000)
            assert witness.dropped > 500
            assert witness.duplicated > 500
            assert sum(witness.passed.get(head.stream, 0) < head.version for head in heads) > 100, "last events of streams among them"
    assert exact(found)
    assert (found.flights, found.events, found.rows, found.flagged) == (WEEK.flights, WEEK.events, WEEK.rows, WEEK.flagged)
    assert sum(row["scheduled"] for row in found.tables) == WEEK.flights
    assert sum(row["late"] for row in found.tables) == WEEK.flagged


def test_a_feed_that_was_stopped_goes_on_where_it_stopped_and_repeats_nothing_that_counts(tmp_path: Path) -> None:
    told = Settings("flights", f"sqlite:///{tmp_path}/events.db", f"sqlite:///{tmp_path}/rows.db", "memory://")
    with running(told) as local:
        stop = threading.Event()
        feed = Feed(local.commands, local.events.store, local.rows, FIRST, LAST, follow=local.follow("flagging"))

        def enough(so_far: Fed) -> None:
            if so_far.commands > 2_000:
                stop.set()

        assert not feed.run(stop, enough)
        first_part = feed.fed.commands
    with running(told) as local:
        again = fed(local, FIRST, LAST)
        found = audited(local, FIRST, LAST)
    assert exact(found)
    assert first_part + again.fed.commands - again.fed.repeated == found.events
    assert again.fed.repeated < 300, "only flights that may have been flagged are asked about again"


def test_ranges_that_follow_each_other_flag_exactly_as_one_range() -> None:
    with running() as local:
        fed(local, FIRST, FIRST)
        rest(local)
        assert local.rows.clock() == last_due(FIRST)
        fed(local, LAST, LAST)
        assert exact(audited(local, FIRST, LAST))


def test_a_day_before_the_clock_that_was_never_fed_is_refused_with_the_way_out() -> None:
    with running() as local:
        fed(local, LAST, LAST)
        with pytest.raises(Misconfigured, match="feed days in order"):
            fed(local, FIRST, FIRST)
        rest(local)


def test_the_clock_never_passes_a_command_that_is_not_acknowledged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hosts.feed.WINDOW", 64)
    monkeypatch.setattr("hosts.feed.CLOCK_EVERY_S", 0.0)
    with running() as local:
        feed = Feed(local.commands, local.events.store, local.rows, FIRST, FIRST)
        moments = []

        def look(so_far: Fed) -> None:
            moments.append((local.rows.clock(), so_far.at))

        assert feed.run(threading.Event(), look)
        rest(local)
    assert moments[0][0] >= begin(FIRST)
    assert all(at is not None and clock <= at for clock, at in moments)
    assert len({clock for clock, _ in moments}) > 10, "it moves while the feed runs"


def test_the_feed_keeps_its_pace() -> None:
    with running() as local:
        feed = Feed(local.commands, local.events.store, local.rows, FIRST, FIRST, speed=36_000)
        stop = threading.Event()
        threading.Timer(1.0, stop.set).start()
        assert not feed.run(stop)
        assert feed.fed.at is not None
        assert begin(FIRST) < feed.fed.at < begin(FIRST) + timedelta(hours=20)


def test_the_audit_sees_what_is_lost_and_what_is_doubled() -> None:
    with running() as local:
        fed(local, FIRST, FIRST)
        assert exact(audited(local, FIRST, FIRST))
        head = local.events.store.heads("flight-", 1)[0]
        last = local.events.store.read(head.stream, head.version - 1, 1)[0]
        local.events.store.append(Append(head.stream, head.version, (New(last.type, last.data),), "twice", b"0" * 16))
        found = audited(local, FIRST, FIRST)
        assert found.lost == 0
        assert found.doubled >= 1
        tomorrow = audit(local.events.store, local.reading, FIRST, LAST)
        assert tomorrow.lost >= 943 * 3 - 100
