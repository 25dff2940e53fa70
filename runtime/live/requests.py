"""What a client asks: the GraphQL request as both transports carry it."""

from typing import Any

from msgspec import Struct


class Request(Struct, frozen=True):
    """One operation of one document; its parts have the types that the protocol asks for, nothing more is known yet."""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None
