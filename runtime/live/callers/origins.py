"""Who calls a gateway, before any token: its address, and the web page it runs in. Browsers let any page open a WebSocket anywhere, so the server has to look at `Origin`.

A caller that is no browser sends no Origin and is let in; its token decides. https://cheatsheetseries.owasp.org, Cross-Site WebSocket Hijacking.
"""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

type Headers = dict[str, str]


def headers_of(raw: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Headers by lower-case name; the last of a repeated one counts, and two different Origins are none that is allowed."""
    headers: Headers = {}
    for name_bytes, value_bytes in raw:
        name, value = name_bytes.decode("latin-1").lower(), value_bytes.decode("latin-1")
        if name == "origin" and headers.get(name, value) != value:
            value = "null"
        headers[name] = value
    return headers


def allows(origins: tuple[str, ...] | None, headers: Headers) -> bool:
    """Whether this caller's page may connect. `origins` None: only pages of the same host and port."""
    origin = headers.get("origin")
    if origin is None:
        return True
    if origins is None:
        host = urlsplit(origin).netloc.lower() if "://" in origin else ""
        return bool(host) and host == headers.get("host", "").lower()
    return "*" in origins or origin.rstrip("/").lower() in {allowed.lower() for allowed in origins}


def address_of(scope: Mapping[str, Any]) -> str:
    """The remote address, as the server sees it (behind a proxy: what uvicorn's `forwarded_allow_ips` lets through)."""
    client = scope.get("client")
    return str(client[0]) if client else ""
