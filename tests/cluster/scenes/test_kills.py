"""kill -9 of pods, of KEDA's operator, of the broker and of PostgreSQL while a day of flights arrives: exact all the same."""

import time

import pytest

from tests.cluster.api import wait
from tests.cluster.asking import DEADLINE_S
from tests.cluster.scenes.flying import Flying

pytestmark = pytest.mark.cluster

AWAY_S = 5.0  # longer than two failed readiness probes
DATABASE_AWAY_S = 12.0  # longer than a gateway tries a query anew, so that callers are told
NOTICED_S = 5.0  # until a service has forgotten a gateway that was killed
AGAIN_S = 15.0  # for connections to be made anew, on a busy machine


def test_every_kind_of_kill_during_a_day_loses_and_doubles_nothing_and_fails_no_query(flying: Flying) -> None:
    deployed, bed = flying.deployed, flying.deployed.bed
    killed: list[float] = []
    with flying.asking(again=True) as asking, flying.behind():
        wait(lambda: deployed.replicas("rows")[1] > 0, "a projector")
        for turn in range(3):
            assert deployed.kill_one("projector", turn), "a projector to kill"
            assert deployed.kill_one("relay", turn), "a relay to kill"
            bed.kube.available("gateway", deployed.namespace)  # of two, one at a time
            killed.append(time.monotonic() - asking.began)
            assert deployed.kill_one("gateway", turn), "a gateway to kill"
            time.sleep(2)
        with bed.kube.keda.operator_killed():
            time.sleep(3)
        bed.broker.kill()
        time.sleep(AWAY_S)
        bed.broker.start()
        begun = time.monotonic()
        bed.postgres.kill()
        time.sleep(DATABASE_AWAY_S)
        bed.postgres.start()
        ended = time.monotonic()
    assert not asking.failed, asking.failed
    assert all(any(0 <= at - kill <= NOTICED_S for kill in killed) for at in asking.broken), (killed, asking.broken)
    outage = (begun - asking.began - 1, ended - asking.began + AGAIN_S)
    assert all(outage[0] <= each.at_s <= outage[1] for each in asking.unavailable), (outage, asking.unavailable)
    assert asking.unavailable, "the outage was not noticed, so nothing was proved"
    assert asking.slowest_s < DEADLINE_S
    deployed.settle(*deployed.app.groups, timeout_s=120)
    flying.exact()
