"""`trimaran schema` and `trimaran token`: what the gateway shows, and a token that dev believes."""

from pathlib import Path
from typing import Any

import msgspec

from cli.output import say
from hosts.settings import Settings, folder_of, load_app
from runtime.errors import Misconfigured

RESERVED = ("sub", "roles", "iss", "aud", "exp", "iat", "nbf", "jti")


def schema(told: Settings) -> None:
    """The SDL on stdout."""
    from runtime.live.schema.building import print_schema

    say(print_schema(load_app(told.app)))


def token(told: Settings, subject: str, roles: list[str], claims: list[str], hours: float) -> None:
    """A signed token on stdout."""
    from hosts.dev_tokens import DevTokens

    load_app(told.app)  # an app that is not there has no tokens
    tokens = DevTokens(Path(folder_of(told.app)))
    say(tokens.sign(subject, roles=tuple(roles), claims=dict(_claim(text) for text in claims), ttl_s=hours * 3600.0))


def _claim(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise Misconfigured(f"--claim {text!r}: write name=value, such as tenant=acme")
    if name in RESERVED:
        raise Misconfigured(f"--claim {name!r} is set otherwise: the subject is the argument, roles are --role, the rest is the signer's")
    try:
        return name, msgspec.json.decode(value)
    except msgspec.DecodeError:
        return name, value
