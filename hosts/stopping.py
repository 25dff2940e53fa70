"""SIGTERM and Ctrl-C set an event, wherever the main thread stands.

A handler runs on the main thread between any two of its steps. `Event.set` takes the lock that `Event.wait` holds for a moment when it begins
and when it ends; a handler that meets it there waits for its own thread for ever (1 of 400 processes that waited for 0.2 ms at a time did).
So another thread sets the event. The low-level start is used because `threading.Thread.start` takes locks of its own.
"""

import _thread
import contextlib
import signal
import threading
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def stop_on_signals(stop: threading.Event, *, insisting: bool = False) -> None:
    """The first signal asks to stop cleanly; where somebody at a keyboard may be `insisting`, the second raises `KeyboardInterrupt`."""
    met = False

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal met
        if insisting and (met or stop.is_set()):
            raise KeyboardInterrupt
        met = True
        with contextlib.suppress(RuntimeError):  # the interpreter is ending already
            _thread.start_new_thread(stop.set, ())

    for number in SIGNALS:
        signal.signal(number, on_signal)
