"""gql, the Python client, as it comes: the same day as the others have."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from gql import Client, GraphQLRequest
from gql.client import ReconnectingAsyncClientSession
from gql.transport.exceptions import TransportError, TransportQueryError
from gql.transport.websockets import WebsocketsTransport

from tests.live import bed
from tests.servers.proxy import Proxy

LIVE = """subscription LiveTickets($after: String) {
  ticketRows(after: $after) { snapshot changed { key revision { generation n } row { stage } } removed { key } cursor }
}"""
PLACE = "mutation PlaceOrder($input: PlaceOrderInput!) { placeOrder(input: $input) { token } }"
TICKET = "query Ticket($order: String!, $after: String) { ticket(order: $order, after: $after) { customer } }"

type Seen = dict[str, tuple[int, int]]


@pytest.fixture(scope="module")
def gateway() -> Iterator[bed.Bed]:
    """The shop, served."""
    with bed.running() as running:
        yield running


def transport(url: str, token: str) -> WebsocketsTransport:
    """How gql connects."""
    return WebsocketsTransport(url, init_payload={"authorization": f"Bearer {token}"} if token else {})


def purchase(order: str) -> dict[str, Any]:
    """The variables of a mutation."""
    return {"input": {"order": order, "customer": "ann", "sku": "tea", "quantity": 1, "amount": 500, "at": "2026-01-01T10:00:00Z"}}


@asynccontextmanager
async def session_on(url: str, token: str) -> AsyncIterator[Any]:
    """A session that is connected."""
    async with Client(transport=transport(url, token)) as session:
        yield session


async def refused(work: Awaitable[Any]) -> str:
    """The code that an operation is refused with."""
    with pytest.raises(TransportQueryError) as caught:
        await work
    assert caught.value.errors
    code: str = caught.value.errors[0]["extensions"]["code"]
    return code


def soon(work: Callable[[], Awaitable[None]]) -> None:
    """Run a day, which is short."""

    async def bounded() -> None:
        async with asyncio.timeout(60):
            await work()

    asyncio.run(bounded())


def test_a_query_a_mutation_a_live_query_that_shows_it_and_refusals(gateway: bed.Bed) -> None:
    async def day() -> None:
        order = uuid.uuid4().hex
        async with session_on(gateway.socket_url, gateway.tokens.sign("ann")) as session:
            updates = session.subscribe(GraphQLRequest(LIVE))
            first = (await anext(updates))["ticketRows"]
            assert first["snapshot"]
            token = (await session.execute(GraphQLRequest(PLACE, variable_values=purchase(order))))["placeOrder"]["token"]
            await until_shown(updates, order)
            read = await session.execute(GraphQLRequest(TICKET, variable_values={"order": order, "after": token}))
            assert read == {"ticket": {"customer": "ann"}}
            assert await refused(session.execute(GraphQLRequest(PLACE, variable_values=purchase(order)))) == "REJECTED"
            bad = {"order": order, "after": "not a token"}
            assert await refused(session.execute(GraphQLRequest(TICKET, variable_values=bad))) == "BAD_INPUT"
            assert await refused(session.execute(GraphQLRequest("{ ticketRows { nothing } }"))) == "BAD_REQUEST"
            another = uuid.uuid4().hex
            await session.execute(GraphQLRequest(PLACE, variable_values=purchase(another)))
            await until_shown(updates, another)  # the refusals did it no harm
            await updates.aclose()

    soon(day)


async def until_shown(updates: AsyncIterator[dict[str, Any]], order: str) -> str:
    """The cursor of the update that shows an order."""
    async for update in updates:
        told = update["ticketRows"]
        if any(change["key"] == order for change in told["changed"]):
            cursor: str = told["cursor"]
            return cursor
    raise AssertionError(f"the live query ended before it showed {order}")


def test_a_lost_connection_goes_on_from_its_cursor(gateway: bed.Bed) -> None:
    async def day() -> None:
        seen: Seen = {}
        snapshots: list[bool] = []
        token, orders = gateway.tokens.sign("ann"), [uuid.uuid4().hex for _ in range(6)]
        with Proxy(gateway.serving.port) as proxy:
            client = Client(transport=transport(proxy.through(gateway.socket_url), token))
            session = await client.connect_async(reconnecting=True)  # type: ignore[no-untyped-call]
            watching = asyncio.create_task(watch(session, seen, snapshots))
            async with session_on(gateway.socket_url, token) as beside:
                await told(lambda: bool(snapshots))
                for order in orders:
                    await beside.execute(GraphQLRequest(PLACE, variable_values=purchase(order)))
                    await asyncio.to_thread(proxy.cut)
                await told(lambda: set(orders) <= set(seen))
            watching.cancel()
            await client.close_async()  # type: ignore[no-untyped-call]
        assert snapshots == [True]

    soon(day)


async def watch(session: ReconnectingAsyncClientSession, seen: Seen, snapshots: list[bool]) -> None:
    """Follow the rows for good; a lost connection is asked again, after the last cursor."""
    after = ""
    while True:
        try:
            async for update in session.subscribe(GraphQLRequest(LIVE, variable_values={"after": after or None})):
                told = update["ticketRows"]
                after = told["cursor"]
                snapshots += [True] if told["snapshot"] else []
                for change in told["changed"]:
                    revision = (change["revision"]["generation"], change["revision"]["n"])
                    assert revision > seen.get(change["key"], (0, 0))  # nothing twice, nothing back
                    seen[change["key"]] = revision
        except TransportQueryError:
            raise
        except TransportError:
            await asyncio.sleep(0.05)


async def told(holds: Callable[[], bool]) -> None:
    """Wait until something holds; the day's bound is the bound."""
    while not holds():
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("reconnecting", [False, True])
def test_a_bad_token_is_told_and_not_tried_in_a_hot_loop(gateway: bed.Bed, reconnecting: bool) -> None:
    async def day() -> None:
        with Proxy(gateway.serving.port) as proxy:
            client = Client(transport=transport(proxy.through(gateway.socket_url), "bad.bad.bad"))
            try:
                async with asyncio.timeout(5):
                    with pytest.raises(TransportError) as caught:
                        await client.connect_async(reconnecting=reconnecting)  # type: ignore[no-untyped-call]
                    assert "4403" in f"{caught.value} {caught.value.__cause__}"
            except TimeoutError:
                assert reconnecting  # it waits longer before each attempt, and goes on
            finally:
                await client.close_async()  # type: ignore[no-untyped-call]
            assert 1 <= proxy.accepted <= 6

    soon(day)


def test_nobody_gets_no_rows_and_keeps_the_connection(gateway: bed.Bed) -> None:
    async def day() -> None:
        async with session_on(gateway.socket_url, "") as session:
            for _ in range(2):
                assert await refused(anext(session.subscribe(GraphQLRequest(LIVE)))) in ("UNAUTHENTICATED", "FORBIDDEN")

    soon(day)
