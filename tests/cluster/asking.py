"""A client that asks one question again and again while the system is hurt, and notes how each answer ended and how long it took.

Each question is a request and a connection of its own, as a page's first one is: what it gets is what the service gives just then.
With `again` a question whose connection broke is asked on another one, as HTTP's clients do with what changes nothing (RFC 9110, 9.2.2).
"""

import http.client
import json
import threading
import time
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import urlsplit

EVERY_S = 0.1
AGAIN_S = 3.0  # after the first break: a service goes on naming a pod that was killed until somebody has noticed
DEADLINE_S = 15.0  # a client's patience, above what a gateway allows itself


class Asked(NamedTuple):
    """One question: when (seconds since the first), how long, and `ok`, `unavailable` (typed so), or what went wrong."""

    at_s: float
    took_s: float
    outcome: str


class Asking:
    """Asks from `with` to its end, on a thread of its own."""

    def __init__(self, url: str, query: str, *, again: bool = False) -> None:
        self._where = urlsplit(url).netloc
        self._body = json.dumps({"query": query})
        self._end = threading.Event()
        self.began = time.monotonic()
        self._thread = threading.Thread(target=self._run, name="asking", daemon=True)
        self.asked: list[Asked] = []
        self._again_s = AGAIN_S if again else 0.0
        self.broken: list[float] = []  # when a connection broke and the question was asked again, seconds since the first question

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._end.set()
        self._thread.join(DEADLINE_S + 5)

    @property
    def failed(self) -> list[Asked]:
        """Those that were neither answered nor told that it is unavailable."""
        return [each for each in self.asked if each.outcome not in ("ok", "unavailable")]

    @property
    def unavailable(self) -> list[Asked]:
        """Those that were told so."""
        return [each for each in self.asked if each.outcome == "unavailable"]

    @property
    def slowest_s(self) -> float:
        """Of all."""
        return max((each.took_s for each in self.asked), default=0.0)

    def _run(self) -> None:
        while not self._end.wait(EVERY_S):
            begun = time.monotonic()
            outcome = self._answered(begun + self._again_s)
            self.asked.append(Asked(begun - self.began, time.monotonic() - begun, outcome))

    def _answered(self, until: float) -> str:
        while True:
            try:
                return self._once()
            except (OSError, http.client.HTTPException) as error:
                if time.monotonic() >= until:
                    return f"{type(error).__name__}: {error}"
                self.broken.append(time.monotonic() - self.began)
                time.sleep(EVERY_S)

    def _once(self) -> str:
        connection = http.client.HTTPConnection(self._where, timeout=DEADLINE_S)
        try:
            connection.request("POST", "/graphql", self._body, {"Content-Type": "application/json", "Connection": "close"})
            response = connection.getresponse()
            return _outcome(response.status, response.read())
        finally:
            connection.close()


def _outcome(status: int, body: bytes) -> str:
    try:
        told = json.loads(body)
    except ValueError:
        return f"{status}: {body[:200]!r}"
    codes = {error.get("extensions", {}).get("code") for error in told.get("errors") or []}
    if codes == {"UNAVAILABLE"}:
        return "unavailable"
    return "ok" if status == 200 and not codes and told.get("data") else f"{status}: {body[:300]!r}"
