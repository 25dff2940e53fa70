"""Signals that ask to stop, at the worst moment."""

import subprocess
import sys
import time

WAITING = """
import signal, sys, threading
from hosts.stopping import stop_on_signals

stop = threading.Event()
stop_on_signals(stop, insisting={insisting})
{then}
"""
HELD = "with stop._cond: signal.raise_signal(signal.SIGTERM)"  # the lock that Event.wait holds when it begins and when it ends
ELSEWHERE = """
def strike(): signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
threading.Timer(0.3, strike).start()
"""
TWICE = """
signal.raise_signal(signal.SIGINT)
try: signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt: sys.exit(130)
"""


def run(then: str, *, insisting: bool = False) -> int:
    """The exit code; 30 s are for a machine that does other things, too."""
    script = WAITING.format(insisting=insisting, then=f"{then}\nassert stop.wait(20)")
    return subprocess.run([sys.executable, "-c", script], timeout=30, check=False).returncode


def test_a_signal_is_heard_while_the_main_thread_holds_the_lock_of_the_event() -> None:
    assert run(HELD) == 0


def test_a_signal_that_comes_on_another_thread_wakes_the_main_thread() -> None:
    assert run(ELSEWHERE) == 0


def test_somebody_who_asks_when_it_is_ending_anyway_has_asked_twice() -> None:
    script = "stop.set()\ntry: signal.raise_signal(signal.SIGINT)\nexcept KeyboardInterrupt: sys.exit(130)"
    assert run(script, insisting=True) == 130


def test_a_second_signal_is_no_more_than_the_first_for_a_process_without_a_keyboard() -> None:
    assert run(TWICE) == 0


def test_somebody_at_a_keyboard_need_not_ask_a_second_time() -> None:
    assert run(TWICE, insisting=True) == 130


def test_processes_that_wait_for_a_moment_at_a_time_all_hear_it() -> None:
    waits = "import os; os.write(1, b'.')\nwhile not stop.is_set(): stop.wait(0.0002)"
    script = WAITING.format(insisting=False, then=waits)
    processes = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) for _ in range(10)]
    for process in processes:
        with process:
            assert process.stdout is not None
            assert process.stdout.read(1) == b"."
            time.sleep(0.01)
            process.terminate()
            assert process.wait(30) == 0
