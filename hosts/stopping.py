"""SIGTERM and Ctrl-C set an event, whichever thread the kernel hands them to and wherever the main thread stands.

Python runs handlers on the main thread, when that gets to it. One that waits without a time-out never does so by itself: when a signal comes
on another thread, nobody wakes it (a gateway slept through SIGTERM 3 times of 11 on a busy machine). And a handler that runs there must not
call `Event.set`, which takes the lock that `Event.wait` holds for a moment when it begins and when it ends: it would wait for its own thread
for ever. So a thread of its own sets the event, told by the file to which Python writes the number of each signal at once, on whatever
thread it came (`signal.set_wakeup_fd`).
"""

import os
import signal
import threading
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def stop_on_signals(stop: threading.Event, *, insisting: bool = False) -> None:
    """The first signal asks to stop cleanly; where somebody at a keyboard may be `insisting`, the second raises `KeyboardInterrupt`."""
    told, telling = os.pipe()
    os.set_blocking(telling, False)
    signal.set_wakeup_fd(telling, warn_on_full_buffer=False)
    asked = met = False

    def set_it() -> None:
        nonlocal asked
        while numbers := os.read(told, 64):
            if not set(numbers).isdisjoint(SIGNALS):
                asked = asked or not stop.is_set()
                stop.set()

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal met
        if insisting and (met or (stop.is_set() and not asked)):
            raise KeyboardInterrupt
        met = True

    threading.Thread(target=set_it, name="signals", daemon=True).start()
    for number in SIGNALS:
        signal.signal(number, on_signal)
