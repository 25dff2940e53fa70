"""What the pages for people share: their files, who is handed a token, and what a browser is told to allow."""

import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct
from starlette.requests import Request
from starlette.responses import Response

from hosts.admission import on_this_machine

MEDIA_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
HOST = re.compile(r"[a-z0-9.-]+(:\d{1,5})?|\[[0-9a-f:.]+\](:\d{1,5})?", re.IGNORECASE)
FOR_GOOD = "public, max-age=31536000, immutable"


class Asset(Struct, frozen=True):
    """A file of a page as it is served."""

    data: bytes
    media_type: str
    digest: str


def asset(path: Path) -> Asset:
    """A file, read once."""
    data = path.read_bytes()
    return Asset(data, MEDIA_TYPES[path.suffix], hashlib.sha256(data).hexdigest()[:16])


def file(request: Request, found: Asset | None, *, for_good: bool) -> Response:
    """The answer to a request for a file. `for_good`: its address says its content, so a browser never has to ask again."""
    if found is None:
        return Response("no such file", 404, {"Cache-Control": "no-store"}, media_type="text/plain")
    tag = f'"{found.digest}"'
    kept = FOR_GOOD if for_good else "no-cache"
    told = {"ETag": tag, "Cache-Control": kept, "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=told)
    return Response(found.data, headers=told | {"Content-Type": found.media_type})


def for_visitors_of(host: str) -> bool:
    """Whether a Host header names this machine itself, and no name that could have been pointed here."""
    try:
        return on_this_machine(urlsplit(f"//{host}").hostname or "")
    except ValueError:  # not a host at all, like [::
        return False


def headers(host: str, *, styles: str = "'self'", more: str = "") -> dict[str, str]:
    """What the browser is told to allow: this host's scripts, its styles, its API; no frames, no forms, no other host, no copies."""
    sockets = f" ws://{host} wss://{host}" if HOST.fullmatch(host) else ""  # older browsers do not count them to 'self'
    policy = (
        f"default-src 'none'; script-src 'self'; style-src {styles}; img-src 'self' data:; "
        f"connect-src 'self'{sockets}; {more}base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
