"""Tokens that count no more although they have not expired: a list that an operator or identity provider keeps, read every few seconds.

    {"tokens": ["a jti", …], "keys": ["a kid", …], "subjects": {"ann": 1764144000, "bob": null}}

A subject with a time (unix seconds) loses the tokens issued before it and may sign in again; with null, or in a plain list, every token.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from runtime.errors import Misconfigured
from runtime.live.callers.sources import Watched

ENTRIES_MAX = 100_000


class Revoked(Struct, frozen=True):
    """What is revoked; of a subject, the tokens issued before a time."""

    tokens: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    subjects: Mapping[str, float] = {}

    def covers(self, token: str, key: str, subject: str, issued_at: float) -> bool:
        """Whether a token with this `jti`, `kid`, `sub` and `iat` is revoked."""
        return token in self.tokens or key in self.keys or issued_at < self.subjects.get(subject, float("-inf"))


class Revocation:
    """The list behind a URL or in a file; unreachable, the last known one counts. It must be readable at the start.

    `waits`: for functions, which are asked seldom and sleep in between: look first when that is due, instead of soon.
    """

    def __init__(self, source: str, *, poll_s: float = 2.0, waits: bool = False, clock: Callable[[], float] = time.monotonic) -> None:
        self._waits = waits
        self._list = Watched(source, revoked_of, every_s=poll_s, again_s=poll_s / 2, timeout_s=max(1.0, poll_s), clock=clock)
        self._list.refresh(wait=True)
        if self._list.known is None:
            raise Misconfigured(f"{source}: the list of revoked tokens cannot be read, so nobody can be let in (the log says why)")

    def covers(self, token: str, key: str, subject: str, issued_at: float) -> bool:
        """Whether such a token is revoked as far as is known; never blocks, unless it `waits`."""
        if self._waits and self._list.due:
            self._list.refresh(wait=True)
        else:
            self._list.refresh_soon()
        known = self._list.known
        return known is not None and known.covers(token, key, subject, issued_at)


def revoked_of(document: Any) -> Revoked:
    """The list in a JSON document. ValueError for what is none: a misspelt list must not revoke nothing."""
    if not isinstance(document, dict) or not set(document) <= {"tokens", "keys", "subjects"}:
        raise ValueError("a list of revoked tokens is an object with `tokens`, `keys`, `subjects` and nothing else")
    subjects = document.get("subjects", {})
    if isinstance(subjects, list):
        subjects = dict.fromkeys(_texts("subjects", subjects))
    if not isinstance(subjects, dict):
        raise ValueError("`subjects` is a list, or an object with a time or null for each")
    return Revoked(
        frozenset(_texts("tokens", document.get("tokens", []))),
        frozenset(_texts("keys", document.get("keys", []))),
        {subject: _time(subject, since) for subject, since in _bounded("subjects", subjects).items()},
    )


def _texts(name: str, values: Any) -> list[str]:
    if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
        raise ValueError(f"`{name}` is a list of texts that are not empty")
    return _bounded(name, values)


def _time(subject: str, since: Any) -> float:
    if since is None:
        return float("inf")
    if isinstance(since, bool) or not isinstance(since, int | float):
        raise ValueError(f"`subjects`: the time of {subject!r} is unix seconds, or null")
    return float(since)


def _bounded[T: (list[str], dict[str, Any])](name: str, values: T) -> T:
    if len(values) > ENTRIES_MAX:
        raise ValueError(f"`{name}` has {len(values):,} entries, at most {ENTRIES_MAX:,}: drop those whose tokens have expired")
    return values
