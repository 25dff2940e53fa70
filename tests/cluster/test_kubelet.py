"""The stand-in kubelet runs exactly what a pod declares, and says in its status what became of it."""

import json
import os
import time
from collections.abc import Mapping
from typing import Any

import pytest

from tests.cluster.api import Object, secret, wait
from tests.cluster.cluster import Cluster
from tests.cluster.kubelet.images import python_image
from tests.cluster.own import ROOT
from tests.cluster.things import TOY, container, deployment, job, pod, thing

pytestmark = pytest.mark.cluster
TELL = ("python", "tell.py")


def over(found: Object) -> bool:
    return found["status"].get("phase") in ("Succeeded", "Failed")


def state(found: Object) -> Object:
    statuses = found["status"].get("containerStatuses") or [{"state": {}}]
    state: Object = statuses[0]["state"]
    return state


def waits_for(found: Object, words: str) -> bool:
    return words in state(found).get("waiting", {}).get("message", "")


def told(kube: Cluster, namespace: str, wanted: Mapping[str, object], main: Mapping[str, Any], **spec: Any) -> Any:
    """What a container of these words tells (toys/tell.py)."""
    values = {"WANTED": json.dumps(wanted)}
    name = f"teller-{len(kube.pods(namespace))}"
    kube.api.apply([pod(name, namespace, container(*TELL, values=values, **main), **spec)])
    kube.pod(name, namespace, "its end", over)
    return json.loads(kube.logs(name, namespace).splitlines()[0])


def test_a_container_gets_exactly_the_environment_that_is_declared(kube: Cluster, namespace: str) -> None:
    settings = thing("v1", "ConfigMap", "settings", namespace, data={"COLOUR": "green", "SIZE": "4"})
    kube.api.apply([secret("login", namespace, {"password": "p@ss/w:rd $(NOT) é"}), settings])
    env = [
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}},
        {"name": "WHERE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}},
        {"name": "ABSENT", "valueFrom": {"secretKeyRef": {"name": "login", "key": "nothing", "optional": True}}},
        {"name": "BOTH", "value": "$(COLOUR)-$(WHERE)-$$(COLOUR)-$(UNKNOWN)"},
    ]
    main = {"env": env, "envFrom": [{"configMapRef": {"name": "settings"}}], "args": ["--colour=$(COLOUR)", "two words"]}
    found = told(kube, namespace, {}, main)
    environment = found["environment"]
    address = environment.pop("IP")
    assert address.startswith("127.")
    others = {"PATH", "PYTHONPYCACHEPREFIX", "PYTHONUNBUFFERED", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"}
    assert others <= set(environment)  # the image's, and every kubelet's
    assert {name: value for name, value in environment.items() if name not in {*others, "WANTED", "LC_CTYPE"}} == {
        "HOSTNAME": "teller-0",
        "HOME": "/root",
        "COLOUR": "green",
        "SIZE": "4",
        "PASSWORD": "p@ss/w:rd $(NOT) é",
        "WHERE": namespace,
        "BOTH": f"green-{namespace}-$(COLOUR)-$(UNKNOWN)",
    }
    assert found["arguments"] == ["--colour=green", "two words"]
    assert (found["pid"], found["directory"]) == (1, "/app")


def test_volumes_are_what_they_are_declared_to_be(kube: Cluster, namespace: str) -> None:
    kube.api.apply([secret("files", namespace, {"ca.crt": "certificate", "tls.key": "key"})])
    volumes = [
        {"name": "bus", "secret": {"secretName": "files", "defaultMode": 0o440, "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"name": "scratch", "emptyDir": {}},
    ]
    mounts = [
        {"name": "bus", "mountPath": "/etc/trimaran/bus", "readOnly": True},
        {"name": "scratch", "mountPath": "/var/scratch"},
    ]
    ca, key = "/etc/trimaran/bus/ca.crt", "/etc/trimaran/bus/tls.key"
    wanted = {"read": [ca], "there": [key], "write": ["/etc/trimaran/bus", "/var/scratch", "/app", "/opt"]}
    found = told(kube, namespace, wanted, {"volumeMounts": mounts}, volumes=volumes)
    assert found["files"] == {ca: "certificate"}
    assert found["modes"] == {ca: 0o440}
    assert found["there"] == {key: False}
    assert found["writable"] == {"/etc/trimaran/bus": False, "/var/scratch": True, "/app": False, "/opt": True}
    assert not os.path.exists("/etc/trimaran/bus") and not os.path.exists("/opt/probe")


def test_user_groups_root_and_privileges_are_what_is_declared(kube: Cluster, namespace: str) -> None:
    kube.api.apply([secret("files", namespace, {"ca.crt": "certificate"})])
    context = {"readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    main = {"securityContext": context, "volumeMounts": [{"name": "files", "mountPath": "/files"}, {"name": "tmp", "mountPath": "/tmp"}]}
    outer = {"runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001, "runAsNonRoot": True}
    volumes = [{"name": "files", "secret": {"secretName": "files", "defaultMode": 0o440}}, {"name": "tmp", "emptyDir": {}}]
    wanted = {"read": ["/files/ca.crt", "/etc/shadow"], "write": ["/opt", "/app", "/tmp", "/dev/shm"]}
    found = told(kube, namespace, wanted, main, securityContext=outer, volumes=volumes)
    assert (found["user"], found["group"], found["groups"]) == (10001, 10001, [10001])
    assert found["files"] == {"/files/ca.crt": "certificate", "/etc/shadow": None}
    assert found["writable"] == {"/opt": False, "/app": False, "/tmp": True, "/dev/shm": True}
    assert found["status"]["NoNewPrivs"] == "1"
    assert {found["status"][each].strip("0") for each in ("CapEff", "CapPrm", "CapBnd")} == {""}


@pytest.mark.parametrize("sealed", [False, True])
def test_a_read_only_root_is_that_even_for_root(kube: Cluster, namespace: str, sealed: bool) -> None:
    main = {"securityContext": {"readOnlyRootFilesystem": sealed}}
    found = told(kube, namespace, {"write": ["/opt", "/tmp", "/etc", "/dev/shm"]}, main)
    assert found["writable"] == {"/opt": not sealed, "/tmp": not sealed, "/etc": not sealed, "/dev/shm": True}


def test_a_pod_sees_neither_the_checkout_nor_this_machines_temporary_files(kube: Cluster, namespace: str) -> None:
    there = {str(ROOT / "pyproject.toml"): False, str(kube.work): False, "/app/tell.py": True}
    assert told(kube, namespace, {"there": list(there)}, {})["there"] == there


def test_who_must_not_be_root_does_not_start_as_root(kube: Cluster, namespace: str) -> None:
    kube.api.apply([pod("rootless", namespace, container(*TELL), securityContext={"runAsNonRoot": True})])
    kube.pod("rootless", namespace, "its refusal", lambda found: "image will run as root" in json.dumps(found["status"]))


@pytest.mark.parametrize(("code", "phase"), [(0, "Succeeded"), (7, "Failed")])
def test_exit_code_and_last_words_stand_in_the_status(kube: Cluster, namespace: str, code: int, phase: str) -> None:
    values = {"EXIT": str(code), "LAST_WORDS": "the database is too old"}
    kube.api.apply([pod("worker", namespace, container(*TELL, values=values))])
    found = kube.pod("worker", namespace, "its end", over)
    assert found["status"]["phase"] == phase
    assert state(found)["terminated"]["exitCode"] == code
    assert state(found)["terminated"]["message"] == "the database is too old"


def test_the_end_of_the_log_stands_in_when_there_are_no_last_words(kube: Cluster, namespace: str) -> None:
    failing = ("sh", "-c", "echo first >&2; echo last >&2; exit 3")
    for policy, message in {"FallbackToLogsOnError": "first\nlast\n", "File": ""}.items():
        name = policy.lower()
        kube.api.apply([pod(name, namespace, container(*failing, terminationMessagePolicy=policy))])
        assert state(kube.pod(name, namespace, "its end", over))["terminated"].get("message", "") == message


def test_a_killed_process_is_137_and_restarted(kube: Cluster, namespace: str) -> None:
    kube.api.apply([pod("victim", namespace, container("python", "serve.py"), restartPolicy="Always")])
    kube.pod("victim", namespace, "running", lambda found: kube.logs("victim", namespace).count("serving") == 1)
    kube.kill("victim", namespace)
    found = kube.pod("victim", namespace, "running again", lambda found: kube.logs("victim", namespace).count("serving") == 2)
    (container_status,) = found["status"]["containerStatuses"]
    assert container_status["restartCount"] == 1
    assert container_status["lastState"]["terminated"]["exitCode"] == 137


def test_a_container_that_keeps_failing_backs_off(kube: Cluster, namespace: str) -> None:
    kube.api.apply([pod("crashing", namespace, container("sh", "-c", "date +%s.%N; exit 1"), restartPolicy="Always")])
    wait(lambda: len(kube.logs("crashing", namespace).split()) >= 4, "four runs", 30)
    first, second, third, fourth = (float(each) for each in kube.logs("crashing", namespace).split()[:4])
    assert second - first < third - second < fourth - third
    kube.pod("crashing", namespace, "waiting", lambda found: state(found).get("waiting", {}).get("reason") == "CrashLoopBackOff")


def test_a_pod_ends_within_its_grace(kube: Cluster, namespace: str) -> None:
    polite = pod("polite", namespace, container("python", "serve.py", values={"LINGER": "1"}), terminationGracePeriodSeconds=20)
    deaf = pod("deaf", namespace, container("sleep", "600"), terminationGracePeriodSeconds=2)  # process 1 without a handler
    kube.api.apply([polite, deaf])
    kube.pod("polite", namespace, "serving", lambda found: "serving" in kube.logs("polite", namespace))
    kube.pod("deaf", namespace, "running", lambda found: found["status"].get("phase") == "Running")
    for each, least, most in ((polite, 1, 6), (deaf, 2, 6)):
        name, began = each["metadata"]["name"], time.monotonic()
        process = kube.pid(name, namespace)
        kube.api.delete(each)
        wait(lambda name=name: kube.api.get("v1", "Pod", name, namespace) is None, f"the end of {name}", 20)  # type: ignore[misc]
        assert least <= time.monotonic() - began < most
        assert not os.path.exists(f"/proc/{process}")
    assert kube.logs("polite", namespace).splitlines() == ["serving", "SIGTERM"]


def test_what_a_container_has_started_ends_with_it(kube: Cluster, namespace: str) -> None:
    kube.api.apply([pod("parent", namespace, container("sh", "-c", "sleep 4711 & sleep 1"))])
    kube.pod("parent", namespace, "its end", over)
    running = [each for each in os.listdir("/proc") if each.isdigit()]
    assert not [each for each in running if "sleep\x004711" in command(each)]


def command(process: str) -> str:
    try:
        with open(f"/proc/{process}/cmdline") as file:
            return file.read()
    except OSError:
        return ""


def test_an_image_that_nobody_has_is_awaited(kube: Cluster, namespace: str) -> None:
    late = f"late-{namespace}@sha256:" + "1" * 64
    kube.api.apply([pod("late", namespace, container(*TELL, image=late))])
    found = kube.pod("late", namespace, "waiting", lambda found: state(found).get("waiting", {}).get("reason") == "ImagePullBackOff")
    assert late in state(found)["waiting"]["message"]
    kube.add_image(late, python_image(kube.image(TOY).tree))
    kube.pod("late", namespace, "its end", over)


def test_a_secret_that_is_missing_is_awaited_and_named(kube: Cluster, namespace: str) -> None:
    word = {"name": "WORD", "valueFrom": {"secretKeyRef": {"name": "word", "key": "word"}}}
    volume = {"name": "files", "secret": {"secretName": "files"}}
    kube.api.apply(
        [
            pod("asking", namespace, container(*TELL, env=[word])),
            pod("mounting", namespace, container(*TELL, volumeMounts=[{"name": "files", "mountPath": "/files"}]), volumes=[volume]),
        ]
    )
    kube.pod("asking", namespace, "the name of what is missing", lambda found: waits_for(found, 'secret "word" not found'))
    kube.pod("mounting", namespace, "the name of what is missing", lambda found: waits_for(found, 'secret "files" not found'))
    kube.api.apply([secret(name, namespace, {"word": "x"}) for name in ("word", "files")])
    for name in ("asking", "mounting"):
        assert kube.pod(name, namespace, "its end", over)["status"]["phase"] == "Succeeded"


def test_a_job_is_complete_or_failed_as_its_pod_was(kube: Cluster, namespace: str) -> None:
    kube.api.apply([job(name, namespace, container(*TELL, values={"EXIT": code})) for name, code in {"good": "0", "bad": "1"}.items()])
    for name, wanted in {"good": "Complete", "bad": "Failed"}.items():
        assert kube.finished(name, namespace) == wanted


def test_pods_that_it_cannot_run_say_so(kube: Cluster, namespace: str) -> None:
    two = pod("two", namespace, container("sleep", "60"), initContainers=[container("true") | {"name": "first"}])
    kube.api.apply([two])
    kube.pod("two", namespace, "its refusal", lambda found: "without init containers" in json.dumps(found["status"]))


def test_a_deployment_moves_to_a_new_version_of_its_image(kube: Cluster, namespace: str) -> None:
    other = f"other-{namespace}@sha256:" + "2" * 64
    kube.add_image(other, python_image(kube.image(TOY).tree))
    for image in (TOY, other):
        kube.api.apply([deployment("toy", namespace, container("python", "serve.py", image=image), replicas=2)])
        kube.available("toy", namespace, 2)
        wait(lambda image=image: images(kube, namespace) == {image}, "the pods of the version before are gone", 20)  # type: ignore[misc]


def images(kube: Cluster, namespace: str) -> set[str]:
    return {each["spec"]["containers"][0]["image"] for each in kube.pods(namespace)}
