"""What holds for every workload: bounds, the cooldown, conservation of events, and pod-hours as an integral."""

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from costs.scaling.arrivals import Dealer, arriving
from costs.scaling.hpa import Autoscaling, Behaviour, Policy, Rules
from costs.scaling.keda import KafkaTrigger, capped
from costs.scaling.simulate import Run
from costs.scaling.workload import Outage, Sync, Workload
from tests.costs.building import Arrivals, Burst, Projector, ScaledObject, Trigger, workload

SECONDS = 400

bursts = st.builds(
    Burst, at_s=st.integers(0, SECONDS), events=st.integers(0, 3000), over_s=st.integers(1, 120), every_s=st.none() | st.integers(120, 200)
)
rules = st.builds(
    Rules,
    stabilization_s=st.none() | st.integers(0, 120),
    select=st.sampled_from(["max", "min"]),
    policies=st.none()
    | st.lists(
        st.builds(Policy, kind=st.sampled_from(["pods", "percent"]), value=st.integers(1, 100), period_s=st.integers(1, 60)),
        min_size=1,
        max_size=3,
    ).map(tuple),
)


@st.composite
def workloads(draw: st.DrawFn, /, **fixed: Any) -> Workload:
    partitions = draw(st.integers(1, 6))
    even = draw(st.booleans())
    told: dict[str, Any] = {
        "partitions": partitions,
        "duration_s": SECONDS,
        "key_skew": draw(st.sampled_from([0.0, 0.7, 2.0])),
        "projector": Projector(
            events_per_s=draw(st.sampled_from([0.3, 4.0, 60.0, 1000.0])),
            startup_s=draw(st.sampled_from([0.0, 3.5, 20.0])),
            drain_s=draw(st.sampled_from([0.0, 5.0])),
            batch_max=draw(st.sampled_from([1, 7, 500])),
            rebalance_s=draw(st.sampled_from([0.0, 4.0])),
            first_commit=draw(st.booleans()),
            commits=draw(st.sampled_from(["assigned", "handled"])),
        ),
        "trigger": Trigger(
            lag_threshold=draw(st.integers(1, 500)),
            offset_reset_policy=draw(st.sampled_from(["earliest", "latest"])),
            activation_lag_threshold=draw(st.sampled_from([0, 50])),
            exclude_persistent_lag=draw(st.booleans()),
            ensure_even_distribution_of_partitions=even,
            limit_to_partitions_with_lag=not even and draw(st.booleans()),
        ),
        "scaled_object": ScaledObject(
            polling_s=draw(st.sampled_from([1, 7, 30])),
            cooldown_s=draw(st.sampled_from([0, 45, 120])),
            maximum=draw(st.none() | st.integers(1, 8)),
        ),
        "autoscaler": Autoscaling(behaviour=draw(st.none() | st.builds(Behaviour, up=rules, down=rules))),
        "outages": tuple(draw(st.lists(st.builds(Outage, at_s=st.integers(0, SECONDS), lasts_s=st.integers(1, 200)), max_size=2))),
        "sync": Sync(every_s=draw(st.sampled_from([0, 200])), lasts_s=20),
    } | fixed
    return workload(*draw(st.lists(bursts, max_size=4).filter(bool)), **told)


@settings(max_examples=15, deadline=None)
@given(workloads())
def test_replicas_stay_within_the_maximum_and_without_one_within_the_partitions(told: Workload) -> None:
    most = min(told.scaling.hpa_maximum, told.scaled_object.maximum or told.partitions)
    run = Run(told)
    for _ in run.seconds():
        assert 0 <= run.replicas <= most
        assert run.pods.ready <= run.replicas


@settings(max_examples=15, deadline=None)
@given(workloads())
def test_no_event_is_lost_or_made_at_any_moment(told: Workload) -> None:
    run = Run(told)
    arrive = arriving(told)
    came = 0
    for second in run.seconds():
        came += arrive(second)
        in_logs = sum(log.waiting for log in run.logs)
        held = sum(events for _, events in run._held)
        assert run.arrived == came
        assert run.folded + run.pods.skipped + in_logs + held == came
        assert all(0 <= log.done <= log.position <= log.end for log in run.logs)
        assert run.lag == in_logs + held
    assert run.ages.total() == run.folded
    assert min(run.ages, default=1) >= 1, "nothing is folded before it came"


@settings(max_examples=15, deadline=None)
@given(workloads(outages=(), sync=Sync(every_s=0)))
def test_it_goes_to_zero_only_after_a_cooldown_without_activity(told: Workload) -> None:
    told = replace(told, trigger=replace(told.trigger, offset_reset_policy="earliest"))
    run = Run(told)
    active_at = [-1]
    for second in run.seconds():
        if second % told.scaling.polling_s == 0:
            present = sum(
                partition.latest - max(partition.committed, 0) for log in run.logs if (partition := log.offsets()).latest is not None
            )
            if present > told.trigger.activation_lag_threshold:
                active_at.append(second)
        for change in run.changes:
            if change.at_s == second and change.replicas == 0:
                assert change.by == "keda"
                assert second - active_at[-1] >= told.scaling.cooldown_s


@settings(max_examples=15, deadline=None)
@given(workloads())
def test_pod_hours_are_the_integral_of_the_replicas_and_each_drain(told: Workload) -> None:
    run = Run(told)
    for _ in run.seconds():
        pass
    result = run.result()
    seconds, at, replicas = 0.0, 0.0, 0
    for change in result.changes:
        seconds += (change.at_s + 0.5 - at) * replicas
        seconds += max(change.before - change.replicas, 0) * told.projector.drain_s
        at, replicas = change.at_s + 0.5, change.replicas
    seconds += (result.seconds - at) * replicas
    assert abs(result.pod_hours * 3600 - seconds) < 1e-6
    assert result.idle_pod_hours <= result.pod_hours + 1e-9


@given(st.lists(st.integers(0, 10**6), max_size=30), st.lists(st.floats(0.01, 1), min_size=1, max_size=12))
def test_dealt_events_are_those_that_came_and_follow_the_shares(seconds: list[int], raw: list[float]) -> None:
    shares = [one / sum(raw) for one in raw]
    dealer = Dealer(shares)
    total = [0] * len(shares)
    for events in seconds:
        dealt = dealer.deal(events)
        assert sum(dealt) == events
        assert min(dealt) >= 0
        total = [had + got for had, got in zip(total, dealt, strict=True)]
    for had, share in zip(total, shares, strict=True):
        assert abs(had - share * sum(seconds)) <= len(shares) + 1


@settings(max_examples=15, deadline=None)
@given(bursts, st.lists(st.integers(0, 5000), min_size=24, max_size=24))
def test_arrivals_add_up_exactly(burst: Burst, hours: list[int]) -> None:
    once = replace(burst, every_s=None)
    told = workload(arrivals=Arrivals(events_per_hour=tuple(hours), bursts=(once,)))
    arrive = arriving(told)
    assert sum(arrive(second) for second in range(7200)) == hours[0] + hours[1] + once.events


@given(
    st.lists(st.integers(0, 10**7), min_size=1, max_size=32),
    st.integers(1, 5000),
    st.sampled_from(["", "limit_to_partitions_with_lag", "ensure_even_distribution_of_partitions"]),
)
def test_the_cap_keeps_a_metric_below_one_more_replica_than_its_bound(lags: list[int], threshold: int, option: str) -> None:
    trigger = KafkaTrigger(lag_threshold=threshold, **({option: True} if option else {}))  # type: ignore[arg-type]
    bound = sum(lag > 0 for lag in lags) if option == "limit_to_partitions_with_lag" else len(lags)
    value = capped(trigger, lags)
    assert 0 <= value < (bound + 1) * threshold
    if option == "ensure_even_distribution_of_partitions":
        assert value % threshold == 0
        assert len(lags) % (value // threshold) == 0
    else:
        assert value <= sum(lags)
