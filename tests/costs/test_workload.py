"""The workload file: its defaults, its example, and a line with the field, the limit and the way out for everything that does not fit."""

from pathlib import Path

import msgspec
import pytest

from costs.errors import Unusable
from costs.scaling.simulate import simulate
from costs.scaling.workload import Workload, parse

EXAMPLE = Path(__file__).parents[2] / "docs" / "workloads" / "flights.toml"
LEAST = "partitions = 4\n[projector]\nevents_per_s = 10\n[arrivals]\nbursts = [{at_s = 0, events = 1}]\n"


def test_the_least_one_has_the_manifests_defaults() -> None:
    workload = parse(LEAST)
    scaling, trigger = workload.scaling, workload.trigger
    assert (scaling.polling_s, scaling.cooldown_s, scaling.minimum, scaling.maximum) == (30, 300, 0, 4), "the maximum is the partitions"
    assert (trigger.lag_threshold, trigger.activation_lag_threshold, trigger.offset_reset_policy) == (1000, 0, "earliest")
    assert (workload.sync.every_s, workload.projector.first_commit, workload.autoscaler.behaviour) == (3600, True, None)
    assert workload.weights == (0.25,) * 4
    assert workload.seconds == 1 + 3600


def test_json_says_the_same_as_toml() -> None:
    workload = parse(LEAST)
    assert parse(msgspec.json.encode(workload), "workload.json") == workload


def test_the_example_of_the_documentation_runs() -> None:
    workload = parse(EXAMPLE.read_text())
    assert workload.seconds == 86_400
    result = simulate(msgspec.structs.replace(workload, duration_s=25_000))
    assert result.peak_replicas > 1
    assert result.wakings > 1


def _documented() -> list[tuple[str, list[str]]]:
    """The table under "Reading it": a setting, and what it makes of the example."""
    section = (EXAMPLE.parents[1] / "scaling.md").read_text().partition("## Reading it")[2].partition("## ")[0]
    rows = [
        [cell.strip().removesuffix(" s") for cell in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")
    ]
    return [(row[0].strip("`"), row[1:]) for row in rows[2:]]


@pytest.mark.parametrize(("setting", "numbers"), _documented(), ids=[setting for setting, _ in _documented()])
def test_the_documented_day_comes_out_as_it_is_told(setting: str, numbers: list[str]) -> None:
    told = msgspec.to_builtins(parse(EXAMPLE.read_text()))
    if " = " in setting:
        path, value = setting.split(" = ")
        section, name = path.split(".")
        told[section][name] = int(value)
    result = simulate(msgspec.convert(told, Workload))
    fresh = result.freshness
    assert fresh is not None
    found = [f"{result.pod_hours:.2f}", *map(str, (result.wakings, fresh.p50_s, fresh.p99_s, result.peak_age_s))]
    assert found == numbers


@pytest.mark.parametrize(("hours", "seconds"), [(24, 86_400), (168, 604_800)])
def test_a_profile_lasts_as_long_as_it_says(hours: int, seconds: int) -> None:
    assert parse(LEAST.replace("bursts = [{at_s = 0, events = 1}]", f"events_per_hour = {[1] * hours}")).seconds == seconds


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(("partitions = 4", ""), "missing required field `partitions`; known: projector, partitions, name,", id="missing"),
        pytest.param(("partitions = 4", "partitions = 257"), "partitions: expected `int` <= 256", id="too many partitions"),
        pytest.param(("partitions = 4", "partitions = 0"), "partitions: expected `int` >= 1", id="no partition"),
        pytest.param(("partitions = 4", 'partitions = "4"'), "partitions: expected `int`, got `str`", id="type"),
        pytest.param(("events_per_s = 10", "events_per_s = 0"), "projector.events_per_s: expected `float` > 0", id="bound"),
        pytest.param(("events_per_s", "event_per_s"), "projector: table has unknown field `event_per_s`; known: events_per_s,", id="typo"),
        pytest.param(
            ("events_per_s = 10", "events_per_s = 10\nstartup = 3"),
            "projector: table has unknown field `startup`; known: events_per_s, startup_s,",
            id="unknown",
        ),
        pytest.param(
            ("events = 1}", "event = 1}"), "arrivals.bursts[0]: table has unknown field `event`; known: at_s, events,", id="in a list"
        ),
        pytest.param(
            ("bursts = [{at_s = 0, events = 1}]", ""), "arrivals: are missing: give arrivals.events_per_hour,", id="nothing arrives"
        ),
        pytest.param(
            ("bursts = [{at_s = 0, events = 1}]", "events_per_hour = [1, 2]"),
            "arrivals.events_per_hour: has 2 numbers: give 24 (a day) or 168 (a week)",
            id="profile",
        ),
        pytest.param(
            ("events = 1}", "events = 1, over_s = 60, every_s = 30}"),
            "arrivals.bursts[0].every_s: is 30, below over_s of 60: one would begin in the other",
            id="overlapping bursts",
        ),
        pytest.param(("partitions = 4", "partitions = 4\nshares = [0.5, 0.5]"), "shares: has 2 numbers for 4 partitions", id="shares"),
        pytest.param(
            ("partitions = 4", "partitions = 2\nshares = [0.5, 0.4]"), "shares: add up to 0.9, must add up to 1", id="sum of shares"
        ),
        pytest.param(
            ("partitions = 4", "partitions = 2\nshares = [0.5, 0.5]\nkey_skew = 1.0"),
            "key_skew: and shares say the same: drop one",
            id="skew and shares",
        ),
        pytest.param(
            ("partitions = 4", "partitions = 4\nmeasured = [{at_s = 0, lag = 1}]"),
            "arrivals: and measured exclude each other: drop one",
            id="planned and measured",
        ),
        pytest.param(
            ("partitions = 4", "partitions = 4\ntrigger = {lag_threshold = 0}"),
            "trigger.lag_threshold: is 0, must be at least 1",
            id="trigger",
        ),
        pytest.param(
            ("partitions = 4", "partitions = 4\nscaled_object = {minimum = 5}"),
            "scaled_object.minimum: is 5, above the maximum of 4: lower it",
            id="minimum above the partitions",
        ),
        pytest.param(
            ("partitions = 4", "partitions = 4\nscaled_object = {polling_s = 0}"),
            "scaled_object.polling_s: expected `int` >= 1",
            id="polling",
        ),
        pytest.param(
            ("partitions = 4", 'partitions = 4\ntrigger = {offset_reset_policy = "none"}'),
            "trigger.offset_reset_policy: invalid enum value 'none'",
            id="policy",
        ),
        pytest.param(("partitions = 4", "partitions 4"), "is no TOML (a file called .json is read as JSON)", id="no TOML"),
    ],
)
def test_what_does_not_fit_is_named_with_its_limit_and_the_way_out(change: tuple[str, str], says: str) -> None:
    with pytest.raises(Unusable) as refused:
        parse(LEAST.replace(*change))
    assert says in str(refused.value)


MEASURED = "partitions = 2\nmeasured = [{0}]\n[projector]\nevents_per_s = 10\n"


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        ("{at_s = 1, lag = 1}, {at_s = 1, lag = 1}", "measured[1].at_s: is 1, not after the one before it: sort them"),
        ("{at_s = 0, lag = 1}, {at_s = 1, arrived = 1}", "measured[1]: has other fields than the first"),
        ("{at_s = 0, replicas = 1}", "measured[0]: has neither lag nor arrived: give one of them"),
        ("{at_s = 0, lag = [1, 2, 3]}", "measured[0].lag: has 3 numbers for 2 partitions"),
        ("{at_s = 0, arrived = 5}, {at_s = 1, arrived = 4}", "measured[1].arrived: is lower than before"),
    ],
)
def test_a_time_line_that_cannot_be_followed_is_refused(samples: str, says: str) -> None:
    with pytest.raises(Unusable) as refused:
        parse(MEASURED.replace("{0}", samples))
    assert says in str(refused.value)


def test_bytes_that_are_no_json_are_refused() -> None:
    with pytest.raises(Unusable, match=r"^is no JSON: "):
        parse(b"{", "x.json")


def test_every_section_that_an_error_can_name_is_known() -> None:
    from costs.scaling.workload import _SECTIONS

    def sections(of: type[msgspec.Struct], path: str) -> set[str]:
        found = {path}
        for field in msgspec.structs.fields(of):
            kinds = [kind for kind in _leaves(field.type) if isinstance(kind, type) and issubclass(kind, msgspec.Struct)]
            for kind in kinds:
                found |= sections(kind, f"{path}.{field.name}".lstrip("."))
        return found

    assert set(_SECTIONS) == sections(Workload, "")


def _leaves(kind: object) -> list[object]:
    inner = getattr(kind, "__args__", ())
    return [leaf for each in inner for leaf in _leaves(each)] if inner else [kind]
