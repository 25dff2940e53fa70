"""Probes as they are declared: an action at a period, and thresholds that decide.

      startup fails too often ──► restart          liveness fails too often ──► restart
    (none, or succeeded) ──► started ──► liveness and readiness run
                                         readiness succeeds / fails often enough ──► ready / not ready

Defaults are Kubernetes': period 10 s, timeout 1 s, 1 success, 3 failures.
"""

import http.client
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tests.cluster.api import Object
from tests.cluster.kubelet.sandbox import Process


@dataclass(frozen=True)
class Outcome:
    """Whether an action succeeded, and why not."""

    succeeded: bool
    message: str = ""


def act(probe: Object, container: Object, address: str, process: Process) -> Outcome:
    """Carry out one action: httpGet (200 to 399 is success), tcpSocket or exec (0 is success)."""
    timeout_s = float(probe.get("timeoutSeconds", 1))
    try:
        if "httpGet" in probe:
            return _get(probe["httpGet"], container, address, timeout_s)
        if "tcpSocket" in probe:
            where = (probe["tcpSocket"].get("host") or address, port_number(container, probe["tcpSocket"]["port"]))
            socket.create_connection(where, timeout_s).close()
            return Outcome(True)
        if "exec" in probe:
            code = process.inside(probe["exec"]["command"], timeout_s)
            return Outcome(code == 0, f"exit code {code}")
    except (OSError, http.client.HTTPException) as error:
        return Outcome(False, f"{type(error).__name__}: {error}")
    return Outcome(False, f"probes of this kind are not carried out here: {sorted(probe)}")


def _get(wanted: Object, container: Object, address: str, timeout_s: float) -> Outcome:
    where = wanted.get("host") or address
    connection = http.client.HTTPConnection(where, port_number(container, wanted["port"]), timeout=timeout_s)
    headers = {each["name"]: each["value"] for each in wanted.get("httpHeaders") or []}
    try:
        connection.request("GET", wanted.get("path", "/"), headers={"User-Agent": "kube-probe/1.36", **headers})
        status = connection.getresponse().status
    finally:
        connection.close()
    return Outcome(200 <= status < 400, f"HTTP probe failed with statuscode: {status}")


def port_number(container: Object, port: int | str) -> int:
    """A port by number, or by its name among the container's; raises `OSError` when the name is unknown."""
    if isinstance(port, int):
        return port
    for each in container.get("ports") or []:
        if each.get("name") == port:
            return int(each["containerPort"])
    raise OSError(f"the container has no port named {port!r}")


class Prober:
    """The probes of one run of a container; `changed` is called when `started` or `ready` change, `restart` with words when it is due."""

    def __init__(
        self, container: Object, address: str, process: Process, changed: Callable[[], None], restart: Callable[[str], None]
    ) -> None:
        self._container, self._address, self._process = container, address, process
        self._changed, self._restart = changed, restart
        self._over = threading.Event()
        self.started = "startupProbe" not in container
        self.ready = self.started and "readinessProbe" not in container

    def start(self) -> None:
        """Begin; threads end with `stop`."""
        if self.started:
            self._begin()
        else:
            threading.Thread(target=self._startup, daemon=True).start()

    def stop(self) -> None:
        """No more probes: the container has ended."""
        self._over.set()

    def _begin(self) -> None:
        for kind, run in {"livenessProbe": self._liveness, "readinessProbe": self._readiness}.items():
            if kind in self._container:
                threading.Thread(target=run, daemon=True).start()

    def _startup(self) -> None:
        for succeeded, message in self._verdicts(self._container["startupProbe"]):
            if not succeeded:
                self._restart(f"startup probe failed: {message}")
                return
            self.started = True
            self.ready = "readinessProbe" not in self._container
            self._changed()
            self._begin()
            return

    def _liveness(self) -> None:
        for succeeded, message in self._verdicts(self._container["livenessProbe"]):
            if not succeeded:
                self._restart(f"liveness probe failed: {message}")
                return

    def _readiness(self) -> None:
        for succeeded, _ in self._verdicts(self._container["readinessProbe"]):
            if succeeded != self.ready:
                self.ready = succeeded
                self._changed()

    def _verdicts(self, probe: Object) -> Iterator[tuple[bool, str]]:
        """(True, "") whenever the successes in a row reach their threshold, (False, why) whenever the failures do, until the end."""
        wanted = {True: probe.get("successThreshold", 1), False: probe.get("failureThreshold", 3)}
        delay_s, last, count = float(probe.get("initialDelaySeconds", 0)), True, 0
        while not self._over.wait(delay_s):
            delay_s = float(probe.get("periodSeconds", 10))
            outcome = act(probe, self._container, self._address, self._process)
            count = count + 1 if outcome.succeeded == last else 1
            last = outcome.succeeded
            if count >= wanted[last] and not self._over.is_set():
                yield last, outcome.message
