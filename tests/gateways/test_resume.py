"""A live view behind both emulated services whose connection breaks again and again under load, and which goes on from its last cursor."""

import threading
import time
from typing import Any

import pytest

from tests.gateways import bed
from tests.live.functions import FOLLOW_ALL
from tests.live.protocol import probe
from tests.live.protocol.client import Client, Ended
from tests.rounds import amount

COUNTERS = 12
PATIENCE_S = 60.0


class View:
    """What a client has seen, folded."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[int, int]] = {}
        self.cursor, self.updates, self.doubled, self.backwards, self.resets = "", 0, 0, 0, 0

    def take(self, message: dict[str, Any]) -> None:
        assert message["type"] == "next", message
        update = message["payload"]["data"]["totalRows"]
        self.updates += 1
        if update["reset"]:
            self.rows, self.resets = {}, self.resets + 1
        for change in update["changed"]:
            before, now = self.rows.get(change["key"], (0, 0))[0], change["revision"]["n"]
            self.doubled += now == before
            self.backwards += now < before
            self.rows[change["key"]] = (now, change["row"]["value"])
        self.cursor = update["cursor"]

    def follow(self, url: str, until: float) -> None:
        """Connect, go on, and break off without a word."""
        client = Client(url, in_band=True).greet()
        client.ask("1", FOLLOW_ALL, after=self.cursor or None)
        while (left := until - time.monotonic()) > 0:
            try:
                self.take(client.hear(left))
            except TimeoutError:
                break
        client.vanish()
        while True:  # what had arrived before that
            try:
                self.take(client.hear(0))
            except (Ended, TimeoutError):
                break
        client.close()


@pytest.mark.long
@pytest.mark.rounds
@pytest.mark.parametrize(("service", "seed"), [("apigateway", 11), ("webpubsub", 12), ("webpubsub-detached", 13)])
def test_fault_46_a_hundred_drops_under_load_lose_nothing_and_double_nothing(service: str, seed: int) -> None:
    with bed.running(service, probe.plain, seed=seed, delay_s=0.01, store_s=0.001) as gateway:
        stop, sent = threading.Event(), [0] * COUNTERS

        def load() -> None:
            while not stop.is_set():
                number = sum(sent) % COUNTERS
                gateway.send(probe.Bump(f"c{number}", 1))
                sent[number] += 1
                time.sleep(0.004)

        thread = threading.Thread(target=load)
        view, drops = View(), amount(100)
        thread.start()
        try:
            begun, drop = time.monotonic(), 0
            while drop < drops or (
                view.updates <= drops / 2 and time.monotonic() < begun + PATIENCE_S
            ):  # more where a busy machine tells less
                view.follow(gateway.url, time.monotonic() + 0.05 + drop % 5 * 0.05)
                drop += 1
        finally:
            stop.set()
            thread.join(30)
        gateway.settle()
        expected = {f"c{number}": count for number, count in enumerate(sent)}
        until = time.monotonic() + PATIENCE_S
        while {key: value for key, (_, value) in view.rows.items()} != expected and time.monotonic() < until:
            view.follow(gateway.url, time.monotonic() + 0.5)
        assert {key: value for key, (_, value) in view.rows.items()} == expected
        assert (view.doubled, view.backwards, view.resets) == (0, 0, 1)
        assert view.updates > drops / 2
        assert gateway.service.failures == 0
        while any(gateway.connections.count()[kind] for kind in ("connections", "operations", "followers")):
            assert time.monotonic() < until, gateway.connections.count()
            time.sleep(0.05)
