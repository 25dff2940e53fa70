"""What is parked is shown with its event, redriven when the code is mended, or given up; whoever watches hears of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hosts.admin import letters as letters_of
from runtime.domain import App
from runtime.steps import run
from tests.hosts.admin_house import MEMORY, House, files, running
from tests.simulation.domain import Write, app, medicine

NOTES = App("notes", parts=[part for part in app.parts if part.name in ("note", "page", "total")])
TENANTS = App("notes", parts=NOTES.parts, tenant="claim")


@pytest.fixture(params=["memory", "sqlite"])
def house(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """Notes, some of which no page can hold until the code is mended."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(medicine, "mended", False)
    stores = files(tmp_path) if request.param == "sqlite" else {"events": MEMORY, "rows": MEMORY}
    with running(NOTES, tmp_path, **stores) as opened:
        yield opened


def written(house: House, *texts: str, note: str = "bad", tenant: str = "") -> None:
    for text in texts:
        house.send(Write(note, text, 1), tenant)
    house.settle()


def parked(house: House) -> list[Any]:
    found: list[Any] = house.told("letters")["letters"]
    return found


def page(house: House, note: str = "bad") -> Any:
    return run(house.local.reading.get("page", note)).row


def test_nothing_is_parked_where_all_is_well(house: House) -> None:
    written(house, "one")
    assert house.told("letters") == {"letters": [], "cut": False}


def test_a_letter_has_its_error_and_its_event(house: House) -> None:
    written(house, "one", "poison", "three")
    (letter,) = parked(house)
    assert {name: letter[name] for name in ("group", "generation", "part", "stream", "version", "reason")} == {
        "group": "rows",
        "generation": 1,
        "part": "page",
        "stream": "note-bad",
        "version": 2,
        "reason": "error",
    }
    assert ("poison" in letter["error"], letter["tries"] > 0) == (True, True)
    assert letter["event"] == {"type": "Written", "data": {"type": "Written", "note": "bad", "text": "poison", "weight": 1}}


def test_a_redrive_that_still_fails_says_why_and_the_letter_stays(house: House) -> None:
    written(house, "one", "poison")
    status, error = house.operate("redrive", {"part": "page", "stream": "note-bad"})
    assert (status, error["code"]) == (400, "REJECTED")
    assert "'page' still cannot fold note-bad@2: ValueError: poison" in error["error"]
    assert len(parked(house)) == 1


def test_after_the_code_is_mended_a_redrive_folds_what_waited_and_listeners_hear_of_it(house: House) -> None:
    written(house, "one", "poison", "three")
    medicine.mended = True
    with house.local.signals.listen() as listener:
        assert house.operate("redrive", {"part": "page", "stream": "note-bad"}) == (200, {"folded": 2})
        heard = house.wait(lambda: listener.take(10, 0.1))
    assert [(signal.part, signal.key) for signal in heard] == [("page", "bad")]
    assert (parked(house), page(house)["text"]) == ([], "three")
    written(house, "four")
    assert page(house)["text"] == "four"


def test_one_event_is_dropped_and_what_came_after_it_is_folded(house: House) -> None:
    written(house, "one", "poison", "three")
    assert house.operate("drop", {"part": "page", "stream": "note-bad"}) == (200, {"folded": 1})
    assert (parked(house), page(house)) == ([], {"note": "bad", "n": 2, "text": "three"})


def test_live_goes_on_while_letters_are_redriven(house: House) -> None:
    """The turns and a redrive meet on the same shard and the same file."""
    written(house, "one", *["poison"] * 5)
    medicine.mended = True
    for n in range(20):
        house.send(Write("bad", f"t{n}", 1))
        house.send(Write(f"good{n}", "text", 1))
    assert house.operate("redrive", {"part": "page", "stream": "note-bad"})[0] == 200
    house.settle()
    assert (page(house)["n"], page(house)["text"], page(house, "good19")["text"]) == (26, "t19", "text")


def test_only_what_is_parked_can_be_redriven_or_dropped(house: House) -> None:
    written(house, "one")
    for what in ("redrive", "drop"):
        status, error = house.operate(what, {"part": "page", "stream": "note-bad"})
        assert (status, "has parked nothing on 'note-bad'" in error["error"]) == (400, True)


@pytest.mark.parametrize("what", ["redrive", "drop", "unstick", "rebuild"])
def test_only_an_operator_acts(house: House, what: str) -> None:
    written(house, "one", "poison")
    body = {"part": "page", "stream": "note-bad"}
    assert house.operate(what, body, roles=None)[0] == 401
    status, error = house.operate(what, body, roles=("clerk",))
    assert (status, error["code"]) == (403, "FORBIDDEN")
    assert len(parked(house)) == 1


@pytest.mark.parametrize("body", [{}, {"part": "page"}, {"part": 1, "stream": "x"}, [], {"part": "page", "stream": "x", "more": 1}])
def test_a_body_that_does_not_fit_is_named(house: House, body: object) -> None:
    status, error = house.operate("redrive", body)
    assert (status, "the body does not fit" in error["error"]) == (400, True)


def test_many_letters_are_cut_and_say_so(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    for note in ("a", "b", "c"):
        written(house, "poison", note=note)
    monkeypatch.setattr(letters_of, "SHOWN", 2)
    monkeypatch.setattr(letters_of, "EVENTS", 1)
    found = house.told("letters")
    assert (len(found["letters"]), found["cut"], found["letters"][1]["event"]) == (2, True, None)


def test_a_letter_of_both_generations_is_redriven_in_both(house: House) -> None:
    written(house, "one", "poison")
    assert house.operate("rebuild", {"group": "rows", "step": "start"})[0] == 200
    house.wait(lambda: house.told("rebuilds")["groups"][0]["job"]["step"] == "filled")
    assert [letter["generation"] for letter in parked(house)] == [1, 2]
    assert house.told("rebuilds")["groups"][0]["letters"] == 1
    medicine.mended = True
    assert house.operate("redrive", {"part": "page", "stream": "note-bad"}) == (200, {"folded": 2})
    assert parked(house) == []


def test_a_letter_of_a_tenant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(medicine, "mended", False)
    with running(TENANTS, tmp_path) as house:
        written(house, "poison", "two", tenant="acme")
        assert [letter["stream"] for letter in parked(house)] == ["acme/note-bad"]
        assert house.operate("drop", {"part": "page", "stream": "acme/note-bad"}) == (200, {"folded": 1})
