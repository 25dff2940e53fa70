"""The line before SQLite's writer: who leads does its own work, whoever else stands in line."""

import threading
import time
from collections.abc import Callable

import pytest

from providers.sqlite import line as module
from providers.sqlite.line import Line, Turn

PATIENCE_S = 10.0


def until(true: Callable[[], bool]) -> None:
    """Wait, bounded."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_who_completes_a_crowd_while_somebody_wants_the_writer_alone_never_leads_past_its_own_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GATHER_S", 0.3)  # long enough to come in between
    line = Line()
    done: list[str] = []
    left_out: list[str] = []

    def stand(name: str, work: Callable[[], None] | None) -> None:
        turn = line.stand(work)
        if not turn.done:
            batch = line.batch()
            if turn not in batch:
                left_out.append(name)
            finish(batch)
        done.append(name)

    def finish(batch: list[Turn]) -> None:
        line.release(batch)
        line.pass_on()

    def thread(name: str, work: Callable[[], None] | None) -> threading.Thread:
        made = threading.Thread(target=stand, args=(name, work), daemon=True)
        made.start()
        return made

    assert line.lead_alone()
    threads = [thread("first", lambda: None)]
    until(lambda: len(line._turns) == 1)
    threads.append(thread("alone", None))
    until(lambda: len(line._turns) == 2)
    line.pass_on()  # a crowd of three is expected, two stand in line
    threads.append(thread("third", lambda: None))
    for each in threads:
        each.join(PATIENCE_S)
    assert left_out == []
    assert sorted(done) == ["alone", "first", "third"]
    assert line._turns == []
