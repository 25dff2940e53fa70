"""Tokens for SASL/OAUTHBEARER: fetched with client credentials (RFC 6749, 4.4), kept until shortly before they expire.

A refusal is told as one of our credentials, so that whoever connects hears it at once; an endpoint that is away is tried again.
"""

import base64
import json
import ssl
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from kafka import errors
from kafka.net.sasl.oauth import AbstractTokenProvider

from runtime.errors import Misconfigured

TIMEOUT_S = 5.0  # of one request
RENEW = 0.8  # of a token's life is used; Kafka's own client renews there as well (sasl.login.refresh.window.factor)
LIFE_S = 300.0  # of a token whose endpoint does not say
ANSWER_BYTES = 65_536
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class ClientCredentials(AbstractTokenProvider):
    """A client's tokens; the clients of a bus share them. `token` raises kafka-python's errors."""

    def __init__(self, endpoint: str, client: str, secret: str, scope: str = "", cafile: str | None = None) -> None:
        parts = urlsplit(endpoint)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
            raise Misconfigured(f"the Kafka URL's option oauth_endpoint is {endpoint!r}: write https://…, the client's secret goes there")
        self._endpoint, self._client, self._scope = endpoint, client, scope
        login = base64.b64encode(f"{quote(client, safe='')}:{quote(secret, safe='')}".encode()).decode()
        self._headers = {"Authorization": f"Basic {login}", "Accept": "application/json"}
        self._trust = ssl.create_default_context() if parts.scheme == "https" else None
        if self._trust is not None and cafile:
            self._trust.load_verify_locations(cafile)
        self._lock = threading.Lock()
        self._token, self._until = "", 0.0

    def token(self) -> str:
        """A token that is good for now; a new one when the last is nearly over."""
        with self._lock:
            if time.monotonic() >= self._until:
                asked = time.monotonic()
                self._token, life_s = self._fetch()
                self._until = asked + life_s * RENEW
            return self._token

    def _fetch(self) -> tuple[str, float]:
        form = {"grant_type": "client_credentials"} | ({"scope": self._scope} if self._scope else {})
        request = urllib.request.Request(self._endpoint, urlencode(form).encode(), self._headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S, context=self._trust) as answer:
                return self._read(answer.read(ANSWER_BYTES))
        except urllib.error.HTTPError as error:
            with error:
                told = f"HTTP {error.code} {_reason(error.read(ANSWER_BYTES))}".strip()
            if error.code >= 500 or error.code == 429:
                raise errors.KafkaConnectionError(f"token endpoint {self._endpoint} did not answer: {told}") from None
            raise errors.SaslAuthenticationFailedError(f"token endpoint {self._endpoint} refuses client {self._client!r}: {told}") from None
        except OSError as error:
            reason = getattr(error, "reason", error)
            if isinstance(reason, ssl.SSLCertVerificationError):
                raise errors.SaslAuthenticationFailedError(f"token endpoint {self._endpoint} is not trusted: {reason}") from error
            raise errors.KafkaConnectionError(f"token endpoint {self._endpoint} cannot be reached: {reason}") from error

    def _read(self, body: bytes) -> tuple[str, float]:
        found = _object(body)
        token, life_s = found.get("access_token"), found.get("expires_in", LIFE_S)
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise errors.SaslAuthenticationFailedError(f"token endpoint {self._endpoint} answered without access_token")
        try:
            return token, float(life_s)
        except (TypeError, ValueError):
            return token, LIFE_S


def _reason(body: bytes) -> str:
    """What the endpoint says of it (RFC 6749, 5.2)."""
    found = _object(body)
    return ": ".join(str(found[name])[:200] for name in ("error", "error_description") if name in found)


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
