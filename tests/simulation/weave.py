"""Weaving: drive a shipped core and do something before, after or instead of one of its requests, which is where bugs live."""

from collections.abc import Callable
from typing import Any

from runtime.steps import Request, Steps

type Weave = Callable[[Request], Steps[Any]]  # performs the request its own way


def woven(core: Steps[Any], weave: Weave) -> Steps[Any]:
    """Drive a core, each of its requests performed by `weave`."""
    try:
        request = next(core)
        while True:
            try:
                reply = yield from weave(request)
            except Exception as error:  # noqa: BLE001  handed to the core, which decides
                request = core.throw(error)
            else:
                request = core.send(reply)
    except StopIteration as stop:
        return stop.value
