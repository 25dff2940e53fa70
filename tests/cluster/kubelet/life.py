"""The life of one pod, from its binding to its end, in a thread of its own.

    prepare ──► run ──► (restart after a pause, as its policy says) ──► ended ──► deleted
       └─ NotYet: told in the status, tried again          SIGTERM, grace, SIGKILL ─┘

Only pods with one container and no init containers are carried out; others say so in their status and stay there.
"""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.api import Api, Object, Refused
from tests.cluster.kubelet import status
from tests.cluster.kubelet.plans import grace_s, planned, refuse_what_we_cannot
from tests.cluster.kubelet.probes import Prober
from tests.cluster.kubelet.refusals import NotYet
from tests.cluster.kubelet.sandbox import Process

TERMINATION_MAX, FALLBACK_MAX, FALLBACK_LINES = 4096, 2048, 80  # Kubernetes' limits


@dataclass(frozen=True)
class Pauses:
    """Seconds between attempts; a real kubelet waits 10 s after the first crash, doubling up to 300 s."""

    restart_s: float = 1.0
    restart_max_s: float = 10.0
    retry_s: float = 1.0


class Life:
    """One pod on this node; `say` writes into the kubelet's log."""

    def __init__(self, api: Api, pod: Object, address: str, work: Path, pauses: Pauses, say: Callable[[str], None]) -> None:
        self._api, self._pod, self._address, self._work, self._pauses = api, pod, address, work, pauses
        about = pod["metadata"]
        self._name = f"{about['namespace']}/{about['name']}"
        self._log = say
        self._container = pod["spec"]["containers"][0]
        self._folder = work / "pods" / about["namespace"] / about["name"]
        self._folder.mkdir(parents=True, exist_ok=True)
        self._status = status.Status(address, self._container["name"], self._container.get("image", ""))
        self._lock = threading.Lock()
        self._wake = threading.Event()
        deleted = about.get("deletionTimestamp")
        self._grace_s = float(about.get("deletionGracePeriodSeconds") or 0) if deleted else None  # set when it shall end
        self._sick = ""  # why a probe wants a restart
        threading.Thread(target=self._run, name=self._name, daemon=True).start()

    def end(self, grace_s: float) -> None:
        """It was deleted: end within so many seconds. A shorter grace replaces a longer one."""
        if self._grace_s is None or grace_s < self._grace_s:
            self._grace_s = grace_s
            self._wake.set()

    def _say(self, words: str) -> None:
        self._log(f"{self._name} {words}")

    def _run(self) -> None:
        try:
            refuse_what_we_cannot(self._pod)
        except NotYet as never:
            self._tell(status.waiting(never.reason, never.message), event=never)
            while self._grace_s is None:
                self._pause(60)
        while self._grace_s is None and self._once():
            pass
        while self._grace_s is None:
            self._pause(60)
        self._delete()

    def _once(self) -> bool:
        """One run of the container; whether there shall be another."""
        try:
            plan = planned(self._api, self._pod, self._container, self._address, self._work, self._folder)
        except NotYet as missing:
            self._tell(status.waiting(missing.reason, missing.message), event=missing)
            self._pause(self._pauses.retry_s)
            return True
        log = self._folder / "log"
        before = log.stat().st_size if log.exists() else 0
        process, since = Process(plan, log), status.now()
        ended: list[int] = []
        threading.Thread(target=self._await, args=(process, ended), daemon=True).start()
        process.prepared.wait()
        (self._folder / "pid").write_text(str(process.pid or 0))
        self._say(f"started as process {process.pid} at {self._address}")
        self._attend(process, ended, since)
        code = ended[0]
        self._say(f"ended with {code}")
        return self._ended(code, since, self._last_words(code, log, before))

    def _await(self, process: Process, ended: list[int]) -> None:
        ended.append(process.wait())
        self._wake.set()

    def _attend(self, process: Process, ended: list[int], since: str) -> None:
        """Until the container has ended: by itself, by a probe, or because the pod is deleted."""
        prober = Prober(self._container, self._address, process, lambda: self._probed(prober), self._sickened)
        self._sick = ""
        with self._lock:
            self._status.phase, self._status.state = "Running", status.running(since)
        self._probed(prober)
        prober.start()
        while not ended:
            self._wake.wait()
            self._wake.clear()
            if not ended and (self._grace_s is not None or self._sick):
                self._terminate(process, ended, self._grace_s if self._grace_s is not None else grace_s(self._pod))
        prober.stop()

    def _terminate(self, process: Process, ended: list[int], grace: float) -> None:
        """preStop, SIGTERM, and SIGKILL when the grace is over."""
        until = time.monotonic() + grace
        hook = (self._container.get("lifecycle") or {}).get("preStop") or {}
        if "sleep" in hook:
            self._until(ended, min(until, time.monotonic() + hook["sleep"]["seconds"]))
        if "exec" in hook and not ended:
            try:
                process.inside(hook["exec"]["command"], max(0.1, until - time.monotonic()))
            except TimeoutError as late:
                self._event("FailedPreStopHook", str(late))
        self._say(f"SIGTERM, grace {grace:.0f} s")
        process.send(signal.SIGTERM)
        while not self._until(ended, until):
            if self._grace_s is not None and self._grace_s < grace:  # deleted again, with less patience
                until, grace = time.monotonic() + self._grace_s, self._grace_s
                continue
            self._say("SIGKILL")
            process.send(signal.SIGKILL)
            until = time.monotonic() + 5

    def _until(self, ended: list[int], moment: float) -> bool:
        """Wait for the end; whether it came before the moment. Returns early when the pod's grace got shorter."""
        before = self._grace_s
        while not ended and self._grace_s == before and (left := moment - time.monotonic()) > 0:
            self._wake.wait(left)
            self._wake.clear()
        return bool(ended)

    def _probed(self, prober: Prober) -> None:
        with self._lock:
            self._status.started, self._status.ready = prober.started, prober.ready
            self._push()

    def _sickened(self, why: str) -> None:
        self._sick = why
        self._event("Unhealthy", why)
        self._say(why)
        self._wake.set()

    def _ended(self, code: int, since: str, message: str) -> bool:
        """Note the end; whether the container shall run again, after its pause."""
        over = status.terminated(code, since, message)
        policy = self._pod["spec"].get("restartPolicy", "Always")
        final = self._grace_s is not None or policy == "Never" or (policy == "OnFailure" and code == 0)
        with self._lock:
            self._status.started = self._status.ready = False
            if final:
                self._status.phase, self._status.state = ("Succeeded" if code == 0 else "Failed"), over
            else:
                self._status.restarts += 1
                self._status.last_state, self._status.state = (
                    over,
                    status.waiting("CrashLoopBackOff", "back-off restarting failed container"),
                )
            self._push()
        if final:
            return False
        pause_s = min(self._pauses.restart_max_s, self._pauses.restart_s * 2 ** (self._status.restarts - 1))
        self._event("BackOff" if code else "Restarted", f"container ended with {code}, again in {pause_s:.1f} s: {message.strip()[-300:]}")
        self._pause(0 if self._sick else pause_s)
        return True

    def _last_words(self, code: int, log: Path, before: int) -> str:
        """The termination message: what it wrote there, or the end of its log when it failed without, if the pod says so."""
        message = (self._folder / "termination-log").read_bytes()[:TERMINATION_MAX].decode(errors="replace")
        if message or code == 0 or self._container.get("terminationMessagePolicy") != "FallbackToLogsOnError":
            return str(message)
        with log.open("rb") as file:
            file.seek(before)
            lines = file.read().decode(errors="replace").splitlines(keepends=True)
        return "".join(lines[-FALLBACK_LINES:])[-FALLBACK_MAX:]

    def _pause(self, seconds: float) -> None:
        """Wait, but no longer than the pod shall live."""
        until = time.monotonic() + seconds
        while self._grace_s is None and (left := until - time.monotonic()) > 0:
            self._wake.wait(left)
            self._wake.clear()

    def _tell(self, state: Object, event: NotYet) -> None:
        with self._lock:
            changed = self._status.state != state
            self._status.state = state
            if changed:
                self._push()
        if changed:
            self._event(event.reason, event.message)

    def _push(self) -> None:
        try:
            self._api.patch(self._pod, {"status": self._status.document()}, subresource="status")
        except (Refused, OSError) as error:
            if not isinstance(error, Refused) or error.status != 404:
                self._say(f"status not written: {error}")

    def _event(self, reason: str, message: str) -> None:
        about, time_now = self._pod["metadata"], status.now()
        whom = {"apiVersion": "v1", "kind": "Pod", "name": about["name"], "namespace": about["namespace"], "uid": about["uid"]}
        event = {"apiVersion": "v1", "kind": "Event", "metadata": {"generateName": f"{about['name']}.", "namespace": about["namespace"]}}
        told = {"involvedObject": whom, "reason": reason, "message": message[:1000], "type": "Warning", "count": 1}
        when = {"firstTimestamp": time_now, "lastTimestamp": time_now, "source": {"component": "kubelet"}}
        try:
            self._api.call("POST", self._api.path("v1", "Event", about["namespace"]), event | told | when)
        except (Refused, OSError) as error:
            self._say(f"event not written: {error}")

    def _delete(self) -> None:
        """It has ended: let the object go."""
        body = {"gracePeriodSeconds": 0, "preconditions": {"uid": self._pod["metadata"]["uid"]}}
        try:
            self._api.delete(self._pod, body=body)
        except (Refused, OSError) as error:
            if not isinstance(error, Refused) or error.status != 409:  # another pod of this name
                self._say(f"not deleted: {error}")
