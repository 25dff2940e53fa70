"""How old events become today's: raw JSON objects in, raw JSON objects out, before anything is decoded.

An upcaster renames, adds, or splits: the parts of a split share one version and are applied together. Upcasters chain.
"""

from collections.abc import Callable
from typing import Any

from msgspec import Struct

type Raw = dict[str, Any]


class Upcast(Struct, frozen=True):
    """Events stored with `tag` (no longer a class of the app) become what `upcast(fields)` returns: one object or a list, each with its `type`."""

    tag: str
    upcast: Callable[[Raw], Raw | list[Raw]]
