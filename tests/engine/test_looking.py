"""The provider plugin's own decisions, without an engine: what counts as a difference, what is known in a preview, which cluster is meant."""

import json
from pathlib import Path
from typing import Any

import pytest
from pulumi.runtime.rpc import UNKNOWN

from tests.engine import kubeconfig
from tests.engine.awaiting import NotReady, refuse_stuck
from tests.engine.differences import below, changed, spelled
from tests.engine.engine import Run, counts_of
from tests.engine.values import STAND_IN, addressable, declared, foreseen, plain, stood_in, struct, unknown

LIVE = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "server", "namespace": "toy", "uid": "1", "labels": {"app.kubernetes.io/name": "toy"}, "generation": 3},
    "spec": {"replicas": 2, "template": {"spec": {"containers": [{"name": "a", "image": "one", "imagePullPolicy": "Always"}]}}},
    "status": {"replicas": 2},
}


def with_(path: list[str | int], value: object) -> dict[str, object]:
    """LIVE with one value changed."""
    made: dict[str, object] = json.loads(json.dumps(LIVE))
    inner: Any = made
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return made


def inputs(**spec: object) -> dict[str, object]:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "server"}, "spec": spec}


def test_what_nobody_declared_is_no_difference() -> None:
    assert changed(inputs(replicas=2), inputs(replicas=2), LIVE, with_(["status", "replicas"], 1)) == []
    containers = {"spec": {"containers": [{"name": "a", "image": "one"}]}}
    after = with_(["spec", "template", "spec", "containers", 0, "imagePullPolicy"], "Never")
    assert changed(inputs(template=containers), inputs(template=containers), LIVE, after) == []
    assert changed(inputs(), inputs(), LIVE, with_(["spec", "replicas"], 7)) == []


def test_what_is_or_was_declared_and_differs_is_named() -> None:
    after = with_(["spec", "replicas"], 3)
    assert [spelled(path) for path in changed(inputs(replicas=3), inputs(replicas=2), LIVE, after)] == ["spec.replicas"]
    assert [spelled(path) for path in changed(inputs(), inputs(replicas=2), LIVE, with_(["spec", "replicas"], 1))] == ["spec.replicas"]
    image = with_(["spec", "template", "spec", "containers", 0, "image"], "two")
    asked = inputs(template={"spec": {"containers": [{"name": "a", "image": "two"}]}})
    assert [spelled(path) for path in changed(asked, inputs(), LIVE, image)] == ["spec.template.spec.containers[0].image"]


def test_a_path_with_dots_in_a_key_is_quoted() -> None:
    assert spelled(("metadata", "labels", "app.kubernetes.io/name")) == 'metadata.labels["app.kubernetes.io/name"]'
    assert below("spec.template.spec.containers[0].image") == ("spec", "template", "spec", "containers")


def test_numbers_and_nulls_come_back_as_they_were() -> None:
    assert plain(struct({"whole": 3, "part": 0.5, "nothing": None, "list": [1, 2]})) == {"whole": 3, "part": 0.5, "list": [1, 2]}


def test_what_is_unknown_is_stood_in_for_unless_it_says_which_object() -> None:
    thing = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"key": UNKNOWN}}
    assert unknown(thing) and addressable(thing)
    assert stood_in(thing)["data"] == {"key": STAND_IN}
    assert not addressable({**thing, "metadata": {"name": UNKNOWN}})


def test_texts_of_a_secret_are_its_data() -> None:
    thing = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "stringData": {"key": "value"}, "data": {"other": "eA=="}}
    assert declared(thing)["data"] == {"other": "eA==", "key": "dmFsdWU="}
    assert "stringData" not in declared(thing)


def test_a_preview_knows_names_but_not_what_only_the_real_object_has() -> None:
    told = foreseen(LIVE)
    assert told["metadata"]["name"] == "server"
    assert "uid" not in told["metadata"] and "status" not in told
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a", "resourceVersion": "1"}}
    assert foreseen(secret)["metadata"] == UNKNOWN


def stuck(reason: str, restarts: int = 0) -> list[dict[str, object]]:
    status = {"image": "toy", "restartCount": restarts, "state": {"waiting": {"reason": reason, "message": "no such image"}}}
    return [{"metadata": {"name": "toy-1", "creationTimestamp": "2020-01-01T00:00:00Z"}, "status": {"containerStatuses": [status]}}]


def test_a_pod_that_waiting_does_not_help_is_a_failure() -> None:
    with pytest.raises(NotReady, match="pod toy-1 does not start: ImagePullBackOff: no such image; check the image's name"):
        refuse_stuck(stuck("ImagePullBackOff"))
    with pytest.raises(NotReady, match="pod toy-1 ends again and again"):
        refuse_stuck(stuck("CrashLoopBackOff", restarts=3))
    refuse_stuck(stuck("CrashLoopBackOff", restarts=1))
    refuse_stuck(stuck("ContainerCreating"))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [\n", "this is no kubeconfig"),
        ("contexts: []\ncurrent-context: a\n", "this is no kubeconfig"),
        ("{}", "this is no kubeconfig"),
        (json.dumps({"user": {"exec": {"command": "login"}}}), "through another program"),
        (json.dumps({"cluster": {"certificate-authority-data": "!"}}), "certificates of this kubeconfig"),
        (json.dumps({"user": {"client-certificate": "/nowhere/tls.crt"}}), "certificates of this kubeconfig"),
    ],
)
def test_a_kubeconfig_that_leads_nowhere_says_why(text: str, words: str) -> None:
    changed = json.loads(text) if text.startswith('{"') else None
    if changed is not None:
        text = json.dumps(
            {
                "clusters": [{"name": "c", "cluster": {"server": "https://a:6443", **changed.get("cluster", {})}}],
                "users": [{"name": "u", "user": changed.get("user", {})}],
                "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
                "current-context": "x",
            }
        )
    with pytest.raises(kubeconfig.Unusable, match=words):
        kubeconfig.load(text)


def test_a_kubeconfig_is_found_by_path_by_text_and_by_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {
        "clusters": [{"name": "c", "cluster": {"server": "https://a:6443"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "n"}}],
        "current-context": "x",
    }
    path = tmp_path / "config"
    path.write_text(json.dumps(told))
    monkeypatch.setenv("KUBECONFIG", str(path))
    for found in (kubeconfig.load(""), kubeconfig.load(str(path)), kubeconfig.load(json.dumps(told), "x")):
        assert (found.server.netloc, found.namespace, found.headers) == ("a:6443", "n", {"Authorization": "Bearer t"})
    with pytest.raises(kubeconfig.Unusable, match=r"no kubeconfig at .*nowhere"):
        kubeconfig.load(str(tmp_path / "nowhere"))


@pytest.mark.parametrize(
    ("summary", "counts"),
    [
        ("    + 6 to create\n", {"created": 6}),
        ("    6 unchanged\n\nDuration: 2s\n", {"unchanged": 6}),
        (
            "    ~ 1 updated\n    - 1 deleted\n    +-2 replaced\n    4 changes. 62 unchanged\n\nDuration: 14s\n",
            {"updated": 1, "deleted": 1, "replaced": 2, "unchanged": 62},
        ),
        ("    + 4 created\n    2 errored\n\nDuration: 1m13s\n", {"created": 4, "errored": 2}),
    ],
)
def test_the_summary_of_a_run_is_read_whole(summary: str, counts: dict[str, int]) -> None:
    assert counts_of(f"Updating (toy):\n\nResources:\n{summary}") == counts


def test_errors_are_what_went_wrong_and_not_that_something_did() -> None:
    text = "Diagnostics:\n  kubernetes:batch/v1:Job (work):\n    error: 1 error occurred:\n    \t* Job work failed: no topic\n\n    error: update failed\n"
    assert Run(1, text, {}).errors == ["Job work failed: no topic"]
    assert Run(1, "error: update failed\n    error: preview failed\n", {}).errors == []
