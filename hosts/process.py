"""What a host that is a process of its own has in common with the others: options, probes, SIGTERM, one line for an error, an exit code.

The line goes to stderr, and to TRIMARAN_TERMINATION_LOG (default /dev/termination-log, where Kubernetes looks for the reason of an end:
https://kubernetes.io/docs/tasks/debug/debug-application/determine-reason-pod-failure/) if that file is there and may be written.
"""

import argparse
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from types import FrameType

from hosts.probes import serve_probes
from hosts.providers import refuse_memory
from hosts.settings import Settings, load_app, settings
from hosts.stopping import SIGNALS, stop_on_signals
from hosts.vitals import VITALS
from runtime.domain import App
from runtime.errors import Conflict, Misconfigured, Rejected, Stopped, TrimaranError, Unavailable

type Body = Callable[[Settings, App, argparse.Namespace, threading.Event, ExitStack], None]

USAGE, REJECTED, UNAVAILABLE, STOPPED, FAILED = 2, 3, 4, 5, 1
TERMINATION_LOG = "/dev/termination-log"
TERMINATION_BYTES = 4_096  # what Kubernetes keeps of it


def exit_code(error: TrimaranError) -> int:
    """What a process leaves with; docs/cli.md lists them."""
    match error:
        case Misconfigured():
            return USAGE
        case Rejected() | Conflict():
            return REJECTED
        case Unavailable():
            return UNAVAILABLE
        case Stopped():
            return STOPPED
        case _:
            return FAILED


def host(name: str, urls: tuple[str, ...], body: Body, add: Callable[[argparse.ArgumentParser], None] = lambda _: None) -> None:
    """Parse options, refuse memory:// for the URLs this host shares with others, run until SIGTERM, leave with a code."""
    parser = argparse.ArgumentParser(prog=f"python -m hosts.{name}", description=body.__doc__)
    for option in ("app", "events", "rows", "bus", "host"):
        parser.add_argument(f"--{option}", default="", help=f"also TRIMARAN_{option.upper()}")
    parser.add_argument("--port", type=int, default=None, help="also TRIMARAN_PORT")
    add(parser)
    asked = parser.parse_args()
    stop = threading.Event()
    VITALS.begin(stop)
    stop_on_signals(stop)
    try:
        told = settings(asked.app, asked.events, asked.rows, asked.bus, asked.host, asked.port)
        serve_probes(told.host)
        for option in urls:
            refuse_memory(getattr(told, option), option)
        app = load_app(told.app)
        with ExitStack() as stack:
            body(told, app, asked, stop, stack)
    except TrimaranError as error:
        last_words(f"error: {' '.join(str(error).split())}\n")
        sys.exit(exit_code(error))


def say(line: str) -> None:
    """What was done, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def killable() -> None:
    """Let a signal end a job where it stands: it may be run once more. Process 1 of a container has no default action, so one is set."""

    def end(number: int, frame: FrameType | None) -> None:
        os._exit(128 + number)

    for number in SIGNALS:
        signal.signal(number, end)


def last_words(line: str) -> None:
    """Why the process ends, for people and for its supervisor."""
    sys.stderr.write(line)
    path = os.environ.get("TRIMARAN_TERMINATION_LOG", TERMINATION_LOG)
    with contextlib.suppress(OSError):  # not there, or not ours: stderr has it
        file = os.open(path, os.O_WRONLY | os.O_TRUNC | os.O_NOFOLLOW)  # never made: outside of a pod there is none
        try:
            os.write(file, line.encode()[:TERMINATION_BYTES])
        finally:
            os.close(file)


def ready(what: str) -> None:
    """Everything is opened: a line that a supervisor can wait for."""
    VITALS.started()
    sys.stdout.write(f"ready: {what}\n")
    sys.stdout.flush()
