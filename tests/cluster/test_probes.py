"""Probes do what they are declared to do: not before their delay, at their period, and only when their threshold is reached."""

import http.client
import time
from typing import Any

import pytest

from tests.cluster.api import Object, wait
from tests.cluster.cluster import Cluster
from tests.cluster.things import container, pod

pytestmark = pytest.mark.cluster


def serving(kube: Cluster, namespace: str, values: dict[str, str] | None = None, **probes: Any) -> None:
    main = container("python", "serve.py", values=values, ports=[{"name": "http", "containerPort": 8000}], **probes)
    kube.api.apply([pod("server", namespace, main, restartPolicy="Always")])
    kube.pod("server", namespace, "serving", lambda found: "serving" in kube.logs("server", namespace))


def probe(path: str, port: int | str = 8000, **settings: int) -> Object:
    return {"httpGet": {"path": path, "port": port}, "periodSeconds": 1, **settings}


def ready(found: Object) -> bool:
    return any(each["type"] == "Ready" and each["status"] == "True" for each in found["status"].get("conditions") or [])


def restarts(found: Object) -> int:
    count: int = found["status"]["containerStatuses"][0]["restartCount"]
    return count


def answer(kube: Cluster, namespace: str, path: str, status: int) -> None:
    address = kube.pod("server", namespace, "an address", lambda found: "podIP" in found["status"])["status"]["podIP"]
    connection = http.client.HTTPConnection(address, 8000, timeout=5)
    connection.request("PUT", f"{path}/{status}")
    assert connection.getresponse().status == 204
    connection.close()


def test_readiness_makes_a_pod_ready_and_takes_it_back(kube: Cluster, namespace: str) -> None:
    serving(kube, namespace, {"READY": "503"}, readinessProbe=probe("/ready", "http", failureThreshold=2))
    time.sleep(2)
    assert not ready(kube.pod("server", namespace, "there", lambda found: True))
    answer(kube, namespace, "/ready", 200)
    kube.pod("server", namespace, "ready", ready)
    answer(kube, namespace, "/ready", 503)
    assert restarts(kube.pod("server", namespace, "not ready", lambda found: not ready(found))) == 0


def test_liveness_restarts_what_is_wedged_after_its_threshold(kube: Cluster, namespace: str) -> None:
    serving(kube, namespace, livenessProbe=probe("/live", failureThreshold=3))
    time.sleep(2)
    assert restarts(kube.pod("server", namespace, "there", lambda found: True)) == 0
    answer(kube, namespace, "/live", 503)
    began = time.monotonic()
    kube.pod("server", namespace, "restarted", lambda found: restarts(found) == 1)
    assert 2 <= time.monotonic() - began < 15
    wait(lambda: any("Unhealthy" in each and "liveness" in each for each in kube.api.events(namespace)), "an event", 5)
    kube.pod("server", namespace, "serving again", lambda found: kube.logs("server", namespace).count("serving") == 2)


def test_a_slow_start_is_left_alone_until_its_startup_probe_succeeds(kube: Cluster, namespace: str) -> None:
    probes = {"startupProbe": probe("/ready", failureThreshold=30), "livenessProbe": probe("/live", failureThreshold=1)}
    serving(kube, namespace, {"SLOW": "3"}, **probes)
    assert restarts(kube.pod("server", namespace, "ready", ready)) == 0


def test_a_start_that_takes_too_long_is_begun_again(kube: Cluster, namespace: str) -> None:
    main = container("python", "serve.py", values={"SLOW": "600"}, startupProbe=probe("/ready", failureThreshold=2))
    kube.api.apply([pod("server", namespace, main, restartPolicy="Always")])
    found = kube.pod("server", namespace, "restarted", lambda found: found["status"].get("containerStatuses") and restarts(found) >= 1)
    assert not ready(found)


@pytest.mark.parametrize("action", [{"tcpSocket": {"port": 8000}}, {"exec": {"command": ["sh", "-c", 'test "$IP" && test -e tell.py']}}])
def test_other_kinds_of_probes(kube: Cluster, namespace: str, action: Object) -> None:
    serving(kube, namespace, readinessProbe={**action, "periodSeconds": 1, "timeoutSeconds": 5})
    kube.pod("server", namespace, "ready", ready)
