"""The protocol as functions: what only they have to get right, since their messages overtake each other and nothing stays in memory."""

import asyncio
import json
import logging
import random
import threading
import time
from typing import Any

import pytest

from providers.memory.sockets import MemoryConnections, MemorySockets
from runtime.errors import Misconfigured, Unavailable
from runtime.live.limits import Limits
from runtime.ports.sockets import Busy, Connection, Frame, Gone, Operation, Sockets
from tests.live import functions
from tests.live.functions import FOLLOW, FOLLOW_ALL, Message, Place
from tests.live.protocol import probe
from tests.patience import PATIENCE_S

NOW = 1_700_000_000.0


def test_an_engine_with_generators_is_refused_and_they_are_named() -> None:
    with (
        pytest.raises(Misconfigured, match=r"subscription count, breaks, refuses, odd.*: .* cannot run a generator"),
        functions.running(probe.streaming),
    ):
        pass


# the handshake


def test_the_handshake_is_refused_without_our_protocol_and_from_a_foreign_page() -> None:
    async def steps(place: Place) -> None:
        for offered, status in ((("graphql-ws", "graphql-transport-ws"), 200), (("graphql-ws",), 400)):
            _, opened = await place.open(*offered)
            assert (opened.status, opened.subprotocol) == (status, "graphql-transport-ws" if status == 200 else "")
        for origin, status in (("", 200), ("https://gateway.example", 200), ("https://evil.example", 403), ("null", 403)):
            assert (await place.open(origin=origin))[1].status == status
        assert place.rows()["connections"] == 3

    with functions.running() as place:
        place.do(steps(place))


def test_the_acknowledgement_is_stored_before_it_is_sent() -> None:
    class Watching:
        """Looks at the row at the moment of each send."""

        def __init__(self, sockets: MemorySockets) -> None:
            self.sockets, self.phases = sockets, list[str]()
            self.connections = MemoryConnections()

        def send(self, connection: str, text: str) -> None:
            row = self.connections.connection(connection)
            self.phases.append(f"{json.loads(text)['type']} while {row.phase if row else 'gone'}")
            self.sockets.send(connection, text)

        def close(self, connection: str) -> None:
            self.sockets.close(connection)

    watching: list[Watching] = []

    def watched(sockets: MemorySockets) -> Sockets:
        watching.append(Watching(sockets))
        watching[0].connections = kept
        return watching[0]

    kept = MemoryConnections()
    with functions.running(connections=kept, sockets=watched) as place:
        place.do(place.greet())
    assert watching[0].phases == ["connection_ack while ready"]


# order


def test_a_complete_before_its_subscribe_stops_it_and_one_for_an_earlier_operation_does_not() -> None:
    async def steps(place: Place) -> None:
        id = await place.greet()
        await place.complete(id, "1", at=NOW + 2)
        await place.ask(id, "1", FOLLOW, at=NOW + 1, c="a")
        assert place.heard(id) == []
        assert place.rows() == {"connections": 1, "operations": 0, "tombstones": 0, "followers": 0}
        await place.ask(id, "1", FOLLOW, at=NOW + 3, c="a")  # the id is free again
        assert [message["type"] for message in place.heard(id)] == ["next"]
        await place.complete(id, "1", at=NOW + 2.5)  # comes late, and meant the one before
        assert place.rows()["operations"] == 1
        await place.complete(id, "1", at=NOW + 4)
        assert place.rows() == {"connections": 1, "operations": 0, "tombstones": 0, "followers": 0}
        await place.complete(id, "2", at=NOW + 5)
        await place.ask(id, "2", FOLLOW, at=NOW + 6, c="a")  # sent after that complete, so it is another one
        assert [message["type"] for message in place.heard(id)] == ["next"]

    with functions.running() as place:
        place.do(steps(place))


def test_a_subscribe_waits_for_the_complete_that_it_has_overtaken_before_its_id_is_called_taken() -> None:
    async def steps(place: Place) -> None:
        id = await place.greet()
        await place.ask(id, "1", FOLLOW, at=NOW + 1, c="a")
        again = asyncio.create_task(place.ask(id, "1", FOLLOW, at=NOW + 3, c="b"))
        await asyncio.sleep(0.05)
        await place.complete(id, "1", at=NOW + 2)
        await again
        assert [message["type"] for message in place.heard(id)] == ["next", "next"]
        await place.ask(id, "1", FOLLOW, at=NOW + 4, c="c")
        assert place.heard(id) == [{"type": "4409: Subscriber for 1 already exists"}]

    with functions.running() as place:
        place.do(steps(place))


def test_tombstones_go_by_themselves_and_cannot_pile_up() -> None:
    async def steps(place: Place) -> None:
        id = await place.greet()
        for number in range(40):
            await place.complete(id, str(number))
        assert 10 < place.rows()["tombstones"] <= 21
        place.clock.ahead_s = 61
        await place.sweeping.sweep()
        assert place.rows() == {"connections": 1, "operations": 0, "tombstones": 0, "followers": 0}

    with functions.running(limits=Limits(operations_per_connection=10)) as place:
        place.do(steps(place))


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in (2, 3))])
def test_a_thousand_operations_subscribed_completed_and_dropped_at_once_leave_nothing_and_lose_nothing(seed: int) -> None:
    """A fifth of them is to stay: each of those is live, has its picture, and nothing else is stored."""
    dice = random.Random(seed)

    async def steps(place: Place) -> None:
        open = [await place.greet() for _ in range(50)]
        staying = set(open[:10])

        async def soon(doing: Any) -> None:
            await asyncio.sleep(dice.random() * 0.3)
            await doing

        work = []
        for number in range(1_000):
            id, at = open[number % len(open)], NOW + number
            work.append(soon(place.ask(id, str(number), FOLLOW_ALL if number % 3 else FOLLOW, at=at, c=f"c{number % 7}")))
            if id not in staying and number % 2:
                work.append(soon(place.complete(id, str(number), at=at + 0.5)))
        work += [soon(place.stateless.disconnect(id, NOW)) for id in open if id not in staying]
        await asyncio.gather(*work)
        told = {(id, message["id"]) for id in staying for message in place.heard(id) if message["type"] == "next"}
        expected = {(open[number % 50], str(number)) for number in range(1_000) if open[number % 50] in staying}
        assert told == expected
        rows = place.rows()
        assert (rows["operations"], rows["followers"], rows["connections"]) == (len(expected), len(expected), len(staying))
        place.clock.ahead_s = 61
        while await place.sweeping.sweep():
            pass
        assert place.rows()["tombstones"] == 0

    with functions.running(seed=seed, store_s=0.002, limits=Limits(operations_per_connection=1_000)) as place:
        place.do(steps(place))


# limits


def test_more_operations_than_a_connection_may_have_are_refused_and_the_others_go_on() -> None:
    async def steps(place: Place) -> None:
        id = await place.greet()
        for number in range(5):
            await place.ask(id, str(number), FOLLOW, c="a")
        heard = place.heard(id)
        assert [message["type"] for message in heard] == ["next"] * 3 + ["error"] * 2
        assert heard[-1]["payload"][0]["extensions"]["code"] == "LIMIT_EXCEEDED"
        assert place.rows()["operations"] == 3
        await place.complete(id, "1")
        await place.ask(id, "9", FOLLOW, c="a")
        assert [message["type"] for message in place.heard(id)] == ["next"]

    with functions.running(limits=Limits(operations_per_connection=3)) as place:
        place.do(steps(place))


def test_an_answer_that_no_message_holds_is_an_error_that_says_so() -> None:
    async def steps(place: Place) -> None:
        id = await place.greet()
        await place.ask(id, "1", "query($n: Int!) { large(size: $n) }", n=140_000)
        (message,) = place.heard(id)
        assert (message["type"], message["payload"][0]["extensions"]["code"]) == ("error", "LIMIT_EXCEEDED")
        assert "ask for fewer rows" in message["payload"][0]["message"]
        await place.ask(id, "1", "query($n: Int!) { large(size: $n) }", n=100)
        assert [message["type"] for message in place.heard(id)] == ["next", "complete"]

    with functions.running() as place:
        place.do(steps(place))


def test_a_picture_that_no_message_holds_comes_in_several() -> None:
    async def steps(place: Place) -> None:
        for number in range(30):
            place.bump(f"counter {number:03} " + "x" * 100)
        id = await place.greet()
        await place.ask(id, "1", FOLLOW_ALL)
        updates = [message["payload"]["data"]["totalRows"] for message in place.heard(id)]
        assert len(updates) > 1
        assert sum(len(update["changed"]) for update in updates) == 30
        assert [update["complete"] for update in updates] == [False] * (len(updates) - 1) + [True]
        assert [update["reset"] for update in updates] == [True] + [False] * (len(updates) - 1)
        assert [bool(update["cursor"]) for update in updates] == [update["complete"] for update in updates]

    with functions.running(limits=Limits(answer_bytes=2_000)) as place:
        place.do(steps(place))


def test_a_message_that_takes_too_long_is_answered_all_the_same() -> None:
    async def steps(place: Place) -> None:
        id = await place.greet()
        started = time.monotonic()
        await place.ask(id, "1", "{ slow(seconds: 30) }")
        assert time.monotonic() - started < 5
        (message,) = place.heard(id)
        assert message["payload"][0]["extensions"] == {"code": "UNAVAILABLE", "inDoubt": True}
        await place.say(id, {"type": "ping"})
        assert place.heard(id) == [{"type": "pong"}]
        assert place.rows()["operations"] == 0

    with functions.running(deadline_s=0.5) as place:
        place.do(steps(place))


# time


def test_without_an_init_in_time_the_client_is_told_and_the_socket_closed_a_little_later() -> None:
    async def steps(place: Place) -> None:
        id, _ = await place.open()
        await place.sweeping.sweep()
        assert place.heard(id) == []
        place.clock.ahead_s = 3.1
        await place.sweeping.sweep()
        assert place.heard(id) == [{"type": "4408: Connection initialisation timeout"}]
        await place.say(id, {"type": "connection_init"})
        assert place.heard(id) == []  # it is over
        await place.sweeping.sweep()
        assert place.heard(id) == []  # but not closed yet: the client is to hang up by itself
        place.clock.ahead_s += 5.1
        await place.sweeping.sweep()
        with pytest.raises(Gone):
            place.heard(id)
        assert place.rows()["connections"] == 0

    with functions.running() as place:
        place.do(steps(place))


def test_a_token_that_expires_ends_the_connection_at_the_next_sweep_touch_or_push() -> None:
    told = [{"type": "4403: Token expired"}]

    async def steps(place: Place) -> None:
        greeting = {"token": place.tokens.sign("ann", ttl_s=60)}
        swept, touched, followed = [await place.greet(greeting) for _ in range(3)]
        for id in (swept, touched, followed):
            await place.ask(id, "1", FOLLOW, c="a")
            assert len(place.heard(id)) == 1
        place.bump("a")
        place.clock.ahead_s = 60
        await place.pushed()
        for id in (swept, touched, followed):
            assert place.heard(id) == told  # no data after it
        assert place.rows()["operations"] == 0
        place.clock.ahead_s = 0
        swept, touched = [await place.greet(greeting) for _ in range(2)]
        for id in (swept, touched):
            await place.ask(id, "1", FOLLOW, c="a")
            place.heard(id)
        place.clock.ahead_s = 60
        await place.say(touched, {"type": "ping"})
        assert place.heard(touched) == told
        await place.sweeping.sweep()
        assert place.heard(swept) == told

    with functions.running() as place:
        place.do(steps(place))


def test_a_function_that_died_with_its_work_half_done_leaves_it_to_the_sweep() -> None:
    async def steps(place: Place) -> None:
        id = await place.greet()
        for number, kind in enumerate(("{ slow(seconds: 60) }", FOLLOW)):
            dying = asyncio.create_task(place.ask(id, str(number), kind, c="a"))
            await asyncio.sleep(0.2)
            dying.cancel()  # no more than a process that is killed would do
            await asyncio.gather(dying, return_exceptions=True)
        place.heard(id)
        place.clock.ahead_s = 120
        while await place.sweeping.sweep():
            pass
        heard = place.heard(id)
        assert [(message["id"], message["type"]) for message in heard if "id" in message] == [("0", "error")]
        assert place.rows()["operations"] == 1  # the subscription lives

    with functions.running(limits=Limits()) as place:
        place.do(steps(place))


def test_a_silent_socket_is_pinged_and_one_that_is_gone_is_forgotten() -> None:
    async def steps(place: Place) -> None:
        there, gone = await place.greet(), await place.greet()
        await place.ask(gone, "1", FOLLOW, c="a")
        place.sockets.close(gone)  # and nobody told us
        place.clock.ahead_s = 481
        await place.sweeping.sweep()
        assert place.heard(there) == [{"type": "ping"}]
        assert place.rows() == {"connections": 1, "operations": 0, "tombstones": 0, "followers": 0}

    with functions.running() as place:
        place.do(steps(place))


# faults


class Failing(MemoryConnections):
    """A store that fails now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.error: Exception | None = None

    def connection(self, id: str) -> Connection | None:
        if self.error is not None:
            raise self.error
        return super().connection(id)


@pytest.mark.parametrize("error", [Unavailable("the table is not there"), RuntimeError("the secret of the house")])
def test_whatever_fails_nothing_is_raised_and_the_client_hears_no_more_than_internal(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    failing = Failing()

    async def steps(place: Place) -> None:
        id = await place.greet()
        failing.error = error
        with caplog.at_level(logging.CRITICAL, "trimaran.gateway"):
            assert (await place.say(id, {"type": "ping"})).frame == ""
            await place.stateless.disconnect("nobody", NOW)
        failing.error = None
        for message in place.heard(id):
            assert message == {"type": "4500: Internal server error"}
        for odd in ("", b"\xff", "[]", "x" * 200_000):
            other = await place.greet()
            await place.say(other, odd)
            assert place.heard(other)[0]["type"].startswith(("4400: ", "1009: "))

    with functions.running(connections=failing) as place:
        place.do(steps(place))


def test_a_message_of_a_connection_that_nobody_knows_closes_it_so_that_it_comes_back() -> None:
    async def steps(place: Place) -> None:
        place.sockets.open("stranger")
        await place.stateless.message(Frame("stranger", '{"type":"ping"}', NOW))
        with pytest.raises(Gone):
            place.heard("stranger")

    with functions.running() as place:
        place.do(steps(place))


# resume and push


def values(messages: list[Message]) -> list[int]:
    rows = [message["payload"]["data"]["total"]["row"] for message in messages]
    return [row["value"] if row else 0 for row in rows]


def cursor_of(messages: list[Message]) -> str:
    (data,) = messages[-1]["payload"]["data"].values()
    return str(data["cursor"])


def test_a_change_is_pushed_to_who_follows_it_and_to_nobody_else() -> None:
    async def steps(place: Place) -> None:
        one, other = await place.greet(), await place.greet()
        await place.ask(one, "1", FOLLOW, c="a")
        await place.ask(one, "2", FOLLOW_ALL, w={"value": {"ge": 2}})
        await place.ask(other, "1", FOLLOW, c="b")
        place.heard(one), place.heard(other)
        place.bump("a")
        await place.pushed()
        assert [message["id"] for message in place.heard(one)] == ["1"]
        place.bump("a")
        await place.pushed()
        assert sorted(message["id"] for message in place.heard(one)) == ["1", "2"]
        assert place.heard(other) == []

    with functions.running() as place:
        place.do(steps(place))


def test_a_cohort_is_rendered_once_however_many_are_in_it() -> None:
    async def steps(place: Place) -> None:
        ids = [await place.greet() for _ in range(20)]
        for id in ids:
            await place.ask(id, f"own {id}", FOLLOW, c="a")
            place.heard(id)
        place.bump("a")
        await place.pushed()
        assert [values(place.heard(id)) for id in ids] == [[1]] * 20
        assert place.pusher.figures["renders"] == 1

    with functions.running() as place:
        place.do(steps(place))


@pytest.mark.parametrize("by", ["variables", "connection_init"])
def test_who_comes_back_with_a_cursor_misses_nothing_and_hears_nothing_twice(by: str) -> None:
    async def steps(place: Place) -> None:
        first = await place.greet()
        await place.ask(first, "1", FOLLOW, c="a")
        place.bump("a")
        await place.pushed()
        heard = place.heard(first)
        assert values(heard) == [0, 1]
        await place.stateless.disconnect(first, NOW)
        place.bump("a", 2)
        await place.pushed()
        cursor = cursor_of(heard)
        second = await place.greet({"resume": {"1": cursor}} if by == "connection_init" else None)
        await place.ask(second, "1", FOLLOW, c="a", after=cursor if by == "variables" else None)
        heard = place.heard(second)
        assert values(heard) == [3]
        assert not heard[0]["payload"]["data"]["total"]["snapshot"]
        await place.stateless.disconnect(second, NOW)
        third = await place.greet()
        await place.ask(third, "1", FOLLOW, c="a", after=cursor_of(heard))
        assert place.heard(third) == []  # nothing happened meanwhile
        place.bump("a")
        await place.pushed()
        assert values(place.heard(third)) == [4]

    with functions.running() as place:
        place.do(steps(place))


def test_what_is_pushed_while_somebody_is_caught_up_is_held_back_and_then_told_once() -> None:
    class Between(MemoryConnections):
        """Something happens right after the index knows of a new follower."""

        happens: Any = None

        def follow(self, followers: Any) -> None:
            super().follow(followers)
            happens, self.happens = self.happens, None
            if happens is not None:
                happens()

    between = Between()

    async def steps(place: Place) -> None:
        seed = await place.greet()
        await place.ask(seed, "1", FOLLOW, c="a")
        loop = asyncio.get_running_loop()

        def change() -> None:
            place.bump("a")
            asyncio.run_coroutine_threadsafe(place.pushed(), loop)

        between.happens = change
        id = await place.greet()
        await place.ask(id, "1", FOLLOW, c="a")
        await asyncio.sleep(0.3)
        place.bump("a")
        await place.pushed()
        assert values(place.heard(id)) == [1, 2]

    with functions.running(connections=between, seed=1, store_s=0.0001) as place:
        place.do(steps(place))


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.long) for seed in (2, 3))])
def test_subscribers_who_come_go_and_come_back_while_everything_changes_see_every_last_state_and_nothing_twice(seed: int) -> None:
    """Random pauses everywhere; each subscriber folds what it hears, and drops with a cursor again and again."""
    dice = random.Random(seed)

    class View:
        def __init__(self) -> None:
            self.rows: dict[str, tuple[int, int]] = {}
            self.cursor, self.doubled, self.backwards, self.resets = "", 0, 0, 0

        def take(self, messages: list[Message]) -> None:
            for message in messages:
                assert message["type"] == "next", message
                update = message["payload"]["data"]["totalRows"]
                if update["reset"]:
                    self.rows, self.resets = {}, self.resets + 1
                for change in update["changed"]:
                    known, n = self.rows.get(change["key"], (0, 0)), change["revision"]["n"]
                    self.doubled += n == known[0]
                    self.backwards += n < known[0]
                    self.rows[change["key"]] = (n, change["row"]["value"])
                self.cursor = update["cursor"]

    async def subscriber(place: Place, view: View, stop: asyncio.Event) -> None:
        while not stop.is_set():
            id = await place.greet()
            asking = asyncio.create_task(place.ask(id, "1", FOLLOW_ALL, after=view.cursor or None))
            until = time.monotonic() + dice.uniform(0.02, 0.2)
            while time.monotonic() < until:
                view.take(place.heard(id))
                await asyncio.sleep(0.002)
            rest = place.sockets.take(id)
            place.sockets.close(id)
            view.take([json.loads(text) for text in rest])
            await place.stateless.disconnect(id, NOW)
            await asking

    async def steps(place: Place) -> None:
        views = [View() for _ in range(6)]
        stop = asyncio.Event()
        subscribers = [asyncio.create_task(subscriber(place, view, stop)) for view in views]

        async def pushing() -> None:
            while not stop.is_set():
                await place.pushed()
                await place.sweeping.sweep()
                await asyncio.sleep(dice.uniform(0, 0.02))

        pusher = asyncio.create_task(pushing())
        for number in range(300):
            await asyncio.to_thread(place.local.commands.send, probe.Bump(f"c{number % 9}", 1), "", "")
            if number % 50 == 0:
                await asyncio.sleep(0.05)
        await asyncio.to_thread(place.bump, "c0")
        stop.set()
        await asyncio.gather(*subscribers, pusher)
        for view in views:
            id = await place.greet()
            await place.ask(id, "1", FOLLOW_ALL, after=view.cursor or None)
            view.take(place.heard(id))
            await place.stateless.disconnect(id, NOW)
            assert (view.doubled, view.backwards, view.resets) == (0, 0, 1)
            assert {key: value for key, (_, value) in view.rows.items()} == {f"c{n}": 34 + (n == 0) - (n > 2) for n in range(9)}
        assert place.rows() == {"connections": 0, "operations": 0, "tombstones": 0, "followers": 0}

    with functions.running(seed=seed, store_s=0.001) as place:
        place.do(steps(place))


def test_lost_signals_and_a_new_pusher_are_made_good_from_the_log() -> None:
    async def steps(place: Place) -> None:
        id = await place.greet()
        await place.ask(id, "1", FOLLOW, c="a")
        place.heard(id)
        with place.local.signals.listen() as listener:
            for _ in range(3):
                place.bump("a")
            signals = listener.take(100, 5)
        await place.pusher.push(signals[-1:])  # the first two are lost
        assert values(place.heard(id)) == [3]
        await place.pusher.push(signals)  # they come late
        assert place.heard(id) == []
        place.bump("a")
        fresh = type(place.pusher)(place.stateless.subscribing)  # another process
        await fresh.look()
        assert values(place.heard(id)) == [4]
        await place.pusher.look()
        assert place.heard(id) == []

    with functions.running() as place:
        place.do(steps(place))


class Choking:
    """Sockets of which some take nothing for a while, or fail in other ways."""

    def __init__(self, sockets: MemorySockets) -> None:
        self.sockets, self.errors = sockets, dict[str, Exception]()

    def send(self, connection: str, text: str) -> None:
        if connection in self.errors:
            raise self.errors[connection]
        self.sockets.send(connection, text)

    def close(self, connection: str) -> None:
        self.sockets.close(connection)


def test_one_who_does_not_read_delays_nobody_and_is_brought_to_now_when_it_does() -> None:
    made: list[Choking] = []

    def choking(sockets: MemorySockets) -> Sockets:
        made.append(Choking(sockets))
        return made[0]

    async def steps(place: Place) -> None:
        ids = [await place.greet() for _ in range(4)]
        slow, gone, odd, fine = ids
        for id in ids:
            await place.ask(id, "1", FOLLOW, c="a")
            place.heard(id)
        made[0].errors = {slow: Busy("full"), gone: Gone("closed"), odd: RuntimeError("what is this")}
        for _ in range(3):
            place.bump("a")
            await place.pushed()
        assert values(place.heard(fine)) == [1, 2, 3]
        made[0].errors = {}
        assert place.rows()["connections"] == 3  # the one that is gone is forgotten
        place.clock.ahead_s = 2
        await place.sweeping.sweep()
        assert values(place.heard(slow)) == [3]  # the newest state, once
        place.bump("a")
        await place.pushed()
        assert values(place.heard(slow)) == values(place.heard(fine)) == [4]

    with functions.running(sockets=choking) as place:
        place.do(steps(place))


def test_one_who_does_not_read_for_a_minute_is_told_that_it_is_too_slow() -> None:
    made: list[Choking] = []

    def choking(sockets: MemorySockets) -> Sockets:
        made.append(Choking(sockets))
        return made[0]

    async def steps(place: Place) -> None:
        id = await place.greet()
        await place.ask(id, "1", FOLLOW, c="a")
        place.heard(id)
        made[0].errors = {id: Busy("full")}
        place.bump("a")
        await place.pushed()
        place.clock.ahead_s = 5
        await place.sweeping.sweep()
        made[0].errors = {}
        place.clock.ahead_s = 70
        await place.sweeping.sweep()
        assert place.heard(id) == [{"type": "1013: Too slow"}]

    with functions.running(sockets=choking) as place:
        place.do(steps(place))


class Meeting(MemoryConnections):
    """Something else happens just before one kind of write: what two functions do when they meet."""

    def __init__(self) -> None:
        super().__init__()
        self.before: dict[str, Any] = {}

    def _meet(self, what: str) -> None:
        happens = self.before.pop(what, None)
        if happens is not None:
            happens()

    def follow(self, followers: Any) -> None:
        self._meet("index")
        super().follow(followers)

    def put_operation(self, row: Operation) -> Operation | None:
        if row.gate == "live":
            self._meet("gate")
        return super().put_operation(row)


@pytest.mark.parametrize("ending", ["complete", "disconnect"])
def test_an_operation_that_ends_just_before_the_index_knows_of_it_leaves_no_row_there(ending: str) -> None:
    meeting = Meeting()

    async def steps(place: Place) -> None:
        id, loop = await place.greet(), asyncio.get_running_loop()

        def end() -> None:
            doing = place.complete(id, "1") if ending == "complete" else place.stateless.disconnect(id, NOW)
            asyncio.run_coroutine_threadsafe(doing, loop).result(10)

        meeting.before["index"] = end
        await place.ask(id, "1", FOLLOW, c="a")
        assert (place.rows()["operations"], place.rows()["followers"]) == (0, 0)

    with functions.running(connections=meeting, seed=1, store_s=0.0001) as place:
        place.do(steps(place))


def test_a_change_between_the_picture_and_the_opening_of_the_gate_is_told_before_it_opens() -> None:
    meeting = Meeting()

    async def steps(place: Place) -> None:
        loop = asyncio.get_running_loop()

        def change() -> None:
            place.bump("a")
            asyncio.run_coroutine_threadsafe(place.pushed(), loop).result(10)

        meeting.before["gate"] = change
        id = await place.greet()
        await place.ask(id, "1", FOLLOW, c="a")
        assert values(place.heard(id)) == [0, 1]
        place.bump("a")
        await place.pushed()
        assert values(place.heard(id)) == [2]

    with functions.running(connections=meeting, seed=1, store_s=0.0001) as place:
        place.do(steps(place))


def test_the_cursor_of_one_who_is_ahead_of_what_was_pushed_does_not_go_back() -> None:
    async def steps(place: Place) -> None:
        await place.ask(await place.greet(), "1", FOLLOW_ALL)  # pushing begins
        place.bump("a")  # and this is not pushed yet
        id = await place.greet()
        await place.ask(id, "1", FOLLOW_ALL)
        assert len(place.heard(id)) == 1
        with place.local.signals.listen() as listener:
            place.bump("b")
            signals = listener.take(100, 5)
        await place.pusher.push(signals)
        (update,) = place.heard(id)
        assert [change["key"] for change in update["payload"]["data"]["totalRows"]["changed"]] == ["b"]
        again = await place.greet()
        await place.ask(again, "1", FOLLOW_ALL, after=cursor_of([update]))
        (update,) = place.heard(again)
        assert update["payload"]["data"]["totalRows"]["changed"] == []
        await place.pushed()
        assert place.heard(id) == place.heard(again) == []

    with functions.running() as place:
        place.do(steps(place))


def test_idle_also_lets_go_of_an_operation_that_ended_a_moment_ago() -> None:
    async def steps(place: Place) -> None:
        id, _ = await place.open()
        await place.say(id, {"type": "connection_init"})
        (running,) = place.stateless._running
        while not running.done():
            await asyncio.sleep(0)
        assert place.stateless._running, "it has ended, and has yet to leave"
        await place.stateless.idle()

    with functions.running(detached=True) as place:
        going = threading.Thread(target=place.do, args=(steps(place),), daemon=True)
        going.start()
        going.join(PATIENCE_S)
        assert not going.is_alive()
