"""Sockets behind Azure Web PubSub: its REST API, with a token made from the access key.

Source: https://learn.microsoft.com/rest/api/webpubsub/dataplane and …/azure-web-pubsub/reference-rest-api-data-plane
"""

import time
from collections.abc import Callable
from urllib.parse import quote

import jwt

from providers.web import Web
from runtime.errors import LimitExceeded, Unavailable
from runtime.ports.sockets import Busy, Gone

TIMEOUT_S = 5.0
MESSAGE_BYTES = 1024 * 1024
VERSION = "2024-12-01"
TOKEN_S = 300


class WebPubSubSockets:
    """See the Sockets port. `endpoint` is https://NAME.webpubsub.azure.com."""

    def __init__(self, endpoint: str, access_key: str, hub: str, *, now: Callable[[], float] = time.time) -> None:
        self._endpoint, self._key, self._hub, self._now = endpoint.rstrip("/"), access_key, hub, now
        self._web = Web(self._endpoint, timeout_s=TIMEOUT_S)

    def send(self, connection: str, text: str) -> None:
        """Send to a connection."""
        body = text.encode()
        if len(body) > MESSAGE_BYTES:
            raise LimitExceeded("a message in bytes", len(body), MESSAGE_BYTES, "ask for fewer rows or fields")
        self._ask("POST", connection, "/:send", body)

    def close(self, connection: str) -> None:
        """Close a connection: a normal closure, no code of ours."""
        try:
            self._ask("DELETE", connection, "", b"")
        except Gone:
            return

    def _ask(self, method: str, connection: str, verb: str, body: bytes) -> None:
        path = f"/api/hubs/{quote(self._hub, safe='')}/connections/{quote(connection, safe='')}{verb}"
        headers = {"authorization": f"Bearer {self._token(path)}", "content-type": "text/plain; charset=utf-8"}
        status = self._web.ask(method, f"{path}?api-version={VERSION}", headers, body).status
        match status:
            case 404 | 410:
                raise Gone(f"connection {connection} is closed")
            case 429:
                raise Busy(f"connection {connection} does not read as fast as it is sent to")
            case 401 | 403:
                raise Unavailable("Web PubSub refuses the token: is it the access key of this resource?")
            case _ if not 200 <= status < 300:
                raise Unavailable(f"Web PubSub answered {status}")
            case _:
                return

    def _token(self, path: str) -> str:
        """HS256 over the address that is asked, without its query."""
        now = int(self._now())
        return jwt.encode({"aud": f"{self._endpoint}{path}", "iat": now, "exp": now + TOKEN_S}, self._key, algorithm="HS256")

    def shut(self) -> None:
        """Close what is idle."""
        self._web.close()
