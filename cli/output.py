"""How the command line speaks: one clear line for an error, a documented exit code, JSON where a script asked for it."""

import sys
from collections.abc import Callable
from typing import Any, NoReturn

import msgspec

from hosts.process import exit_code
from runtime.errors import TrimaranError

OK, FAILED, INTERRUPTED = 0, 1, 130  # the others stand for errors: hosts.process.exit_code


class Exit(Exception):
    """Leave with this code; everything was said."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


def guarded(work: Callable[[], object]) -> NoReturn:
    """Run a command and leave: errors of the tree are a line on stderr, anything else is a bug and shows where."""
    try:
        work()
    except Exit as leave:
        sys.exit(leave.code)
    except TrimaranError as error:
        complain(str(error))
        sys.exit(exit_code(error))
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    except BrokenPipeError:  # who read us has seen enough
        sys.stderr.close()
        sys.exit(OK)
    sys.exit(OK)


def complain(text: str) -> None:
    """One line on stderr."""
    print(f"error: {' '.join(text.split())}", file=sys.stderr, flush=True)


def remark(text: str) -> None:
    """A line for people on stderr, so that stdout stays the data's."""
    print(text, file=sys.stderr, flush=True)


def say(text: str = "") -> None:
    """A line on stdout."""
    print(text, flush=True)


def as_json(value: Any) -> None:
    """One JSON line on stdout."""
    say(msgspec.json.encode(value).decode())


def table(columns: list[str], rows: list[list[Any]], title: str = "") -> None:
    """A table for people; tab-separated where stdout is no terminal."""
    if not sys.stdout.isatty():
        say("\t".join(columns))
        for row in rows:
            say("\t".join("" if value is None else str(value) for value in row))
        return
    from rich.console import Console
    from rich.table import Table

    shown = Table(*columns, title=title or None)
    for row in rows:
        shown.add_row(*("" if value is None else str(value) for value in row))
    Console().print(shown)
