"""The peer `websockets.broadcast`: the lightest way in Python to put the same bytes on many WebSockets, with no GraphQL at all.

`python -m bench.peers.gateway_broadcast FRAME` greets like a gateway, answers each `subscribe` with the frame and sends it to all of them
when told to.
"""

import asyncio
import sys
import threading
from concurrent.futures import Future

import uvloop
from websockets.asyncio.server import ServerConnection, broadcast, serve
from websockets.typing import Subprotocol

from bench.gateway_child import Answer, obey, raise_open_files

type Listening = Future[tuple[asyncio.AbstractEventLoop, int]]

FRAME = sys.argv[1]
subscribed: set[ServerConnection] = set()


async def greet(connection: ServerConnection) -> None:
    """Acknowledge, remember who subscribes."""
    async for message in connection:
        if b"connection_init" in (message if isinstance(message, bytes) else message.encode()):
            await connection.send('{"type":"connection_ack"}')
        else:
            subscribed.add(connection)
            await connection.send(FRAME)
    subscribed.discard(connection)


async def serving(listening: Listening) -> None:
    """Serve until the process ends."""
    server = await serve(
        greet, "127.0.0.1", 0, subprotocols=[Subprotocol("graphql-transport-ws")], compression=None, ping_interval=None, backlog=2048
    )
    listening.set_result((asyncio.get_running_loop(), server.sockets[0].getsockname()[1]))
    await server.serve_forever()


def main() -> None:
    """Orders come in on the main thread, as with our gateway; the sockets have the other."""
    raise_open_files()
    listening: Listening = Future()
    threading.Thread(target=lambda: uvloop.run(serving(listening)), daemon=True).start()
    loop, port = listening.result()

    def publish() -> Answer:
        loop.call_soon_threadsafe(broadcast, subscribed, FRAME)
        return {}

    obey(port, {"publish": publish})


main()
