"""A stand-in metrics server as a program, `python -m tests.cluster.metrics WORK`: what the autoscaler asks for processor and memory.

It answers the API metrics.k8s.io from /proc: processor time between two looks `EVERY_S` apart, memory as it is. A pod that was
seen only once has no metrics yet, as with the real one. Only the API server gets in, by its client certificate.
"""

import datetime
import http.server
import json
import os
import re
import ssl
import sys
import threading
import time
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from tests.cluster.api import Api, Object, Refused

GROUP, VERSION = "metrics.k8s.io", "v1beta1"
EVERY_S = 5.0
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
PODS = re.compile(rf"/apis/{GROUP}/{VERSION}/namespaces/([^/]+)/pods")


class Usage:
    """What the processes of pods have used, looked at in turns."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._before: dict[Path, tuple[int, float, float]] = {}  # process id, moment, processor seconds
        self._cores: dict[Path, float] = {}
        self._bytes: dict[Path, int] = {}

    def look_for_ever(self) -> None:
        """Look every `EVERY_S` seconds."""
        while True:
            self.look()
            time.sleep(EVERY_S)

    def look(self) -> None:
        """One look at every pod; those that have ended are forgotten."""
        seen = {}
        for path in self._folder.glob("*/*/pid"):
            try:
                pid = int(path.read_text() or 0)
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            except (OSError, ValueError):
                continue
            seconds = sum(int(each) for each in fields[11:15]) / TICKS  # user and system, its own and of children that have ended
            self._bytes[path.parent] = int(fields[21]) * PAGE
            now = time.monotonic()
            last = self._before.get(path.parent)
            if last is not None and last[0] == pid:
                self._cores[path.parent] = (seconds - last[2]) / (now - last[1])
            seen[path.parent] = pid, now, seconds
        self._before = seen
        self._cores = {pod: cores for pod, cores in self._cores.items() if pod in seen}

    def of(self, namespace: str, pod: str) -> dict[str, str] | None:
        """Processor and memory of a pod as Kubernetes writes quantities; None when it is not known yet."""
        path = self._folder / namespace / pod
        if path not in self._cores:
            return None
        return {"cpu": f"{round(self._cores[path] * 1e9)}n", "memory": f"{self._bytes[path] // 1024}Ki"}


class Answers:
    """The API: what there is, and the metrics of a namespace's pods."""

    def __init__(self, api: Api, usage: Usage) -> None:
        self._api, self._usage = api, usage

    def answer(self, url: str) -> tuple[int, Object]:
        """Status and body for one GET."""
        parts = urlsplit(url)
        if parts.path.rstrip("/") == f"/apis/{GROUP}/{VERSION}":
            kind = {"name": "pods", "singularName": "", "namespaced": True, "kind": "PodMetrics", "verbs": ["get", "list"]}
            return 200, {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": f"{GROUP}/{VERSION}", "resources": [kind]}
        if match := PODS.fullmatch(parts.path):
            selector = parse_qs(parts.query).get("labelSelector", [""])[0]
            pods = self._api.list("v1", "Pod", match.group(1), selector)
            items = [told for pod in pods if (told := self._metrics(pod)) is not None]
            return 200, {"kind": "PodMetricsList", "apiVersion": f"{GROUP}/{VERSION}", "metadata": {}, "items": items}
        return 404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "message": f"nothing at {parts.path}"}

    def _metrics(self, pod: Object) -> Object | None:
        about = pod["metadata"]
        usage = self._usage.of(about["namespace"], about["name"])
        if usage is None:
            return None
        named = {"name": about["name"], "namespace": about["namespace"], "labels": about.get("labels") or {}}
        containers = [{"name": each["name"], "usage": usage} for each in pod["spec"]["containers"]]
        now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"metadata": named, "timestamp": now, "window": f"{EVERY_S}s", "containers": containers}


def main(work: Path) -> None:
    """Serve until killed."""
    told = json.loads((work / "metrics.json").read_text())
    usage = Usage(work / "pods")
    answers = Answers(Api(Path(told["kubeconfig"])), usage)
    threading.Thread(target=usage.look_for_ever, daemon=True).start()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            try:
                status, body = answers.answer(self.path)
            except (Refused, OSError) as error:
                status, body = 503, {"kind": "Status", "status": "Failure", "code": 503, "message": str(error)}
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            """No line per request."""

    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=told["authority"])
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(told["certificate"], told["key"])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", told["port"]), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
