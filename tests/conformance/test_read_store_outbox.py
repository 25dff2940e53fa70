"""What sagas want sent, of the ReadStore port, in sentences: commands, durable timers, held ones, and the saga clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

from msgspec.structs import replace

from runtime.ports import Output, Phase, ReadStore
from tests.conformance.read_stores import (
    SELLING,
    Place,
    green,
    output,
    place,
    store,
    write,
)

__all__ = ["place", "store"]

NOON = datetime(2013, 6, 1, 12, 0, tzinfo=UTC)
LATER = NOON + timedelta(minutes=15)


def put(store: ReadStore, *outputs: Output, generation: int = 1, **parts: Any) -> None:
    write(store, "selling", generation, outputs=list(outputs), **parts)


# due


def test_a_command_is_due_at_once_and_oldest_first(place: Place, store: ReadStore) -> None:
    put(store, output("order-9", 1), output("order-9", 1, 2))
    put(store, output("order-1", 5))
    assert place.open().due("selling", NOON, 10) == [output("order-9", 1), output("order-9", 1, 2), output("order-1", 5)]
    assert store.due("selling", NOON, 2) == [output("order-9", 1), output("order-9", 1, 2)]
    assert store.due("buying", NOON, 10) == []


def test_an_output_keeps_all_its_fields(store: ReadStore) -> None:
    full = Output("selling", 'o-"1"\\', "acme/order-1", 3, 2, '{"note":"\\"ö\\" 🚀 \\\\"}'.encode(), "acme", NOON, 0)
    put(store, full)
    assert store.due("selling", NOON, 10) == [full]
    assert store.outputs("selling", 10) == [full]


def test_a_timer_is_due_at_its_instant_and_not_before(store: ReadStore) -> None:
    put(store, output("order-1", 1, due=LATER), output("order-2", 1, due=NOON))
    assert store.due("selling", NOON - timedelta(microseconds=1), 10) == []
    assert store.due("selling", NOON, 10) == [output("order-2", 1, due=NOON)]
    assert store.due("selling", LATER, 10) == [output("order-2", 1, due=NOON), output("order-1", 1, due=LATER)]


def test_putting_an_output_that_is_there_changes_nothing(store: ReadStore) -> None:
    put(store, output("order-1", 1))
    put(store, replace(output("order-1", 1), command=b"{}", key="other"), output("order-1", 2))
    assert store.due("selling", NOON, 10) == [output("order-1", 1), output("order-1", 2)]


def test_what_was_sent_is_gone(place: Place, store: ReadStore) -> None:
    put(store, output("order-1", 1), output("order-1", 1, 2), output("order-2", 1))
    store.sent([output("order-1", 1), output("order-2", 1), output("order-3", 1)])
    assert place.open().due("selling", NOON, 10) == [output("order-1", 1, 2)]
    store.sent([])
    assert store.outputs("selling", 10) == [output("order-1", 1, 2)]


def test_a_failed_output_waits_for_its_next_try(store: ReadStore) -> None:
    put(store, output("order-1", 1))
    store.failed(output("order-1", 1), "Rejected: no", LATER)
    tried = output("order-1", 1, tries=1, error="Rejected: no")
    assert store.due("selling", NOON, 10) == []
    assert store.outputs("selling", 10) == [tried]
    assert store.due("selling", LATER, 10) == [tried]
    store.failed(tried, "again", NOON)
    assert store.due("selling", NOON, 10) == [output("order-1", 1, tries=2, error="again")]


def test_a_timer_that_failed_is_never_tried_before_its_instant(store: ReadStore) -> None:
    put(store, output("order-1", 1, due=LATER))
    store.failed(output("order-1", 1, due=LATER), "no", NOON)
    assert store.due("selling", NOON, 10) == []
    assert len(store.due("selling", LATER, 10)) == 1


def test_a_stuck_output_is_shown_and_not_sent_until_somebody_unsticks_it(store: ReadStore) -> None:
    put(store, output("order-1", 1), output("order-2", 1, due=LATER))
    for one in (output("order-1", 1), output("order-2", 1, due=LATER)):
        store.failed(one, "no", None)
    assert store.due("selling", LATER, 10) == []
    stuck = store.outputs("selling", 10)
    assert [(one.stream, one.tries, one.error, one.stuck) for one in stuck] == [("order-1", 1, "no", True), ("order-2", 1, "no", True)]
    store.unstick("selling", stuck)
    assert store.due("selling", NOON, 10) == [output("order-1", 1)]
    assert store.due("selling", LATER, 10) == [output("order-1", 1), output("order-2", 1, due=LATER)]


def test_unsticking_touches_only_stuck_outputs_of_that_saga(store: ReadStore) -> None:
    other = replace(output("order-1", 1), saga="buying")
    put(store, output("order-1", 1), output("order-2", 1), other)
    store.failed(output("order-1", 1), "wait", LATER)
    store.failed(other, "no", None)
    store.unstick("selling", [output("order-1", 1), other])
    assert store.outputs("selling", 10)[0].tries == 1
    assert store.outputs("buying", 10)[0].stuck


def test_a_failure_of_an_output_that_is_gone_is_forgotten(store: ReadStore) -> None:
    store.failed(output("order-1", 1), "no", None)
    assert store.outputs("selling", 10) == []


# a saga's end


def test_the_end_of_a_saga_drops_its_pending_timers_and_nothing_else(store: ReadStore) -> None:
    put(
        store,
        output("order-1", 1, due=LATER),
        output("order-1", 1, 2),
        output("order-2", 1, key="o-2", due=LATER),
        replace(output("order-1", 1, due=LATER), saga="buying"),
    )
    put(store, timers_dropped=[("selling", "o-1")])
    assert store.outputs("selling", 10) == [output("order-1", 1, 2), output("order-2", 1, key="o-2", due=LATER)]
    assert len(store.outputs("buying", 10)) == 1


def test_a_batch_drops_timers_before_it_puts_new_ones(store: ReadStore) -> None:
    put(store, output("order-1", 1, due=LATER))
    put(store, output("order-1", 3, due=NOON), timers_dropped=[("selling", "o-1")])
    assert store.outputs("selling", 10) == [output("order-1", 3, due=NOON)]


def test_green_drops_its_own_held_timers_and_never_those_of_the_live_generation(store: ReadStore) -> None:
    green(store, SELLING)
    put(store, output("order-1", 1, due=LATER))
    put(store, output("order-1", 1, due=LATER, generation=2), generation=2)
    put(store, timers_dropped=[("selling", "o-1")], generation=2)
    assert store.outputs("selling", 10) == [output("order-1", 1, due=LATER)]


# held outputs and the swap


def test_held_outputs_are_not_due_and_not_sent(store: ReadStore) -> None:
    green(store, SELLING)
    held = output("order-1", 1, generation=2)
    put(store, held, generation=2)
    store.sent([output("order-1", 1)])
    assert store.due("selling", LATER, 10) == []
    assert store.outputs("selling", 10) == [held]
    assert store.next_due() is None


def test_a_swap_releases_held_outputs_beyond_the_watermarks_of_blue_and_drops_the_rest(store: ReadStore) -> None:
    green(store, SELLING)
    put(store, output("order-3", 4), watermarks={"order-1": 2, "order-3": 4})
    put(
        store,
        output("order-1", 2, generation=2),  # blue folded it: it sent, or will send, this one
        output("order-1", 3, generation=2),
        output("order-2", 1, due=LATER, generation=2),  # blue never saw that stream
        output("order-3", 4, generation=2),  # blue's own is still pending
        generation=2,
    )
    tx = store.begin("selling", 2)
    tx.lock([0])
    tx.lock_both(1, [0])
    tx.release(2, 1)
    tx.set_phase(2, Phase.LIVE)
    tx.commit()
    assert store.due("selling", LATER, 10) == [output("order-3", 4), output("order-1", 3), output("order-2", 1, due=LATER)]
    assert len(store.outputs("selling", 10)) == 3


def test_a_release_beyond_no_generation_makes_all_that_is_held_real(store: ReadStore) -> None:
    green(store, SELLING)
    put(store, output("order-1", 1, generation=2), output("order-2", 1, due=LATER, generation=2), watermarks={"order-1": 1}, generation=2)
    tx = store.begin("selling", 2)
    tx.lock([0])
    tx.release(2, 0)
    tx.commit()
    assert store.outputs("selling", 10) == [output("order-1", 1), output("order-2", 1, due=LATER)]


def test_a_release_that_is_rolled_back_leaves_them_held(store: ReadStore) -> None:
    green(store, SELLING)
    put(store, output("order-1", 1, generation=2), generation=2)
    tx = store.begin("selling", 2)
    tx.lock([0])
    tx.release(2, 1)
    tx.rollback()
    assert store.outputs("selling", 10) == [output("order-1", 1, generation=2)]


# export and import


def test_imported_outputs_are_stored_unless_they_are_there(store: ReadStore) -> None:
    put(store, output("order-1", 1, tries=0))
    stuck = output("order-2", 1, due=LATER, tries=12, error="no", stuck=True)
    store.put_outputs([output("order-1", 1, tries=3), stuck])
    store.put_outputs([])
    assert store.outputs("selling", 10) == [output("order-1", 1), stuck]
    assert store.due("selling", LATER, 10) == [output("order-1", 1)]


# timers and the clock


def test_the_next_due_is_that_of_the_earliest_timer_of_any_saga(store: ReadStore) -> None:
    assert store.next_due() is None
    put(store, output("order-1", 1), output("order-2", 1, due=LATER), replace(output("order-3", 1, due=NOON), saga="buying"))
    assert store.next_due() == NOON
    store.failed(replace(output("order-3", 1, due=NOON), saga="buying"), "wait", LATER + timedelta(hours=1))
    assert store.next_due() == NOON
    store.failed(replace(output("order-3", 1, due=NOON), saga="buying"), "no", None)
    assert store.next_due() == LATER
    store.sent([output("order-2", 1, due=LATER)])
    assert store.next_due() is None


def test_the_clock_is_the_databases_time_until_somebody_drives_it(place: Place, store: ReadStore) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    assert before < store.clock() < datetime.now(UTC) + timedelta(seconds=2)
    store.set_clock(NOON)
    assert place.open().clock() == NOON
    store.set_clock(LATER)
    assert store.clock() == LATER
    store.set_clock(None)
    assert store.clock() > before
    store.set_clock(NOON)
    assert store.clock() == NOON


def test_the_clock_never_goes_backwards(store: ReadStore) -> None:
    store.set_clock(LATER)
    store.set_clock(NOON)
    assert store.clock() == LATER


def test_the_clock_can_be_read_while_a_transaction_is_open(store: ReadStore) -> None:
    store.set_clock(NOON)
    tx = store.begin("selling", 1)
    tx.lock([0])
    assert store.clock() == NOON
    tx.rollback()
