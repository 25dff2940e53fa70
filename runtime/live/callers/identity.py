"""Who is asking: a bearer token (JWT, RFC 7519) checked against the keys of an identity provider, by the advice of RFC 8725.

The token's own header is believed in one thing only, the name of the key; the key's type decides the algorithm. Whoever has no
token is nobody, and rights decide what nobody may see. What a refusal says names the fault, never what was in the token.
"""

import asyncio
import functools
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

import jwt
from jwt.exceptions import (
    DecodeError,
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidSignatureError,
    MissingRequiredClaimError,
    PyJWTError,
)
from msgspec import Struct

from runtime.domain.api import Identity
from runtime.errors import Misconfigured
from runtime.live.callers.jwks import Key, KeySet
from runtime.live.callers.revocation import Revocation
from runtime.live.errors import Unauthenticated
from runtime.live.limits import Limits

LEEWAY_S = 30.0  # how far the issuer's clock may be ahead of ours; a token ends at its `exp` by our clock, without leeway
ID_CHARACTERS_MAX = 256  # of a subject, a token id, a key's name
TYPES = frozenset({"JWT", "AT+JWT", "APPLICATION/AT+JWT"})  # a logout token or a DPoP proof is no access token (RFC 8725, 3.11)
REQUIRED = ("exp", "iss", "aud", "sub")
THREADS = 4  # one that fetches keys, two that wait for it (sources.WAITERS_MAX), one that goes on


class Session(Struct, frozen=True):
    """A verified token: who it is for and until when (unix seconds), which key signed it, its `jti`."""

    identity: Identity
    expires_at: float | None = None
    key: str = ""
    token_id: str = ""


class Verifier(Protocol):
    """Turns tokens into sessions."""

    def verify(self, token: str) -> Session:
        """The session of a token; raises `Unauthenticated`, nothing else. May block for a few seconds: see `verified`."""
        ...

    def revoked(self, session: Session) -> bool:
        """Whether a session counts no more although it has not expired; never blocks, made to be asked every second."""
        ...


class Anonymous:
    """Where no identity provider is set up: no token is good, so everybody is nobody."""

    def verify(self, token: str) -> Session:
        """Refuses."""
        raise Unauthenticated("this gateway knows no identity provider, so it takes no tokens: connect without one")

    def revoked(self, session: Session) -> bool:
        """There is nothing to revoke."""
        return False


class JwtVerifier:
    """Tokens of one issuer for one audience, signed with a key of its key set (`jwks`: URL, file, or the set itself)."""

    def __init__(
        self,
        jwks: str | KeySet,
        *,
        issuer: str,
        audience: str,
        revocation: Revocation | None = None,
        leeway_s: float = LEEWAY_S,
        token_bytes: int = Limits().token_bytes,
        now: Callable[[], float] = time.time,
    ) -> None:
        if not issuer or not audience:
            raise Misconfigured("a verifier needs issuer and audience: without them any token of that provider would do")
        self._keys = KeySet(jwks) if isinstance(jwks, str) else jwks
        self._issuer, self._audience, self._revocation = issuer, audience, revocation
        self._leeway_s, self._token_bytes, self._now = leeway_s, token_bytes, now

    def verify(self, token: str) -> Session:
        """The session of a good token; raises `Unauthenticated`."""
        session = self._session(token, self._key(self._name_of_key(token)))
        if self.revoked(session):
            raise Unauthenticated("the token was revoked: sign in again")
        return session

    def revoked(self, session: Session) -> bool:
        """Whether its token, subject or key was revoked, or its key withdrawn by the issuer."""
        if session.key and self._keys.gone(session.key):
            return True
        if self._revocation is None:
            return False
        issued_at = number(session.identity.claims.get("iat"))
        return self._revocation.covers(
            session.token_id, session.key, session.identity.subject, float("-inf") if issued_at is None else issued_at
        )

    def _name_of_key(self, token: str) -> str:
        if len(token) > self._token_bytes:
            raise Unauthenticated(f"the token is longer than {self._token_bytes:,} characters")
        if token.count(".") != 2 or not token.isascii():
            raise Unauthenticated("the token is no JWT: three parts with dots between")
        try:
            header = jwt.get_unverified_header(token)
        except (PyJWTError, ValueError, RecursionError):
            raise Unauthenticated("the token's header cannot be read") from None
        if "crit" in header or "b64" in header:
            raise Unauthenticated("the token asks for extensions (`crit`, `b64`) that are not known here")
        if not isinstance(header.get("typ", "JWT"), str) or header.get("typ", "JWT").upper() not in TYPES:
            raise Unauthenticated("the token is of another type (`typ`) than an access token")
        id = header.get("kid")
        if not isinstance(id, str) or not 0 < len(id) <= ID_CHARACTERS_MAX:
            raise Unauthenticated("the token does not name its key (`kid`)")
        return id

    def _key(self, id: str) -> Key:
        key = self._keys.find(id)
        if key is None and not self._keys.readable:
            raise Unauthenticated("the issuer's keys cannot be read just now: try again in a few seconds")
        if key is None:
            raise Unauthenticated("the token is signed with a key that the issuer does not list")
        return key

    def _session(self, token: str, key: Key) -> Session:
        try:
            claims = jwt.decode(
                token,
                key.public,
                algorithms=[key.algorithm],
                issuer=self._issuer,
                audience=self._audience,
                # the times are checked below, against a clock that tests can move
                options={"require": list(REQUIRED), "verify_exp": False, "verify_nbf": False, "verify_iat": False},
            )
        except (PyJWTError, ValueError, TypeError, RecursionError) as error:
            raise Unauthenticated(fault_of(error)) from None
        subject, token_id = claims["sub"], claims.get("jti", "")
        if not printable(subject) or not (token_id == "" or printable(token_id)):
            raise Unauthenticated(f"the token's `sub` or `jti` is empty, longer than {ID_CHARACTERS_MAX} characters or not printable")
        return Session(Identity(subject, claims), self._lifetime(claims), key.id, token_id)

    def _lifetime(self, claims: Mapping[str, Any]) -> float:
        """When it ends; raises for a token that is over or has not begun."""
        now = self._now()
        for name in ("iat", "nbf"):
            begins = number(claims.get(name, now))
            if begins is None:
                raise Unauthenticated(f"the token's `{name}` is no time")
            if begins > now + self._leeway_s:
                raise Unauthenticated(f"the token is not valid yet (`{name}`)")
        ends = number(claims["exp"])
        if ends is None:
            raise Unauthenticated("the token's `exp` is no time")
        if ends <= now:
            raise Unauthenticated("the token has expired")
        return ends


FAULTS: tuple[tuple[type[Exception], str], ...] = (
    (InvalidSignatureError, "the token's signature does not fit"),
    (ExpiredSignatureError, "the token has expired"),
    (ImmatureSignatureError, "the token is not valid yet"),
    (InvalidIssuerError, "the token is of another issuer (`iss`)"),
    (InvalidAudienceError, "the token is for another audience (`aud`)"),
    (jwt.InvalidAlgorithmError, "the token's algorithm (`alg`) is not the one of its key"),
    (DecodeError, "the token cannot be read"),
)


def fault_of(error: Exception) -> str:
    """What is wrong with a token, in words that hold nothing of it."""
    if isinstance(error, MissingRequiredClaimError):
        return f"the token has no `{error.claim}`" if error.claim in REQUIRED else "the token lacks a claim"
    return next((text for kind, text in FAULTS if isinstance(error, kind)), "the token is not valid")


def number(value: Any) -> float | None:
    """A NumericDate; None for text, truth values, infinities and what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e12 < value < 1e12:
        return None
    return float(value)


def printable(text: Any) -> bool:
    """Fit to be compared, counted and logged: no line breaks, no invisible characters, not endless."""
    return isinstance(text, str) and 0 < len(text) <= ID_CHARACTERS_MAX and text.isprintable()


def token_of(given: Mapping[str, Any] | None) -> str | None:
    """The bearer token in a connection_init payload or in HTTP headers; None when there is none.

    `{"authorization": "Bearer …"}` in any case, or `{"token": "…"}`; null and "" count as left out. An Authorization of another scheme, or
    a token that is no text, is a token all the same, and none that will be found good: who shows credentials must not go on as nobody.
    """
    if given is None:
        return None
    lowered = {name.lower(): value for name, value in given.items() if name.lower() in ("authorization", "token") and value != ""}
    if (value := lowered.get("authorization")) is not None:
        scheme, _, token = value.strip().partition(" ") if isinstance(value, str) else ("", "", "")
        return token.strip() if scheme.lower() == "bearer" else "no bearer token"
    if (value := lowered.get("token")) is not None:
        return value if isinstance(value, str) else "no text"
    return None


@functools.cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(THREADS, thread_name_prefix="verify")


async def verified(verifier: Verifier, token: str) -> Session:
    """`verifier.verify` on threads of its own: a flood of bad tokens while keys cannot be fetched must not use up those that read rows."""
    return await asyncio.get_running_loop().run_in_executor(_threads(), verifier.verify, token)
