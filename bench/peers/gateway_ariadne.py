"""The peer ariadne 1.1.1: `GraphQLTransportWSHandler` over the very schema that our gateway has, behind the same server.

`python -m bench.peers.gateway_ariadne DATA` follows its documentation: an async generator per subscriber, here one that waits on a queue.
The rows are those of DATA, the `data` of a message of ours.
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from typing import Any, cast

from ariadne.asgi import GraphQL
from ariadne.asgi.handlers import GraphQLTransportWSHandler
from starlette.types import Receive, Scope, Send

from bench.gateway_child import Answer, obey, raise_open_files
from bench.gateway_domain import app
from hosts.serving import Serving
from runtime.live.plans import Entry, Update
from runtime.live.schema.building import build

queues: set[asyncio.Queue[Update]] = set()


def update_of(data: dict[str, Any]) -> Update:
    """What our resolvers take, from what they made."""
    rows = data["balanceRows"]
    entries = (Entry(one["key"], one["revision"]["generation"], one["revision"]["n"], one["row"]) for one in rows["changed"])
    return Update(tuple(entries), rows["cursor"])


UPDATE = update_of(json.loads(sys.argv[1]))


async def follow(*_: object, **__: object) -> AsyncIterator[Update]:
    """One subscriber."""
    queue: asyncio.Queue[Update] = asyncio.Queue()
    queue.put_nowait(UPDATE)
    queues.add(queue)
    try:
        while True:
            yield await queue.get()
    finally:
        queues.discard(queue)


def tell() -> None:
    """The change, to everybody."""
    for queue in queues:
        queue.put_nowait(UPDATE)


def main() -> None:
    """Serve until the pipe is closed."""
    raise_open_files()
    schema = build(app).schema
    assert schema.subscription_type is not None
    schema.subscription_type.fields["balanceRows"].subscribe = follow
    graphql = GraphQL(schema, websocket_handler=GraphQLTransportWSHandler())
    loop_of: list[asyncio.AbstractEventLoop] = []

    async def site(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await graphql(scope, receive, send)
            return
        loop_of.append(asyncio.get_running_loop())
        for kind in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{kind}.complete"})

    serving = Serving(cast(Any, site), "127.0.0.1", 0, message_bytes=1_000_000, keep_alive_s=3600)
    serving.start()

    def publish() -> Answer:
        loop_of[0].call_soon_threadsafe(tell)
        return {}

    obey(serving.port, {"publish": publish})


main()
