"""What an operator can watch: one trace from a command to its row, and counters on every hop.

Silent unless a host turns it on; only then is the OpenTelemetry API imported, never an SDK (that is the operator's choice and
configuration). Each event carries its command's W3C traceparent, so relay and projector join the trace on whatever machine.

    command PlaceOrder ─▶ relay ─▶ project rows      spans, one trace
    trimaran.commands · .relayed · .folded · .sent    counters      trimaran.batch.seconds    histogram
    trimaran.parked · .stuck                          counters to alert on: each is something that waits for an operator
"""

import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from runtime.ports import Answer, Output, Recorded

if TYPE_CHECKING:
    from opentelemetry.trace import Span


class Telemetry:
    """Silence: what every core gets unless told otherwise."""

    __slots__ = ()

    def begin(self, name: str, parent: str) -> Any:
        """Start a span under a traceparent ("": a new trace); None where nothing is recorded."""
        return None

    def carry(self, span: Any, parent: str) -> str:
        """The traceparent to store with what this span does."""
        return parent

    def step(self, span: Any, name: str, started: int) -> None:
        """A part of what a span does took from `started` until now."""

    def end(self, span: Any, error: Exception | None = None, answer: Answer | None = None) -> None:
        """End it, with the error it ended in, or a command's answer."""

    def started(self) -> int:
        """Nanoseconds now, for `hop`; 0 where nothing is recorded."""
        return 0

    def hop(self, name: str, events: Iterable[Recorded], started: int) -> None:
        """Each traced event passed this hop between `started` and now."""

    def dispatched(self, saga: str, outputs: Sequence[Output], started: int) -> None:
        """What a saga wanted sent, because of the events that the outputs name, took effect between `started` and now."""

    def count(self, name: str, value: int, **attributes: str) -> None:
        """Add to a counter."""

    def seconds(self, name: str, started: int, **attributes: str) -> None:
        """Record how long something took since `started`."""


SILENT = Telemetry()


class OpenTelemetry(Telemetry):
    """Spans and metrics through the OpenTelemetry API; without a configured SDK they go nowhere, at little cost."""

    __slots__ = ("_counters", "_histograms", "_meter", "_propagator", "_trace", "_tracer")

    def __init__(self) -> None:
        from opentelemetry import metrics, trace
        from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

        self._trace = trace
        self._tracer = trace.get_tracer("trimaran")
        self._meter = metrics.get_meter("trimaran")
        self._propagator = TraceContextTextMapPropagator()
        self._counters: dict[str, Any] = {}
        self._histograms: dict[str, Any] = {}

    def _under(self, parent: str) -> Any:
        return self._propagator.extract({"traceparent": parent}) if parent else None

    def begin(self, name: str, parent: str) -> "Span":
        return self._tracer.start_span(name, context=self._under(parent))

    def carry(self, span: "Span", parent: str) -> str:
        carrier: dict[str, str] = {}
        self._propagator.inject(carrier, context=self._trace.set_span_in_context(span))
        return carrier.get("traceparent", parent)

    def step(self, span: "Span", name: str, started: int) -> None:
        span.set_attribute(f"trimaran.{name}_ms", (time.time_ns() - started) / 1e6)

    def end(self, span: "Span", error: Exception | None = None, answer: Answer | None = None) -> None:
        if error is not None:
            span.set_status(self._trace.StatusCode.ERROR, type(error).__name__)
        span.end()

    def started(self) -> int:
        return time.time_ns()

    def hop(self, name: str, events: Iterable[Recorded], started: int) -> None:
        for event in events:
            if event.trace:
                attributes: dict[str, str | int] = {
                    "trimaran.stream": event.stream,
                    "trimaran.version": event.version,
                    "trimaran.type": event.type,
                }
                self._tracer.start_span(name, context=self._under(event.trace), start_time=started, attributes=attributes).end()

    def count(self, name: str, value: int, **attributes: str) -> None:
        counter = self._counters.get(name)
        if counter is None:
            counter = self._counters[name] = self._meter.create_counter(f"trimaran.{name}")
        counter.add(value, attributes)

    def seconds(self, name: str, started: int, **attributes: str) -> None:
        histogram = self._histograms.get(name)
        if histogram is None:
            histogram = self._histograms[name] = self._meter.create_histogram(f"trimaran.{name}.seconds", unit="s")
        histogram.record((time.time_ns() - started) / 1e9, attributes)


class Several(Telemetry):
    """Tells each of them; the traceparent that the first one gives a command is the parent of the next one's."""

    __slots__ = ("_told",)

    def __init__(self, *told: Telemetry) -> None:
        self._told = told

    def begin(self, name: str, parent: str) -> tuple[Any, ...]:
        return tuple(each.begin(name, parent) for each in self._told)

    def carry(self, span: tuple[Any, ...], parent: str) -> str:
        for each, own in zip(self._told, span, strict=True):
            if own is not None:
                parent = each.carry(own, parent)
        return parent

    def step(self, span: tuple[Any, ...], name: str, started: int) -> None:
        for each, own in zip(self._told, span, strict=True):
            if own is not None:
                each.step(own, name, started)

    def end(self, span: tuple[Any, ...], error: Exception | None = None, answer: Answer | None = None) -> None:
        for each, own in zip(self._told, span, strict=True):
            if own is not None:
                each.end(own, error, answer)

    def started(self) -> int:
        return max(each.started() for each in self._told)

    def hop(self, name: str, events: Iterable[Recorded], started: int) -> None:
        passed = list(events)
        for each in self._told:
            each.hop(name, passed, started)

    def dispatched(self, saga: str, outputs: Sequence[Output], started: int) -> None:
        for each in self._told:
            each.dispatched(saga, outputs, started)

    def count(self, name: str, value: int, **attributes: str) -> None:
        for each in self._told:
            each.count(name, value, **attributes)

    def seconds(self, name: str, started: int, **attributes: str) -> None:
        for each in self._told:
            each.seconds(name, started, **attributes)
