"""Reading one's own writes through real relays and projectors: what is read is never older than the token."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from runtime.flow.reading import Reading
from runtime.steps import run
from tests.processes.domain import AddValues
from tests.processes.figures import p50, p99, report
from tests.processes.sea import at_sea
from tests.rounds import rounds

CLIENTS = 4


@pytest.mark.rounds
def test_fault_33_what_is_read_after_a_token_is_never_older_than_it(postgres_url: str, kafka_url: str) -> None:
    total = rounds(1_000)
    with at_sea(postgres_url, kafka_url) as sea:
        sea.start("relay", ready=True)
        members = [sea.start("projector") for _ in range(2)]
        sea.ready(*members)
        sea.add(10, 10)
        sea.settle()

        def client(number: int) -> tuple[list[float], int]:
            reading, commands = Reading(sea.ports.app, sea.ports.rows), sea.ports.commands
            waits, stale = [], 0
            for round_ in range(total // CLIENTS):
                key = f"c{round_ % 7}"  # others write the same tallies
                started = time.monotonic()
                answer = commands.send(AddValues(key, (round_,)))
                read = run(reading.get("tallies", key, after=answer.token, wait_s=10.0))
                waits.append(time.monotonic() - started)
                stale += read.stale
                assert read.stale or (read.row is not None and read.row["count"] >= answer.last)
            return waits, stale

        with ThreadPoolExecutor(CLIENTS) as pool:
            told = list(pool.map(client, range(CLIENTS)))
        sea.settle()
        sea.prove()
        sea.fleet.check()
    waits = [wait for each, _ in told for wait in each]
    stale = sum(number for _, number in told)
    report("33 read your writes", reads=len(waits), older=0, stale=stale, p50_ms=p50(waits) * 1000, p99_ms=p99(waits) * 1000)
    assert stale == 0
