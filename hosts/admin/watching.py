"""What the flow does, kept in memory for whoever looks: totals, rates of the last seconds, latencies, and the ways of a few commands.

It is told by the same calls as OpenTelemetry (runtime.flow.telemetry) and costs a command about a microsecond, so it is always on in
`dev` and `demo`. Every command is counted; its way is kept when it came with a traceparent, and of the others for a few a second. What
is kept is bounded: the last latencies, the last traces, the last streams.

    begin ─▶ carry ─▶ (append) ─▶ end            on the command path
    relay ─▶ project <group> ─▶ dispatch <saga>  later, found by the traceparent that the event carries
"""

import secrets
import threading
import time
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence

from hosts.admin.figures import Latencies, Rate
from hosts.admin.said import said
from hosts.admin.traced import Trace
from runtime.flow.telemetry import Telemetry
from runtime.live.wire.traces import trace_of
from runtime.ports import Answer, Output, Recorded

COMMAND = "command "  # the spans that are watched
TRACES = 256  # kept
SAMPLE_EVERY_NS = 250_000_000  # of commands that bring no traceparent
RECENT = 1_000  # appends whose streams are remembered

type Span = int | Trace | None  # of a command that is only counted: when it began


class Watching(Telemetry):
    """Figures of one process. `clock` counts seconds, for rates only."""

    __slots__ = (
        "_lock",
        "_next_ns",
        "_recent",
        "_traces",
        "appended",
        "batches",
        "begun_s",
        "commands",
        "folded",
        "latencies",
        "refused",
        "relayed",
        "sent",
    )

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._lock = threading.Lock()
        self.begun_s = time.monotonic()
        self._next_ns = 0
        self._traces: OrderedDict[str, Trace] = OrderedDict()  # by the traceparent that its events carry
        self._recent: deque[Answer] = deque(maxlen=RECENT)
        self.commands, self.appended, self.relayed = Rate(clock), Rate(clock), Rate(clock)
        self.refused = 0
        self.latencies = Latencies()
        self.folded: defaultdict[str, Rate] = defaultdict(lambda: Rate(clock))  # by group
        self.sent: defaultdict[str, Rate] = defaultdict(lambda: Rate(clock))  # by saga
        self.batches: defaultdict[str, Latencies] = defaultdict(Latencies)  # by group

    # told by the flow
    def begin(self, name: str, parent: str) -> Span:
        now = time.time_ns()
        if not name.startswith(COMMAND):
            return None
        if not parent:
            if now < self._next_ns:
                return now
            self._next_ns = now + SAMPLE_EVERY_NS
        return Trace(name.removeprefix(COMMAND), parent, now)

    def carry(self, span: Span, parent: str) -> str:
        """A traceparent of this command's own, so that its events are told from those of others in one trace."""
        if not isinstance(span, Trace):
            return parent
        version, span.id, _, flags = trace_of(parent).split("-")
        made = parent == span.parent  # else another telemetry gave it one
        span.carried = f"{version}-{span.id}-{secrets.token_hex(8)}-{flags}" if made else parent
        with self._lock:
            self._traces[span.carried] = span
            if len(self._traces) > TRACES:
                self._traces.popitem(last=False)
        return span.carried

    def step(self, span: Span, name: str, started: int) -> None:
        if isinstance(span, Trace):
            span.passed(name, started, time.time_ns())

    def end(self, span: Span, error: Exception | None = None, answer: Answer | None = None) -> None:
        now = time.time_ns()
        began = span.started_ns if isinstance(span, Trace) else span or now
        with self._lock:
            self.commands.add(1)
            self.latencies.add(max(0, now - began))
            if answer is None:
                self.refused += 1
            elif not answer.replayed:
                self.appended.add(answer.last - answer.first)
                self._recent.append(answer)
        if isinstance(span, Trace):
            span.end(now, "" if error is None else said(error), answer)

    def started(self) -> int:
        return time.time_ns()

    def hop(self, name: str, events: Iterable[Recorded], started: int) -> None:
        traces = self._traces
        if not traces:
            return
        now = time.time_ns()
        for event in events:
            if event.trace and (trace := traces.get(event.trace)) is not None:
                trace.passed(name, started, now)

    def dispatched(self, saga: str, outputs: Sequence[Output], started: int) -> None:
        causes = {(output.stream, output.version) for output in outputs}
        now = time.time_ns()
        for trace in self._kept():
            if any((trace.stream, version) in causes for version in range(trace.first + 1, trace.last + 1)):
                trace.passed(f"dispatch {saga}", started, now)

    def count(self, name: str, value: int, **attributes: str) -> None:
        if name == "commands":
            return  # counted as they end, the refused ones, too
        with self._lock:
            match name:
                case "relayed":
                    self.relayed.add(value)
                case "folded":
                    self.folded[attributes["group"]].add(value)
                case "sent":
                    self.sent[attributes["saga"]].add(value)
                case _:
                    return  # what is parked or stuck is read where it is stored

    def seconds(self, name: str, started: int, **attributes: str) -> None:
        if name == "batch":
            with self._lock:
                self.batches[attributes["group"]].add(time.time_ns() - started)

    # asked by the endpoint
    def recent(self) -> list[tuple[str, int]]:
        """Streams that this process appended to, the newest first, each with the version it stood at after that."""
        found: dict[str, int] = {}
        for answer in reversed(self._copy(self._recent)):
            found.setdefault(answer.stream, answer.last)
        return list(found.items())

    def traces(self, limit: int) -> list[Trace]:
        """Commands that have ended, the newest first."""
        return [trace for trace in reversed(self._kept()) if trace.ended_ns][:limit]

    def trace_of(self, token: str) -> Trace | None:
        """The trace of the append that answered with this token, or that one of its versions names."""
        stream, _, version = token.rpartition("@")
        wanted = int(version) if version.isdecimal() else 0
        mine = [trace for trace in reversed(self._kept()) if trace.stream == stream and trace.ended_ns]
        return next((one for one in mine if one.token == token), next((one for one in mine if one.first < wanted <= one.last), None))

    def _kept(self) -> list[Trace]:
        with self._lock:
            return list(self._traces.values())

    def _copy[T](self, of: Iterable[T]) -> list[T]:
        with self._lock:
            return list(of)
