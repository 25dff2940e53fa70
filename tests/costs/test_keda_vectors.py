"""KEDA's own Go tests, by their names: the same inputs, the same answers. A test of theirs that needs a broker's mock is here by its numbers."""

import pytest

from costs.errors import Unusable
from costs.scaling.eventhub import read, related, unprocessed, without_checkpoint
from costs.scaling.executor import Executor, ScaledObject
from costs.scaling.jobs import Decision, Queue, ScaledJob, Wanted, combined, decide, effective, target_average
from costs.scaling.keda import KafkaScaler, KafkaTrigger, Lag, Partition, Policy, even_consumers, factors, limitation, metric_name

# --- pkg/scalers/kafka_scaler_test.go


@pytest.mark.parametrize(("lag", "factor"), [(10, 1), (20, 2), (40, 4), (50, 5), (99, 10), (100, 10), (101, 20)])
def test_get_next_factor(lag: int, factor: int) -> None:
    assert even_consumers(lag, 100, 10) == factor


@pytest.mark.parametrize(
    ("number", "divisors"),
    [
        (10, [1, 2, 5, 10]),
        (13, [1, 13]),
        (17, [1, 17]),
        (25, [1, 5, 25]),
        (50, [1, 2, 5, 10, 25, 50]),
        (100, [1, 2, 4, 5, 10, 20, 25, 50, 100]),
    ],
)
def test_find_factors(number: int, divisors: list[int]) -> None:
    assert factors(number) == divisors


@pytest.mark.parametrize(
    ("text", "partitions"),
    [
        ("1", [1]),
        ("1,2,3,4", [1, 2, 3, 4]),
        (" 1 , 2 , 3 ", [1, 2, 3]),
        ("1-4", [1, 2, 3, 4]),
        ("3-3", [3]),
        (" 1 - 4 ", [1, 2, 3, 4]),
        ("1-4,8,10-12", [1, 2, 3, 4, 8, 10, 11, 12]),
    ],
)
def test_kafka_parse_partition_limitation(text: str, partitions: list[int]) -> None:
    assert limitation(text) == partitions


@pytest.mark.parametrize("text", ["a,b,c", "1-2-3", "a-3", "1-b"])
def test_kafka_parse_partition_limitation_refuses(text: str) -> None:
    with pytest.raises(Unusable, match=r"partition_limitation: .* write them as 1-4,8"):
        limitation(text)


@pytest.mark.parametrize(("only", "read_partitions"), [("", [0, 1, 2]), ("1-2", [1, 2])])
def test_get_topic_partitions(only: str, read_partitions: list[int]) -> None:
    scaler = KafkaScaler(KafkaTrigger(partition_limitation=only, allow_idle_consumers=True))
    lags = {0: 1, 1: 10, 2: 100}
    value = scaler.read({number: Partition(0, lag) for number, lag in lags.items()}).value
    assert value == sum(lags[number] for number in read_partitions)


def test_get_topic_partitions_without_an_active_one() -> None:
    with pytest.raises(Unusable, match="leaves no partition of the topic"):
        KafkaScaler(KafkaTrigger(partition_limitation="7")).read({0: Partition(0, 1)})


@pytest.mark.parametrize(
    ("committed", "latest", "earliest", "policy", "to_zero", "lag"),
    [
        pytest.param(-1, None, None, "earliest", True, 0, id="Scenario 1"),
        pytest.param(-1, None, None, "earliest", False, 0, id="Scenario 2"),
        pytest.param(100, None, None, "earliest", False, 0, id="Scenario 3"),
        pytest.param(100, 150, None, "earliest", False, 50, id="Control: valid offsets"),
        pytest.param(-1, 150, 100, "earliest", False, 50, id="Control: retained log window"),
        pytest.param(-1, 150, 150, "earliest", False, 0, id="Control: empty retained window"),
        pytest.param(-1, 100, 150, "earliest", False, 0, id="Control: log start past sampled end"),
        pytest.param(-1, 150, None, "earliest", False, 150, id="Control: earliest unavailable"),
        pytest.param(-1, 150, None, "latest", True, 0, id="Control: latest, scale to zero"),
    ],
)
def test_get_lag_for_partition_missing_partition(
    committed: int, latest: int | None, earliest: int | None, policy: Policy, to_zero: bool, lag: int
) -> None:
    scaler = KafkaScaler(KafkaTrigger(offset_reset_policy=policy, scale_to_zero_on_invalid_offset=to_zero))
    assert scaler.lag(0, Partition(committed, latest, earliest)) == Lag(lag, lag)


@pytest.mark.parametrize(
    ("committed", "policy", "to_zero", "earliest", "lag"),
    [
        pytest.param(-1, "earliest", False, 50, 75, id="retained backlog"),
        pytest.param(-1, "earliest", False, 100, 25, id="empty retained window"),
        pytest.param(-1, "earliest", False, 150, 25, id="advancing log start preserves another partition's backlog"),
        pytest.param(-1, "earliest", False, None, 125, id="earliest request error falls back to latest offset"),
        pytest.param(-1, "latest", False, None, 26, id="latest policy skips earliest request"),
        pytest.param(-1, "earliest", True, None, 25, id="scale to zero on invalid offset skips earliest request"),
        pytest.param(40, "earliest", False, None, 85, id="committed offsets skip earliest request"),
    ],
)
def test_kafka_get_metrics_and_activity_retained_lag(committed: int, policy: Policy, to_zero: bool, earliest: int | None, lag: int) -> None:
    trigger = KafkaTrigger(offset_reset_policy=policy, scale_to_zero_on_invalid_offset=to_zero, allow_idle_consumers=True)
    assert KafkaScaler(trigger).read({0: Partition(committed, 100, earliest), 1: Partition(75, 100)}) == (lag, True)


@pytest.mark.parametrize(
    ("topic", "index", "name"),
    [("my-topic", 0, "s0-kafka-my-topic"), ("my-topic", 1, "s1-kafka-my-topic"), ("", 1, "s1-kafka-my-group-topics")],
)
def test_kafka_get_metric_spec_for_scaling(topic: str, index: int, name: str) -> None:
    assert metric_name(KafkaTrigger(topic=topic), "my-group", index) == name


# --- pkg/scalers/azure_eventhub_scaler_test.go


@pytest.mark.parametrize(
    ("checkpoint", "last", "events"),
    [
        (5, 10, 5),
        (4611686018427387903, 4611686018427387905, 2),
        (4611686018427387900, 4611686018427387905, 5),
        (4000000000000200000, 4000000000000000000, 9223372036854575807),
        (0, 2, 2),
        (15, 10, 0),
        (4611686018427387910, 4611686018427387905, 0),
        (5, 9223372036854775797, 0),
        (9223372036854775797, 5, 15),
    ],
)
def test_calculate_unprocessed_events(checkpoint: int, last: int, events: int) -> None:
    assert unprocessed(checkpoint, last) == events


def test_get_a_total_lag_of_20_for_2_partitions_on_100_unprocessed_events() -> None:
    assert related(100, 2, 10) == 20


def test_get_a_total_lag_of_100_for_20_partitions_on_100_unprocessed_events() -> None:
    assert related(100, 20, 10) == 100


@pytest.mark.parametrize(("begin", "last", "events"), [(0, 1, 2), (255, 255, 0), (0, 0, 1)])
def test_get_unprocessed_event_count_without_checkpoint(begin: int, last: int, events: int) -> None:
    assert without_checkpoint(begin, last) == events


def test_a_hub_whose_sum_overflows_counts_the_largest_number() -> None:
    assert read([9223372036854775797, 20]) == (128, True)


# --- pkg/scaling/executor/scale_jobs_test.go


@pytest.mark.parametrize(("max_scale", "running", "most", "jobs"), [(3, 2, 5, 1), (2, 0, 5, 2)])
def test_default_scaling_strategy(max_scale: int, running: int, most: int, jobs: int) -> None:
    assert effective(ScaledJob(), max_scale, running, 0, most, 1) == (jobs, 1)


@pytest.mark.parametrize(
    ("deduction", "share", "max_scale", "running", "most", "jobs"),
    [
        (1, 0.5, 3, 2, 5, 1),
        (1, 0.5, 10, 0, 10, 9),
        (0, 0.0, 3, 2, 5, 3),
        (2, 0.0, 3, 2, 5, 1),
        (-2, 0.0, 3, 2, 4, 4),
    ],
)
def test_custom_scaling_strategy(deduction: int, share: float, max_scale: int, running: int, most: int, jobs: int) -> None:
    job = ScaledJob(strategy="custom", deduction=deduction, running_share=share)
    assert effective(job, max_scale, running, 0, most, 1).effective_max == jobs


def test_custom_scaling_strategy_with_an_unreadable_percentage_is_the_default_one() -> None:
    job = ScaledJob(strategy="custom", deduction=1, running_share=None)
    assert [effective(job, *numbers, 0, 5, 1).effective_max for numbers in ((3, 2), (2, 0))] == [1, 2]


@pytest.mark.parametrize(("running", "jobs"), [(2, 9), (0, 10)])
def test_custom_scaling_strategy_nil_queue_length_deduction(running: int, jobs: int) -> None:
    assert effective(ScaledJob(strategy="custom", running_share=0.5), 10, running, 0, 100, 1).effective_max == jobs


@pytest.mark.parametrize(
    ("max_scale", "running", "pending", "most", "jobs"),
    [
        (3, 2, 0, 5, 3),
        (5, 2, 0, 5, 3),
        (3, 4, 2, 10, 1),
        (5, 4, 2, 5, 1),
        (3, 3, 3, 5, 0),
        (15, 15, 15, 20, 0),
        (10, 10, 10, 15, 0),
        (20, 15, 10, 20, 5),
    ],
)
def test_accurate_scaling_strategy(max_scale: int, running: int, pending: int, most: int, jobs: int) -> None:
    assert effective(ScaledJob(strategy="accurate"), max_scale, running, pending, most, 1) == (jobs, 1)


@pytest.mark.parametrize(
    ("max_scale", "running", "pending", "jobs"), [(4, 3, 0, 4), (4, 0, 3, 4), (4, 7, 0, 3), (4, 1, 6, 3), (15, 0, 0, 10)]
)
def test_eager_scaling_strategy(max_scale: int, running: int, pending: int, jobs: int) -> None:
    assert effective(ScaledJob(strategy="eager"), max_scale, running, pending, 10, 1) == (jobs, 10)


def test_running_job_count_smaller_min_replica_count() -> None:
    assert decide(ScaledJob(minimum=2), Wanted(True, 0, 0), running=0, pending=0) == Decision(2, 2)


def test_running_job_count_is_deducted_from_min_replica_count() -> None:
    assert decide(ScaledJob(minimum=2), Wanted(True, 0, 0), running=1, pending=0) == Decision(1, 1)


def test_running_job_count_greater_or_equal_min_replica_count_executes_scaling_strategy() -> None:
    assert decide(ScaledJob(minimum=1), Wanted(True, 2, 2), running=1, pending=0) == Decision(2, 2)


# --- pkg/scaling/scaledjob/metrics_test.go, pkg/scaling/scale_handler_test.go, apis/keda/v1alpha1/scaledjob_types_test.go


@pytest.mark.parametrize(("targets", "average"), [([], 0), ([1, 1], 1), ([5, 5, 3], 4.333333333333333), ([5, 5, 4], 4.666666666666667)])
def test_target_average_value(targets: list[float], average: float) -> None:
    assert target_average(targets) == average


@pytest.mark.parametrize(
    ("job", "queue_length", "max_value"),
    [
        pytest.param(ScaledJob(minimum=1, maximum=101), 20, 20, id="max"),
        pytest.param(ScaledJob(minimum=1, maximum=101, combine="min"), 5, 2, id="min"),
        pytest.param(ScaledJob(minimum=1, maximum=101, combine="avg"), 12, 9, id="avg"),
        pytest.param(ScaledJob(minimum=1, maximum=101, combine="sum"), 35, 27, id="sum"),
        pytest.param(ScaledJob(minimum=1, maximum=26, combine="sum"), 35, 25, id="sum, at most 25"),
    ],
)
def test_get_scaled_job_state(job: ScaledJob, queue_length: int, max_value: int) -> None:
    queues = [Queue(20, 1), Queue(10, 2), Queue(5, 3), Queue(7, 4, active=False)]
    assert combined(job, queues) == (True, queue_length, max_value)


def test_get_scaled_job_state_of_one_trigger() -> None:
    assert combined(ScaledJob(minimum=1, maximum=101), [Queue(20, 2)]) == (True, 20, 10)


@pytest.mark.parametrize(
    ("maximum", "minimum", "most", "least"),
    [(10, 0, 10, 0), (10, None, 10, 0), (10, 1, 9, 1), (None, 1, 100, 1), (None, None, 100, 0), (1, 10, 1, 1)],
)
def test_scaled_job(maximum: int | None, minimum: int | None, most: int, least: int) -> None:
    job = ScaledJob(maximum=maximum, minimum=minimum)
    assert (job.most, job.least) == (most, least)


# --- pkg/scaling/executor/scale_scaledobjects_test.go, apis/keda/v1alpha1/scaledobject_types_test.go


def _decided(told: ScaledObject, replicas: int, *, active: bool) -> int:
    return Executor(told, created=-1).decide(0.5, replicas, active=active)


def test_scale_to_min_replicas_when_not_active() -> None:
    assert _decided(ScaledObject(minimum=0), 10, active=False) == 0


def test_scale_to_min_replicas_from_lower_initial_replica_count() -> None:
    assert _decided(ScaledObject(minimum=5), 1, active=False) == 5


def test_scale_from_min_replicas_when_active() -> None:
    assert _decided(ScaledObject(minimum=0), 0, active=True) == 1


def test_scale_to_idle_replicas_when_not_active() -> None:
    assert _decided(ScaledObject(minimum=5, idle=0), 10, active=False) == 0


def test_scale_from_idle_to_min_replicas_when_active() -> None:
    assert _decided(ScaledObject(minimum=5, idle=0), 0, active=True) == 5


@pytest.mark.parametrize(("minimum", "idle", "lowest"), [(0, None, 0), (5, 0, 0), (5, 3, 3), (2, None, 2)])
def test_get_idle_or_minimum_replica_count(minimum: int, idle: int | None, lowest: int) -> None:
    assert ScaledObject(minimum=minimum, idle=idle).lowest == lowest


@pytest.mark.parametrize(("minimum", "maximum", "least", "most"), [(0, None, 1, 100), (5, None, 5, 100), (0, 10, 1, 10), (5, 10, 5, 10)])
def test_get_hpa_replicas(minimum: int, maximum: int | None, least: int, most: int) -> None:
    told = ScaledObject(minimum=minimum, maximum=maximum)
    assert (told.hpa_minimum, told.hpa_maximum) == (least, most)


@pytest.mark.parametrize(
    ("told", "refusal"),
    [
        (ScaledObject(minimum=1, maximum=5), ""),
        (ScaledObject(minimum=1, maximum=5, idle=0), ""),
        (ScaledObject(minimum=2, maximum=1), "scaled_object.minimum: is 2, above the maximum of 1: lower it"),
        (ScaledObject(minimum=1, maximum=5, idle=1), "scaled_object.idle: is 1, must be below the minimum of 1: 0 is what works"),
        (ScaledObject(minimum=1, maximum=5, idle=2), "scaled_object.idle: is 2, must be below the minimum of 1: 0 is what works"),
    ],
)
def test_check_replica_count_bounds_are_valid(told: ScaledObject, refusal: str) -> None:
    found = ""
    try:
        told.check()
    except Unusable as error:
        found = str(error)
    assert found == refusal
