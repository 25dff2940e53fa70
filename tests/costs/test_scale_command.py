"""`trimaran scale simulate`, as people and scripts run it."""

import json
from pathlib import Path

import pytest

from cli.scale import bars, chart, data, span, summary
from costs.scaling.simulate import Moment
from tests.cli.running import trimaran
from tests.costs.building import Burst, measured, simulate, workload

FILE = 'name = "small"\npartitions = 4\nsync = {every_s = 0}\n[projector]\nevents_per_s = 50\n[arrivals]\nbursts = [{at_s = 31, events = 6000}]\n'


def test_it_prints_a_table_a_chart_and_the_changes(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(FILE)
    done = trimaran(tmp_path, "scale", "simulate", "--workload", "small.toml")
    assert done.returncode == 0, done.stderr
    assert "pod-hours\t" in done.stdout
    assert "\nreplicas\tat most 4 of 4, 4 partitions" in done.stdout
    assert "\nlag      " in done.stdout
    assert "\n60 s\t0 → 1\tkeda\t6,000\n" in done.stdout
    assert done.stderr == ""


def test_json_is_one_object_with_everything(tmp_path: Path) -> None:
    (tmp_path / "small.toml").write_text(FILE + "\n[scaled_object]\nmaximum = 9\n")
    done = trimaran(tmp_path, "scale", "simulate", "--workload", "small.toml", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["name"], told["arrived"], told["folded"], told["partitions"], told["maximum"]) == ("small", 6000, 6000, 4, 9)
    assert told["changes"][0] == {"at_s": 60, "replicas": 1, "before": 0, "by": "keda", "lag": 6000}
    assert set(told["moments"][0]) == {"at_s", "replicas", "ready", "lag", "age_s", "arrived", "folded"}
    assert set(told["freshness"]) == {"p50_s", "p99_s", "max_s"}
    assert told["apart_s"] is None
    assert "above 4 partitions" in told["notes"][0]


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("no.toml", None, "No such file or directory: name a TOML or JSON file"),
        ("bad.toml", FILE.replace("partitions = 4", "partitions = 999"), "bad.toml: partitions: expected `int` <= 256"),
        ("bad.json", "[]", "bad.json: expected `object`, got `array`"),
        ("bad.txt", "\x00", "bad.txt: is no TOML"),
    ],
)
def test_a_file_that_cannot_be_is_one_line_and_exit_code_2(tmp_path: Path, name: str, text: str | None, says: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    done = trimaran(tmp_path, "scale", "simulate", "--workload", name)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe")
    assert "is no UTF-8" in trimaran(tmp_path, "scale", "simulate", "--workload", "x.toml").stderr


def test_a_measured_run_says_how_far_it_is(tmp_path: Path) -> None:
    samples = [{"at_s": 0, "lag": 0, "replicas": 0}, {"at_s": 20, "lag": 900, "replicas": 0}, {"at_s": 41, "lag": 0, "replicas": 1}]
    samples.append({"at_s": 400, "lag": 0, "replicas": 0})
    told = {"partitions": 4, "projector": {"events_per_s": 50}, "sync": {"every_s": 0}, "measured": samples}
    (tmp_path / "run.json").write_text(json.dumps(told | {"scaled_object": {"first_poll_s": 0}}))
    done = trimaran(tmp_path, "scale", "simulate", "--workload", "run.json")
    assert "\napart from measured\t70 s at most" in done.stdout, "awake 330 s and not 400"
    (tmp_path / "run.json").write_text(json.dumps(told))
    done = trimaran(tmp_path, "scale", "simulate", "--workload", "run.json")
    assert "\napart from measured\t60 s at most" in done.stdout, "it may have polled 10 s later"


def test_help_names_the_option(tmp_path: Path) -> None:
    assert "--workload" in trimaran(tmp_path, "scale", "simulate", "--help").stdout


def test_bars_show_what_is_more_than_nothing() -> None:
    assert bars([0, 1, 500, 1000]) == " ▁▄█"
    assert bars([0, 0]) == "  "


def test_a_chart_is_never_wider_than_it_may_be() -> None:
    moments = tuple(Moment(second, second % 5, 0, second, 0, 0, 0) for second in range(1000))
    lines = chart(moments, 1000)
    assert [len(line.split("  ≤")[0]) for line in lines[:3]] == [9 + 72] * 3
    assert chart(moments[:3], 3)[0].startswith("replicas  ▄█")


def test_a_summary_of_a_measured_lag_says_nothing_of_events() -> None:
    told = measured((0, 0), (10, 5), (50, 0))
    names = [name for name, _ in summary(simulate(told), None)]
    assert "events" not in names
    assert data(simulate(told), 3.0)["freshness"] is None


@pytest.mark.parametrize(("seconds", "text"), [(0, "0 s"), (59.5, "59.5 s"), (600, "0:10:00 h"), (86_400, "24:00:00 h")])
def test_times_for_people(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_a_long_list_of_changes_is_cut_for_people(tmp_path: Path) -> None:
    text = FILE.replace("events = 6000}", "events = 10, every_s = 600}").replace("partitions = 4", "partitions = 4\nduration_s = 86400")
    (tmp_path / "many.toml").write_text(text)
    done = trimaran(tmp_path, "scale", "simulate", "--workload", "many.toml")
    changes = simulate(workload(Burst(at_s=31, events=10, every_s=600), duration_s=86_400)).changes
    assert f"… and {len(changes) - 40} more changes: --json has them all" in done.stdout
