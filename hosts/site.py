"""Which path leads where on a gateway's one port.

    /graphql             the gateway: WebSocket and HTTP; for a browser's GET, where pages are shown, the explorer (GraphiQL)
    /                    the studio, with its files below /studio/ (dev and demo)
    /admin/…, /operate/… what the studio asks and does, only for programs and the page of this machine (dev and demo: hosts.admin)
    /health              200 or 503, for whoever watches the process
    /commands            commands of callers with a token (a gateway that carries them out itself: hosts.commanding)
    /commands, /rows/…   the plain face, only for programs of this machine (dev and demo)

The gateway is called directly, without a framework around its `send`: every frame would pay for it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from hosts.admission import on_this_machine
from hosts.http import BODY_MAX, Face
from hosts.responses import response

PATH = "/graphql"

type Begin = Callable[[], Awaitable[None]]
type Endpoint = Callable[[Request], Awaitable[Response]]


class Site:
    """The ASGI app of a gateway process. `pages` are routes for people and what these ask; one at `/graphql` serves a browser's GET."""

    def __init__(
        self,
        gateway: ASGIApp,
        face: Face,
        figures: Callable[[], dict[str, int]],
        *,
        begin: Begin,
        end: Begin,
        pages: list[BaseRoute],
        plain: bool,
        origins: tuple[str, ...] | None = None,
        commands: Endpoint | None = None,
    ) -> None:
        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            await begin()
            try:
                yield
            finally:
                await end()

        self._gateway, self._explores = gateway, any(isinstance(page, Route) and page.path == PATH for page in pages)
        self._names = _names(origins) if plain else None
        routes: list[BaseRoute] = [Route("/health", _health(face, figures), methods=["GET"]), *pages]
        if plain:
            routes += [Route("/commands", _plain(face), methods=["POST"]), Route("/rows/{part}", _plain(face), methods=["GET"])]
        elif commands is not None:
            routes.append(Route("/commands", commands, methods=["POST"]))
        self._others = Starlette(routes=routes, lifespan=lifespan)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection or request."""
        if scope["type"] != "lifespan" and self._names is not None and not self._names(_host(scope)):
            await _turn_away(scope, receive, send)
        elif scope["type"] != "lifespan" and scope["path"] == PATH and not (self._explores and _for_people(scope)):
            await self._gateway(scope, receive, send)
        else:
            await self._others(scope, receive, send)


async def silent(scope: Scope, receive: Receive, send: Send) -> None:
    """In the place of a gateway that has nothing to show."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    text = "this app shows nothing over GraphQL: name what it shows, App(…, api=(expose(part, allow=…), send(Command, allow=…)))"
    await response((404, {"error": text}))(scope, receive, send)


def _host(scope: Scope) -> str:
    """The name that the caller reached this by; "" where none, or more than one, is said."""
    said = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
    try:
        return (urlsplit(f"//{said[0]}").hostname or "") if len(said) == 1 else ""
    except ValueError:
        return ""


def _names(origins: tuple[str, ...] | None) -> Callable[[str], bool]:
    """The names that a site of this machine answers to. A page of elsewhere may point its own name here (DNS rebinding): not to that."""
    allowed = {urlsplit(origin).hostname for origin in origins or ()}
    return lambda name: on_this_machine(name) or name in allowed or "*" in (origins or ())


async def _turn_away(scope: Scope, receive: Receive, send: Send) -> None:
    """Before anything is read."""
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.close", "code": 1008})
        return
    text = "this gateway is for programs of this machine: reach it as 127.0.0.1 or localhost, or name your origin in TRIMARAN_ORIGINS"
    await response((421, {"error": text}))(scope, receive, send)


def _for_people(scope: Scope) -> bool:
    """A browser that opens the address: it asks for HTML, and for no operation."""
    if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD") or b"query=" in scope["query_string"]:
        return False
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def _health(face: Face, figures: Callable[[], dict[str, int]]) -> Callable[[Request], Awaitable[Response]]:
    """How the process is, and what its gateway does just now."""

    async def endpoint(_: Request) -> Response:
        status, told = await asyncio.to_thread(face.get, "/health")
        now = figures()
        return response((status, {**told, "gateway": now} if now and isinstance(told, dict) else told))

    return endpoint


def _plain(face: Face) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint of the plain face: no web page may use it, whatever name it reaches this machine by."""

    async def endpoint(request: Request) -> Response:
        if not from_this_machine(request):
            return response((403, {"error": "the plain face is for programs of this machine: use /graphql"}))
        if request.method != "POST":
            target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return response(await asyncio.to_thread(face.get, target))
        length = request.headers.get("content-length", "")
        if not length.isdigit() or int(length) > BODY_MAX:
            refused = (413 if length.isdigit() else 411, {"error": f"send Content-Length, at most {BODY_MAX:,}"})
            return response(refused, {"Connection": "close"})
        body = await request.body()
        return response(await asyncio.to_thread(face.post, request.url.path, body, dict(request.headers)))

    return endpoint


def from_this_machine(request: Request) -> bool:
    """A program of this machine, and no page of elsewhere that a browser shows on it."""
    origin = request.headers.get("origin")
    return on_this_machine(_host(request.scope)) and (origin is None or urlsplit(origin).netloc == request.headers.get("host"))
