"""GraphiQL, the page on which a newcomer tries out the live schema, served from copies of its scripts: nothing comes from the internet.

    GET /graphql             the page, for a browser
    GET /graphiql/<file>     its scripts and styles, by name and hash: a browser keeps them for good

The page holds a token that opens the app, so a name that somebody pointed at this machine (DNS rebinding) gets the page without it,
and a strict Content-Security-Policy keeps everything that is not ours out. VENDORED.md says where the scripts come from.
"""

import hashlib
import html
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct, to_builtins
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from hosts.pages.serving import Asset, asset, file, for_visitors_of, headers

HERE = Path(__file__).parent
ASSETS = "/graphiql"
STYLES = ("graphiql.min.css", "page.css")
SCRIPTS = ("react.min.js", "react-dom.min.js", "graphql-ws.min.js", "graphiql.min.js", "page.js")

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


def routes(title: str, token: Callable[[], str] | None, examples: Sequence[Example], *, endpoint: str = "/graphql") -> list[BaseRoute]:
    """The page at `endpoint` and its assets. `token` makes a fresh one for every visitor of this machine; "" or None: they bring one."""
    assets = {name: asset(HERE / name) for name in (*STYLES, *SCRIPTS, "icon.svg")}

    async def page(request: Request) -> Response:
        host = request.headers.get("host", "")
        signed = token() if token is not None and for_visitors_of(host) else ""
        nonce = secrets.token_urlsafe(16)
        told = headers(host, styles=f"'self' 'nonce-{nonce}'", more="font-src data:; ")
        return HTMLResponse(rendered(title, signed, examples, endpoint, nonce, assets), headers=told)

    async def given(request: Request) -> Response:
        found = assets.get(request.path_params["name"])
        return file(request, found, for_good=found is not None and request.query_params.get("v") == found.digest)

    return [Route(endpoint, page, methods=["GET"]), Route(ASSETS + "/{name}", given, methods=["GET"])]


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
