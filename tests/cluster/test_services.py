"""Services: a name that every pod resolves, an address of their own, and only Ready pods behind it."""

import contextlib
import http.client
import urllib.error
import urllib.request

import pytest

from tests.cluster.api import Object, wait
from tests.cluster.cluster import Cluster
from tests.cluster.things import container, deployment, pod, service, thing

pytestmark = pytest.mark.cluster
READY = {"httpGet": {"path": "/ready", "port": 8000}, "periodSeconds": 1, "failureThreshold": 1}


def asked(url: str) -> str:
    """Which pod answers; nothing when the connection is refused."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            text: str = answer.read().decode()
            return text
    except urllib.error.URLError as error:
        assert isinstance(error.reason, ConnectionRefusedError), error
        return ""


def named(kube: Cluster, namespace: str) -> list[str]:
    return [each["metadata"]["name"] for each in kube.pods(namespace)]


def test_all_ready_pods_answer_in_turn_from_outside_and_nobody_else(kube: Cluster, namespace: str) -> None:
    server = deployment("server", namespace, container("python", "serve.py", readinessProbe=READY), replicas=2)
    kube.api.apply([server, service("server", namespace, 80)])
    url = kube.url("server", namespace, 80)
    kube.available("server", namespace, 2)
    wait(lambda: {asked(url) for _ in range(4)} == set(named(kube, namespace)), "both pods answer", 10)
    sick, well = kube.pods(namespace)
    connection = http.client.HTTPConnection(sick["status"]["podIP"], 8000, timeout=5)
    connection.request("PUT", "/ready/503")
    assert connection.getresponse().status == 204
    connection.close()
    wait(lambda: {asked(url) for _ in range(6)} == {well["metadata"]["name"]}, "only the ready one answers", 10)


def test_nobody_listens_for_a_service_without_ready_pods(kube: Cluster, namespace: str) -> None:
    kube.api.apply([service("server", namespace, 80)])
    url = kube.url("server", namespace, 80)
    assert asked(url) == ""
    kube.api.apply([pod("server", namespace, container("python", "serve.py", readinessProbe=READY))])
    wait(lambda: asked(url) == "server", "it answers", 20)
    kube.api.delete(thing("v1", "Pod", "server", namespace))
    wait(lambda: asked(url) == "", "it is refused", 10)


def test_a_pod_that_shall_end_gets_no_new_connections_but_keeps_what_it_has(kube: Cluster, namespace: str) -> None:
    main = container("python", "serve.py", values={"LINGER": "4"}, readinessProbe=READY)
    kube.api.apply([pod("server", namespace, main, terminationGracePeriodSeconds=10), service("server", namespace, 80)])
    url = kube.url("server", namespace, 80)
    wait(lambda: asked(url), "it answers", 20)
    with contextlib.closing(http.client.HTTPConnection(url.split("/")[2].split(":")[0], 80, timeout=10)) as kept:
        kept.connect()
        kube.api.delete(thing("v1", "Pod", "server", namespace))
        wait(lambda: asked(url) == "", "new ones are refused", 3)
        kept.request("GET", "/")
        assert kept.getresponse().read() == b"server"


def resolved(kube: Cluster, namespace: str, name: str) -> Object:
    """A pod that asks a service by its name and prints who answers."""
    ask = f"import urllib.request; print(urllib.request.urlopen('http://{name}/').read().decode())"
    return pod(f"ask-{len(kube.pods(namespace))}", namespace, container("python", "-c", ask))


@pytest.mark.parametrize("name", ["server:80", "server.{}.svc:80", "server.{}.svc.cluster.local:80", "outside:{}"])
def test_pods_reach_services_by_name(kube: Cluster, namespace: str, name: str) -> None:
    outside = thing("v1", "Service", "outside", namespace, spec={"type": "ExternalName", "externalName": "localhost"})
    server = pod("server", namespace, container("python", "serve.py", ports=[{"name": "http", "containerPort": 8000}]))
    kube.api.apply([server, service("server", namespace, 80, "http"), outside])
    url = kube.url("server", namespace, 80)
    wait(lambda: asked(url) == "server", "it answers", 20)
    if name.startswith("outside"):
        url = kube.url("outside", namespace, 80)
        assert url == "http://127.0.0.1:80"
        return
    asking = resolved(kube, namespace, name.format(namespace))
    kube.api.apply([asking])
    kube.pod(asking["metadata"]["name"], namespace, "its end", lambda found: found["status"].get("phase") == "Succeeded")
    assert kube.logs(asking["metadata"]["name"], namespace).strip() == "server"
