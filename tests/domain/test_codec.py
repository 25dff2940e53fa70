"""Between bytes and message classes: the fast way and the slow way agree, and errors name the field and the way out."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, final

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.domain import App, Command, Decider, Event, Upcast
from runtime.domain.app import Plan
from runtime.domain.codec import CommandCodec, EventCodec, StreamCodec, UnknownEvent, encode
from runtime.errors import Malformed, Misconfigured
from tests.domain.library import NOON, Book, GiveBack, Lend, Lent, Remind, Reminded, Returned, Shelf, app, lent, returned

# --- commands ---


def refused(data: bytes, text: str) -> None:
    """The command does not decode, and says why."""
    with pytest.raises(Malformed, match=text):
        app.commands.decode(data)


def test_a_command_is_decoded_by_its_tag() -> None:
    command = Lend("emma", "ann", NOON)
    assert app.commands.decode(encode(command)) == command
    assert app.commands.decode(b'{"type": "GiveBack", "book": "emma", "at": "2026-03-01T12:00:00Z"}') == GiveBack("emma", NOON)


def test_a_missing_an_unknown_and_a_wrong_field_are_named() -> None:
    refused(b'{"type":"Lend","book":"emma","at":"2026-03-01T12:00:00Z"}', "missing required field `reader`")
    refused(b'{"type":"Lend","book":"emma","reader":"ann","at":"2026-03-01T12:00:00Z","colour":1}', "unknown field `colour`")
    refused(b'{"type":"Lend","book":"emma","at":"2026-03-01T12:00:00Z"}', "; Lend has book, reader, at$")
    refused(b'{"type":"Lend","book":"emma","reader":"ann","at":"2026-03-01T12:00:00Z","colour":1}', "; Lend has book, reader, at$")
    refused(b'{"type":"Lend","book":7,"reader":"ann","at":"2026-03-01T12:00:00Z"}', r"Expected `str`, got `int` - at `\$.book`$")
    refused(b'{"type":"Lend","book":"emma","reader":"ann","at":"noon"}', r"at `\$.at`")
    refused(b'{"type":"Lend","colour":1,"type":"Steal"}', "unknown field `colour`$")


@pytest.mark.parametrize("data", [b'{"type":"Steal"}', b"{}", b'{"type":""}', b'{"type":3}', b'{"book":"emma"}'])
def test_a_wrong_type_lists_the_commands(data: bytes) -> None:
    refused(data, "`type` is one of GiveBack, Lend, Remind")


def test_a_field_error_does_not_list_the_commands() -> None:
    with pytest.raises(Malformed) as failure:
        app.commands.decode(b'{"type":"Lend","book":7,"reader":"ann","at":"2026-03-01T12:00:00Z"}')
    assert "is one of" not in str(failure.value)


def test_an_app_with_one_command_asks_for_its_type_too() -> None:
    only = CommandCodec([GiveBack])
    with pytest.raises(Malformed, match="missing required field `type`; `type` is one of GiveBack"):
        only.decode(b'{"book":"emma","at":"2026-03-01T12:00:00Z"}')


@pytest.mark.parametrize(
    "data", [b"", b"{", b"not json", b'{"type":"Lend"} and more', b'{"type":"Lend","book":"\xff"}', b'{"type":"Lend","book":"\\ud800"}']
)
def test_what_is_not_json_is_malformed(data: bytes) -> None:
    refused(data, "the command is not JSON|does not fit")


@pytest.mark.parametrize("data", [b"", b"{", b"not json", b"[]", b"7"])
def test_what_is_no_object_says_what_one_looks_like(data: bytes) -> None:
    refused(data, r'; write it like \{"type": "GiveBack", "book": …, "at": …\}$')


class Deep(msgspec.Struct, frozen=True):
    """Inside a command."""

    text: str = ""
    exact: Decimal = Decimal(0)
    at: datetime | None = None


@final
class Say(Command):
    """Holds everything that JSON can."""

    book: str
    any: Any = None
    whole: int = 0
    exact: Decimal = Decimal(0)
    at: datetime | None = None
    named: dict[str, int] = {}
    deep: Deep | None = None


def said(**fields: Any) -> bytes:
    """The command's bytes, unchecked."""
    return msgspec.json.encode({"type": "Say", "book": "emma"} | fields)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (said(book="em\0ma"), "`book` holds a NUL character"),
        (said(whole=2**63), "`whole` does not fit a 64-bit integer"),
        (said(whole=-(2**63) - 1), "`whole` does not fit a 64-bit integer"),
        (said(any=[1, {"deep": "\0"}]), r"`any\[1\].deep` holds a NUL"),
        (said(any={"\0": 1}), r"`any\[0\]` holds a NUL"),
        (said(any=[2**63]), r"`any\[0\]` does not fit a 64-bit integer"),
        (said(deep={"text": "a\0"}), r"`deep.text` holds a NUL"),
        (said(deep={"exact": "-Infinity"}), r"`deep.exact` is -Infinity: only finite"),
        (said(deep={"at": "2026-03-01T12:00:00"}), r"`deep.at` is a time without a zone"),
        (said(named={"n": 2**64}), "`named.n` does not fit"),
        (said(exact="NaN"), "`exact` is NaN: only finite"),
        (said(exact="Infinity"), "`exact` is Infinity: only finite"),
        (said(exact="1e38"), "`exact` has more than 38 digits"),
        (said(exact="1e-39"), "`exact` has more than 38 digits"),
        (said(at="2026-03-01T12:00:00"), "`at` is a time without a zone"),
    ],
)
def test_a_value_that_not_every_store_can_hold_is_refused_where_it_enters(data: bytes, text: str) -> None:
    with pytest.raises(Malformed, match=text):
        CommandCodec([Say]).decode(data)


@pytest.mark.parametrize(
    "fields",
    [{"whole": 2**63 - 1}, {"whole": -(2**63)}, {"exact": "9" * 38}, {"exact": "0." + "9" * 38}, {"exact": "0e-38"}, {"book": "𝄞 é"}],
)
def test_the_greatest_values_are_taken(fields: dict[str, Any]) -> None:
    assert isinstance(CommandCodec([Say]).decode(said(**fields)), Say)


def test_a_float_that_is_no_number_is_refused_in_process() -> None:
    """JSON has none, but a decider could make one."""
    for number in (float("nan"), float("inf")):
        with pytest.raises(Malformed, match=r"`any` is (nan|inf): only finite numbers"):
            encode(Say("emma", number))
    assert b"1.5" in encode(Say("emma", 1.5))


def test_json_that_nests_without_end_is_malformed() -> None:
    with pytest.raises(Malformed, match="not JSON"):
        CommandCodec([Say]).decode(b'{"type":"Say","book":"emma","any":' + b"[" * 100_000 + b"]" * 100_000 + b"}")


def test_an_event_with_such_a_value_is_refused_before_it_is_stored() -> None:
    with pytest.raises(Malformed, match="`book` holds a NUL"):
        app.encode(lent(book="\0"))
    with pytest.raises(Malformed, match="`reader` holds half a surrogate pair"):
        app.encode(lent(reader="\ud800"))
    with pytest.raises(Malformed, match="`at` is a time without a zone"):
        app.encode(lent(at=datetime(2026, 3, 1)))
    with pytest.raises(Malformed, match=r"`tags\[1\]` holds a NUL"):
        app.encode(lent(tags=("good", "b\0d")))


# --- events ---


def test_an_event_comes_back_as_it_went() -> None:
    event = lent(fee=Decimal("1.50"), shelf=Shelf.SCIENCE, tags=("heavy",))
    assert app.events.decode("Lent", app.encode(event)) == (event,)
    assert app.stream_codec("book").decode([app.encode(event), app.encode(returned())]) == [event, returned()]


def test_an_empty_stream_is_no_event() -> None:
    assert app.stream_codec("book").decode([]) == []


def test_a_stored_event_that_does_not_fit_names_the_field_and_which_event_it_was() -> None:
    broken = b'{"type":"Lent","book":"emma","reader":7,"at":"2026-03-01T12:00:00Z"}'
    with pytest.raises(Malformed, match=r"a stored Lent does not fit its class: Expected `str`, got `int` - at `\$.reader`"):
        app.events.decode("Lent", broken)
    with pytest.raises(Malformed, match=r"event 2 of 3 loaded from a 'book' stream: a stored Lent does not fit"):
        app.stream_codec("book").decode([encode(lent()), broken, encode(lent())])


def test_an_unknown_event_in_a_stream_says_so_and_says_the_way_out() -> None:
    with pytest.raises(UnknownEvent, match=r"event 2 of 2 .*event type 'Burnt' is not known to this app: add an Upcast or deploy the code"):
        app.stream_codec("book").decode([encode(lent()), b'{"type":"Burnt","book":"emma"}'])


def test_bytes_that_are_no_event_are_malformed() -> None:
    for junk in (b"", b"{}", b"[1]", b"\xff", b'{"type":1}'):
        with pytest.raises(Malformed, match=r"event 1 of 1 loaded from a 'book' stream is no event"):
            app.stream_codec("book").decode([junk])


def test_a_stored_event_without_its_type_is_no_event_also_where_there_is_only_one_class() -> None:
    with pytest.raises(Malformed, match="event 1 of 1 loaded from a 'reader' stream is no event"):
        app.stream_codec("reader").decode([b'{"reader":"ann","book":"emma"}'])


def test_an_event_of_another_decider_in_a_stream_is_malformed() -> None:
    with pytest.raises(Malformed, match="is a Reminded, which evolve does not take"):
        app.stream_codec("book").decode([encode(Reminded("ann", "emma"))])


texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
instants = st.datetimes(timezones=st.just(UTC))
events = st.one_of(
    st.builds(
        Lent, texts, texts, instants, st.decimals(-1000, 1000, places=2), st.sampled_from(Shelf), st.lists(texts, max_size=3).map(tuple)
    ),
    st.builds(Returned, texts, texts, instants),
)


@given(st.lists(events, max_size=8))
def test_the_fast_way_and_the_slow_way_give_the_same_events(stream: list[Any]) -> None:
    data = [encode(event) for event in stream]
    codec = app.stream_codec("book")
    slow = list(
        itertools.chain.from_iterable(app.events.decode(type(event).__name__, one) for event, one in zip(stream, data, strict=True))
    )
    assert codec.decode(data) == slow == stream == codec._one_by_one(data)


# --- upcasts ---


@final
class Placed(Event):
    """Today's event: `store` was called `shop`, `note` is new."""

    box: str
    store: str
    note: str = ""


@final
class Filled(Event):
    """One of the two that the old `Moved` is split into."""

    box: str
    amount: int


@final
class Place(Command):
    """Makes one."""

    box: str


def decide(command: Place, seen: int) -> Iterator[Placed | Filled]:
    """One box."""
    yield Placed(command.box, "here")


def evolve(seen: tuple[Any, ...], event: Placed | Filled) -> tuple[Any, ...]:
    """Everything that was seen."""
    return (*seen, event)


def boxes(*upcasts: Upcast) -> App:
    """An app with these upcasters."""
    return App("boxes", parts=(Decider("box", (), decide, evolve),), upcasts=upcasts)


def rename(raw: dict[str, Any]) -> dict[str, Any]:
    """`PlacedOld` called its store a shop."""
    return {"type": "Placed", "box": raw["box"], "store": raw["shop"]}


RENAME = Upcast("PlacedOld", rename)
ADD = Upcast("PlacedOlder", lambda raw: raw | {"type": "PlacedOld", "shop": "the first"})
SPLIT = Upcast(
    "Moved",
    lambda raw: [{"type": "PlacedOlder", "box": raw["box"]}, {"type": "Filled", "box": raw["box"], "amount": raw["amount"]}],
)
OLD = b'{"type":"PlacedOld","box":"b","shop":"s"}'


def test_an_upcaster_renames() -> None:
    assert boxes(RENAME).events.decode("PlacedOld", OLD) == (Placed("b", "s"),)


def test_upcasters_chain() -> None:
    assert boxes(RENAME, ADD).events.decode("PlacedOlder", b'{"type":"PlacedOlder","box":"b"}') == (Placed("b", "the first"),)


def test_an_upcaster_splits_and_the_parts_stay_in_order_and_go_on_through_the_chain() -> None:
    app = boxes(RENAME, ADD, SPLIT)
    moved = b'{"type":"Moved","box":"b","amount":3}'
    assert app.events.decode("Moved", moved) == (Placed("b", "the first"), Filled("b", 3))
    today = encode(Placed("b", "x"))
    assert app.plans["box"].fold((), [today, moved, OLD]) == (Placed("b", "x"), Placed("b", "the first"), Filled("b", 3), Placed("b", "s"))


def test_an_upcaster_may_drop_an_event() -> None:
    assert boxes(Upcast("Noise", lambda raw: [])).events.decode("Noise", b'{"type":"Noise"}') == ()


def test_upcasters_that_go_in_a_circle_are_found() -> None:
    there, back = Upcast("A", lambda raw: raw | {"type": "B"}), Upcast("B", lambda raw: raw | {"type": "A"})
    with pytest.raises(Malformed, match=r"Upcast\('A'\): more than 100 steps, the upcasters go in a circle"):
        boxes(there, back).events.decode("A", b'{"type":"A"}')


def test_an_upcaster_that_makes_what_nobody_knows_or_nothing_that_fits_or_fails_says_so() -> None:
    data = b'{"type":"Old","box":"b"}'
    for upcast, text in (
        (lambda raw: raw | {"type": "Nowhere"}, r"Upcast\('Old'\) made event type 'Nowhere', which is not known"),
        (lambda raw: {"box": "b"}, r"Upcast\('Old'\) made event type None"),
        (lambda raw: raw | {"type": "Filled"}, "a stored Filled does not fit its class: Object missing required field `amount`"),
        (lambda raw: raw["shop"], r"Upcast\('Old'\) failed on a stored event: KeyError: 'shop'"),
    ):
        with pytest.raises(Malformed, match=text):
            boxes(Upcast("Old", upcast)).events.decode("Old", data)


def test_a_stored_old_event_that_is_no_object_is_malformed() -> None:
    with pytest.raises(Malformed, match="a stored PlacedOld is no JSON object"):
        boxes(RENAME).events.decode("PlacedOld", b"[1]")


def test_what_an_app_knows_is_classes_and_upcasters() -> None:
    assert boxes(RENAME).events.known == {"Placed", "Filled", "PlacedOld"}


# --- folding and snapshots ---


def test_a_plan_folds_stored_events_into_a_state() -> None:
    plan = app.plans["book"]
    assert plan.fold(Book(), [encode(lent()), encode(returned()), encode(lent(reader="bob"))]) == Book("bob", 2)


def test_a_state_comes_back_from_its_snapshot_as_it_went() -> None:
    plan = app.plans["book"]
    assert plan.decode_state(plan.encode_state(Book("ann", 3))) == Book("ann", 3)
    assert app.plans["reader"].decode_state(app.plans["reader"].encode_state(7)) == 7


def test_a_state_may_be_a_union_of_tagged_structs() -> None:
    class Open(msgspec.Struct, frozen=True, tag=True):
        reader: str = ""

    class Closed(msgspec.Struct, frozen=True, tag=True):
        reason: str = ""

    def evolve_either(state: Open | Closed, event: Reminded) -> Open | Closed:
        return Closed("done")

    def decide_either(command: Remind, state: Open | Closed) -> Iterator[Reminded]:
        yield from ()

    plan = Plan(Decider("reader", Open(), decide_either, evolve_either), app)
    assert plan.decode_state(plan.encode_state(Closed("done"))) == Closed("done")


def test_a_state_that_cannot_be_kept_as_a_snapshot_says_so_when_one_is_read() -> None:
    class One(msgspec.Struct):
        reader: str = ""

    class Two(msgspec.Struct):
        reader: str = ""

    def evolve_either(state: One | Two, event: Reminded) -> One | Two:
        return state

    def decide_either(command: Remind, state: One | Two) -> Iterator[Reminded]:
        yield from ()

    plan = Plan(Decider("reader", One(), decide_either, evolve_either), app)
    with pytest.raises(Misconfigured, match="decider 'reader': its state cannot be kept as a snapshot"):
        plan.decode_state(b"{}")


def test_decoders_of_single_events_are_the_decoders_of_streams() -> None:
    codec = EventCodec([Lent, Returned], ())
    assert StreamCodec([Lent, Returned], codec, "book").decode([encode(lent())]) == list(codec.decode("Lent", encode(lent())))
