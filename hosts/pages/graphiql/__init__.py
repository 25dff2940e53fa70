"""GraphiQL, the page on which a newcomer tries out the live schema, served from copies of its scripts: nothing comes from the internet.

    GET /graphql             the page, for a browser
    GET /graphiql/<file>     its scripts and styles, by name and hash: a browser keeps them for good

The page holds a token that opens the app, so a name that somebody pointed at this machine (DNS rebinding) gets the page without it,
and a strict Content-Security-Policy keeps everything that is not ours out. VENDORED.md says where the scripts come from.
"""

import hashlib
import html
import json
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from msgspec import Struct, to_builtins
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from hosts.admission import on_this_machine

HERE = Path(__file__).parent
ASSETS = "/graphiql"
MEDIA_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
STYLES = ("graphiql.min.css", "page.css")
SCRIPTS = ("react.min.js", "react-dom.min.js", "graphql-ws.min.js", "graphiql.min.js", "page.js")
HOST = re.compile(r"[a-z0-9.-]+(:\d{1,5})?|\[[0-9a-f:.]+\](:\d{1,5})?", re.IGNORECASE)

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title} · GraphiQL</title>
<link rel="icon" href="{icon}">
{styles}
</head>
<body>
<div id="graphiql"><div class="loading">GraphiQL is starting …</div></div>
<script type="application/json" id="settings">{settings}</script>
{scripts}
</body>
</html>
"""


class Example(Struct, frozen=True):
    """An operation that the page offers in a tab of its own; the tab is named like the operation."""

    query: str
    variables: dict[str, Any] | None = None


class Asset(Struct, frozen=True):
    """A file of the page as it is served."""

    data: bytes
    media_type: str
    digest: str


def routes(title: str, token: Callable[[], str] | None, examples: Sequence[Example], *, endpoint: str = "/graphql") -> list[BaseRoute]:
    """The page at `endpoint` and its assets. `token` makes a fresh one for every visitor of this machine; "" or None: they bring one."""
    assets = {name: asset(name) for name in (*STYLES, *SCRIPTS, "icon.svg")}

    async def page(request: Request) -> Response:
        host = request.headers.get("host", "")
        given = token() if token is not None and for_visitors_of(host) else ""
        nonce = secrets.token_urlsafe(16)
        return HTMLResponse(rendered(title, given, examples, endpoint, nonce, assets), headers=headers(host, nonce))

    async def file(request: Request) -> Response:
        found = assets.get(request.path_params["name"])
        if found is None:
            return Response("no such file", 404, media_type="text/plain")
        tag = f'"{found.digest}"'
        kept = "public, max-age=31536000, immutable" if request.query_params.get("v") == found.digest else "no-cache"
        told = {"ETag": tag, "Cache-Control": kept, "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=told)
        return Response(found.data, headers=told | {"Content-Type": found.media_type})

    return [Route(endpoint, page, methods=["GET"]), Route(ASSETS + "/{name}", file, methods=["GET"])]


def for_visitors_of(host: str) -> bool:
    """Whether a Host header names this machine itself, and no name that could have been pointed here."""
    return on_this_machine(urlsplit(f"//{host}").hostname or "")


def asset(name: str) -> Asset:
    """A file of this folder."""
    data = (HERE / name).read_bytes()
    return Asset(data, MEDIA_TYPES[Path(name).suffix], hashlib.sha256(data).hexdigest()[:16])


def address(name: str, assets: Mapping[str, Asset]) -> str:
    """Where an asset is; another content is another address."""
    return f"{ASSETS}/{name}?v={assets[name].digest}"


def rendered(title: str, token: str, examples: Sequence[Example], endpoint: str, nonce: str, assets: Mapping[str, Asset]) -> str:
    """The page with its settings in it: as data, which no browser runs. `nonce` marks the styles that GraphiQL's dialogs make."""
    told = {
        "title": title,
        "endpoint": endpoint,
        "token": token,
        "nonce": nonce,
        "examples": [to_builtins(example) for example in examples],
        "icon": address("icon.svg", assets),
    }
    told["storage"] = f"{title}:{hashlib.sha256(json.dumps(told['examples']).encode()).hexdigest()[:8]}"
    return PAGE.format(
        title=html.escape(title),
        icon=address("icon.svg", assets),
        styles="\n".join(f'<link rel="stylesheet" href="{address(name, assets)}">' for name in STYLES),
        scripts="\n".join(f'<script src="{address(name, assets)}"></script>' for name in SCRIPTS),
        settings=json.dumps(told).replace("<", "\\u003c"),
    )


def headers(host: str, nonce: str) -> dict[str, str]:
    """What the browser is told to allow: this host's scripts, its styles, its API; no frames, no forms, no other host, no copies."""
    sockets = f" ws://{host} wss://{host}" if HOST.fullmatch(host) else ""  # older browsers do not count them to 'self'
    policy = (
        f"default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; font-src data:; img-src 'self' data:; "
        f"connect-src 'self'{sockets}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
