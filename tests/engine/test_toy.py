"""A stack's life on the real engine and a real API server, with a program that has one of each kind whose life differs."""

import base64
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from tests.cluster.api import wait
from tests.cluster.cluster import Cluster
from tests.engine.conftest import TOY, left
from tests.engine.engine import Engine, Stack

pytestmark = pytest.mark.cluster

PASSWORD = "a secret/with:signs@"
numbers = count(1)


@pytest.fixture
def stack(engine: Engine) -> Iterator[Stack]:
    """A stack of the toy program in a namespace of its own; what it leaves is taken away."""
    name = f"toy{next(numbers)}"
    made = Stack(engine, TOY, name)
    made.set("toy:namespace", name)
    made.set("toy:password", PASSWORD, secret=True)
    yield made
    if made.resources():
        made.destroy()


def test_up_makes_everything_and_a_second_up_changes_nothing(stack: Stack, kube: Cluster) -> None:
    made = stack.up()
    assert made.ok, made.text
    assert made.counts == {"created": 6}
    assert stack.outputs() == {"namespace": stack.name}
    assert [pod["status"]["phase"] for pod in kube.pods(stack.name, "color=one")] == ["Succeeded", "Running"]
    again = stack.up("--expect-no-changes")
    assert again.ok, again.text
    assert again.counts == {"unchanged": 6}


def test_a_preview_makes_nothing_and_says_the_same_as_up(stack: Stack, kube: Cluster) -> None:
    seen = stack.preview()
    assert seen.ok, seen.text
    assert seen.counts == {"created": 6}
    assert kube.api.get("v1", "Namespace", stack.name) is None


def test_a_wrong_field_fails_at_preview_with_the_words_of_kubernetes(stack: Stack) -> None:
    stack.set("toy:fault", "field")
    seen = stack.preview()
    assert not seen.ok
    assert any(".spec.replica: field not declared in schema" in line for line in seen.errors), seen.text
    assert len(seen.errors) == 1, seen.errors


def test_a_change_in_place_and_one_with_replacement(stack: Stack, kube: Cluster) -> None:
    assert stack.up().ok
    first = kube.api.get("apps/v1", "Deployment", "server", stack.name)
    stack.set("toy:replicas", "2")
    grown = stack.up()
    assert grown.ok and grown.counts == {"updated": 1, "unchanged": 5}, grown.text
    stack.set("toy:label", "two")
    assert stack.preview().counts == {"replaced": 2, "unchanged": 4}
    replaced = stack.up()
    assert replaced.ok and replaced.counts == {"replaced": 2, "unchanged": 4}, replaced.text
    second = kube.api.get("apps/v1", "Deployment", "server", stack.name)
    assert first and second and first["metadata"]["uid"] != second["metadata"]["uid"]
    assert second["spec"]["selector"]["matchLabels"]["color"] == "two"


def test_a_setting_that_changes_starts_its_readers_anew(stack: Stack, kube: Cluster) -> None:
    assert stack.up().ok
    stack.set("toy:message", "good day")
    changed = stack.up()
    assert changed.ok and changed.counts == {"replaced": 1, "updated": 2, "unchanged": 3}, changed.text


def test_refresh_finds_drift_and_the_next_up_mends_it(stack: Stack, kube: Cluster) -> None:
    assert stack.up().ok
    deployment = kube.api.get("apps/v1", "Deployment", "server", stack.name)
    settings = kube.api.get("v1", "ConfigMap", "settings", stack.name)
    assert deployment and settings
    kube.api.patch(deployment, {"spec": {"replicas": 3}})
    kube.api.delete(settings)
    found = stack.refresh()
    assert found.ok and found.counts == {"updated": 1, "deleted": 1, "unchanged": 4}, found.text
    kept = stack.up()
    assert not kept.ok
    assert any('conflict with "tests"' in line or "conflict" in line for line in kept.errors), kept.text
    mended = stack.up(PULUMI_K8S_ENABLE_PATCH_FORCE="true")
    assert mended.ok, mended.text
    now = kube.api.get("apps/v1", "Deployment", "server", stack.name)
    assert now and now["spec"]["replicas"] == 1
    assert kube.api.get("v1", "ConfigMap", "settings", stack.name) is not None
    assert stack.refresh("--expect-no-changes").ok


def test_a_failing_job_says_its_last_line_and_the_next_up_repairs(stack: Stack, kube: Cluster) -> None:
    stack.set("toy:status", "3")
    stack.set("toy:message", "the broker says no: give it a topic")
    failed = stack.up()
    assert not failed.ok
    assert any(line.endswith("Job work failed: the broker says no: give it a topic") for line in failed.errors), failed.text
    assert kube.api.get("apps/v1", "Deployment", "server", stack.name) is None
    stack.set("toy:status", "0")
    repaired = stack.up()
    assert repaired.ok, repaired.text
    assert repaired.counts["created"] == 1 and repaired.counts["replaced"] == 1
    assert stack.up("--expect-no-changes").ok


def test_an_image_that_nobody_has_fails_with_one_line_and_the_next_up_repairs(stack: Stack) -> None:
    assert stack.up().ok
    stack.set("toy:image", "toy@sha256:" + "9" * 64)
    failed = stack.up()
    assert not failed.ok
    assert any("does not start: " in line and "check the image's name" in line for line in failed.errors), failed.text
    stack.set("toy:image", "toy@sha256:" + "0" * 64)
    repaired = stack.up()
    assert repaired.ok, repaired.text


def test_what_is_protected_is_not_destroyed(stack: Stack, kube: Cluster) -> None:
    stack.set("toy:protect", "true")
    assert stack.up().ok
    refused = stack.destroy()
    assert not refused.ok
    assert "protected" in refused.text
    assert kube.api.get("v1", "Namespace", stack.name) is not None
    stack.set("toy:protect", "false")
    assert stack.up().ok


def test_destroy_leaves_nothing_behind(stack: Stack, kube: Cluster) -> None:
    assert stack.up().ok
    assert left(kube, "app=toy")
    gone = stack.destroy()
    assert gone.ok, gone.text
    assert gone.counts == {"deleted": 6}
    assert left(kube, "app=toy") == []
    assert kube.api.get("v1", "Namespace", stack.name) is None
    assert stack.resources() == []


def test_a_secret_is_encrypted_in_the_state_and_in_the_configuration(stack: Stack) -> None:
    assert stack.up().ok
    kept = stack.state_text()
    assert "login" in kept, "the state was not found"
    for spelled in (PASSWORD, json.dumps(PASSWORD)[1:-1], base64.b64encode(PASSWORD.encode()).decode()):
        assert spelled not in kept
        assert spelled not in stack.config_text()


def test_a_missing_definition_and_a_chart_are_refused_in_one_line(stack: Stack) -> None:
    for fault, words in (("custom", "install KEDA first"), ("definition", "scaledobjects.keda.sh"), ("helm", "install KEDA beforehand")):
        stack.set("toy:fault", fault)
        refused = stack.preview()
        assert not refused.ok
        assert [line for line in refused.errors if words in line], refused.text
    stack.set("toy:fault", "")


def test_a_killed_engine_leaves_no_plugin_and_a_stack_that_the_next_up_finishes(stack: Stack, kube: Cluster, tmp_path: Path) -> None:
    stack.set("toy:seconds", "10")
    running = stack.start("up", "--yes", "--skip-preview", log=tmp_path / "log")
    wait(lambda: kube.api.get("batch/v1", "Job", "work", stack.name), "the Job", 120)
    plugins = [int(pid) for path in Path(f"/proc/{running.pid}/task").iterdir() for pid in (path / "children").read_text().split()]
    running.kill()
    running.wait()
    assert plugins
    wait(lambda: not any(Path(f"/proc/{pid}").exists() for pid in plugins), "the plugins' end", 60)
    locked = stack.up()
    assert not locked.ok and "locked" in locked.text
    stack.cancel()
    finished = stack.up()
    assert finished.ok, finished.text
    assert stack.refresh("--clear-pending-creates").ok
    assert stack.up("--expect-no-changes").ok
