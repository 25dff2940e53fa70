"""Whatever a client sends, in whatever order things happen: the connection never raises and never says what it must not."""

import json
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from runtime.live.limits import Limits
from runtime.live.wire.connection import Begin, Close, Connection, Effect, Release, Running, Send, Verify
from runtime.live.wire.messages import parse
from runtime.live.wire.protocol import Event, Happening, Operation, Phase

LIMITS = Limits(message_bytes=4_000)
IDS = st.sampled_from(["1", "2", "3"])

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
good = st.one_of(
    st.just({"type": "connection_init"}),
    st.builds(lambda id: {"type": "subscribe", "id": id, "payload": {"query": "{a}"}}, IDS),
    st.builds(lambda id: {"type": "subscribe", "id": id, "payload": {"query": "{a}"}}, IDS),
    st.builds(lambda id: {"type": "complete", "id": id}, IDS),
    st.builds(
        lambda payload: {"type": "ping", "payload": payload}, st.none() | st.dictionaries(st.text(max_size=3), st.integers(), max_size=2)
    ),
    st.just({"type": "pong"}),
).map(lambda message: json.dumps(message))
bad = st.one_of(
    st.binary(max_size=30),
    st.text(max_size=30),
    json_values.map(lambda value: json.dumps(value)),
    st.builds(
        lambda type, id, payload: json.dumps({"type": type, "id": id, "payload": payload}),
        st.sampled_from(["subscribe", "complete", "ping", "pong", "connection_init", "next", "error", "nothing"]),
        json_values,
        json_values,
    ),
)
happenings = st.sampled_from([*Happening][5:])
moves = st.one_of(
    st.tuples(st.just("hear"), good),
    st.tuples(st.just("hear"), good),
    st.tuples(st.just("hear"), good),
    st.tuples(st.just("tell"), st.tuples(st.integers(0, 20), st.sampled_from([Event.STARTED, Event.NEXT, Event.ENDED, Event.FAILED]))),
    st.tuples(st.just("tell"), st.tuples(st.integers(0, 20), st.sampled_from([Event.STARTED, Event.NEXT, Event.ENDED, Event.FAILED]))),
    st.tuples(st.just("happen"), happenings),
    st.tuples(st.just("hear"), bad),
)


class Watched:
    """A connection whose every effect is checked against what a client may rely on."""

    def __init__(self) -> None:
        self.connection = Connection(LIMITS)
        self.begun: list[Running] = []
        self.ended: set[int] = set()  # positions in `begun` that a terminal frame was sent for
        self.released: list[Running] = []
        self.verifying = self.acked = self.closed = False

    def take(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send(text):
                    assert not self.closed, "something was sent after the close"
                    self._sent(json.loads(text))
                case Close(why):
                    assert not self.closed, "closed twice"
                    assert len(why.reason.encode()) <= 123
                    self.closed = True
                case Verify():
                    assert not self.verifying, "verified twice"
                    self.verifying = True
                case Begin(running):
                    assert self.acked and not self.closed
                    assert all(other is running or other.id != running.id or other in self.released for other in self.begun)
                    self.begun.append(running)
                case Release(running):
                    assert running in self.begun and running not in self.released, "released twice"
                    self.released.append(running)

    def _sent(self, message: dict[str, Any]) -> None:
        if message["type"] == "connection_ack":
            assert not self.acked
            self.acked = True
        if message["type"] not in ("next", "complete", "error"):
            return
        position = max(place for place, running in enumerate(self.begun) if running.id == message["id"])
        assert position not in self.ended, "an operation spoke after its end"
        if message["type"] != "next":
            self.ended.add(position)


def legal(running: Running, event: Event) -> bool:
    """What a driver may tell: it starts before it goes on."""
    return running.state is not Operation.PREPARING or event in (Event.STARTED, Event.FAILED)


def possible(phase: Phase, happening: Happening) -> bool:
    """What a driver lets happen: an answer about a token only after it was asked for."""
    return happening not in (Happening.ACCEPTED, Happening.REFUSED) or phase in (Phase.INITIALISING, Phase.CLOSED)


@given(st.booleans(), st.lists(moves, max_size=40))
@settings(max_examples=400)
def test_random_messages_never_raise_and_nothing_is_said_twice_or_after_the_close(greeted: bool, script: list[tuple[str, Any]]) -> None:
    watched = Watched()
    connection = watched.connection
    if greeted:
        watched.take(connection.hear('{"type":"connection_init"}'))
        watched.take(connection.happen(Happening.ACCEPTED))
    for kind, what in script:
        if kind == "hear":
            watched.take(connection.hear(what))
        elif kind == "happen" and possible(connection.phase, what):
            watched.take(connection.happen(what))
        elif kind == "tell" and watched.begun:
            running, event = watched.begun[what[0] % len(watched.begun)], what[1]
            if event is Event.STARTED and running.state is Operation.LIVE:
                continue
            if legal(running, event):
                watched.take(connection.tell(running, event, [] if event is Event.FAILED else b"{}"))
        assert (connection.phase is Phase.CLOSED) >= watched.closed
        assert set(connection.operations.values()) == set(watched.begun) - set(watched.released)
    watched.take(connection.happen(Happening.GONE))
    assert connection.operations == {} and len(watched.released) == len(watched.begun)


@given(st.lists(IDS, min_size=1, max_size=30))
def test_an_id_can_be_used_again_after_every_kind_of_end(ids: list[str]) -> None:
    watched = Watched()
    connection = watched.connection
    watched.take(connection.hear('{"type":"connection_init"}'))
    watched.take(connection.happen(Happening.ACCEPTED))
    for number, id in enumerate(ids):
        watched.take(connection.hear(json.dumps({"type": "subscribe", "id": id, "payload": {"query": "{a}"}})))
        running = watched.begun[-1]
        if number % 3 == 0:
            watched.take(connection.tell(running, Event.FAILED, []))
        elif number % 3 == 1:
            watched.take(connection.tell(running, Event.STARTED))
            watched.take(connection.tell(running, Event.ENDED))
        else:
            watched.take(connection.hear(json.dumps({"type": "complete", "id": id})))
    assert len(watched.begun) == len(ids) and not watched.closed


@given(bad)
def test_reading_never_raises(data: str | bytes) -> None:
    parse(data, LIMITS)
