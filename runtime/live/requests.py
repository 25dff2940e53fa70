"""What a client asks: the GraphQL request as both transports carry it."""

from contextvars import ContextVar
from typing import Any

from msgspec import Struct

# The bearer token that an operation came with, for commands that another process carries out in the caller's name. Never logged.
CALLER_TOKEN: ContextVar[str] = ContextVar("CALLER_TOKEN", default="")


class Request(Struct, frozen=True):
    """One operation of one document; its parts have the types that the protocol asks for, nothing more is known yet."""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None
