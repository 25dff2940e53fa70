"""One real server as a child process: started, watched until it answers, paused, killed and stopped by its own pid.

Tests of faults do to servers what the world does to them, so the same few verbs serve PostgreSQL and Apache Kafka. A
server never outlives its test run: on Linux the kernel signals it when the run is killed (`setpriv --pdeathsig`).
"""

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path


class ServerFailed(Exception):
    """A server that should run does not; the text ends with the tail of its log."""


def free_port() -> int:
    """A loopback port nobody listens on right now, and that no connection of anybody gets as its own by chance before it is used."""
    first, last = _never_given()
    while True:
        port = first + secrets.randbelow(last - first)  # not `random`, which tests seed
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def _never_given() -> tuple[int, int]:
    """Ports that the kernel does not give to connections: those below its range, where that leaves enough."""
    try:
        lowest = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError):
        lowest = 32_768  # Linux's own
    return (10_240, lowest) if lowest > 16_384 else (10_240, 65_536)


def listening(port: int) -> bool:
    """Whether somebody accepts connections on this loopback port: somebody else, for a connection can meet itself."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0 and probe.getsockname() != probe.getpeername()


def account() -> str | None:
    """The account for servers that refuse to run as root; None where we are not root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


def prefix(user: str | None, death_signal: str | None) -> list[str]:
    """The words before a command that change its user and tie its life to ours."""
    if shutil.which("setpriv") is None:
        if user is not None:
            raise ServerFailed("as root, setpriv is needed to start a server as another user: install util-linux, or run as a user")
        return []
    words = ["setpriv"]
    if user is not None:
        words += ["--reuid", user, "--regid", str(pwd.getpwnam(user).pw_gid), "--clear-groups"]
    if death_signal is not None:
        words += ["--pdeathsig", death_signal]
    return words if len(words) > 1 else []


class Server:
    """A child process that is a server, with its log in a file."""

    def __init__(self, command: Sequence[str], log: Path, *, user: str | None = None, death_signal: str = "KILL") -> None:
        self._command = [*prefix(user, death_signal), *command]
        self._log = log
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process's id; it has to run."""
        if self._child is None:
            raise ServerFailed(f"{self._command[0]} does not run")
        return self._child.pid

    def running(self) -> bool:
        """Whether the process is alive (a paused one is)."""
        return self._child is not None and self._child.poll() is None

    def start(self, ready: Callable[[], bool], timeout_s: float) -> None:
        """Start, and return when `ready()` is true; raises `ServerFailed` with the log's tail otherwise."""
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + timeout_s
        while not ready():
            if not self.running() or time.monotonic() > deadline:
                state = "is not ready" if self.running() else "ended"
                self.kill()
                raise ServerFailed(f"{self._command[-1]} {state} within {timeout_s:.0f} s:\n{self.tail()}")
            time.sleep(0.02)

    def send(self, number: int) -> None:
        """Send one signal to the process."""
        os.kill(self.pid, number)

    def stop(self, number: int = signal.SIGTERM, timeout_s: float = 30) -> None:
        """Ask it to end with a signal, and kill it when it does not."""
        if self._child is None:
            return
        if self.running():
            self._child.send_signal(signal.SIGCONT)
            self._child.send_signal(number)
        try:
            self._child.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
        self._child = None

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        if self._child is None:
            return
        if self.running():
            self._child.kill()
        self._child.wait(30)
        self._child = None

    def tail(self, lines: int = 15) -> str:
        """The last lines of the log."""
        text = self._log.read_text(errors="replace") if self._log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])
