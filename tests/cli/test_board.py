"""The demo on a terminal: a live board with throughput, lag and the worst delays now, drawn on a pseudo-terminal as people see it."""

import contextlib
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import environment

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
LATE = re.compile(r"│ +(-?\d+:\d\d|-?\d+ min) +│")
PATIENCE_S = 90.0


class Terminal:
    """A command on a terminal of its own, 120 columns wide."""

    def __init__(self, directory: Path, *arguments: str) -> None:
        self._master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from cli.main import main; main()", *arguments],
            cwd=directory,
            env=environment(TERM="xterm-256color", COLUMNS="120", LINES="40"),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.text = ""

    def read(self) -> bool:
        """Take what it drew since; False when it ended."""
        try:
            piece = os.read(self._master, 65_536)
        except OSError:  # the other end is closed
            return False
        self.text += ESCAPES.sub("", piece.decode(errors="replace"))
        return bool(piece)

    def until(self, wanted: str) -> None:
        """Read until it shows this."""
        stop = time.monotonic() + PATIENCE_S
        while wanted not in self.text:
            assert time.monotonic() < stop, self.text[-3_000:]
            assert self.read(), self.text[-3_000:]

    def end(self) -> int:
        """Read all that comes; its exit code."""
        while self.read():
            pass
        return self.process.wait(PATIENCE_S)

    def close(self) -> None:
        """Nothing is left of it."""
        os.close(self._master)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@contextlib.contextmanager
def terminal(directory: Path, *arguments: str) -> Iterator[Terminal]:
    shown = Terminal(directory, *arguments)
    try:
        yield shown
    finally:
        shown.close()


def minutes(late: str) -> int:
    """`1:05` is 65, `-3 min` is -3."""
    hours, colon, rest = late.partition(":")
    return int(hours) * 60 + int(rest) if colon else int(late.removesuffix(" min"))


def test_the_board_shows_throughput_lag_and_the_worst_delays_first(tmp_path: Path) -> None:
    with terminal(tmp_path, "demo", "--to", "2013-01-01", "--speed", "20000") as shown:
        assert shown.end() == 0, shown.text[-3_000:]
    frames = shown.text.split("worst delays of ")[1:]
    assert len(frames) > 5
    assert re.search(r"[1-9][\d,]* commands/s", shown.text)
    assert re.search(r"lag rows [\d,]+  flagging [\d,]+", shown.text)
    assert re.search(r"[1-9]\d? flights in the air", shown.text) or re.search(r"[1-9]\d\d flights in the air", shown.text)
    delays = [[minutes(late) for late in LATE.findall(frame)] for frame in frames]
    assert any(len(each) == 12 for each in delays)
    assert all(each == sorted(each, reverse=True) for each in delays)
    assert any("late" in frame.partition("commands/s")[0] for frame in frames), "flags show on the board"
    assert "842 flights" in shown.text
    assert "0 lost, 0 doubled" in shown.text


def test_ctrl_c_on_the_board_ends_it_cleanly(tmp_path: Path) -> None:
    with terminal(tmp_path, "demo", "--to", "2013-01-01", "--speed", "10000") as shown:
        shown.until("worst delays of ")
        shown.process.send_signal(signal.SIGINT)
        assert shown.end() == 130, shown.text[-3_000:]
    assert "the same command goes on from there" in shown.text
    assert "Traceback" not in shown.text


@pytest.mark.long
def test_long_work_draws_a_bar_on_a_terminal(tmp_path: Path) -> None:
    with terminal(tmp_path, "feed", "flights", "--to", "2013-01-01") as shown:
        assert shown.end() == 0, shown.text[-3_000:]
    flights = ("--app", "flights")
    for words, bar in (
        (("export", "out.jsonl", *flights), "events exported"),
        (("import", "out.jsonl", *flights, "--events", "sqlite:///e.db", "--rows", "sqlite:///r.db"), "events imported"),
        (("rebuild", "start", "--group", "rows", *flights), "rows: folding"),
    ):
        with terminal(tmp_path, *words) as shown:
            assert shown.end() == 0, shown.text[-3_000:]
        assert bar in shown.text, shown.text[-3_000:]
        assert "━" in shown.text
