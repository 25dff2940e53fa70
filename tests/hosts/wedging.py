"""A domain whose projection hangs on one value, as a deadlock or an endless loop in a user's fold would; `nap` hangs a while only."""

import os
import threading
import time

from runtime.domain import App, Decider, Projection
from tests.processes.domain import NAME, Counted, Tally, decide_tally, evolve_tally, show_tally

WEDGE, NAP = -700, -701
NAP_S = 6.0


def show_or_hang(row: Tally | None, event: Counted) -> Tally:
    """One value further, or never."""
    if event.value == WEDGE:
        threading.Event().wait()
    if event.value == NAP:
        time.sleep(NAP_S)
    return show_tally(row, event)


app = App(
    os.environ.get(NAME, "wedging"),
    parts=(
        Decider("tally", 0, decide_tally, evolve_tally),
        Projection("tallies", key="tally", row=Tally, evolve=show_or_hang),
    ),
)
