"""GraphQL over HTTP on the gateway's path: one request, one answer, by https://graphql.github.io/graphql-over-http/draft/.

    POST application/json          queries and mutations          → 200, or 400 when nothing was executed
    GET  ?query=&variables=…       queries only                   → 405 for a mutation
    OPTIONS                        the browser's question whether a page may ask

A page of another site can make a browser send a form, but not JSON: so a POST must be `application/json`, and nothing changes by GET.
"""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from msgspec import Struct

from runtime.domain.api import Identity
from runtime.errors import LimitExceeded
from runtime.live.callers.identity import Session, token_of, verified
from runtime.live.callers.origins import Headers, address_of, allows, headers_of
from runtime.live.errors import Refused, Unauthenticated, refusal, told
from runtime.live.requests import CALLER_TOKEN, Request
from runtime.live.wire import frames
from runtime.live.wire.messages import decoded, request_of
from runtime.live.wire.outbox import Message, Sends
from runtime.live.wire.traces import trace_of

if TYPE_CHECKING:
    from runtime.live.wire.driving import Shared

RESPONSE_JSON = "application/graphql-response+json"
JSON = "application/json"
METHODS = "GET, POST, OPTIONS"
ASKED_HEADERS = "authorization, content-type, traceparent, tracestate, apollo-require-preflight, x-requested-with"
ASKED_AGAIN_S = 600
BODY_S = 10.0


class Answer(Struct, frozen=True):
    """A response; `content` None has no body."""

    status: int
    content: object = None
    headers: Mapping[str, str] = {}


class Turned(Exception):
    """The request is answered with this, without being looked at further."""

    def __init__(self, status: int, message: str, code: str = "BAD_REQUEST", **headers: str) -> None:
        super().__init__(message)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answer = Answer(status, {"errors": [refusal(message, code)]}, named)


class Http:
    """Answers requests; holds nothing between them."""

    def __init__(self, shared: "Shared", origins: tuple[str, ...] | None) -> None:
        self._shared, self._origins = shared, origins

    async def answer(self, scope: Mapping[str, Any], receive: Any, send: Sends) -> None:
        """One request."""
        headers = headers_of(scope["headers"])
        media = JSON
        try:
            if not allows(self._origins, headers):
                raise Turned(403, "this page's origin is not allowed here: TRIMARAN_ORIGINS names those that are", "FORBIDDEN")
            media = media_of(headers.get("accept", ""))
            answer = await self._turn(scope, headers, media, receive)
        except Turned as turned:
            answer = turned.answer
        except Exception as error:  # noqa: BLE001  a client must not see, nor the server log twice, what failed
            answer = Answer(500, {"errors": [told(error, trace_of(headers.get("traceparent")))]})
        with suppress(OSError):  # the client is gone
            await self._send(send, answer, media, headers)

    async def _turn(self, scope: Mapping[str, Any], headers: Headers, media: str, receive: Any) -> Answer:
        method = scope["method"]
        if method == "OPTIONS":
            return Answer(204, None, {"allow": METHODS} | self._preflight(headers))
        if method not in ("GET", "POST"):
            raise Turned(405, f"{method} is not offered: use GET or POST", allow=METHODS)
        if method == "GET":
            request = request_in_query(scope["query_string"], self._shared.limits.message_bytes)
        else:
            check_content(headers)
            request = request_in_body(await self._body(headers, receive))
        session = await self._session(headers)
        try:
            with self._shared.quotas.operation(session.identity, address_of(scope)):
                return await self._execute(request, session.identity, headers, method, media)
        except LimitExceeded as error:
            raise Turned(429, str(error), "LIMIT_EXCEEDED", retry_after="1") from None

    async def _body(self, headers: Headers, receive: Any) -> bytes:
        try:
            async with asyncio.timeout(BODY_S):
                return await body_of(headers, receive, self._shared.limits.message_bytes)
        except TimeoutError:
            raise Turned(408, f"the body did not come within {BODY_S:g} s", connection="close") from None

    async def _session(self, headers: Headers) -> Session:
        token = token_of({"authorization": headers["authorization"]} if "authorization" in headers else None)
        CALLER_TOKEN.set(token or "")
        try:
            return Session(Identity()) if token is None else await verified(self._shared.verifier, token)
        except Unauthenticated as error:
            raise Turned(401, str(error), "UNAUTHENTICATED", www_authenticate='Bearer error="invalid_token"') from None

    async def _execute(self, request: Request, identity: Identity, headers: Headers, method: str, media: str) -> Answer:
        failed = 400 if media == RESPONSE_JSON else 200
        try:
            prepared = self._shared.engine.prepare(request)
        except Refused as refused:
            return Answer(failed, {"errors": refused.errors})
        if prepared.kind == "subscription":
            text = "a subscription needs a WebSocket: connect to this path with the subprotocol graphql-transport-ws"
            return Answer(failed, {"errors": [refusal(text, "BAD_REQUEST")]})
        if prepared.kind != "query" and method == "GET":
            raise Turned(405, "a mutation must be sent by POST: GET is for queries only", allow="POST")
        response = await self._shared.engine.execute(prepared, identity, trace_of(headers.get("traceparent")))
        return Answer(200 if "data" in response else failed, response)

    def _preflight(self, headers: Headers) -> dict[str, str]:
        if "access-control-request-method" not in headers:
            return {}
        return {
            "access-control-allow-methods": METHODS,
            "access-control-allow-headers": ASKED_HEADERS,
            "access-control-max-age": str(ASKED_AGAIN_S),
        }

    async def _send(self, send: Sends, answer: Answer, media: str, headers: Headers) -> None:
        body = b"" if answer.content is None else frames.as_json(answer.content)
        told_headers = {"vary": "accept, origin", "cache-control": "no-store", "x-content-type-options": "nosniff"} | dict(answer.headers)
        if answer.content is not None:
            told_headers |= {"content-type": f"{media}; charset=utf-8", "content-length": str(len(body))}
        if (origin := headers.get("origin")) and allows(self._origins, headers):
            told_headers["access-control-allow-origin"] = origin  # never with credentials: there are no cookies here
        raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in told_headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await send({"type": "http.response.body", "body": body})


def media_of(accept: str) -> str:
    """What the answer is written as; JSON for who does not say or takes anything. Raises `Turned` (406) for other wishes."""
    if not accept.strip():
        return JSON
    offers: dict[str, float] = {}
    for part in accept.split(","):
        name, *parameters = (piece.strip().lower() for piece in part.split(";"))
        offers[name] = max(offers.get(name, 0.0), _weight(parameters))
    anything = max(offers.get("*/*", 0.0), offers.get("application/*", 0.0))
    ranked = [(offers.get(JSON, anything), JSON), (offers.get(RESPONSE_JSON, 0.0), RESPONSE_JSON)]
    weight, media = max(ranked, key=lambda each: (each[0], each[1] == RESPONSE_JSON and RESPONSE_JSON in offers))
    if weight <= 0.0:
        raise Turned(406, f"answers are {RESPONSE_JSON} or {JSON}: accept one of them")
    return media


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            with suppress(ValueError):
                return min(1.0, max(0.0, float(value)))
            return 0.0
        if name.strip() == "charset" and value.strip('" ') not in ("utf-8", "utf8"):
            return 0.0
    return 1.0


def check_content(headers: Headers) -> None:
    """JSON in UTF-8, not compressed; raises `Turned` (415)."""
    media, *parameters = (piece.strip().lower() for piece in headers.get("content-type", "").split(";"))
    charsets = [value.strip('" ') for name, _, value in (each.partition("=") for each in parameters) if name.strip() == "charset"]
    if media != JSON or any(charset not in ("utf-8", "utf8") for charset in charsets):
        raise Turned(415, "the body must be JSON in UTF-8: send Content-Type: application/json", accept_post=JSON)
    if headers.get("content-encoding", "identity").lower() not in ("", "identity"):
        raise Turned(415, "compressed bodies are not taken: send it as it is", accept_encoding="identity")


async def body_of(headers: Headers, receive: Any, bytes_max: int) -> bytes:
    """The body, never more of it than is allowed; raises `Turned` (413)."""
    length = headers.get("content-length", "0")
    too_big = Turned(413, f"the body may hold {bytes_max:,} bytes: ask for less at once", "LIMIT_EXCEEDED", connection="close")
    if not length.isdecimal() or int(length[:19]) > bytes_max:
        raise too_big
    body, more = bytearray(), True
    while more:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            raise Turned(400, "the body ended early")
        body += message.get("body", b"")
        if len(body) > bytes_max:
            raise too_big
        more = message.get("more_body", False)
    return bytes(body)


def request_in_body(body: bytes) -> Request:
    """The request of a POST; raises `Turned` (400)."""
    try:
        payload = decoded(body)
    except ValueError as error:
        raise Turned(400, f"the body is not JSON that can be read: {error}") from None
    if isinstance(payload, list):
        raise Turned(400, "several requests in one (batching) are not taken: send one object, or use the WebSocket")
    return _checked(payload)


def request_in_query(query_string: bytes, bytes_max: int) -> Request:
    """The request of a GET: `query`, `operationName`, and `variables` and `extensions` as JSON; raises `Turned` (400, 414)."""
    if len(query_string) > bytes_max:
        raise Turned(414, f"the query string may hold {bytes_max:,} bytes: use POST", "LIMIT_EXCEEDED")
    try:
        pairs = parse_qsl(query_string.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=20)
        if len(dict(pairs)) != len(pairs):
            raise ValueError("a parameter is there twice")
        payload: dict[str, Any] = dict(pairs)
        for name in ("variables", "extensions"):
            if name in payload:
                payload[name] = decoded(payload[name].encode()) if payload[name] else None
    except ValueError as error:
        raise Turned(400, f"the query string cannot be read: {error}") from None
    payload["operationName"] = payload.get("operationName") or None
    return _checked(payload)


def _checked(payload: object) -> Request:
    request = request_of(payload)
    if request is None:
        raise Turned(400, "send {query: text, operationName?: text, variables?: object, extensions?: object}")
    return request
