"""The protocol's tables, the strict reading of messages, and the page that is rendered from the tables."""

import json
from pathlib import Path

import pytest

from runtime.live.limits import Limits
from runtime.live.requests import Request
from runtime.live.wire import frames, protocol_page
from runtime.live.wire.messages import (
    ID_CHARACTERS_MAX,
    INVALID,
    NESTING_MAX,
    REASON_BYTES_MAX,
    TOO_BIG,
    Complete,
    Init,
    Message,
    Ping,
    Pong,
    Subscribe,
    Violation,
    parse,
)
from runtime.live.wire.protocol import (
    CONNECTION,
    FORBIDDEN,
    INTERNAL,
    OPERATION,
    Act,
    Do,
    Event,
    Happening,
    Operation,
    Phase,
    duplicate,
    step,
    step_operation,
)

LIMITS = Limits()
NO_ID: tuple[object, ...] = (None, 1, "", [], {}, "x" * (ID_CHARACTERS_MAX + 1))
NO_OBJECT: tuple[object, ...] = ("{}", 1, [], True)
NO_REQUEST: tuple[object, ...] = (None, "x", 1, [], {}, {"query": None}, {"query": 1}, {"query": {}})
NO_TEXT: tuple[object, ...] = (1, {}, [], True)
CLIENT = (Happening.INIT, Happening.PING, Happening.PONG, Happening.SUBSCRIBE, Happening.COMPLETE)


def read(message: object) -> Message | Violation:
    return parse(json.dumps(message), LIMITS)


def test_every_message_of_a_client_is_in_the_table_for_every_phase() -> None:
    assert [pair for phase in Phase for happening in CLIENT if (pair := (phase, happening)) not in CONNECTION] == []


def test_a_closed_connection_stays_closed_and_does_nothing() -> None:
    for happening in Happening:
        assert step(Phase.CLOSED, happening).phase is Phase.CLOSED
        assert step(Phase.CLOSED, happening).act is Do.NOTHING
    assert step(Phase.CLOSED, INVALID).act is Do.NOTHING


def test_what_is_not_in_the_table_ends_the_connection_as_our_fault() -> None:
    assert (Phase.NEW, Happening.ACCEPTED) not in CONNECTION
    assert step(Phase.NEW, Happening.ACCEPTED).act == INTERNAL


def test_a_violation_closes_every_open_phase_with_its_own_code() -> None:
    for phase in (Phase.NEW, Phase.INITIALISING, Phase.READY):
        assert step(phase, INVALID) == protocol_step(Phase.CLOSED, INVALID)


def protocol_step(phase: Phase, act: Do | Violation) -> object:
    from runtime.live.wire.protocol import Step

    return Step(phase, act)


def test_only_a_ready_connection_operates() -> None:
    assert {phase for (phase, _), found in CONNECTION.items() if found.act is Do.OPERATE} == {Phase.READY}


def test_an_operation_ends_once_and_its_id_is_free_then() -> None:
    ends = {Act.COMPLETE, Act.ERROR, Act.CANCEL}
    assert {turn.state for turn in OPERATION.values() if turn.act in ends} == {Operation.ABSENT}
    for event in (Event.STARTED, Event.NEXT, Event.ENDED, Event.FAILED):
        assert step_operation(Operation.ABSENT, event).act is Act.NOTHING


def test_a_subscribe_that_its_complete_overtook_does_not_start() -> None:
    tomb = step_operation(Operation.ABSENT, Event.STRAY)
    assert tomb.state is Operation.TOMBSTONE
    assert step_operation(tomb.state, Event.OVERTAKEN) == step_operation(Operation.ABSENT, Event.COMPLETE)
    assert step_operation(tomb.state, Event.SUBSCRIBE).act is Act.BEGIN


def test_an_active_id_is_refused_in_every_state_that_is_active() -> None:
    for state in (Operation.PREPARING, Operation.LIVE):
        assert step_operation(state, Event.SUBSCRIBE).act is Act.DUPLICATE


@pytest.mark.parametrize(
    ("message", "meant"),
    [
        ({"type": "connection_init"}, Init()),
        ({"type": "connection_init", "payload": None}, Init()),
        ({"type": "connection_init", "payload": {"token": "x"}}, Init({"token": "x"})),
        ({"type": "ping"}, Ping()),
        ({"type": "ping", "payload": {"a": 1}}, Ping({"a": 1})),
        ({"type": "pong"}, Pong()),
        ({"type": "complete", "id": "1"}, Complete("1")),
        ({"type": "subscribe", "id": "1", "payload": {"query": "{a}"}}, Subscribe("1", Request("{a}"))),
        (
            {"type": "subscribe", "id": "ü", "payload": {"query": "", "operationName": "q", "variables": {}, "extensions": {"e": 1}}},
            Subscribe("ü", Request("", "q", {}, {"e": 1})),
        ),
        (
            {"type": "subscribe", "id": "1", "payload": {"query": "q", "operationName": None, "variables": None, "extensions": None}},
            Subscribe("1", Request("q")),
        ),
        ({"type": "ping", "more": "is fine"}, Ping()),
    ],
)
def test_what_the_protocol_allows_is_understood(message: object, meant: Message) -> None:
    assert read(message) == meant


@pytest.mark.parametrize(
    "message",
    [
        1,
        "text",
        [],
        None,
        {},
        {"type": None},
        {"type": 1},
        {"type": ["ping"]},
        {"type": "unknown"},
        {"type": "start"},
        *({"type": type, "id": "1", "payload": {}} for type in ("next", "error", "connection_ack")),
        *({"type": type, "payload": payload} for type in ("connection_init", "ping", "pong") for payload in NO_OBJECT),
        *({"type": "complete", "id": id} for id in NO_ID),
        {"type": "complete"},
        {"type": "subscribe"},
        {"type": "subscribe", "id": "1"},
        *({"type": "subscribe", "id": id, "payload": {"query": "{a}"}} for id in NO_ID),
        *({"type": "subscribe", "id": "1", "payload": payload} for payload in NO_REQUEST),
        *({"type": "subscribe", "id": "1", "payload": {"query": "q", "operationName": name}} for name in NO_TEXT),
        *({"type": "subscribe", "id": "1", "payload": {"query": "q", "variables": value}} for value in NO_OBJECT),
        *({"type": "subscribe", "id": "1", "payload": {"query": "q", "extensions": value}} for value in NO_OBJECT),
    ],
)
def test_anything_else_is_invalid(message: object) -> None:
    assert read(message) == INVALID


@pytest.mark.parametrize(
    "data",
    [
        "",
        " ",
        "{",
        "nonsense",
        '{"type":"ping"} {"type":"ping"}',
        '{"type":"ping","payload":{"n":NaN}}',
        '{"type":"ping","payload":{"n":1e999}}',
        '{"type":"ping","payload":{"s":"\\ud800"}}',
        '{"type":"ping","payload":{"s":"\ud800"}}',
        b'{"type":"ping","payload":{"s":"\xed\xa0\x80"}}',
        b"\xff\xfe",
        b"\x00",
        "[" * 60_000,
        '{"type":"ping","payload":{"a":' + "[" * 60_000 + "]" * 60_000 + "}}",
        '{"type":"ping","payload":' + '{"a":' * (NESTING_MAX + 1) + "1" + "}" * (NESTING_MAX + 2),
        '{"type":"ping",' + '"a":1,' * 20_000 + "}",
    ],
)
def test_bytes_that_are_no_message_are_invalid_and_raise_nothing(data: str | bytes) -> None:
    assert parse(data, LIMITS) == INVALID


def test_nesting_up_to_its_bound_and_many_brackets_side_by_side_are_fine() -> None:
    deep = '{"type":"ping","payload":' + '{"a":' * (NESTING_MAX - 2) + "{}" + "}" * (NESTING_MAX - 2) + "}"
    assert isinstance(parse(deep, LIMITS), Ping)
    assert isinstance(read({"type": "ping", "payload": {"a": [[]] * 10_000}}), Ping)


def test_of_a_repeated_key_the_last_counts() -> None:
    assert parse('{"type":"ping","type":"complete","id":"1","id":"2"}', LIMITS) == Complete("2")


def test_bytes_are_read_as_text() -> None:
    assert parse(b'{"type":"ping"}', LIMITS) == Ping()


def test_a_message_over_the_bound_is_refused_by_its_length_alone() -> None:
    limits = Limits(message_bytes=100)
    assert parse("x" * 101, limits) == TOO_BIG
    assert parse("ü" * 51, limits) == TOO_BIG  # 51 characters, 102 bytes
    assert parse(b"x" * 101, limits) == TOO_BIG
    assert parse('{"type":"ping"}'.ljust(100), limits) == Ping()


def test_a_close_reason_fits_a_close_frame_whatever_the_id() -> None:
    for id in ("x" * 256, "ü" * 256, "\U0001f600" * 100, "\ud800" * 100):
        assert len(duplicate(id).reason.encode()) <= REASON_BYTES_MAX
    assert duplicate("1") == Violation(4409, "Subscriber for 1 already exists")


def test_frames_are_what_the_protocol_wants() -> None:
    said = [
        frames.ack(),
        frames.ack({"a": 1}),
        frames.ping(),
        frames.pong({"b": 2}),
        frames.next_frame('q"1', b'{"data":null}'),
        frames.error("1", [{"message": "no"}]),
        frames.complete("1"),
        frames.closing(FORBIDDEN),
    ]
    assert [json.loads(text) for text in said] == [
        {"type": "connection_ack"},
        {"type": "connection_ack", "payload": {"a": 1}},
        {"type": "ping"},
        {"type": "pong", "payload": {"b": 2}},
        {"id": 'q"1', "type": "next", "payload": {"data": None}},
        {"id": "1", "type": "error", "payload": [{"message": "no"}]},
        {"id": "1", "type": "complete"},
        {"type": "4403: Forbidden"},
    ]


def test_odd_values_of_a_resolver_are_written_somehow() -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd"

    for value in ("\ud800", Odd(), 2**80, float("nan"), {"a": ["\udfff", Odd()]}):
        json.loads(frames.as_json(value))


def test_the_page_says_what_the_tables_say() -> None:
    written = Path(__file__).parents[2].joinpath("docs", "protocol.md").read_text()
    assert written == protocol_page.page(), "render it again: python -m runtime.live.wire.protocol_page > docs/protocol.md"
