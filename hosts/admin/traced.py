"""One command's way: when it began, which hops it passed and when, in milliseconds since it began."""

from datetime import UTC, datetime
from typing import Any

from runtime.ports import Answer

HOPS = 32  # of one command; a redelivered batch passes a hop again


class Trace:
    """A command that is followed. `carried` is the traceparent that its events carry, `token` its answer once there is one."""

    __slots__ = ("carried", "command", "ended_ns", "error", "first", "hops", "id", "last", "parent", "started_ns", "stream", "token")

    def __init__(self, command: str, parent: str, started_ns: int) -> None:
        self.command, self.parent, self.started_ns = command, parent, started_ns
        self.id = self.carried = self.stream = self.token = self.error = ""
        self.ended_ns = self.first = self.last = 0
        self.hops: list[dict[str, Any]] = []

    def passed(self, name: str, from_ns: int, to_ns: int, note: str = "") -> None:
        """One hop; the same hop told twice (an append of two events) is one, and there is a bound."""
        hop = {"name": name, "from_ms": self._since(from_ns), "to_ms": self._since(to_ns), "note": note}
        same = any(known["name"] == name and known["from_ms"] == hop["from_ms"] for known in self.hops)
        if not same and len(self.hops) < HOPS:
            self.hops.append(hop)

    def end(self, now_ns: int, error: str, answer: Answer | None) -> None:
        """It has its answer, or its error."""
        self.error = error
        if answer is not None:
            self.stream, self.token, self.first, self.last = answer.stream, answer.token, answer.first, answer.last
        self.passed("command", self.started_ns, now_ns, "a known answer again" if answer is not None and answer.replayed else "")
        self.ended_ns = now_ns

    def _since(self, at_ns: int) -> float:
        """What began before the command (a relay's round that was under way) began with it, for this command."""
        return round(max(0, at_ns - self.started_ns) / 1e6, 3)

    def shown(self) -> dict[str, Any]:
        """As the endpoint tells it; hops in the order in which they began."""
        hops = sorted(self.hops, key=lambda hop: (hop["from_ms"], -hop["to_ms"]))
        whole = max([self._since(self.ended_ns), *(hop["to_ms"] for hop in hops)])
        return {
            "id": self.id,
            "command": self.command,
            "stream": self.stream or None,
            "token": self.token or None,
            "at": datetime.fromtimestamp(self.started_ns / 1e9, UTC),
            "error": self.error or None,
            "ms": whole,
            "hops": hops,
        }
