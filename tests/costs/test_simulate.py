"""The simulation: the way from zero and back, what was seen on the real thing, outages, skew, sync, and a measured time line."""

from collections import Counter
from typing import Any

import msgspec
import pytest

from costs.scaling.executor import Fallback
from costs.scaling.hpa import Autoscaling, Behaviour, Rules
from costs.scaling.pods import Pods
from costs.scaling.simulate import freshness
from costs.scaling.topic import Log
from costs.scaling.workload import Outage, Sample, Sync
from tests.costs.building import Arrivals, Burst, Projector, ScaledObject, Trigger, measured, replicas, simulate, workload

NEW_GROUP = Projector(events_per_s=50, startup_s=2, drain_s=1, batch_max=10, first_commit=False)


def test_a_burst_wakes_at_the_next_poll_grows_at_each_sync_and_ends_at_zero() -> None:
    result = simulate(workload(Burst(at_s=31, events=6000), trigger=Trigger(lag_threshold=1000)))
    assert replicas(result) == [(60, 1, "keda"), (67, 4, "hpa"), (390, 0, "keda")]
    assert (result.arrived, result.folded, result.waiting, result.wakings) == (6000, 6000, 0, 1)
    assert result.peak_lag == 6000
    assert result.freshness is not None
    assert result.freshness.max_s == result.peak_age_s + 1, "the last event's row is there a second after it was the oldest"


def test_pod_hours_are_from_creation_to_the_end_of_the_drain() -> None:
    result = simulate(workload(Burst(at_s=0, events=10), duration_s=1000))
    assert replicas(result) == [(0, 1, "keda"), (300, 0, "keda")]
    assert result.pod_hours * 3600 == pytest.approx(300 + 1)


def test_a_pod_folds_when_it_is_ready_and_commits_by_the_batch() -> None:
    slow = Projector(events_per_s=5, startup_s=10, drain_s=1, batch_max=20)
    result = simulate(workload(Burst(at_s=0, events=40), projector=slow, partitions=1, duration_s=30))
    folded = [moment.folded for moment in result.moments]
    assert folded[:14] == [0] * 14, "ready at 10.5 s, so it begins with second 11, and 20 events take 4 s"
    assert folded[14:19] == [20, 20, 20, 20, 40]


def test_a_commit_below_the_batch_comes_when_nothing_is_left() -> None:
    slow = Projector(events_per_s=5, startup_s=0, drain_s=1, batch_max=500)
    result = simulate(workload(Burst(at_s=0, events=12), projector=slow, partitions=1, duration_s=10))
    assert [moment.folded for moment in result.moments][:5] == [0, 0, 0, 12, 12]


def test_a_rebalance_stops_everybody() -> None:
    one = Projector(events_per_s=50, startup_s=2, drain_s=1, batch_max=1, rebalance_s=10)
    result = simulate(workload(Burst(at_s=0, events=6000), projector=one, duration_s=60))
    folded = [moment.folded for moment in result.moments]
    at = next(number for number, moment in enumerate(result.moments) if moment.ready > 1)
    assert folded[at] == folded[at + 9] < folded[at + 10]


def test_a_scale_down_loses_nothing() -> None:
    sharp = ScaledObject(cooldown_s=0)
    result = simulate(workload(Burst(at_s=0, events=500), Burst(at_s=200, events=500), scaled_object=sharp))
    assert (result.folded, result.waiting) == (1000, 0)


def test_a_pod_that_leaves_hands_in_the_batch_it_has_begun() -> None:
    log, ages = Log(first_commit=True), Counter[int]()
    pods = Pods(Projector(events_per_s=5, startup_s=0, batch_max=500), [log], latest=False)
    pods.scale(1, 0.5, ages)
    log.append(100, 0)
    pods.settle(1, ages)
    assert (pods.work(1, ages), log.done, log.position) == ((0, 0), 0, 5)
    assert pods.scale(0, 1.5, ages) == 5
    assert (log.done, log.committed, ages) == (5, 5, {2: 5})


def test_what_is_folded_is_committed_before_the_partitions_are_shared_anew() -> None:
    logs, ages = [Log(first_commit=True), Log(first_commit=True)], Counter[int]()
    pods = Pods(Projector(events_per_s=6, startup_s=0, batch_max=500), logs, latest=False)
    pods.scale(1, 0.5, ages)
    for log in logs:
        log.append(100, 0)
    pods.settle(1, ages)
    assert (pods.work(1, ages), [log.position for log in logs]) == ((0, 0), [3, 3])
    pods.scale(2, 1.5, ages)
    assert (pods.settle(2, ages), pods.ready) == (6, 2)
    assert ([log.committed for log in logs], ages) == ([3, 3], {2: 6})


def test_quirk_1_earliest_without_a_first_commit_reads_all_that_is_there() -> None:
    told = workload(Burst(at_s=0, events=600), projector=NEW_GROUP, trigger=Trigger(lag_threshold=100))
    result = simulate(told)
    assert (result.folded, result.skipped) == (600, 0)
    assert result.peak_replicas == 4
    assert replicas(result)[-1][1] == 0


def test_quirk_2_latest_and_a_consumer_that_commits_what_it_handled_keep_a_pod_for_ever() -> None:
    one_key: dict[str, Any] = {"projector": msgspec.structs.replace(NEW_GROUP, commits="handled"), "shares": (1.0, 0.0, 0.0, 0.0)}
    bursts = (Burst(at_s=60, events=100), Burst(at_s=120, events=100))
    latest = simulate(workload(*bursts, trigger=Trigger(offset_reset_policy="latest"), **one_key))
    assert replicas(latest) == [(0, 1, "keda")]
    assert latest.moments[-1].replicas == 1
    earliest = simulate(workload(*bursts, trigger=Trigger(offset_reset_policy="earliest"), **one_key))
    assert replicas(earliest)[-1][1:] == (0, "keda")
    assigned = one_key | {"projector": NEW_GROUP}
    committed = simulate(workload(*bursts, trigger=Trigger(offset_reset_policy="latest"), **assigned))
    assert replicas(committed)[-1][1:] == (0, "keda"), "a plain commit() commits every position, 0 included"


def test_quirk_3_a_new_group_on_an_empty_topic() -> None:
    nothing = Burst(at_s=0, events=0)
    latest = simulate(workload(nothing, projector=NEW_GROUP, trigger=Trigger(offset_reset_policy="latest")))
    assert replicas(latest)[0] == (0, 1, "keda"), "wakes at once"
    assert replicas(simulate(workload(nothing, projector=NEW_GROUP))) == []


def test_quirk_3_scale_to_zero_on_invalid_offset_never_wakes() -> None:
    told = workload(Burst(at_s=0, events=60), projector=NEW_GROUP, trigger=Trigger(scale_to_zero_on_invalid_offset=True))
    result = simulate(told)
    assert (replicas(result), result.waiting) == ([], 60)
    assert any("nothing wakes" in note for note in result.notes)


def test_quirk_4_a_maximum_above_the_partitions_gives_an_idle_replica() -> None:
    slow = Projector(events_per_s=0.001, startup_s=1)
    trigger = Trigger(lag_threshold=10)
    more = simulate(workload(Burst(at_s=0, events=45), projector=slow, trigger=trigger, scaled_object=ScaledObject(maximum=10)))
    assert more.peak_replicas == 5
    assert more.moments[-1].ready == 5
    assert any("above 4 partitions" in note for note in more.notes)
    assert simulate(workload(Burst(at_s=0, events=45), projector=slow, trigger=trigger)).peak_replicas == 4


def test_quirk_4_a_limit_to_partitions_with_lag() -> None:
    slow = Projector(events_per_s=0.001, startup_s=1)
    trigger = Trigger(lag_threshold=10, limit_to_partitions_with_lag=True)
    told = workload(Burst(at_s=0, events=60), projector=slow, trigger=trigger, shares=(0.5, 0.5, 0.0, 0.0))
    assert simulate(told).peak_replicas == 2


def test_latest_without_a_first_commit_skips_what_came_before_the_first_pod() -> None:
    result = simulate(workload(Burst(at_s=0, events=100), projector=NEW_GROUP, trigger=Trigger(offset_reset_policy="latest")))
    assert (result.arrived, result.folded, result.waiting, result.skipped) == (100, 0, 0, 100)


def test_with_a_first_commit_latest_skips_nothing_and_goes_on_where_it_was() -> None:
    told = workload(Burst(at_s=0, events=100), Burst(at_s=600, events=100), trigger=Trigger(offset_reset_policy="latest"))
    result = simulate(told)
    assert (result.folded, result.skipped, result.wakings) == (200, 0, 2)


def test_skew_leaves_the_hot_partition_to_one_pod() -> None:
    def seconds(shares: tuple[float, ...]) -> int:
        result = simulate(workload(Burst(at_s=0, events=6000), shares=shares))
        assert result.freshness is not None
        return result.freshness.max_s

    assert seconds((0.97, 0.01, 0.01, 0.01)) > 2 * seconds((0.25, 0.25, 0.25, 0.25))


def test_sync_wakes_every_hour_and_costs_its_cooldown() -> None:
    told = workload(Burst(at_s=0, events=0), duration_s=7200, sync=Sync(every_s=3600, lasts_s=60))
    result = simulate(told)
    assert replicas(result) == [(0, 1, "keda"), (330, 0, "keda"), (3600, 1, "keda"), (3930, 0, "keda")]
    assert result.idle_pod_hours == pytest.approx(2 * (330 - 2) / 3600, abs=0.002)


def test_sync_asks_the_autoscaler_for_its_replicas_and_outside_its_interval_for_none() -> None:
    told = workload(Burst(at_s=0, events=0), sync=Sync(every_s=3600, lasts_s=60, replicas=2), autoscaler=Autoscaling(stabilization_s=30))
    assert replicas(simulate(told))[:4] == [(0, 1, "keda"), (7, 2, "hpa"), (97, 1, "hpa"), (330, 0, "keda")]


def test_an_outage_changes_no_replicas_and_loses_nothing() -> None:
    told = workload(Burst(at_s=10, events=2000), Burst(at_s=100, events=100), outages=(Outage(at_s=40, lasts_s=600),))
    result = simulate(told)
    assert all(not 40 <= change.at_s < 640 for change in result.changes)
    assert (result.folded, result.waiting) == (2100, 0)
    assert result.peak_age_s >= 600


def test_after_an_outage_a_persistent_lag_is_new_again() -> None:
    stuck = Trigger(lag_threshold=100, exclude_persistent_lag=True)
    result = simulate(measured((0, 400), (200, 400), trigger=stuck, outages=(Outage(at_s=40, lasts_s=60),)))
    assert replicas(result) == [(0, 1, "keda"), (112, 4, "hpa")], "the first sync that reads it again"


def test_a_fallback_takes_over_past_its_threshold_of_failures() -> None:
    scaling = ScaledObject(fallback=Fallback(failure_threshold=3, replicas=2))
    result = simulate(workload(Burst(at_s=0, events=10), outages=(Outage(at_s=40, lasts_s=400),), scaled_object=scaling))
    during = [change for change in replicas(result) if 40 <= change[0] < 440]
    assert during == [(82, 2, "hpa")], "polls and syncs fail alike: 52, 60, 67, and 82 is the fourth"


def test_a_pod_woken_by_a_fallback_comes_from_zero() -> None:
    scaling = ScaledObject(fallback=Fallback(failure_threshold=2, replicas=2))
    result = simulate(workload(Burst(at_s=700, events=1), outages=(Outage(at_s=0, lasts_s=300),), scaled_object=scaling))
    assert replicas(result)[:2] == [(60, 1, "keda"), (67, 2, "hpa")], "0, 30, and 60 is the third: at zero only polls read"


def test_a_measured_lag_is_followed_instead_of_a_lag_of_its_own() -> None:
    line = [(0, 0), (20, 2500), (90, 0), (600, 0)]
    result = simulate(measured(*line))
    assert replicas(result) == [(30, 1, "keda"), (37, 3, "hpa"), (360, 0, "keda")]
    assert (result.arrived, result.folded, result.freshness, result.peak_lag) == (0, 0, None, 2500)


def test_a_measured_lag_by_partition() -> None:
    told = measured((0, (30, 30, 0, 0)), (100, 0), trigger=Trigger(lag_threshold=10, limit_to_partitions_with_lag=True))
    assert simulate(told).peak_replicas == 2


def test_measured_arrivals_get_a_lag_of_their_own() -> None:
    line = (Sample(at_s=0, arrived=0), Sample(at_s=100, arrived=1000), Sample(at_s=200, arrived=1000))
    result = simulate(workload(arrivals=Arrivals(), measured=line, duration_s=600))
    assert (result.arrived, result.folded) == (1000, 1000)
    assert result.moments[49].arrived == 500


def test_what_was_seen_on_a_real_cluster_comes_out_within_a_polling_interval() -> None:
    """KEDA 2.21.0 and Kubernetes 1.36.4 with these settings took 500 messages on 4 partitions 0 → 1 → 4 → 1 → 0.

    It ended 41 s after the ScaledObject was made; the messages were sent when that was 8 s old, a pod slept 100 ms for each.
    """
    told = workload(
        Burst(at_s=8, events=500),
        projector=Projector(events_per_s=10, startup_s=1, drain_s=1, batch_max=5),
        trigger=Trigger(lag_threshold=10),
        scaled_object=ScaledObject(polling_s=5, cooldown_s=15),
        autoscaler=Autoscaling(sync_s=5, behaviour=Behaviour(down=Rules(stabilization_s=10))),
    )
    result = simulate(told)
    assert [change.replicas for change in result.changes] == [1, 4, 1, 0]
    assert result.changes[-1].at_s == pytest.approx(41, abs=told.scaling.polling_s)


def test_it_is_the_same_every_time() -> None:
    told = workload(Burst(at_s=3, events=777, over_s=50), key_skew=1.1)
    assert simulate(told) == simulate(told)


def test_a_quantile_is_reached_when_exactly_so_many_are_done() -> None:
    assert freshness(Counter({1: 50, 2: 49, 3: 1})) == (1, 2, 3)
    assert freshness(Counter({1: 49, 2: 49, 3: 2})) == (2, 3, 3)
    assert freshness(Counter()) is None


def test_a_long_time_line_is_sampled_and_keeps_its_peaks() -> None:
    told = workload(Burst(at_s=5000, events=900), duration_s=14_400)
    result = simulate(told)
    assert (result.step_s, len(result.moments)) == (10, 1440)
    assert max(moment.lag for moment in result.moments) == 900
    assert result.moments[-1].folded == result.folded


def test_notes_say_when_sync_keeps_it_awake() -> None:
    told = workload(Burst(at_s=0, events=1), sync=Sync(every_s=300, lasts_s=10))
    assert [note.split(":")[0] for note in simulate(told).notes] == [
        "sync lasts 10 s, less than the polling of 30 s",
        "sync every 300 s with a cooldown of 300 s",
    ]
