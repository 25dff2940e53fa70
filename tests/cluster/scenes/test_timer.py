"""A saga's timer becomes due while nobody runs: KEDA's question to the read database wakes a projector, and it does what is due."""

from datetime import timedelta

import pytest

from hosts.timeline import due, told
from tests.cluster.api import wait
from tests.cluster.scenes.flying import Flying

pytestmark = pytest.mark.cluster

FLIGHTS = 5
FLAG = "FlightFlaggedLate"


def test_a_due_timer_wakes_a_projector_from_none(flying: Flying) -> None:
    deployed = flying.deployed
    late = flying.late(60)[:FLIGHTS]
    with deployed.stores() as (events, rows):
        rows.set_clock(min(map(due, late)) - timedelta(hours=1))
        for flown in late:
            for one in told(flown)[:1]:  # scheduled, and never heard of again
                flying.commands.send(one.command, one.key)
        wait(lambda: deployed.replicas("flagging")[0] > 0, "a projector that sets the timers")
        deployed.settle("rows", "flagging")
        rows.set_clock(max(map(due, late)) + timedelta(minutes=1))
        wait(lambda: deployed.replicas("flagging")[0] > 0, "woken by what is due")
        streams = [deployed.app.stream("flight", flown.flight) for flown in late]
        wait(lambda: all(FLAG in [event.type for event in events.read(stream, 0, 10)] for stream in streams), "flags")
        deployed.settle("rows", "flagging")
        flags = [[event.type for event in events.read(stream, 0, 10)].count(FLAG) for stream in streams]
    assert flags == [1] * FLIGHTS
