"""One run of a container as a local process in namespaces of its own: its mounts, its root, its processes, its user.

    unshare (own mounts, own process ids), and a shell that waits
      sh   lays an overlay over this machine's files: whatever is written stays in memory and ends with the container;
           binds the image's trees and the pod's volumes, /etc/hosts, /dev/termination-log; read-only when the pod says so
        chroot, setpriv (user, groups, capabilities, no new privileges)
          the command as process 1, so that a signal without a handler is ignored, and its children end with it

Nothing of this machine's environment gets in, and no secret stands on a command line: the environment is handed over as such.
"""

import os
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cluster.kubelet.volumes import Mount
from tests.cluster.names import unshared
from tests.servers.process import prefix

DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

# The first child of the outer shell is process 1 of the new namespace; the shell stays to tell how it ended: unshare --fork
# (util-linux 2.38) loses the exit code of what SIGKILL ends. Standard input carries the line that says "prepared".
OUTER = 'exec 3<&0; setpriv --pdeathsig KILL sh -c "$0" <&3 3<&- & wait $!'


@dataclass(frozen=True)
class Rights:
    """The user that a command runs as, and what it may not do."""

    user: int = 0
    group: int = 0
    groups: tuple[int, ...] = ()
    new_privileges: bool = True
    drop_capabilities: bool = False
    read_only_root: bool = False


@dataclass(frozen=True)
class Plan:
    """All that one run needs; `scratch` is an empty directory that the overlay is laid on."""

    command: Sequence[str]
    environment: dict[str, str]
    directory: str
    mounts: Sequence[Mount]
    hidden: Sequence[str]
    rights: Rights
    scratch: Path


def script(plan: Plan) -> str:
    """The shell's part: it ends by becoming the command."""
    scratch = shlex.quote(str(plan.scratch))
    lines = [
        "set -e; own_path=$PATH",
        f"PATH={SYSTEM_PATH}; S={scratch}; R=$S/root",
        "mount -t tmpfs -o mode=755 tmpfs $S; mkdir $S/upper $S/work $R",
        "mount -t overlay -o lowerdir=/,upperdir=$S/upper,workdir=$S/work overlay $R",
        "mount -t proc proc $R/proc; mount -t tmpfs -o mode=755 tmpfs $R/dev; mkdir -m 1777 $R/dev/shm; ln -s /proc/self/fd $R/dev/fd",
        f"for each in {' '.join(DEVICES)}; do : > $R/dev/$each; mount --bind /dev/$each $R/dev/$each; done",
        "chmod a+x $R/root",  # a virtual environment's interpreter may lie below; only this container sees the change
        *_laid(plan),
        *(_sealed(plan) if plan.rights.read_only_root else []),
        f"PATH=$own_path; echo >&0; exec {shutil.which('chroot')} $R {_become(plan)} </dev/null",  # a line into the pipe: prepared,
    ]
    return "\n".join(lines)


def _laid(plan: Plan) -> list[str]:
    """What hides this machine's files, and what is mounted, the outer before the inner: a checkout may lie in /tmp, and /tmp be a volume."""
    hides = {path: f"mkdir -p $R{quoted}; mount -t tmpfs -o mode=1777 tmpfs $R{quoted}" for path, quoted in _hidden(plan).items()}
    return [line for _, line in sorted([*hides.items(), *((_inside(mount.target), _bound(mount)) for mount in plan.mounts)])]


def _hidden(plan: Plan) -> dict[str, str]:
    """The hidden paths where nothing is mounted, and how a shell is told."""
    mounted = {_inside(mount.target) for mount in plan.mounts}
    return {path: shlex.quote(path) for path in map(_inside, plan.hidden) if path not in mounted}


def _inside(path: str) -> str:
    """A path without symbolic links. The container's root has this machine's, and before chroot they would lead out of it."""
    return os.path.realpath(path)


def _sealed(plan: Plan) -> list[str]:
    """The root, and what hides this machine's files in it, cannot be written; volumes keep their own rule."""
    return [f"mount -o remount,bind,ro $R{path}" for path in ("", *_hidden(plan).values())]


def _bound(mount: Mount) -> str:
    source, target = shlex.quote(str(mount.source)), "$R" + shlex.quote(_inside(mount.target))
    make = f"mkdir -p {target}" if mount.source.is_dir() else f"mkdir -p $(dirname {target}); [ -e {target} ] || : > {target}"
    again = f"; mount -o remount,bind,ro {target}" if mount.read_only else ""
    return f"{make}; mount --bind {source} {target}{again}"


def _become(plan: Plan) -> str:
    rights = plan.rights
    words = [shutil.which("setpriv") or "setpriv", "--pdeathsig", "KILL", "--reuid", str(rights.user), "--regid", str(rights.group)]
    words += ["--groups", ",".join(map(str, rights.groups))] if rights.groups else ["--clear-groups"]
    words += [] if rights.new_privileges else ["--no-new-privs"]
    words += ["--inh-caps=-all", "--bounding-set=-all"] if rights.drop_capabilities else []
    words += [shutil.which("env") or "env", "-u", "PWD", "-u", "OLDPWD", "-C", plan.directory, *plan.command]
    return shlex.join(words)


class Process:
    """A started container; the thread that starts it has to live as long as it does."""

    def __init__(self, plan: Plan, log: Path) -> None:
        plan.scratch.mkdir(parents=True, exist_ok=True)
        readable, writable = os.pipe()
        words = [*prefix(None, "KILL"), *unshared("mount", "pid"), "sh", "-c", OUTER, script(plan)]
        with log.open("ab") as out:
            self._child = subprocess.Popen(words, env=plan.environment, stdin=writable, stdout=out, stderr=out, start_new_session=True)
        os.close(writable)
        self._preparing = readable
        self.prepared = threading.Event()

    def wait(self) -> int:
        """The exit code when it has ended: 128 + N after signal N. Called once."""
        os.read(self._preparing, 1)  # the command's turn, or an end before it
        os.close(self._preparing)
        self.prepared.set()
        code = self._child.wait()
        return code if code >= 0 else 128 - code

    @property
    def pid(self) -> int | None:
        """The id, on this machine, of its process 1; None when it has ended."""
        try:
            children = Path(f"/proc/{self._child.pid}/task/{self._child.pid}/children").read_text().split()
        except OSError:
            return None
        return int(children[0]) if children else None

    def send(self, number: signal.Signals) -> None:
        """A signal to its process 1."""
        pid = self.pid
        if pid is not None:
            os.kill(pid, number)

    def inside(self, command: Sequence[str], timeout_s: float) -> int:
        """Run a command inside, as exec probes do; its exit code. Raises `TimeoutError`."""
        pid = self.pid
        if pid is None:
            return 137
        told = Path(f"/proc/{pid}/environ").read_text().split("\0")
        environment = dict(each.split("=", 1) for each in told if "=" in each)
        words = [
            shutil.which("nsenter") or "nsenter",
            f"--target={pid}",
            "--mount",
            "--pid",
            f"--root=/proc/{pid}/root",
            f"--wd=/proc/{pid}/cwd",
            *command,
        ]
        try:
            done = subprocess.run(words, env=environment, timeout=timeout_s, capture_output=True, check=False, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired as late:
            raise TimeoutError(f"{command[0]} did not end within {timeout_s} s") from late
        return done.returncode
