"""Probes as a supervisor sends them, with its time-out."""

import json
import urllib.error
import urllib.request
from typing import Any

TIMEOUT_S = 6.0  # a read database that hangs is told after five


def asked(port: int, path: str, timeout_s: float = TIMEOUT_S, host: str = "127.0.0.1") -> tuple[int, Any]:
    """Status and body; (0, None) when nobody listens or answers."""
    try:
        with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=timeout_s) as response:
            return response.status, json.loads(response.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())
    except OSError:
        return 0, None


def status(port: int, path: str) -> int:
    """The status alone."""
    return asked(port, path)[0]
