"""How bad a run is: the chance of each fault at each request, drawn per seed, so that some runs meet one fault often and others all of them.

Swarm testing: most bugs show under a few faults in plenty, and hide when everything breaks at once.
"""

import random
from typing import Any

from msgspec import Struct

from providers.memory.bus import MemoryConsumer
from runtime.steps import Request

WRITING = frozenset({"append", "append_all", "commit", "mark", "publish", "sent", "failed", "count_try", "keep", "create", "drop", "send"})
TENDER = 3  # writes are struck so much oftener: between two of them lies what can go wrong
ALWAYS_WORKS = frozenset({"sleep", "rollback", "assigned", "trimmed"})  # local, or never raises by its promise


class Weather(Struct, frozen=True):
    """Chances per request; `drop`, `duplicate` and `window` are the bus's own, per message."""

    crash: float = 0.0  # before the request
    died: float = 0.0  # after it took effect, before the reply
    doubt: float = 0.0  # it took effect, the caller hears "no answer"
    partial: float = 0.0  # a part of a publish took effect
    refused: float = 0.0
    pause: float = 0.0
    leap: float = 0.0
    bus: float = 0.0  # a log trimmed below a reader
    term: float = 0.0
    drop: float = 0.0
    duplicate: float = 0.0
    window: int = 0

    def pick(self, dice: random.Random, request: Request, call: str) -> str:
        """What strikes this request: the name of a chance, or ""."""
        place = dice.random() / (TENDER if call in WRITING else 1)
        if place >= TOTAL:
            return ""
        for name in NAMES:
            chance = getattr(self, name)
            if place < chance:
                return name if _fits(name, request, call) else ""
            place -= chance
        return ""


NAMES = ("crash", "died", "doubt", "partial", "refused", "pause", "leap", "bus", "term")
TOTAL = 0.25  # more than all chances together
CALM = Weather()


def _fits(fault: str, request: Request, call: str) -> bool:
    match fault:
        case "crash" | "pause" | "leap" | "bus" | "term":
            return True
        case "died":
            return call != "sleep"
        case "doubt":
            return call in WRITING and not isinstance(_owner(request), MemoryConsumer)
        case "partial":
            return call == "publish"
        case _:
            return call not in ALWAYS_WORKS


def _owner(request: Request) -> Any:
    return getattr(request.call, "__self__", None)


def forecast(dice: random.Random) -> Weather:
    """The weather of a seed: each chance none, low or high."""

    def chance(low: float, high: float) -> float:
        return dice.choice((0.0, low, low, high))

    return Weather(
        crash=chance(0.004, 0.02),
        died=chance(0.004, 0.02),
        doubt=chance(0.01, 0.05),
        partial=chance(0.01, 0.05),
        refused=chance(0.005, 0.03),
        pause=chance(0.004, 0.02),
        leap=chance(0.002, 0.01),
        bus=chance(0.001, 0.004),
        term=chance(0.001, 0.004),
        drop=chance(0.05, 0.3),
        duplicate=chance(0.1, 0.4),
        window=dice.choice((0, 0, 5, 50)),
    )
