"""Names of services: one hosts file per namespace, which pods (and KEDA's operator) see as their /etc/hosts.

A cluster's DNS says where `NAME.NAMESPACE.svc` is; here a line says it. Files only ever grow, and a name keeps its address:
whoever reads a file while it is written misses the last line at most.
"""

import contextlib
import os
import shlex
import shutil
import tempfile
from pathlib import Path

FIRST_LINES = "127.0.0.1 localhost\n::1 localhost\n"


def hosts_file(work: Path, namespace: str) -> Path:
    """The hosts file of a namespace, made with its first lines when it is not there."""
    folder = work / "hosts"
    folder.mkdir(exist_ok=True)
    path = folder / namespace
    if not path.exists():
        handle, near = tempfile.mkstemp(dir=folder, prefix=".")
        os.write(handle, FIRST_LINES.encode())
        os.close(handle)
        Path(near).chmod(0o644)
        with contextlib.suppress(FileExistsError):  # somebody was first, with the same lines
            os.link(near, path)
        Path(near).unlink()
    return path


def add(path: Path, address: str, names: list[str]) -> None:
    """Add one line to a hosts file."""
    with path.open("a") as file:
        file.write(f"{address} {' '.join(names)}\n")


def spelled(name: str, namespace: str) -> list[str]:
    """The names by which a service is called from anywhere in the cluster."""
    return [f"{name}.{namespace}.svc", f"{name}.{namespace}", f"{name}.{namespace}.svc.cluster.local"]


def address(work: Path, name: str, namespace: str) -> str | None:
    """The address of a service; None when nobody has given it one yet."""
    path, wanted = hosts_file(work, namespace), spelled(name, namespace)[0]
    for line in path.read_text().splitlines():
        where, *names = line.split()
        if wanted in names:
            return where
    return None


def unshared(*kinds: str) -> list[str]:
    """The words before a command that give it namespaces of its own (`mount`, `pid`), also for a user who is not root."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    return [shutil.which("unshare") or "unshare", *user, *(f"--{kind}" for kind in kinds)]


def with_hosts(hosts: Path) -> tuple[str, ...]:
    """The words before a command that let it see `hosts` as /etc/hosts, and nobody else."""
    script = f'mount --bind {shlex.quote(str(hosts))} /etc/hosts && exec "$@"'
    return (*unshared("mount"), "sh", "-c", script, "sh")
