"""The `kafka` trigger: caps, what nobody committed, what is stuck, and what the operator refuses."""

from typing import Any

import pytest

from costs.errors import Unusable
from costs.scaling.hpa import wanted
from costs.scaling.keda import KafkaScaler, KafkaTrigger, Metric, Partition


def lagging(*lags: int) -> dict[int, Partition]:
    return {number: Partition(0, lag, 0) for number, lag in enumerate(lags)}


def read(partitions: dict[int, Partition], **told: Any) -> Metric:
    return KafkaScaler(KafkaTrigger(**told)).read(partitions)


def test_quirk_1_without_an_offset_earliest_counts_what_is_retained_since_2_21() -> None:
    assert read({0: Partition(-1, 150, 100)}, offset_reset_policy="earliest") == (10, True), "capped: one partition, threshold 10"
    assert read({0: Partition(-1, 150, 100)}, offset_reset_policy="earliest", lag_threshold=1000).value == 50
    assert read({0: Partition(-1, 150, None)}, offset_reset_policy="earliest", lag_threshold=1000).value == 150, "up to 2.20"


def test_quirk_2_latest_counts_one_for_each_partition_that_nobody_committed() -> None:
    handled_one = {0: Partition(60, 60, 0), 1: Partition(-1, 0, 0), 2: Partition(-1, 0, 0), 3: Partition(-1, 0, 0)}
    assert read(handled_one, offset_reset_policy="latest") == (3, True), "and so a pod stays for ever"
    assert read(handled_one, offset_reset_policy="earliest") == (0, False)


def test_quirk_3_latest_wakes_for_a_new_group_on_an_empty_topic_and_scale_to_zero_never_wakes() -> None:
    empty = {number: Partition(-1, 0, 0) for number in range(4)}
    waiting = {number: Partition(-1, 15, 0) for number in range(4)}
    assert read(empty, offset_reset_policy="latest") == (4, True)
    assert read(empty, offset_reset_policy="earliest") == (0, False)
    for policy in ("latest", "earliest"):
        assert read(waiting, offset_reset_policy=policy, scale_to_zero_on_invalid_offset=True) == (0, False)


def test_quirk_4_the_cap_truncates_where_the_autoscaler_rounds_up() -> None:
    assert read(lagging(45, 0, 0, 0)).value == 45
    assert wanted(45, 10, existing=1) == 5, "more replicas than partitions"
    assert read(lagging(50, 0, 0, 0)).value == 40
    assert read(lagging(30, 30, 0, 0), limit_to_partitions_with_lag=True).value == 20
    assert wanted(20, 10, existing=1) == 2


@pytest.mark.parametrize(
    ("lags", "told", "value"),
    [
        ((5, 5), {}, 10),
        ((100, 100), {}, 20),
        ((100, 100), {"allow_idle_consumers": True}, 200),
        ((29, 0), {}, 29),
        ((30, 0), {}, 20),
        ((100, 1, 0, 0), {"limit_to_partitions_with_lag": True}, 20),
        ((0, 0), {"limit_to_partitions_with_lag": True}, 0),
        ((31, 0, 0, 0, 0, 0), {"ensure_even_distribution_of_partitions": True}, 60),
        ((21, 0, 0, 0, 0, 0), {"ensure_even_distribution_of_partitions": True}, 30),
        ((0, 0, 0, 0), {"ensure_even_distribution_of_partitions": True}, 10),
        ((100, 100), {"ensure_even_distribution_of_partitions": True, "allow_idle_consumers": True}, 20),
    ],
)
def test_the_cap(lags: tuple[int, ...], told: dict[str, Any], value: int) -> None:
    assert read(lagging(*lags), **told).value == value


def test_even_distribution_tells_a_metric_for_one_where_nothing_waits_and_is_not_active() -> None:
    assert read(lagging(0, 0), ensure_even_distribution_of_partitions=True) == (10, False)


@pytest.mark.parametrize(("lag", "active"), [(0, False), (5, False), (6, True)])
def test_activation_is_strictly_above_its_threshold(lag: int, active: bool) -> None:
    assert read(lagging(lag), activation_lag_threshold=5).active is active


def test_a_partition_missing_in_the_answer_counts_neither_as_lag_nor_as_a_partition() -> None:
    assert read({0: Partition(0, 100), 1: Partition(0, None)}).value == 10


def test_a_committed_offset_past_the_end_is_no_negative_metric() -> None:
    assert read({0: Partition(50, 10)}) == (0, False)


def test_persistent_lag_is_left_out_but_keeps_a_pod() -> None:
    scaler = KafkaScaler(KafkaTrigger(exclude_persistent_lag=True, lag_threshold=100))
    assert scaler.read({0: Partition(10, 50)}) == (40, True), "first sight"
    assert scaler.read({0: Partition(10, 60)}) == (0, True), "nothing was consumed since"
    assert scaler.read({0: Partition(20, 60)}) == (40, True), "it goes on"
    scaler.forget()
    assert scaler.read({0: Partition(20, 60)}) == (40, True), "first sight again, after an error"


@pytest.mark.parametrize(
    ("told", "field"),
    [
        ({"lag_threshold": 0}, "lag_threshold"),
        ({"lag_threshold": -1}, "lag_threshold"),
        ({"activation_lag_threshold": -1}, "activation_lag_threshold"),
        ({"allow_idle_consumers": True, "limit_to_partitions_with_lag": True}, "allow_idle_consumers"),
        ({"limit_to_partitions_with_lag": True, "topic": ""}, "limit_to_partitions_with_lag"),
        (
            {"limit_to_partitions_with_lag": True, "ensure_even_distribution_of_partitions": True},
            "limit_to_partitions_with_lag",
        ),
        ({"ensure_even_distribution_of_partitions": True, "topic": ""}, "ensure_even_distribution_of_partitions"),
        ({"full_metadata": False, "topic": ""}, "full_metadata"),
        ({"partition_limitation": "1-99999999"}, "partition_limitation"),
    ],
)
def test_what_the_operator_refuses_is_refused(told: dict[str, Any], field: str) -> None:
    with pytest.raises(Unusable) as refused:
        KafkaScaler(KafkaTrigger(**told))
    assert refused.value.field == f"trigger.{field}"


def test_a_limitation_means_nothing_without_a_topic() -> None:
    assert read(lagging(3, 4), topic="", partition_limitation="1").value == 7
