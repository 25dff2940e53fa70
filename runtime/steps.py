"""Cores are generators that yield I/O requests, so that one and the same core runs on threads, in batches and in simulation.

A core never calls a provider: it says `reply = yield from ask(store.load, stream, key)`. Whoever drives it performs the
request (`run` here, the batch driver of the feed, the seeded scheduler of the simulation) and sends the reply back, or
throws the error in. Between two requests a core is pure.
"""

from collections.abc import Callable, Generator
from typing import Any

type Steps[T] = Generator[Request, Any, T]


class Request:
    """One I/O request: a bound port method and its arguments."""

    __slots__ = ("args", "call")

    def __init__(self, call: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.call = call
        self.args = args

    @property
    def name(self) -> str:
        """The method's name, for traces and for a simulation that plants faults by name."""
        return getattr(self.call, "__name__", type(self.call).__name__)

    def perform(self) -> Any:
        """Do it, blocking."""
        return self.call(*self.args)


def ask[**P, T](call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Steps[T]:
    """Yield one request and return its reply, typed as the port method is."""
    assert not kwargs, "requests take positional arguments only"
    reply: T = yield Request(call, args)
    return reply


def run[T](steps: Steps[T]) -> T:
    """Drive a core to its end on this thread; errors of the ports are thrown into the core."""
    try:
        request = next(steps)
        while True:
            try:
                reply = request.call(*request.args)
            except Exception as error:  # noqa: BLE001  handed to the core, which decides
                request = steps.throw(error)
            else:
                request = steps.send(reply)
    except StopIteration as stop:
        result: T = stop.value
        return result
