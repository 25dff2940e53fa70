"""One client's WebSocket as a test sees it: says anything, hears messages, and knows how it ended."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from socket import SHUT_RDWR
from typing import Any, Self

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from tests.patience import PATIENCE_S

SUBPROTOCOL = "graphql-transport-ws"
IN_BAND = re.compile(r"(\d{4}): (.*)")

type Message = dict[str, Any]
type Ending = tuple[int, str]


class Ended(Exception):
    """The connection is over: close code and reason, or what an in-band frame said."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.ending = (code, reason)


class Client:
    """`in_band`: the driver tells fatal errors by a frame of unknown type; it counts as the end, as off-the-shelf clients have it."""

    def __init__(
        self,
        url: str,
        *,
        subprotocols: Sequence[str] = (SUBPROTOCOL,),
        in_band: bool = False,
        headers: Mapping[str, str] | None = None,
        origin: str | None = None,
    ) -> None:
        offered = [Subprotocol(name) for name in subprotocols] or None
        self._stack = ExitStack()
        opening = connect(
            url,
            subprotocols=offered,
            additional_headers=headers,
            origin=origin,  # type: ignore[arg-type]
            compression=None,
            proxy=None,
            max_size=None,
            open_timeout=PATIENCE_S,
            close_timeout=1,
        )
        self.socket: ClientConnection = self._stack.enter_context(opening)
        self._in_band = in_band

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def subprotocol(self) -> str | None:
        """What the server chose."""
        return self.socket.subprotocol

    def say(self, message: Message | str | bytes) -> None:
        """Send a message, or any text, or a binary frame."""
        try:
            self.socket.send(json.dumps(message) if isinstance(message, dict) else message)
        except ConnectionClosed as closed:
            raise _ended(closed) from None

    def hear(self, within_s: float = PATIENCE_S) -> Message:
        """The next message. Raises `Ended`, or TimeoutError."""
        try:
            message: Message = json.loads(self.socket.recv(within_s))
        except ConnectionClosed as closed:
            raise _ended(closed) from None
        if self._in_band and (found := IN_BAND.fullmatch(str(message.get("type")))):
            raise Ended(int(found[1]), found[2])
        return message

    def ending(self, within_s: float = PATIENCE_S) -> Ending:
        """How it ends; what is said before is skipped."""
        until = time.monotonic() + within_s
        try:
            while True:
                self.hear(max(0.0, until - time.monotonic()))
        except Ended as ended:
            return ended.ending

    def quiet(self, for_s: float = 0.3) -> bool:
        """Whether nothing comes for a while."""
        try:
            self.hear(for_s)
        except TimeoutError:
            return True
        return False

    # the usual
    def greet(self, payload: Message | None = None) -> Self:
        """`connection_init` and its acknowledgement."""
        self.say({"type": "connection_init"} if payload is None else {"type": "connection_init", "payload": payload})
        assert self.hear()["type"] == "connection_ack"
        return self

    def ask(self, id: str, query: str, **variables: Any) -> None:
        """`subscribe`."""
        self.say({"type": "subscribe", "id": id, "payload": {"query": query, "variables": variables}})

    def complete(self, id: str) -> None:
        """`complete`."""
        self.say({"type": "complete", "id": id})

    def answer(self, id: str, query: str, **variables: Any) -> Message:
        """The payload of a query's one result."""
        self.ask(id, query, **variables)
        result = self.hear()
        assert (result["type"], result["id"]) == ("next", id), result
        assert self.hear() == {"type": "complete", "id": id}
        payload: Message = result["payload"]
        return payload

    def alive(self) -> bool:
        """Whether the connection still answers; what it says before its pong is skipped."""
        self.say({"type": "ping", "payload": {"alive": 1}})
        while (message := self.hear())["type"] != "pong":
            pass
        return message == {"type": "pong", "payload": {"alive": 1}}

    def close(self) -> None:
        """Say goodbye."""
        self._stack.close()

    def vanish(self) -> None:
        """Break off without a word."""
        vanish(self.socket)


def vanish(socket: ClientConnection) -> None:
    """The client is gone, and the thread that read for it: closing the descriptor alone would leave that one waiting for ever."""
    with suppress(OSError):  # the other side may have been first
        socket.socket.shutdown(SHUT_RDWR)
    socket.recv_events_thread.join(PATIENCE_S)
    assert not socket.recv_events_thread.is_alive()


def _ended(closed: ConnectionClosed) -> Ended:
    return Ended(1006, "") if closed.rcvd is None else Ended(closed.rcvd.code, closed.rcvd.reason)
