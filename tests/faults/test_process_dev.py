"""One machine, one process: `trimaran dev` on SQLite is killed at any instant, again and again, under commands over HTTP.

Whatever was acknowledged is stored, a command whose answer was lost is sent again and takes effect once, and after the last
restart the rows are the fold of the events.
"""

import json
import random
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from uuid import uuid4

import pytest

from tests.processes.expected import stored
from tests.processes.figures import report
from tests.processes.fleet import Process, until
from tests.processes.place import Place
from tests.processes.sea import Sea, at_sea
from tests.rounds import rounds
from tests.servers.process import free_port

CLIENTS = 4


class Client(threading.Thread):
    """Sends numbered commands; one without an answer is sent again with its key, also to the next process."""

    def __init__(self, url: str, number: int) -> None:
        super().__init__(daemon=True)
        self._url, self.name_ = f"{url}/commands", f"c{number}"
        self.acked: dict[int, tuple[str, int]] = {}
        self.again = 0
        self._stop = threading.Event()

    def run(self) -> None:
        """Until told to stop."""
        value, fresh = 0, True
        while not (self._stop.is_set() and fresh):  # a command without an answer may have been stored: it is asked for again
            body = json.dumps({"type": "AddValues", "tally": f"{self.name_}-{value % 5}", "values": [value]}).encode()
            request = urllib.request.Request(self._url, body, {"Idempotency-Key": f"{self.name_}:{value}"})
            try:
                with urllib.request.urlopen(request, timeout=10) as reply:
                    told = json.load(reply)
            except (OSError, HTTPException, ValueError):  # a killed server may stop in the middle of its answer
                fresh = False
                time.sleep(0.02)
                continue
            self.again += not fresh and told["replayed"]
            self.acked[value] = (told["stream"], told["last"])
            value, fresh = value + 1, True

    def end(self) -> None:
        """After the command in hand."""
        self._stop.set()
        self.join(20)
        assert not self.is_alive()


@contextmanager
def on_one_machine() -> Iterator[tuple[Sea, int]]:
    """Files of this test alone, and a port."""
    with tempfile.TemporaryDirectory(prefix="trimaran-dev-") as folder:
        where = Place(f"sqlite:///{folder}/events.db", f"sqlite:///{folder}/rows.db", "memory://", f"t{uuid4().hex[:12]}")
        with at_sea("", "", where=where) as sea:
            yield sea, free_port()


def dev(sea: Sea, port: int) -> Process:
    """`trimaran dev`, answering."""
    process = sea.command_line("dev", "--port", str(port), "--no-open")
    until(lambda: healthy(port) or process.code() is not None, 30, f"it answers:\n{process.tail()}")
    sea.fleet.check()
    return process


def healthy(port: int) -> bool:
    """Whether it answers and every part runs."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


@pytest.mark.rounds
def test_fault_10_a_whole_dev_process_killed_at_any_instant_keeps_what_it_acknowledged_and_folds_it_once() -> None:
    kills, chance, restarts = rounds(50, 5), random.Random(10), []
    with on_one_machine() as (sea, port):
        clients = [Client(f"http://127.0.0.1:{port}", number) for number in range(CLIENTS)]
        for client in clients:
            client.start()
        for _ in range(kills):
            started = time.monotonic()
            process = dev(sea, port)
            restarts.append(time.monotonic() - started)
            time.sleep(chance.random() * 0.8)
            process.kill()
        process = dev(sea, port)
        time.sleep(0.3)
        for client in clients:
            client.end()
        sea.settle()
        sent = sea.prove()
        streams = stored(sea.ports.store)
        for client in clients:
            for value, (stream, last) in client.acked.items():
                assert json.loads(streams[stream][last - 1].data)["value"] == value
        assert sent.events == sum(len(client.acked) for client in clients)  # nothing twice, nothing that was never answered
        assert process.stop() < 10
    report(
        "10 dev process killed",
        kills=kills,
        events=sent.events,
        acked_lost=0,
        doubled=0,
        answers_recovered=sum(client.again for client in clients),
        restart_worst_s=max(restarts),
    )
