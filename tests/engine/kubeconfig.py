"""A kubeconfig, as a path or as its text: where the API server is and who we are.

Certificates, keys and tokens may stand in the file or beside it; what would run a program (`exec`) is refused.
"""

import base64
import os
import ssl
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

import yaml

WAY_OUT = "set KUBECONFIG, or kubernetes:kubeconfig, to the file of a cluster that is there"


class Unusable(Exception):
    """A kubeconfig that leads nowhere: one line that says why and what to do."""


@dataclass(frozen=True)
class Connection:
    """The API server and what is said to it."""

    server: SplitResult
    tls: ssl.SSLContext
    headers: dict[str, str]
    namespace: str


def load(told: str, context: str = "") -> Connection:
    """The connection of a kubeconfig: its text, its path, or (empty) the files that kubectl would read. Raises `Unusable`."""
    text, folder = _text(told)
    try:
        whole = yaml.safe_load(text)
        about = _named(whole["contexts"], context or whole["current-context"])["context"]
        cluster = _named(whole["clusters"], about["cluster"])["cluster"]
        user = _named(whole["users"], about["user"])["user"]
        server = urlsplit(cluster["server"])
    except (yaml.YAMLError, KeyError, TypeError, AttributeError) as error:
        raise Unusable(f"this is no kubeconfig ({type(error).__name__}: {_line(error)}): {WAY_OUT}") from None
    if "exec" in user or "auth-provider" in user:
        raise Unusable("this kubeconfig logs in through another program, which these tests do not run: use a token or a client certificate")
    try:
        return Connection(server, _tls(cluster, user, folder), _headers(user, folder), about.get("namespace", "default"))
    except (OSError, ssl.SSLError, ValueError) as error:
        raise Unusable(f"the certificates of this kubeconfig cannot be read ({_line(error)}): {WAY_OUT}") from None


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())


def _text(told: str) -> tuple[str, Path]:
    if "\n" in told or told.lstrip().startswith("{"):
        return told, Path()
    path = Path(told or os.environ.get("KUBECONFIG", "").split(os.pathsep)[0] or Path.home() / ".kube" / "config")
    try:
        return path.read_text(), path.parent
    except OSError as error:
        raise Unusable(f"no kubeconfig at {path} ({error.strerror}): {WAY_OUT}") from None


def _named(entries: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for entry in entries:
        if entry["name"] == name:
            return entry
    raise KeyError(name)


def _bytes(entry: dict[str, Any], key: str, folder: Path) -> bytes:
    """What stands at `<key>-data`, or in the file at `<key>`."""
    if f"{key}-data" in entry:
        return base64.b64decode(entry[f"{key}-data"], validate=True)
    return (folder / entry[key]).read_bytes() if key in entry else b""


def _tls(cluster: dict[str, Any], user: dict[str, Any], folder: Path) -> ssl.SSLContext:
    authority = _bytes(cluster, "certificate-authority", folder)
    tls = ssl.create_default_context(cadata=authority.decode() if authority else None)
    certificate, key = _bytes(user, "client-certificate", folder), _bytes(user, "client-key", folder)
    if certificate:
        with tempfile.NamedTemporaryFile(prefix="trimaran-") as file:  # ssl reads keys from files only; this one is nobody else's
            file.write(certificate + b"\n" + key)
            file.flush()
            tls.load_cert_chain(file.name)
    return tls


def _headers(user: dict[str, Any], folder: Path) -> dict[str, str]:
    token = user.get("token") or (Path(folder, user["tokenFile"]).read_text().strip() if "tokenFile" in user else "")
    return {"Authorization": f"Bearer {token}"} if token else {}
