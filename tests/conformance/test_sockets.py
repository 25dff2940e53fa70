"""The Sockets and Connections ports in sentences, over every provider: memory, API Gateway and Web PubSub as emulated, DynamoDB."""

import contextlib
import itertools
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from msgspec.structs import replace
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from providers.aws.connections import DynamoConnections
from providers.aws.dynamo import Dynamo
from providers.aws.signing import Credentials
from providers.aws.sockets import ApiGatewaySockets
from providers.azure.sockets import WebPubSubSockets
from providers.memory.sockets import MemoryConnections, MemorySockets
from runtime.errors import LimitExceeded
from runtime.ports.sockets import Busy, Calls, Connection, Connections, Follower, Frame, Gone, Opened, Opening, Operation, Reply, Sockets
from tests.gateways.rooms import ACCESS_KEY, Loop, api_gateway, web_pubsub
from tests.gateways.sigv4 import Keys
from tests.gateways.webpubsub import HUB
from tests.servers.dynamodb import running

PROTOCOL = "graphql-transport-ws"
WAIT_S = 10.0


class Client(NamedTuple):
    """An open socket: its id, the next frame, whether it is closed, and how it leaves."""

    id: str
    read: Callable[[], str]
    closed: Callable[[], bool]
    leave: Callable[[], None]


class Harbour(NamedTuple):
    """Sockets of one provider, and how clients come."""

    sockets: Sockets
    open: Callable[[], Client]
    choke: Callable[[str], None]  # this client reads nothing any more


class Deaf(Calls):
    """Lets everybody in and says nothing."""

    async def connect(self, opening: Opening) -> Opened:
        return Opened(200, PROTOCOL)

    async def message(self, frame: Frame) -> Reply:
        return Reply()

    async def disconnect(self, connection: str, at: float) -> None:
        return


def in_memory() -> Harbour:
    sockets = MemorySockets(buffered=1000)
    ids = itertools.count(1)
    held: dict[str, list[str]] = {}

    def read(id: str) -> str:
        until = time.monotonic() + WAIT_S
        while not held[id]:
            assert time.monotonic() < until, "nothing came"
            held[id] += sockets.take(id)
        return held[id].pop(0)

    def closed(id: str) -> bool:
        try:
            held[id] += sockets.take(id)
        except Gone:
            return True
        return False

    def open() -> Client:
        id = f"socket-{next(ids)}"
        sockets.open(id)
        held[id] = []
        return Client(id, lambda: read(id), lambda: closed(id), lambda: sockets.close(id))

    def choke(id: str) -> None:
        with contextlib.suppress(Busy):
            while True:
                sockets.send(id, "x")

    return Harbour(sockets, open, choke)


def served(url: str, ids: Callable[[], list[str]], sockets: Sockets, choke: Callable[[str], None], opened: contextlib.ExitStack) -> Harbour:
    def open() -> Client:
        before = set(ids())
        socket = opened.enter_context(connect(url, subprotocols=[Subprotocol(PROTOCOL)], ping_interval=None, max_size=None))
        until = time.monotonic() + WAIT_S
        while not (new := set(ids()) - before):
            assert time.monotonic() < until
            time.sleep(0.005)
        (name,) = new

        def read() -> str:
            return str(socket.recv(timeout=WAIT_S))

        def closed() -> bool:
            try:
                while True:
                    socket.recv(timeout=2)
            except ConnectionClosed:
                return socket.close_code == 1000
            except TimeoutError:
                return False

        def leave() -> None:
            socket.close()
            until = time.monotonic() + WAIT_S
            while name in ids():
                assert time.monotonic() < until
                time.sleep(0.005)

        return Client(name, read, closed, leave)

    return Harbour(sockets, open, choke)


@pytest.fixture(params=["memory", "apigateway", "webpubsub"])
def harbour(request: pytest.FixtureRequest) -> Iterator[Harbour]:
    if request.param == "memory":
        yield in_memory()
        return
    with Loop() as loop, contextlib.ExitStack() as opened:
        if request.param == "apigateway":
            amazon = api_gateway(loop, lambda endpoint, keys: Deaf())
            known = Keys()
            post = ApiGatewaySockets(
                amazon.endpoint, region=known.region, credentials=lambda: Credentials(known.access_key, known.secret_key)
            )
            yield served(amazon.url, amazon.open.ids, post, amazon.open.busy.add, opened)
            post.shut()
        else:
            azure = web_pubsub(loop, lambda endpoint, key: Deaf())
            rest = WebPubSubSockets(azure.endpoint, ACCESS_KEY, HUB)
            yield served(azure.url, azure.open.ids, rest, azure.open.busy.add, opened)
            rest.shut()


def test_a_frame_reaches_the_client_as_it_was_sent(harbour: Harbour) -> None:
    client = harbour.open()
    harbour.sockets.send(client.id, '{"type":"next","payload":"ü ✓ 𝄞"}')
    assert client.read() == '{"type":"next","payload":"ü ✓ 𝄞"}'


def test_frames_of_one_caller_come_in_order_and_only_to_their_client(harbour: Harbour) -> None:
    one, two = harbour.open(), harbour.open()
    for number in range(50):
        harbour.sockets.send(one.id, f"one {number}")
        harbour.sockets.send(two.id, f"two {number}")
    assert [one.read() for _ in range(50)] == [f"one {number}" for number in range(50)]
    assert [two.read() for _ in range(50)] == [f"two {number}" for number in range(50)]


def test_a_socket_that_never_was_is_gone(harbour: Harbour) -> None:
    with pytest.raises(Gone):
        harbour.sockets.send("bm9ib2R5AAEC+/=", "hello")


def test_a_socket_whose_client_left_is_gone(harbour: Harbour) -> None:
    client, other = harbour.open(), harbour.open()
    client.leave()
    with pytest.raises(Gone):
        harbour.sockets.send(client.id, "hello")
    harbour.sockets.send(other.id, "still here")
    assert other.read() == "still here"


def test_close_ends_a_socket_normally_and_once_more_is_no_error(harbour: Harbour) -> None:
    client = harbour.open()
    harbour.sockets.close(client.id)
    assert client.closed()
    with pytest.raises(Gone):
        harbour.sockets.send(client.id, "hello")
    harbour.sockets.close(client.id)


def test_a_client_that_does_not_read_is_busy_and_others_are_not(harbour: Harbour) -> None:
    slow, other = harbour.open(), harbour.open()
    harbour.choke(slow.id)
    with pytest.raises(Busy):
        harbour.sockets.send(slow.id, "hello")
    harbour.sockets.send(other.id, "hello")
    assert other.read() == "hello"


def test_a_frame_bigger_than_the_service_takes_is_refused_with_the_limit(harbour: Harbour) -> None:
    client = harbour.open()
    if isinstance(harbour.sockets, MemorySockets):
        return  # memory takes any
    with pytest.raises(LimitExceeded, match="ask for fewer rows"):
        harbour.sockets.send(client.id, "x" * (1024 * 1024 + 1))


# what is remembered


@pytest.fixture(scope="module")
def dynamodb() -> Iterator[str]:
    """A DynamoDB of this module alone."""
    with running() as url:
        yield url


@pytest.fixture(params=["memory", "dynamodb"])
def kept(request: pytest.FixtureRequest) -> Iterator[Connections]:
    if request.param == "memory":
        yield MemoryConnections()
        return
    dynamo = Dynamo(request.getfixturevalue("dynamodb"), "eu-central-1", credentials=lambda: Credentials("AKIDEXAMPLE", "secret"))
    connections = DynamoConnections(dynamo, f"t{uuid.uuid4().hex}")
    connections.ensure()
    yield connections
    connections.close()


def connection(id: str = "c1", **fields: object) -> Connection:
    return replace(Connection(id, "new", 1_700_000_000.25, 1_700_000_003.25), **fields)


def operation(id: str = "1", connection: str = "c1", **fields: object) -> Operation:
    return replace(Operation(connection, id, "preparing", 1_700_000_001.5, 1_700_000_030.0, "i1"), **fields)


def test_a_connection_is_read_as_it_was_put(kept: Connections) -> None:
    row = connection(phase="ready", session=b'{"subject":"\xc3\xbc"}', resume=b"{}")
    stored = kept.put_connection(row)
    assert stored is not None
    assert stored.stamp
    assert replace(stored, stamp="") == row
    assert kept.connection("c1") == stored
    assert kept.connection("c2") is None


def test_a_put_counts_only_on_the_row_that_was_read(kept: Connections) -> None:
    first = kept.put_connection(connection())
    assert first is not None
    assert kept.put_connection(connection(phase="late")) is None  # it is there
    second = kept.put_connection(replace(first, phase="initialising"))
    assert second is not None
    assert kept.put_connection(replace(first, phase="late")) is None  # it changed
    assert kept.connection("c1") == second
    assert kept.put_connection(connection("c2", stamp="never")) is None  # it is not there
    assert kept.connection("c2") is None


def test_a_row_that_went_and_came_back_is_another_one(kept: Connections) -> None:
    first = kept.put_operation(operation())
    assert first is not None
    assert kept.drop_operation(first)
    second = kept.put_operation(operation())
    assert second is not None
    assert kept.put_operation(replace(first, state="late")) is None
    assert not kept.drop_operation(first)
    assert kept.operation("c1", "1") == second


def test_of_many_puts_on_one_row_one_counts(kept: Connections) -> None:
    row = kept.put_operation(operation())
    assert row is not None
    won: list[Operation] = []
    start = threading.Barrier(8)

    def put(number: int) -> None:
        start.wait()
        stored = kept.put_operation(replace(row, dirty=str(number)))
        if stored is not None:
            won.append(stored)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT_S)
    assert len(won) == 1
    assert kept.operation("c1", "1") == won[0]


def test_a_dropped_connection_is_gone_once(kept: Connections) -> None:
    kept.put_connection(connection())
    assert kept.drop_connection("c1")
    assert not kept.drop_connection("c1")
    assert kept.connection("c1") is None


def test_operations_are_listed_by_connection_and_found_by_name(kept: Connections) -> None:
    rows = [kept.put_operation(operation(id, name)) for name in ("c1", "c2") for id in ("1", "2", "ü/#?")]
    full = operation(
        "full",
        "c3",
        state="live",
        cohort="a cohort",
        topics=("t1", "t2"),
        gate="catchup",
        position="p",
        dirty="d",
        expires_at=1_700_000_100.5,
        subject="ann",
        token_id="j",
        key="k",
        issued_at=1_700_000_000.0,
        lagging_since=2.5,
    )
    stored = kept.put_operation(full)
    assert stored is not None
    assert replace(stored, stamp="") == full
    assert kept.operation("c3", "full") == stored
    assert sorted(row.id for row in kept.operations("c1")) == ["1", "2", "ü/#?"]
    assert kept.operations("nobody") == []
    asked = [(row.connection, row.id) for row in rows if row] + [("c1", "absent"), ("nobody", "1")]
    assert kept.operations_of(asked) == {(row.connection, row.id): row for row in rows if row}
    assert kept.operations_of([]) == {}


def test_more_operations_than_fit_into_one_request_are_found(kept: Connections) -> None:
    rows = [kept.put_operation(operation(str(number), f"c{number % 7}")) for number in range(250)]
    assert len(kept.operations_of([(row.connection, row.id) for row in rows if row])) == 250


def test_everyone_who_is_live_is_found_in_pages(kept: Connections) -> None:
    for number in range(25):
        kept.put_operation(operation(str(number % 5), f"c{number // 5}", state="live" if number % 2 else "preparing"))
    found: list[Operation] = []
    after = ""
    while True:
        page, after = kept.everyone(after, 5)
        found += page
        if not after:
            break
    assert len(found) == 12
    assert all(row.state == "live" for row in found)
    assert len({(row.connection, row.id) for row in found}) == 12


def follower(number: int, topic: str = "ticket/one", instance: str = "") -> Follower:
    return Follower(topic, f"c{number:03}", "1", instance or f"i{number:03}", "cohort")


def test_followers_of_a_topic_come_in_pages_each_once(kept: Connections) -> None:
    kept.follow([follower(number) for number in range(60)])
    kept.follow([follower(number) for number in range(5)])  # again
    kept.follow([follower(1, "ticket/other")])
    found: list[Follower] = []
    after = ""
    while True:
        page, after = kept.followers("ticket/one", after, 17)
        assert len(page) <= 17
        found += page
        if not after:
            break
    assert sorted(found, key=lambda each: each.connection) == [follower(number) for number in range(60)]
    assert kept.followers("ticket/other", "", 10) == ([follower(1, "ticket/other")], "")
    assert kept.followers("ticket/nobody", "", 10) == ([], "")


def test_two_instances_of_one_operation_are_two_followers(kept: Connections) -> None:
    kept.follow([follower(1, instance="a"), follower(1, instance="b")])
    kept.unfollow([follower(1, instance="a")])
    kept.unfollow([follower(1, instance="a"), follower(9)])  # again, and one that never was
    assert kept.followers("ticket/one", "", 10)[0] == [follower(1, instance="b")]


def test_noted_columns_stay_noted(kept: Connections) -> None:
    assert kept.noted("ticket") == frozenset()
    kept.note("ticket", ["customer"])
    kept.note("ticket", ["sku", "customer"])
    kept.note("ticket", [])
    kept.note("sales", ["sku"])
    assert kept.noted("ticket") == {"customer", "sku"}
    assert kept.noted("sales") == {"sku"}


def test_a_cohort_keeps_what_was_given_first_and_stays(kept: Connections) -> None:
    assert kept.cohort("unknown") is None
    kept.keep_cohort("c", b"request and plan \x00\xff", time.time() + 100)
    kept.keep_cohort("c", b"request and plan \x00\xff", time.time() + 10)
    assert kept.cohort("c") == b"request and plan \x00\xff"


def test_what_was_pushed_never_goes_back(kept: Connections) -> None:
    assert kept.pushed("rows", 1) is None
    kept.begin("rows", 1, {3: 7})
    assert kept.pushed("rows", 1) == {3: 7}
    kept.begin("rows", 1, {3: 100, 4: 100})  # it has begun
    kept.advance("rows", 1, {3: 10, 255: 2**40})
    kept.advance("rows", 1, {3: 9, 4: 1})
    kept.advance("rows", 2, {3: 1})
    kept.advance("rows", 1, {})
    assert kept.pushed("rows", 1) == {3: 10, 4: 1, 255: 2**40}
    assert kept.pushed("rows", 2) == {3: 1}
    kept.begin("other", 1, {})
    assert kept.pushed("other", 1) == {}


def test_rows_come_due_by_their_time_and_not_before(kept: Connections) -> None:
    early = kept.put_connection(connection("early", due=100.0))
    late = kept.put_connection(connection("late", due=300.0))
    between = kept.put_operation(operation("between", due=200.5))
    assert early is not None
    assert late is not None
    assert between is not None
    assert settled(lambda: kept.due(99.0, 10), 0) == []
    assert settled(lambda: kept.due(250.0, 10), 2) == [early, between]
    assert settled(lambda: kept.due(250.0, 1), 1) == [early]
    kept.put_connection(replace(early, due=400.0))
    kept.drop_operation(between)
    assert settled(lambda: kept.due(350.0, 10), 1) == [late]


def settled[T](ask: Callable[[], list[T]], count: int) -> list[T]:
    """The hint may lag."""
    until = time.monotonic() + WAIT_S
    while len(found := ask()) != count and time.monotonic() < until:
        time.sleep(0.05)
    return found


def test_rows_are_counted(kept: Connections) -> None:
    assert kept.count() == {"connections": 0, "operations": 0, "tombstones": 0, "followers": 0}
    kept.put_connection(connection())
    kept.put_operation(operation())
    kept.put_operation(operation("2"))
    kept.put_operation(operation("3", state="tombstone"))
    kept.follow([follower(1), follower(2), follower(3)])
    assert kept.count() == {"connections": 1, "operations": 2, "tombstones": 1, "followers": 3}
