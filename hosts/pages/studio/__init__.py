"""The studio, the page that shows a running app: its flow, streams, rows and what went wrong, live and without a build step.

    GET /                          the page, for a browser
    GET /studio/<digest>/<path>    its modules and styles; the digest is that of all of them, so a browser keeps them for good

The page holds a token that opens the app, so a name that somebody pointed at this machine (DNS rebinding) gets the page without it,
and a strict Content-Security-Policy keeps everything that is not ours out. VENDORED.md says which files are not ours.
"""

import hashlib
import html
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Route

from hosts.pages import graphiql
from hosts.pages.serving import MEDIA_TYPES, Asset, asset, file, for_visitors_of, headers

HERE = Path(__file__).parent
ASSETS = "/studio"
BORROWED = {"js/vendor/graphql-ws.js": graphiql.HERE / "graphql-ws.min.js", "icon.svg": graphiql.HERE / "icon.svg"}  # of the page beside
FIRST = "js/app.js"
IMPORTED = re.compile(r"""^(?:import|export)\b[^"';()=]*?["'](\.{1,2}/[^"']+)["'];""", re.MULTILINE)


def routes(title: str, token: Callable[[], str] | None, *, app: str, endpoint: str = "/graphql") -> list[BaseRoute]:
    """The page at `/` and its assets. `token` makes a fresh one for every visitor of this machine; "" or None: they bring one.

    `endpoint` "" is that of an app which shows nothing over GraphQL.
    """
    assets = files()
    digest = digest_of(assets)
    template = (HERE / "index.html").read_text()

    async def page(request: Request) -> Response:
        host = request.headers.get("host", "")
        signed = token() if token is not None and for_visitors_of(host) else ""
        told = {"title": title, "app": app, "token": signed, "endpoint": endpoint, "version": digest}
        return HTMLResponse(rendered(template, title, told, assets), headers=headers(host))

    async def given(request: Request) -> Response:
        found = assets.get(request.path_params["path"]) if request.path_params["digest"] == digest else None
        return file(request, found, for_good=True)

    return [Route("/", page, methods=["GET"]), Route(ASSETS + "/{digest}/{path:path}", given, methods=["GET"])]


def files() -> dict[str, Asset]:
    """Everything that a browser may have, by its path in this folder."""
    own = {path.relative_to(HERE).as_posix(): path for path in HERE.rglob("*") if path.suffix in MEDIA_TYPES}
    return {name: asset(path) for name, path in sorted((own | BORROWED).items())}


def digest_of(assets: Mapping[str, Asset]) -> str:
    """One digest of all files: modules import each other by relative addresses, so they have to move together."""
    return hashlib.sha256(json.dumps([[name, found.digest] for name, found in assets.items()]).encode()).hexdigest()[:16]


def rendered(template: str, title: str, told: Mapping[str, str], assets: Mapping[str, Asset]) -> str:
    """The page with its settings in it: as data, which no browser runs."""
    return template.format(
        title=html.escape(title),
        assets=f"{ASSETS}/{told['version']}",
        preloads="\n".join(f'<link rel="modulepreload" href="{ASSETS}/{told["version"]}/{name}">' for name in eager(assets)),
        settings=json.dumps(told).replace("<", "\\u003c"),
    )


def eager(assets: Mapping[str, Asset], name: str = FIRST) -> list[str]:
    """The modules that the page cannot start without, in the order of their imports: a browser need not find them one by one."""
    found = [name]
    for module in found:
        folder = Path(module).parent
        for said in IMPORTED.findall(assets[module].data.decode()):
            imported = (Path("/") / folder / said).resolve().relative_to("/").as_posix()
            if imported not in found:
                found.append(imported)
    return found
