"""Given, when, then: tests a part without any I/O, through the same codecs and folds that run in production.

    check(orders, given=[placed], when=SettleOrder("o1"), then=[settled])      what a decider answers
    check(orders, given=[placed], when=place, rejected="already placed")       what it refuses the caller
    check(tickets, given=[placed, settled], then=Ticket("o1", "settled"))      the rows of a projection
    check(sales, given=[settled], then={"sku": "cup", "window": noon, "sold": 1})
    check(selling, given=[placed], when=reserved, then=[Charge("o1", 5)])      what a saga sends for `when` (without: for all given)

Order holds inside a stream only. Where several streams feed one row (`many`), say `app=`: then the given events are also folded in
every order that keeps each stream's own (at most 200 orders, else 200 drawn ones), and all of them must give the same rows.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from runtime.domain.app import App
from runtime.domain.codec import CommandCodec, EventCodec, StreamCodec, encode
from runtime.domain.folds import AggregationFold, Fold, ProjectionFold, SagaFold, Values, folds_of, state_decoder
from runtime.domain.interleavings import Ties, orders
from runtime.domain.messages import Command, Event, messages_of, tag_of
from runtime.domain.parts import After, Decider, End, Part
from runtime.domain.rows import as_json
from runtime.errors import Misconfigured, Rejected

type Rows = dict[str, Values]  # by key


class _Unsaid:
    """Nothing was expected, which is not the same as expecting None."""


UNSAID = _Unsaid()


def check(
    part: Part,
    *,
    given: Sequence[Event] = (),
    when: Command | Event | None = None,
    then: Any = UNSAID,
    rejected: str | None = None,
    app: App | None = None,
) -> None:
    """`AssertionError` with the difference unless the part does what is said; `Misconfigured` for a check that cannot work."""
    if isinstance(part, Decider):
        _check_decider(part, given, when, then, rejected)
        return
    if rejected is not None:
        raise Misconfigured(f"check({part.name!r}): only a decider rejects")
    (fold,) = folds_of([part])
    if when is not None and not isinstance(fold, SagaFold):
        raise Misconfigured(f"check({part.name!r}): give a {type(part).__name__.lower()} its events by given=")
    events = _stored(fold.types, [*given, when] if isinstance(when, Event) else given, part.name)
    rows, sent = _fold(fold, events)
    if isinstance(fold, SagaFold):
        outputs = [output for outputs in (sent[-1:] if when is not None else sent) for output in outputs]
        if then is not UNSAID:
            _same(f"{part.name!r} sends other commands", _listed(then), outputs)
    elif then is not UNSAID:
        _check_rows(fold, rows, then)
    if fold.many and not isinstance(fold, AggregationFold):
        _shuffle(fold, events, sent, app)


# deciders
def _check_decider(part: Decider[Any, Any, Any], given: Sequence[Event], when: Any, then: Any, rejected: str | None) -> None:
    commands, types = messages_of(part.decide, 0, Command), messages_of(part.evolve, 1, Event)
    if type(when) not in commands:
        raise Misconfigured(f"check({part.name!r}): when= must be one of its commands {_names(commands)}, not {when!r}")
    if (then is UNSAID) == (rejected is None):
        raise Misconfigured(f"check({part.name!r}): say either then=[events] or rejected='part of the text'")
    state, states = part.initial, state_decoder(part.evolve, part.initial, f"decider {part.name!r}")
    for event in _stored(types, given, part.name):
        state = part.evolve(state, event)
    kept = states.decode(msgspec.json.encode(state))
    _same(f"{part.name!r}: the state changes when it is kept as a snapshot", [state], [kept])
    command = CommandCodec(commands).decode(encode(when))
    try:
        events = list(part.decide(command, state))
    except Rejected as error:
        if rejected is None:
            raise AssertionError(f"{part.name!r} rejected {when!r}: {error}") from error
        assert rejected in str(error), f"{part.name!r} rejected {when!r}, but says {str(error)!r} and not {rejected!r}"
        return
    assert rejected is None, f"{part.name!r} did not reject {when!r}, it answered {_shown(events)}"
    own = getattr(when, part.id_field)
    for event in events:
        found = getattr(event, part.id_field)
        assert found == own, f"{part.name!r} answered {when!r} with an event of another stream ({part.id_field} {found!r}): {event!r}"
    _same(f"{part.name!r} decides otherwise", _listed(then), _stored(types, events, part.name))


def _stored(types: Sequence[type[Event]], events: Sequence[Event], name: str) -> list[Event]:
    """The events as a store gives them back; `AssertionError` for one that would come back changed."""
    for event in events:
        if type(event) not in types:
            raise Misconfigured(f"check({name!r}): {type(event).__name__} is not one of its events {_names(types)}")
    stored: list[Event] = StreamCodec(types, EventCodec(types, ()), name).decode([encode(event) for event in events])
    _same(f"{name!r}: an event changes when it is stored", events, stored)
    return stored


# rows
def _fold(fold: Fold, events: Sequence[Event]) -> tuple[Rows, list[list[Any]]]:
    """The rows after these events in this order, each event stored before the next; and what a saga sent for each."""
    stored: dict[str, Any] = {}
    sent: list[list[Any]] = []
    for event in events:
        key = fold.key(event)
        match fold:
            case AggregationFold():
                delta = fold.contribution(event)
                if delta is not None:
                    stored[key] = fold.combined(stored.get(key), fold.key_values(event), delta)
            case ProjectionFold():
                stored[key] = _kept(fold, key, fold.fold(fold.open(stored.get(key)), event))
            case SagaFold():
                state, outputs = fold.fold(fold.open(stored.get(key)), event)
                sent.append(outputs)
                stored[key] = None if any(isinstance(output, End) for output in outputs) else _kept(fold, key, state)
    return {key: values for key, values in sorted(stored.items()) if values is not None}, sent


def _kept(fold: ProjectionFold | SagaFold, key: str, row: Any) -> Any:
    """The row's columns; `AssertionError` for a row that a read store gives back changed, or under another key."""
    values = fold.close(row)
    if values is None:
        return None
    _same(f"{fold.part.name!r}: a row changes when it is stored", [row], [fold.open(values)])
    if isinstance(fold, ProjectionFold):
        found = fold.key(row)
        assert found == key, f"{fold.part.name!r}: the row of key {key!r} says that it is {found!r}"
    return values


def _check_rows(fold: ProjectionFold | AggregationFold, rows: Rows, then: Any) -> None:
    expected = _listed(then)
    if isinstance(fold, ProjectionFold):
        found = [fold.open(values) for values in rows.values()]
        expected = sorted(expected, key=lambda row: fold.key(row) if isinstance(row, fold.part.row) else "")
    else:
        found = sorted([_as_said(fold, values, expected) for values in rows.values()], key=_order)
        expected = sorted(expected, key=_order)
    _same(f"{fold.part.name!r} has other rows", expected, found)


def _as_said(fold: AggregationFold, values: Values, expected: Sequence[Any]) -> Any:
    """The row as a dict, or as a tuple where tuples are expected; a mean's total and count only where somebody asks for them."""
    if expected and isinstance(expected[0], tuple):
        return values
    row = {column.name: value for column, value in zip(fold.table.columns, values, strict=True)}
    asked = {name for one in expected if isinstance(one, dict) for name in one}
    hidden = {f"{fold.measured.fields[position]}_{part}" for position in fold.measured.means for part in ("total", "count")}
    return {name: value for name, value in row.items() if name in asked or name not in hidden}


def _order(row: Any) -> str:
    return repr(sorted(row.items()) if isinstance(row, dict) else row)


# interleavings
def _shuffle(fold: ProjectionFold | SagaFold, events: Sequence[Event], sent: Sequence[Sequence[Any]], app: App | None) -> None:
    """Fold the events in every order that can come, and compare the rows."""
    if app is None:
        if isinstance(fold, SagaFold):
            return
        raise Misconfigured(f"check({fold.part.name!r}): several streams feed its rows; say app=, so that check can shuffle them")
    streams = [_stream(app, event) for event in events]
    first: tuple[Sequence[int], Rows] | None = None
    for order in orders(Ties(streams, _caused(app, streams, sent))):
        rows, _ = _fold(fold, [events[position] for position in order])
        if first is None:
            first = order, rows
        elif rows != first[1]:
            raise AssertionError(
                f"{fold.part.name!r}: two orders of the same events give different rows (order holds inside a stream only)\n"
                + _told("one order", fold, events, streams, *first)
                + _told("another order", fold, events, streams, order, rows)
            )


def _stream(app: App, message: Event | Command) -> str:
    return app.plan_of(type(message)).stream(message, "tenant" if app.tenant is not None else "")


def _caused(app: App, streams: Sequence[str], sent: Sequence[Sequence[Any]]) -> list[tuple[int, int]]:
    """A saga's own command comes before what it leads to: pairs (event that sent it, later event of the stream it went to)."""
    return [
        (cause, later)
        for cause, outputs in enumerate(sent)
        for output in outputs
        if not isinstance(output, End)
        for target in [_stream(app, output.command if isinstance(output, After) else output)]
        for later in range(cause + 1, len(streams))
        if streams[later] == target
    ]


def _told(title: str, fold: Fold, events: Sequence[Event], streams: Sequence[str], order: Sequence[int], rows: Rows) -> str:
    lines = [f"  {title}:", *(f"    {streams[position]}: {events[position]!r}" for position in order), "  gives"]
    shown = [f"    {key}: {msgspec.json.encode(as_json(fold.table.columns, values)).decode()}" for key, values in rows.items()]
    return "\n".join(lines + (shown or ["    no row"])) + "\n"


# texts
def _listed(then: Any) -> list[Any]:
    if then is None:
        return []
    several = isinstance(then, list) or (isinstance(then, tuple) and all(isinstance(one, msgspec.Struct) for one in then))
    return list(then) if several else [then]  # another tuple is one row of an aggregation


def _same(title: str, expected: Sequence[Any], found: Sequence[Any]) -> None:
    if list(expected) == list(found):
        return
    from difflib import ndiff

    lines = ndiff([repr(one) for one in expected], [repr(one) for one in found])
    raise AssertionError("\n".join([f"{title} (- expected, + found):", *(line.rstrip() for line in lines)]))


def _shown(events: Sequence[Any]) -> str:
    return repr(events) if events else "nothing"


def _names(types: Sequence[type[Command] | type[Event]]) -> str:
    return ", ".join(tag_of(message) for message in types)
