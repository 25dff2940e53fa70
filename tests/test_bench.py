"""The benchmarks say what they promise: every line with its goal, honest ratios, one JSON object last, nothing skipped in silence."""

import contextlib
import json
from collections.abc import Iterator

import pytest

import bench
from bench import table
from bench.measure import Line, Round, Sample, cost, race, result, rounds_of
from bench.missing import Missing

GOALS = {
    "sqlite-append-1": (1.3, "higher"),
    "sqlite-load10-append1": (3.3, "higher"),
    "sqlite-8-writers": (4.8, "higher"),
    "sqlite-load-100": (20, "higher"),
    "sqlite-load-1000": (20, "higher"),
    "sqlite-load-10000": (20, "higher"),
    "postgres-append-1": (2.4, "higher"),
    "postgres-8-writers": (3.6, "higher"),
    "postgres-load-1000": (15, "higher"),
    "postgres-append-1-vs-bare": (0.85, "higher"),
    "postgres-8-writers-vs-bare": (0.85, "higher"),
    "postgres-load-1000-vs-bare": (0.85, "higher"),
    "postgres-append-1-vs-emmett": (2.4, "higher"),
    "postgres-8-writers-vs-emmett": (2.4, "higher"),
    "postgres-load-1000-vs-emmett": (3, "higher"),
    "project-50-consecutive": (0.7, "higher"),
    "project-150k-interleaved": (0.7, "higher"),
    "project-50-consecutive-vs-eventsourcing": (60, "higher"),
    "project-150k-interleaved-vs-eventsourcing": (7, "higher"),
    "cold-start": (1.35, "lower"),
    "cold-start-memory": (4, "lower"),
    "cold-start-foreign-modules": (0, "lower"),
    "kafka-projector": (0.5, "higher"),
    "latency-kafka-postgres": (1.5, "lower"),
    "flights-year": (1, "higher"),
    "rebuild-sqlite": (1, "higher"),
    "rebuild-postgres": (1, "higher"),
}


def a_line(measure: Round, *, goal: float = 1.0, better: str = "higher", rounds_max: int = 99) -> Line:
    """A line that measures nothing real."""

    @contextlib.contextmanager
    def opened() -> Iterator[Round]:
        yield measure

    return Line("a-line", goal, "lower" if better == "lower" else "higher", "nobody", "events/s", opened, rounds_max)


def test_every_goal_of_the_table_is_built_in() -> None:
    lines = table.all_lines()
    assert {name: (line.goal, line.better) for name, line in lines.items() if name in GOALS} == GOALS
    assert set(bench.lines()) == set(lines)


def test_a_throughput_ratio_is_ours_over_theirs_and_counts_every_turn() -> None:
    ours, theirs = iter([1.0, 3.0]), iter([6.0, 10.0])
    sample = race(lambda: next(ours), lambda: next(theirs), work=100, turns=2)()
    assert sample == Sample(ratio=4.0, value=50.0, peer_value=12.5)


def test_a_peer_that_does_less_work_a_turn_is_compared_by_its_rate() -> None:
    sample = race(lambda: 1.0, lambda: 1.0, work=1000, turns=3, peer_work=10)()
    assert sample == Sample(ratio=100.0, value=1000.0, peer_value=10.0)


def test_a_cost_ratio_is_our_median_over_theirs() -> None:
    ours, theirs = iter([3.0, 99.0, 1.0]), iter([2.0, 2.0, 50.0])
    sample = cost(lambda: next(ours), lambda: next(theirs), turns=3, scale=1000)()
    assert sample == Sample(ratio=1.5, value=3000.0, peer_value=2000.0)


def test_the_sides_take_turns() -> None:
    turns: list[str] = []

    def turn(name: str) -> float:
        turns.append(name)
        return 1.0

    race(lambda: turn("ours"), lambda: turn("peer"), work=1, turns=3)()
    assert turns == ["ours", "peer"] * 3


def test_a_line_comes_to_the_median_with_its_lowest_and_highest_round() -> None:
    ratios = iter([9.0, 1.0, 2.0])
    line = a_line(lambda: Sample(next(ratios), 5.0, 4.0), goal=2.0)
    told = result(line, list(rounds_of(line, 3)))
    assert (told.ratio, told.low, told.high, told.rounds, told.met) == (2.0, 1.0, 9.0, 3, True)


@pytest.mark.parametrize(
    ("better", "ratio", "met"), [("higher", 1.9, False), ("higher", 2, True), ("lower", 2, True), ("lower", 2.1, False)]
)
def test_a_goal_is_met_from_its_own_side(better: str, ratio: float, met: bool) -> None:
    line = a_line(lambda: Sample(ratio, 1.0), goal=2.0, better=better)
    assert result(line, list(rounds_of(line, 1))).met is met


def test_a_line_of_minutes_is_measured_at_most_so_often() -> None:
    line = a_line(lambda: Sample(1.0, 1.0), rounds_max=2)
    assert len(list(rounds_of(line, 50))) == 2


def test_a_quick_line_runs_and_ends_with_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.run(["sqlite-load-100"], rounds=1, json=True) in (0, 1)
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    (line,) = told["lines"]
    assert {"line", "ratio", "goal", "better", "low", "high"} <= set(line)
    assert (line["line"], line["goal"], line["better"]) == ("sqlite-load-100", 20, "higher")
    assert line["low"] == line["ratio"] == line["high"] > 0
    assert line["value"] == pytest.approx(line["ratio"] * line["peer_value"], rel=0.01)


def test_an_unknown_line_is_named_with_those_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert bench.run(["sqlite-append-2"], rounds=1, json=True) == 2
    told = capsys.readouterr().err
    assert "sqlite-append-2" in told
    assert "sqlite-append-1" in told


def test_a_line_that_cannot_be_measured_is_told_and_not_skipped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing() -> contextlib.AbstractContextManager[Round]:
        raise Missing("install a server")

    line = Line("a-line", 1.0, "higher", "nobody", "events/s", missing)
    monkeypatch.setattr(table, "all_lines", lambda: {"a-line": line})
    assert bench.run(["a-line"], rounds=1, json=True) == 2
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"lines": [], "unmeasured": {"a-line": "install a server"}}


@pytest.mark.parametrize(("ratio", "code"), [(1.0, 0), (0.9, 1)])
def test_a_missed_goal_shows_in_the_table_and_in_the_exit_code(
    ratio: float, code: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(table, "all_lines", lambda: {"a-line": a_line(lambda: Sample(ratio, 10.0, 10.0))})
    assert bench.run(["a-line"], rounds=1, json=False) == code
    assert ("missed" in capsys.readouterr().out) is (code == 1)
