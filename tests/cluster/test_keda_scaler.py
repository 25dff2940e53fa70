"""Our arithmetic of KEDA's kafka trigger against KEDA's own scaler, both looking at the same real broker."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import RetriableError
from kafka.structs import OffsetAndMetadata
from msgspec.structs import replace

from costs.errors import Unusable
from costs.scaling.keda import NONE_COMMITTED, KafkaScaler, KafkaTrigger, Metric, Partition
from tests.cluster import kscale
from tests.processes.fleet import until
from tests.servers.golang import binaries

pytestmark = pytest.mark.cluster

STATES = 200
PARTITIONS = (1, 2, 3, 4, 6)


class Change(NamedTuple):
    """What happens to one partition: messages, how much of the log goes (in tenths), and where the group commits."""

    messages: int
    trimmed: int
    commit: str
    within: int  # tenths of what is retained


class State(NamedTuple):
    """Two moments of one topic's partitions, and the trigger that looks at them."""

    first: list[Change]
    second: list[Change]
    trigger: KafkaTrigger


COMMITS = ("nothing", "begin", "end", "between", "beyond")
STUCK = (*COMMITS, "nothing", "nothing", "nothing")  # then the group stays where it was


def changes(*commits: str) -> st.SearchStrategy[Change]:
    return st.builds(Change, st.integers(0, 30), st.sampled_from([0, 0, 3, 10]), st.sampled_from(commits), st.integers(0, 10))


@st.composite
def triggers(draw: st.DrawFn, partitions: int) -> KafkaTrigger:
    """What the operator takes."""
    cap = draw(st.sampled_from(["", "allow_idle_consumers", "limit_to_partitions_with_lag", "ensure_even_distribution_of_partitions"]))
    numbers = draw(st.none() | st.sets(st.integers(0, partitions - 1), min_size=1).map(sorted))
    options: dict[str, Any] = {cap: True} if cap else {}
    return KafkaTrigger(
        lag_threshold=draw(st.integers(1, 40)),
        activation_lag_threshold=draw(st.just(0) | st.integers(0, 60)),
        offset_reset_policy=draw(st.sampled_from(["latest", "earliest"])),
        exclude_persistent_lag=draw(st.booleans()),
        scale_to_zero_on_invalid_offset=draw(st.booleans()),
        full_metadata=draw(st.booleans()),
        partition_limitation=",".join(map(str, numbers or ())),
        **options,
    )


@st.composite
def states(draw: st.DrawFn) -> State:
    """Any."""
    partitions = draw(st.sampled_from(PARTITIONS))
    first, second = (draw(st.lists(changes(*commits), min_size=partitions, max_size=partitions)) for commits in (COMMITS, STUCK))
    return State(first, second, draw(triggers(partitions)))


class Broker:
    """A topic for each number of partitions, which live on from state to state, and a fresh group for each state."""

    def __init__(self, servers: str, topic: str) -> None:
        self.servers, self._name, self._groups = servers, topic, 0
        self._admin, self._producer = KafkaAdminClient(bootstrap_servers=servers), KafkaProducer(bootstrap_servers=servers)
        self._admin.create_topics({self.topic(number): {"num_partitions": number, "replication_factor": 1} for number in PARTITIONS})
        until(self._coordinated, 30, "a coordinator for groups")

    def _coordinated(self) -> bool:
        """A fresh broker makes the topic of its groups when the first group asks."""
        try:
            self.read(PARTITIONS[0], self._name)
        except RetriableError:
            return False
        return True

    def topic(self, partitions: int) -> str:
        return f"{self._name}-{partitions}"

    def group(self) -> str:
        self._groups += 1
        return f"{self._name}-{self._groups}"

    def change(self, told: list[Change], group: str) -> None:
        """Make it so."""
        places = [TopicPartition(self.topic(len(told)), number) for number in range(len(told))]
        for place, change in zip(places, told, strict=True):
            for _ in range(change.messages):
                self._producer.send(place.topic, b"", partition=place.partition)
        self._producer.flush()
        spans = self._spans(places)
        cuts = {place: spans[place][0] + _tenths(spans[place], change.trimmed) for place, change in zip(places, told, strict=True)}
        if trimmed := {place: cut for place, cut in cuts.items() if cut > spans[place][0]}:
            self._admin.delete_records(trimmed)
        commits = {place: _commit((cuts[place], spans[place][1]), change) for place, change in zip(places, told, strict=True)}
        if some := {place: OffsetAndMetadata(offset, "", None) for place, offset in commits.items() if offset is not None}:
            self._admin.alter_group_offsets(group, some)

    def read(self, partitions: int, group: str) -> dict[int, Partition]:
        """As it is now."""
        places = [TopicPartition(self.topic(partitions), number) for number in range(partitions)]
        committed = self._admin.list_group_offsets({group: places})[group]
        offsets = {place: committed[place].offset if place in committed else NONE_COMMITTED for place in places}
        return {place.partition: Partition(offsets[place], end, begin) for place, (begin, end) in self._spans(places).items()}

    def _spans(self, places: list[Any]) -> dict[Any, tuple[int, int]]:
        begins = self._admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.EARLIEST))
        ends = self._admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST))
        return {place: (begins[place].offset, ends[place].offset) for place in places}

    def close(self) -> None:
        self._admin.delete_topics([self.topic(number) for number in PARTITIONS])
        self._producer.close()
        self._admin.close()


def _tenths(span: tuple[int, int], tenths: int) -> int:
    return (span[1] - span[0]) * tenths // 10


def _commit(span: tuple[int, int], change: Change) -> int | None:
    between = span[0] + _tenths(span, change.within)
    return {"nothing": None, "begin": span[0], "end": span[1], "between": between, "beyond": span[1] + 1 + change.within}[change.commit]


@pytest.fixture(scope="module")
def command() -> Iterator[kscale.Command]:
    with kscale.running(binaries() / "bin" / "kscale") as running:
        yield running


def test_the_metric_is_what_kedas_own_scaler_tells_over_200_random_states(command: kscale.Command, kafka_url: str, topic: str) -> None:
    seen = {"states": 0, "active": 0, "uncommitted": 0, "trimmed": 0, "capped": 0, "stuck": 0}

    with closing(Broker(kafka_url.removeprefix("kafka://"), topic)) as broker:

        @settings(max_examples=STATES, deadline=None, database=None, phases=[Phase.generate])  # a failure tells its state
        @given(states())
        def compare(state: State) -> None:
            group, partitions = broker.group(), len(state.first)
            trigger = replace(state.trigger, topic=broker.topic(partitions))
            ours = KafkaScaler(trigger)
            with command.scaler(kscale.metadata(trigger, broker.servers, group)) as theirs:
                for change in (state.first, state.second):
                    broker.change(change, group)
                    there = broker.read(partitions, group)
                    metric = ours.read(there)
                    value, active = theirs.read()
                    assert (metric.value, metric.active) == (max(value, 0), active), (there, trigger)
                    _count(seen, there, metric, trigger)
            seen["states"] += 1

        compare()
    assert seen["states"] >= STATES
    assert min(seen.values()) >= 5, f"the states are too much alike: {seen}"


def _count(seen: dict[str, int], there: dict[int, Partition], metric: Metric, trigger: KafkaTrigger) -> None:
    """That every rule had something to say."""
    forgetful = KafkaScaler(replace(trigger, exclude_persistent_lag=False)).read(there)
    idle = replace(trigger, allow_idle_consumers=True, limit_to_partitions_with_lag=False, ensure_even_distribution_of_partitions=False)
    seen["active"] += metric.active
    seen["uncommitted"] += any(one.committed == NONE_COMMITTED for one in there.values())
    seen["trimmed"] += any(one.earliest for one in there.values())
    seen["capped"] += KafkaScaler(idle).read(there).value > forgetful.value
    seen["stuck"] += forgetful.value > metric.value


@pytest.mark.parametrize(
    "told",
    [
        {"lag_threshold": 0},
        {"activation_lag_threshold": -1},
        {"allow_idle_consumers": True, "limit_to_partitions_with_lag": True},
        {"limit_to_partitions_with_lag": True, "ensure_even_distribution_of_partitions": True},
        {"limit_to_partitions_with_lag": True, "topic": ""},
        {"ensure_even_distribution_of_partitions": True, "topic": ""},
        {"full_metadata": False, "topic": ""},
        {"partition_limitation": "1-2-3"},
        {"partition_limitation": "one"},
    ],
)
def test_what_we_refuse_keda_refuses(told: dict[str, Any], command: kscale.Command, kafka_url: str) -> None:
    trigger = KafkaTrigger(**told)
    with pytest.raises(Unusable):
        KafkaScaler(trigger)
    metadata = kscale.metadata(trigger, kafka_url.removeprefix("kafka://"), "anybody")
    with command.scaler(metadata) as scaler, pytest.raises(kscale.Refused):
        scaler.read()
