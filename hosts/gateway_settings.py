"""What a gateway is told about its callers: who signs their tokens, which pages may connect, and its bounds; from the environment.

environment            meaning                                                              default
TRIMARAN_JWKS          URL or file of the identity provider's keys (JWKS)                   none: nobody can sign in
TRIMARAN_ISSUER        the `iss` that a token must carry                                    required with TRIMARAN_JWKS
TRIMARAN_AUDIENCE      the `aud` that a token must carry                                    required with TRIMARAN_JWKS
TRIMARAN_REVOKED       URL or file of revoked tokens and subjects                           none
TRIMARAN_ORIGINS       origins of pages that may connect, with commas between; * is any     the gateway's own host
TRIMARAN_COMMANDS      URL of the command functions                                         carried out in this process
TRIMARAN_PRODUCTION    1: no introspection, no suggestions, no explorer page                0 for dev and demo, 1 for a gateway process
TRIMARAN_LIMITS        JSON object of other bounds, such as {"depth": 15}                   runtime.live.limits
"""

import os
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from runtime.errors import Misconfigured
from runtime.live.limits import Limits


class GatewaySettings(Struct, frozen=True):
    """Everything said."""

    jwks: str = ""
    issuer: str = ""
    audience: str = ""
    revoked: str = ""
    origins: tuple[str, ...] | None = None  # None: only pages of the gateway's own host
    commands: str = ""
    production: bool = False
    limits: Limits = Limits()


def gateway_settings(*, production: bool) -> GatewaySettings:
    """From the environment; `production` where it says nothing. Raises `Misconfigured`."""
    jwks, issuer, audience = _said("JWKS"), _said("ISSUER"), _said("AUDIENCE")
    if jwks and not (issuer and audience):
        raise Misconfigured("TRIMARAN_JWKS needs TRIMARAN_ISSUER and TRIMARAN_AUDIENCE: without them any token of that provider would do")
    if (issuer or audience) and not jwks:
        raise Misconfigured("TRIMARAN_ISSUER and TRIMARAN_AUDIENCE do nothing without TRIMARAN_JWKS, the keys that tokens are signed with")
    return GatewaySettings(
        jwks=jwks,
        issuer=issuer,
        audience=audience,
        revoked=_said("REVOKED"),
        origins=_origins(_said("ORIGINS")),
        commands=_commands(_said("COMMANDS")),
        production=_yes(_said("PRODUCTION"), production),
        limits=_limits(_said("LIMITS")),
    )


def _said(name: str) -> str:
    return os.environ.get(f"TRIMARAN_{name}", "").strip()


def _origins(text: str) -> tuple[str, ...] | None:
    if not text:
        return None
    origins = tuple(origin.strip().rstrip("/") for origin in text.split(",") if origin.strip())
    for origin in origins:
        parts = urlsplit(origin)
        if origin != "*" and (parts.scheme not in ("http", "https") or not parts.netloc or parts.path):
            raise Misconfigured(f"TRIMARAN_ORIGINS: {origin!r} is no origin: write https://shop.example, with commas between, or *")
    return origins


def _commands(url: str) -> str:
    if url and urlsplit(url).scheme not in ("http", "https"):
        raise Misconfigured(f"TRIMARAN_COMMANDS {url!r} is no http or https URL")
    return url.rstrip("/")


def _yes(text: str, default: bool) -> bool:
    if text not in ("", "0", "1"):
        raise Misconfigured(f"TRIMARAN_PRODUCTION={text!r}: say 1 or 0")
    return text == "1" if text else default


class _Strict(Limits, frozen=True, forbid_unknown_fields=True):
    """A misspelt bound is an error, not a default."""


def _limits(text: str) -> Limits:
    if not text:
        return Limits()
    try:
        limits = msgspec.json.decode(text, type=_Strict)
    except msgspec.MsgspecError as error:
        raise Misconfigured(f"TRIMARAN_LIMITS: {error}; its fields are {', '.join(Limits.__struct_fields__)}") from error
    for name in limits.__struct_fields__:
        if getattr(limits, name) <= 0:
            raise Misconfigured(f"TRIMARAN_LIMITS: {name} is {getattr(limits, name)}; a bound is above 0")
    return limits
