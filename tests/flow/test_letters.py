"""Dead letters: redriven in order from the store up to the group's watermark, or given up one event at a time."""

import pytest

from runtime.errors import Rejected, Unavailable
from runtime.steps import run
from tests.flow.house import House, answer, crash, until
from tests.simulation.domain import Write, medicine


def parked(*texts: str) -> House:
    """A note whose page parked at its first poison."""
    house = House()
    sink = house.sink()
    for text in texts:
        house.send(Write("bad", text, 1))
        run(sink.apply(house.streams()))
    assert [letter.version for letter in run(house.letters().parked())] == [texts.index("poison") + 1]
    return house


def test_a_redrive_after_the_code_is_mended_folds_what_waited_in_order() -> None:
    house = parked("one", "poison", "tear", "four", "five")
    medicine.mended = True
    with house.signals.listen() as listener:
        assert run(house.letters().redrive("page", "note-bad")) == 4
        told = [signal.key for signal in listener.take(10, 0)]
    assert told == ["bad"]
    assert house.shown() == house.wanted()
    assert run(house.letters().parked()) == []


def test_a_redrive_that_still_fails_says_so_and_the_letter_stays_with_one_more_try() -> None:
    house = parked("one", "poison", "three")
    before = run(house.letters().parked())[0]
    with pytest.raises(Rejected, match="'page' still cannot fold note-bad@2: ValueError: poison"):
        run(house.letters().redrive("page", "note-bad"))
    (letter,) = run(house.letters().parked())
    assert (letter.version, letter.tries) == (2, before.tries + 1)
    assert house.table("page")["bad"] == ("bad", 1, "one")


def test_a_redrive_that_meets_a_second_poison_goes_as_far_as_it_can() -> None:
    house = parked("one", "poison", "three", "poison", "five")
    left = run_drop(house)
    assert left == "note-bad@4"
    assert house.table("page")["bad"] == ("bad", 2, "three")


def run_drop(house: House) -> str:
    """Drop the letter; where the next one stands."""
    with pytest.raises(Rejected):
        run(house.letters().drop("page", "note-bad"))
    (letter,) = run(house.letters().parked())
    return f"{letter.stream}@{letter.version}"


def test_dropping_gives_up_one_event_and_folds_what_came_after() -> None:
    house = parked("one", "poison", "three")
    assert run(house.letters().drop("page", "note-bad")) == 1
    assert house.table("page")["bad"] == ("bad", 2, "three")
    assert run(house.letters().parked()) == []
    house.send(Write("bad", "four", 1))
    run(house.sink().apply(house.streams()))
    assert house.table("page")["bad"] == ("bad", 3, "four")


def test_dropping_the_last_event_just_forgets_the_letter() -> None:
    house = parked("one", "poison")
    assert run(house.letters().drop("page", "note-bad")) == 0
    assert run(house.letters().parked()) == []
    assert house.table("page")["bad"] == ("bad", 1, "one")


def test_what_is_not_parked_cannot_be_redriven_or_dropped() -> None:
    house = parked("poison")
    for act in (house.letters().redrive, house.letters().drop):
        with pytest.raises(Rejected, match="dlq list"):
            run(act("weights", "note-bad"))


@pytest.mark.parametrize("point", ["write", "commit", "send"])
def test_a_redrive_that_dies_anywhere_can_be_made_again(point: str) -> None:
    house = parked("one", "poison", "three", "tear", "five")
    medicine.mended = True
    core = house.letters().redrive("page", "note-bad")
    pending = until(core, point)
    transaction = getattr(pending.call, "__self__", None)
    crash(core)
    if point != "send":
        house.rows.kill(transaction)  # type: ignore[arg-type]
        assert run(house.letters().redrive("page", "note-bad")) == 4
    else:  # it was committed: only the word is missing
        with pytest.raises(Rejected):
            run(house.letters().redrive("page", "note-bad"))
    assert house.shown() == house.wanted()


def test_a_redrive_in_doubt_is_found_done_by_the_next() -> None:
    house = parked("one", "poison", "three")
    medicine.mended = True
    core = house.letters().redrive("page", "note-bad")
    until(core, "commit").perform()
    with pytest.raises(Unavailable):
        answer(core, Unavailable("no answer", in_doubt=True))
    with pytest.raises(Rejected, match="parked nothing"):
        run(house.letters().redrive("page", "note-bad"))
    assert house.shown() == house.wanted()
