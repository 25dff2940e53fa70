"""`POST /commands` on a gateway's own port, for programs: what `hosts.command` answers, beside GraphQL, where both are one process.

A caller's rights come from its bearer token alone, which no browser adds by itself, so no page can send with the rights of whoever looks at
it. A page of elsewhere is turned away all the same (Origin), before anything is read, and no answer says that pages may ask (CORS): they
have mutations. Whoever has no good token gets few places, so that slow strangers do not take those of callers who have one.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from starlette.requests import Request
from starlette.responses import Response

from hosts.http import BODY_MAX, Face, Reply, refused
from hosts.responses import response
from runtime.live.callers.identity import Verifier, token_of, verified
from runtime.live.callers.origins import allows, headers_of
from runtime.live.errors import Unauthenticated

THREADS = 32
PLACES = 64  # requests in hand, each with a body of at most 4 MiB
STRANGERS = 8  # … of callers without a token, which only `allow=anyone` lets through
BODY_S = 10.0


class Commanding:
    """`answer` is the endpoint, on the event loop; `close` ends the threads behind it."""

    def __init__(self, face: Face, verifier: Verifier, origins: tuple[str, ...] | None) -> None:
        self._face, self._verifier, self._origins = face, verifier, origins
        self._threads = ThreadPoolExecutor(THREADS, "commands")
        self._taken = {False: 0, True: 0}  # by whether the caller is known

    async def answer(self, request: Request) -> Response:
        """One command."""
        headers = headers_of(request.scope["headers"])
        if not allows(self._origins, headers):
            return response((403, {"error": "pages of elsewhere may not send here: use /graphql", "code": "FORBIDDEN"}), CLOSE)
        try:
            known = await self._known(headers)
        except Unauthenticated as error:
            return response(refused(error), CLOSE)
        if self._taken[known] >= (PLACES if known else STRANGERS):
            return response(
                (503, {"error": "too many commands at once: send it again", "code": "UNAVAILABLE"}), CLOSE | {"Retry-After": "1"}
            )
        self._taken[known] += 1
        try:
            return await self._carried_out(request, headers)
        finally:
            self._taken[known] -= 1

    def close(self) -> None:
        """Finish what is in hand."""
        self._threads.shutdown()

    async def _known(self, headers: dict[str, str]) -> bool:
        token = token_of(headers)
        if token is None:
            return False
        await verified(self._verifier, token)
        return True

    async def _carried_out(self, request: Request, headers: dict[str, str]) -> Response:
        length = headers.get("content-length", "")
        if not length.isdecimal() or int(length[:19]) > BODY_MAX:
            return response((413 if length.isdecimal() else 411, {"error": f"send Content-Length, at most {BODY_MAX:,}"}), CLOSE)
        try:
            async with asyncio.timeout(BODY_S):
                body = await request.body()
        except TimeoutError:
            return response((408, {"error": f"the body did not come within {BODY_S:g} s"}), CLOSE)
        loop = asyncio.get_running_loop()
        reply: Reply = await loop.run_in_executor(self._threads, self._face.post, "/commands", body, headers)
        return response(reply)


CLOSE = {"Connection": "close"}
