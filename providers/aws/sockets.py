"""Sockets behind API Gateway: `@connections` over connections that stay open, signed by hand.

Source: https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-how-to-call-websocket-api-connections.html
"""

import re
from collections.abc import Callable
from urllib.parse import quote, urlsplit

from providers.aws.signing import Credentials, Signer, from_environment
from providers.web import Web
from runtime.errors import LimitExceeded, Misconfigured, Unavailable
from runtime.ports.sockets import Busy, Gone

TIMEOUT_S = 5.0
MESSAGE_BYTES = 128 * 1024
HOST = re.compile(r"[a-z0-9]+\.execute-api\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?")


class ApiGatewaySockets:
    """See the Sockets port. `endpoint` is https://API.execute-api.REGION.amazonaws.com/STAGE."""

    def __init__(self, endpoint: str, *, region: str = "", credentials: Callable[[], Credentials] = from_environment) -> None:
        parts = urlsplit(endpoint)
        found = HOST.fullmatch(parts.netloc)
        if not region and found is None:
            raise Misconfigured(f"{endpoint!r} does not tell its region: say it")
        self._stage = parts.path.rstrip("/")
        self._web = Web(f"{parts.scheme}://{parts.netloc}", timeout_s=TIMEOUT_S)
        self._signer = Signer(self._web.host, region or (found[1] if found else ""), credentials=credentials)

    def send(self, connection: str, text: str) -> None:
        """`postToConnection`."""
        body = text.encode()
        if len(body) > MESSAGE_BYTES:
            raise LimitExceeded("a message in bytes", len(body), MESSAGE_BYTES, "ask for fewer rows or fields")
        self._ask("POST", connection, body)

    def close(self, connection: str) -> None:
        """`deleteConnection`: always 1000, no code of ours."""
        try:
            self._ask("DELETE", connection, b"")
        except Gone:
            return

    def _ask(self, method: str, connection: str, body: bytes) -> None:
        path = f"{self._stage}/@connections/{quote(connection, safe='')}"
        status = self._web.ask(method, path, self._signer.headers(method, path, body), body).status
        match status:
            case 410:
                raise Gone(f"connection {connection} is closed")
            case 429:
                raise Busy(f"connection {connection} does not read as fast as it is sent to")
            case 403:
                raise Unavailable("API Gateway refuses the signature: the role needs execute-api:ManageConnections")
            case _ if not 200 <= status < 300:
                raise Unavailable(f"API Gateway answered {status}")
            case _:
                return

    def shut(self) -> None:
        """Close what is idle."""
        self._web.close()
