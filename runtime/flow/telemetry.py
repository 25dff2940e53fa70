"""What an operator can watch: one trace from a command to its row, and counters on every hop.

Silent unless a host turns it on; only then is the OpenTelemetry API imported, never an SDK (that is the operator's choice and
configuration). Each event carries its command's W3C traceparent, so relay and projector join the trace on whatever machine.

    command PlaceOrder ─▶ relay ─▶ project rows      spans, one trace
    trimaran.commands · .relayed · .folded · .sent    counters      trimaran.batch.seconds    histogram
    trimaran.parked · .stuck                          counters to alert on: each is something that waits for an operator
"""

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from runtime.ports import Recorded

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

    def end(self, span: Any, error: Exception | None = None) -> None:
        """End it, with the error it ended in."""

    def started(self) -> int:
        """Nanoseconds now, for `hop`; 0 where nothing is recorded."""
        return 0

    def hop(self, name: str, events: Iterable[Recorded], started: int) -> None:
        """Each traced event passed this hop between `started` and now."""

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

    def end(self, span: "Span", error: Exception | None = None) -> None:
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
