"""The paths of the admin endpoint, who may use them, and how an answer or an error looks.

    GET  /admin/…      anybody who runs programs on this machine reads
    POST /operate/…    … and whoever brings a token with the role `operator` acts

Both answer only under a name of this machine and to no page of elsewhere, whatever TRIMARAN_ORIGINS lets in to the gateway: a page that
somebody pointed here (DNS rebinding) or that asks across origins gets nothing. Errors are {"error", "code"}, with the codes of GraphQL errors.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from hosts.admin import Admin, NotFound
from hosts.admin.causes import chain
from hosts.admin.flow import flow
from hosts.admin.letters import letters
from hosts.admin.model import model
from hosts.admin.operating import drop, rebuild, redrive, unstick
from hosts.admin.rebuilds import compare, rebuilds
from hosts.admin.sagas import sagas
from hosts.admin.said import said
from hosts.admin.streams import recent, state, stream, streams
from hosts.admin.traces import traces
from hosts.http import Reply, status_of
from hosts.site import from_this_machine
from runtime.domain.api import Identity, role
from runtime.errors import Malformed, TrimaranError
from runtime.flow.world import WORLD
from runtime.live.callers.identity import token_of
from runtime.live.errors import Forbidden, Unauthenticated, code_of

type Asked = Callable[[Admin, Mapping[str, str]], object]
type Told = Callable[[Admin, bytes, Identity], object]

GET: dict[str, Asked] = {
    "/admin/flow": flow,
    "/admin/traces": traces,
    "/admin/model": model,
    "/admin/streams": streams,
    "/admin/streams/recent": recent,
    "/admin/stream": stream,
    "/admin/state": state,
    "/admin/chain": chain,
    "/admin/letters": letters,
    "/admin/sagas": sagas,
    "/admin/rebuilds": rebuilds,
    "/admin/rebuilds/compare": compare,
}
POST: dict[str, Told] = {
    "/operate/redrive": redrive,
    "/operate/drop": drop,
    "/operate/unstick": unstick,
    "/operate/rebuild": rebuild,
}

OPERATOR = "operator"
THREADS = 8
BODY_MAX = 64 * 1024
HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin"}
LOG = logging.getLogger("trimaran.admin")


def routes(admin: Admin) -> list[BaseRoute]:
    """All of it. What is under these paths and not in the tables is 404 (405 for another method), as JSON."""
    known: list[BaseRoute] = [Route(path, _reading(admin, work), methods=["GET"]) for path, work in GET.items()]
    known += [Route(path, _acting(admin, work), methods=["POST"]) for path, work in POST.items()]
    methods = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    return [*known, *(Route(below + "{path:path}", _elsewhere, methods=methods) for below in ("/admin", "/operate"))]


def _reading(admin: Admin, work: Asked) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        if not from_this_machine(request):
            return _refused()
        if request.method != "GET":  # Starlette lets HEAD through
            return _response(_not_allowed(request))
        return _response(await _on_a_thread(admin, lambda: work(admin, parameters(request.url.query))))

    return endpoint


def _acting(admin: Admin, work: Told) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        if not from_this_machine(request):
            return _refused()
        length = request.headers.get("content-length", "")
        if not length.isdigit() or int(length) > BODY_MAX:
            refused = {"error": f"send Content-Length, at most {BODY_MAX:,}", "code": "LIMIT_EXCEEDED"}
            return _response((413 if length.isdigit() else 411, refused), {"Connection": "close"})
        body, told = await request.body(), dict(request.headers)
        return _response(await _on_a_thread(admin, lambda: work(admin, body, _admitted(admin, told))))

    return endpoint


async def _on_a_thread(admin: Admin, work: Callable[[], object]) -> Reply:
    """On one of the admin's own: a store that hangs keeps no thread from the gateway and its /health."""
    return await asyncio.get_running_loop().run_in_executor(admin.one(Threads).pool, _replied, work)


class Threads:
    """Where the endpoint's blocking calls run."""

    def __init__(self, _: Admin) -> None:
        self.pool = ThreadPoolExecutor(THREADS, "admin")

    def close(self) -> None:
        """Let them end."""
        self.pool.shutdown(wait=False, cancel_futures=True)


def _admitted(admin: Admin, headers: Mapping[str, str]) -> Identity:
    """Whose token it is. Raises `Unauthenticated`, `Forbidden`, or `Malformed` for a body that a plain form could send."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise Malformed("send the body as Content-Type: application/json")
    token = token_of(headers)
    if token is None:
        raise Unauthenticated(f"send Authorization: Bearer with a token that has the role {OPERATOR!r}")
    identity = admin.verifier.verify(token).identity
    if role(OPERATOR)(identity) is not True:
        raise Forbidden(f"this needs a token with the role {OPERATOR!r}")
    return identity


def parameters(query: str) -> dict[str, str]:
    """What was asked, each name once. Raises `Malformed`."""
    pairs = parse_qsl(query, keep_blank_values=True)
    asked = dict(pairs)
    if len(asked) < len(pairs):
        raise Malformed("a parameter is said twice")
    return asked


def _replied(work: Callable[[], object]) -> Reply:
    """An answer as it goes out, or an error. What a store says of its address is for an operator, and this is; its password is not."""
    try:
        return 200, msgspec.json.encode(work())
    except NotFound as error:
        return 404, {"error": said(error), "code": "NOT_FOUND"}
    except TrimaranError as error:
        return status_of(error), {"error": said(error), "code": code_of(error)}
    except Exception as error:  # a fault of ours, masked
        trace = WORLD.token()
        LOG.error("trace %s: %s", trace, type(error).__name__, exc_info=error)
        return 500, {"error": f"internal error, the log knows it as {trace}", "code": "INTERNAL"}


async def _elsewhere(request: Request) -> Response:
    """What is under our paths and is not there."""
    if not from_this_machine(request):
        return _refused()
    if request.url.path in GET or request.url.path in POST:
        return _response(_not_allowed(request))
    return _response((404, {"error": f"there is no {request.method} {request.url.path}", "code": "NOT_FOUND"}))


def _not_allowed(request: Request) -> Reply:
    allowed = "GET" if request.url.path in GET else "POST"
    return 405, {"error": f"{request.url.path} takes {allowed} only", "code": "BAD_REQUEST"}


def _refused() -> Response:
    return _response((403, {"error": "this is for programs of this machine, and for its own page", "code": "FORBIDDEN"}))


def _response(reply: Reply, headers: Mapping[str, str] | None = None) -> Response:
    status, content = reply
    body = content if isinstance(content, bytes) else msgspec.json.encode(content)
    return Response(body, status, {**HEADERS, **(headers or {})}, "application/json")
