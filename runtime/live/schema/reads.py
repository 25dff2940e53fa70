"""Resolvers that only look into their parent's value, so that a renderer may call what is inside."""

from collections.abc import Callable
from typing import Any


class Reads:
    """`read` of the parent's value is the field's value."""

    __slots__ = ("read",)

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self.read = read

    def __call__(self, value: Any, _info: Any, **_: Any) -> Any:
        """As graphql-core calls it."""
        return self.read(value)


class Item(Reads):
    """Reads one item of a mapping."""

    __slots__ = ("key",)

    def __init__(self, key: str) -> None:
        super().__init__(lambda value: value[key])
        self.key = key
