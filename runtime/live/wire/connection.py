"""One client's connection on a server: the protocol's tables with the state they need, as messages in and effects out.

A driver hears a frame (`hear`) or something else happens (`happen`, `tell`); it is handed what to do, in order. Nothing here waits, so a
property test can feed it anything; the driver adds sockets, tasks and time.
"""

from typing import Any

from msgspec import Struct

from runtime.live.limits import Limits
from runtime.live.requests import Request
from runtime.live.wire import frames
from runtime.live.wire.messages import Complete, Init, Message, Ping, Pong, Subscribe, Violation, parse
from runtime.live.wire.protocol import Act, Do, Event, Happening, Operation, Phase, Step, duplicate, step, step_operation


class Running:
    """An operation; `state` turns ABSENT for good when it ends, whoever uses its id afterwards."""

    __slots__ = ("head", "id", "state")

    def __init__(self, id: str) -> None:
        self.id, self.head, self.state = id, frames.head(id), Operation.ABSENT


class Send(Struct, frozen=True):
    """Send this frame."""

    text: str


class Close(Struct, frozen=True):
    """Close the socket; nothing is sent afterwards."""

    why: Violation


class Verify(Struct, frozen=True):
    """Find out who this is, then `happen(ACCEPTED)` or `happen(REFUSED)`."""

    payload: dict[str, Any] | None


class Begin(Struct, frozen=True):
    """Prepare and start an operation; what comes of it is told by `tell`."""

    running: Running
    request: Request


class Release(Struct, frozen=True):
    """An operation is over: free what it holds."""

    running: Running


type Effect = Send | Close | Verify | Begin | Release


class Connection:
    """Phase and operations of one socket."""

    def __init__(self, limits: Limits) -> None:
        self.phase = Phase.NEW
        self.operations: dict[str, Running] = {}
        self.answers = False  # it has answered a ping, so silence means that it is gone
        self._limits = limits

    def hear(self, data: str | bytes) -> list[Effect]:
        """A frame came."""
        return self.take(parse(data, self._limits))

    def take(self, message: Message | Violation) -> list[Effect]:
        """A message was read, or could not be."""
        done = step(self.phase, message)
        if done.act is Do.OPERATE:
            assert isinstance(message, Subscribe | Complete)
            return self._begin(message) if isinstance(message, Subscribe) else self._complete(message.id)
        self.answers = self.answers or isinstance(message, Pong)
        return self._do(done, message)

    def happen(self, happening: Happening) -> list[Effect]:
        """Something of ours happened."""
        return self._do(step(self.phase, happening), None)

    def tell(self, running: Running, event: Event, payload: Any = None) -> list[Effect]:
        """STARTED, NEXT (`payload`: the response's JSON bytes), ENDED or FAILED (`payload`: errors) of an operation that began here."""
        turn = step_operation(running.state, event)
        running.state = turn.state
        match turn.act:
            case Act.NEXT:
                return [Send(f"{running.head}{payload.decode()}}}")]
            case Act.COMPLETE:
                return [Send(frames.complete(running.id)), self._over(running)]
            case Act.ERROR:
                return [Send(frames.error(running.id, payload)), self._over(running)]
            case _:
                return []

    def _do(self, done: Step, message: Message | Violation | None) -> list[Effect]:
        self.phase = done.phase
        match done.act:
            case Violation() as why:
                return [*self._release(), Close(why)]
            case Do.RELEASE:
                return self._release()
            case Do.VERIFY:
                assert isinstance(message, Init)
                return [Verify(message.payload)]
            case Do.ACK:
                return [Send(frames.ack())]
            case Do.PONG:
                assert isinstance(message, Ping)
                return [Send(frames.pong(message.payload))]
            case _:
                return []

    def _begin(self, message: Subscribe) -> list[Effect]:
        running = self.operations.get(message.id) or Running(message.id)
        turn = step_operation(running.state, Event.SUBSCRIBE)
        if turn.act is Act.DUPLICATE:
            return self._do(Step(Phase.CLOSED, duplicate(message.id)), None)
        running.state = turn.state
        self.operations[message.id] = running
        return [Begin(running, message.request)]

    def _complete(self, id: str) -> list[Effect]:
        running = self.operations.get(id)
        if running is None:
            return []
        running.state = step_operation(running.state, Event.COMPLETE).state
        return [self._over(running)]

    def _over(self, running: Running) -> Release:
        del self.operations[running.id]
        return Release(running)

    def _release(self) -> list[Effect]:
        released: list[Effect] = []
        for running in list(self.operations.values()):
            running.state = Operation.ABSENT
            released.append(self._over(running))
        return released
