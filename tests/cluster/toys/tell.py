"""A toy container that tells what it sees: one JSON object on standard output. Words after `--` are paths to read or to write."""

# ruff: noqa: T201 -- what it prints is its log

import contextlib
import json
import os
import sys


def contents(path: str) -> str | None:
    """What stands in a file; None when it cannot be read."""
    with contextlib.suppress(OSError), open(path) as file:
        return file.read()
    return None


def writable(path: str) -> bool:
    """Whether a file can be made in a directory."""
    with contextlib.suppress(OSError), open(f"{path}/probe", "w"):
        return True
    return False


wanted = json.loads(os.environ.get("WANTED", "{}"))
print(
    json.dumps(
        {
            "environment": dict(os.environ),
            "arguments": sys.argv[1:],
            "pid": os.getpid(),
            "user": os.getuid(),
            "group": os.getgid(),
            "groups": os.getgroups(),
            "directory": os.getcwd(),
            "files": {path: contents(path) for path in wanted.get("read", [])},
            "modes": {path: os.stat(path).st_mode & 0o777 for path in wanted.get("read", []) if os.path.exists(path)},
            "there": {path: os.path.exists(path) for path in wanted.get("there", [])},
            "writable": {path: writable(path) for path in wanted.get("write", [])},
            "status": {
                line.split(":")[0]: line.split(":")[1].strip() for line in (contents("/proc/self/status") or "").splitlines() if ":" in line
            },
        }
    ),
    flush=True,
)
if "LAST_WORDS" in os.environ:
    with open("/dev/termination-log", "w") as file:
        file.write(os.environ["LAST_WORDS"])
sys.exit(int(os.environ.get("EXIT", "0")))
