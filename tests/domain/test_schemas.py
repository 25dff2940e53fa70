"""The schemas of messages: what is compatible with stored bytes, what is not, and what the sentences say."""

import copy
import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal, NewType, final

import pytest
from msgspec import Meta, Struct, field

from runtime.domain import App, Command, Decider, Event
from runtime.domain.schemas import incompatible, schemas
from tests.domain.library import app

OLD = schemas(app)


def changed(*path: str, to: Any = None) -> dict[str, Any]:
    """The schemas with one item replaced; removed without `to`."""
    new = copy.deepcopy(OLD)
    place: Any = new
    for step in path[:-1]:
        place = place[step]
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return new


def test_the_schemas_are_plain_json() -> None:
    assert json.loads(json.dumps(OLD)) == OLD
    assert OLD["commands"]["Lend"] == {
        "category": "book",
        "id": "book",
        "fields": {
            "book": {"type": ["str"], "required": True},
            "reader": {"type": ["str"], "required": True},
            "at": {"type": ["datetime"], "required": True},
        },
    }
    assert OLD["events"]["Lent"]["fields"]["fee"] == {"type": ["Decimal"], "required": False, "default": "0.50"}
    assert OLD["events"]["Lent"]["fields"]["tags"] == {"type": ["tuple[str,...]"], "required": False, "default": []}
    assert OLD["types"] == {"Shelf": {"values": ["novels", "science"]}}


def test_the_same_schemas_are_compatible() -> None:
    assert incompatible(OLD, schemas(app)) == []


COMPATIBLE = {
    "a new event": changed("events", "Burnt", to={"category": "book", "id": "book", "fields": {}}),
    "a new command": changed("commands", "Burn", to={"category": "book", "id": "book", "fields": {}}),
    "a new field with a default": changed(
        "events", "Returned", "fields", "late", to={"type": ["bool"], "required": False, "default": False}
    ),
    "a field that may be more than before": changed("events", "Returned", "fields", "reader", "type", to=["null", "str"]),
    "a field that was required and has a default now": changed(
        "events", "Returned", "fields", "reader", to={"type": ["str"], "required": False, "default": ""}
    ),
    "a new value of an enum": changed("types", "Shelf", "values", to=["art", "novels", "science"]),
    "an event that an upcaster takes over": changed("events", "Returned") | {"upcasts": ["Returned"]},
}


@pytest.mark.parametrize("what", COMPATIBLE)
def test_compatible_is(what: str) -> None:
    assert COMPATIBLE[what] != OLD
    assert incompatible(OLD, COMPATIBLE[what]) == []


INCOMPATIBLE = {
    "event Returned is gone, but stored ones are not: add Upcast('Returned', …)": changed("events", "Returned"),
    "command Lend is gone: keep Lend for the clients that send it": changed("commands", "Lend"),
    "event Returned: field 'reader' is gone (removed or renamed)": changed("events", "Returned", "fields", "reader"),
    "event Returned: the new field 'late' is required, which old ones do not have: give it a default, or leave Returned as it was": changed(
        "events", "Returned", "fields", "late", to={"type": ["bool"], "required": True}
    ),
    "event Lent: field 'fee' no longer takes Decimal, only int: leave Lent as it was stored: make a class with a new tag and add": changed(
        "events", "Lent", "fields", "fee", "type", to=["int"]
    ),
    "event Lent: field 'fee' was optional and is required now: give it a default": changed(
        "events", "Lent", "fields", "fee", to={"type": ["Decimal"], "required": True}
    ),
    "event Lent: the default of 'fee' changed from '0.50' to '0.70', which changes what stored events without it mean": changed(
        "events", "Lent", "fields", "fee", "default", to="0.70"
    ),
    "event Lent moved from category 'book' to 'shelf', its streams did not": changed("events", "Lent", "category", to="shelf"),
    "command Lend: field 'reader' is gone": changed("commands", "Lend", "fields", "reader"),
    "command Lend: the new field 'late' is required": changed(
        "commands", "Lend", "fields", "late", to={"type": ["bool"], "required": True}
    ),
    "type Shelf: the value 'science' is gone, but stored messages hold it": changed("types", "Shelf", "values", to=["novels"]),
}


@pytest.mark.parametrize("text", INCOMPATIBLE)
def test_incompatible_is_told_with_its_way_out(text: str) -> None:
    problems = incompatible(OLD, INCOMPATIBLE[text])
    assert len(problems) == 1
    assert problems[0].startswith(text)
    assert any(word in problems[0] for word in ("add Upcast", "give it a default", "keep", "add an Upcast"))


def test_a_renamed_field_is_one_gone_and_one_new() -> None:
    new = changed("events", "Returned", "fields", "reader")
    new["events"]["Returned"]["fields"]["borrower"] = {"type": ["str"], "required": True}
    assert len(incompatible(OLD, new)) == 2


def test_an_upcaster_is_kept_for_ever() -> None:
    with_upcast = OLD | {"upcasts": ["Taken"]}
    assert incompatible(with_upcast, OLD) == ["Upcast('Taken') is gone, but events stored with that tag are not: keep it"]
    assert incompatible(OLD, with_upcast) == []


def test_a_limit_that_is_lifted_is_compatible_and_one_that_is_new_is_not() -> None:
    limited = changed("commands", "Lend", "fields", "reader", "type", to=["str(min_length=1)"])
    assert incompatible(limited, OLD) == []
    assert len(incompatible(OLD, limited)) == 1


def test_a_field_inside_a_struct_counts_as_well() -> None:
    old = OLD | {"types": {"Line": {"fields": {"sku": {"type": ["str"], "required": True}}}}}
    assert incompatible(old, OLD | {"types": {"Line": {"fields": {}}}})[0].startswith("type Line: field 'sku' is gone")


# how types are written down
type Positive = Annotated[int, Meta(gt=0, le=9)]
Isbn = NewType("Isbn", str)


class Page(Struct, frozen=True):
    """Holds itself."""

    number: Positive
    next: "Page | None" = None


@final
class Print(Command):
    """A field of every shape."""

    book: str
    isbn: Isbn
    copies: Positive | None
    colour: Literal["red", "blue"]
    pages: list[Page] = field(default_factory=list)
    notes: dict[str, tuple[int, ...]] = {}
    raw: Any = None


@final
class Printed(Event):
    """It is."""

    book: str


def decide_print(command: Print, state: int) -> Iterator[Printed]:
    """Never called."""
    yield from ()


def evolve_print(state: int, event: Printed) -> int:
    """Never called."""
    return state


PRESS = schemas(App("press", parts=(Decider("book", 0, decide_print, evolve_print),)))


def test_every_shape_of_a_field_is_written_down() -> None:
    fields = PRESS["commands"]["Print"]["fields"]
    assert {name: shape["type"] for name, shape in fields.items()} == {
        "book": ["str"],
        "isbn": ["str"],
        "copies": ["int(gt=0,le=9)", "null"],
        "colour": ["'blue'", "'red'"],
        "pages": ["list[Page]"],
        "notes": ["dict[str,tuple[int,...]]"],
        "raw": ["Any"],
    }
    assert fields["pages"]["default"] == [] and fields["notes"]["default"] == {}
    assert PRESS["types"]["Page"] == {
        "fields": {
            "number": {"type": ["int(gt=0,le=9)"], "required": True},
            "next": {"type": ["Page", "null"], "required": False, "default": None},
        }
    }


def test_a_literal_may_get_more_values_or_become_any_text_but_lose_none() -> None:
    def colours(*values: str) -> dict[str, Any]:
        new = copy.deepcopy(PRESS)
        new["commands"]["Print"]["fields"]["colour"]["type"] = list(values)
        return new

    assert incompatible(PRESS, colours("'blue'", "'green'", "'red'")) == []
    assert incompatible(PRESS, colours("str")) == []
    assert len(incompatible(PRESS, colours("'blue'"))) == 1
