"""One command can be followed to its row, and nothing of it is on the command path unless a host turns it on."""

import subprocess
import sys
from collections import Counter
from datetime import UTC, datetime

import pytest
from msgspec import json
from opentelemetry import metrics, trace
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from apps import shop
from apps.shop import PlaceOrder, app
from hosts.telemetry import telemetry
from providers.memory.bus import MemoryBus
from providers.memory.events import MemoryEventStore
from providers.memory.relay import MemoryRelay
from providers.memory.rows import MemoryReadStore
from providers.memory.signals import MemorySignals
from runtime.errors import Misconfigured
from runtime.flow.command import Commands
from runtime.flow.dispatch import Dispatcher
from runtime.flow.project import Projector, open_generation
from runtime.flow.relay import Relaying
from runtime.flow.telemetry import SILENT, OpenTelemetry, Telemetry
from runtime.ports import Append, New, Output
from runtime.steps import run
from tests.flow.house import House
from tests.simulation.domain import Write

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_one_trace_follows_a_command_through_the_relay_to_its_row_and_the_counters_count_it() -> None:
    spans, reader = InMemorySpanExporter(), InMemoryMetricReader()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([reader]))
    watch = OpenTelemetry()
    store, rows, bus, signals = MemoryEventStore(), MemoryReadStore(), MemoryBus(partitions=2), MemorySignals()
    projector = Projector(app, run(open_generation(app, "rows", store, rows)), store, rows, bus, signals, telemetry=watch)

    order = PlaceOrder("o1", "ann", "apple", 2, 500, datetime(2026, 1, 1, tzinfo=UTC))
    Commands(app, store, telemetry=watch).send(order, trace=PARENT)
    run(Relaying(app, MemoryRelay(store), bus, telemetry=watch).once())
    while not run(projector.once(0.0)):
        continue

    finished = spans.get_finished_spans()
    assert [span.name for span in finished] == ["command PlaceOrder", "relay", "project rows"]
    assert {f"{span.context.trace_id:032x}" for span in finished if span.context} == {PARENT.split("-")[1]}
    command = finished[0].context
    assert command is not None
    assert {span.parent.span_id for span in finished[1:] if span.parent} == {command.span_id}
    data = reader.get_metrics_data()
    assert data is not None
    names = {metric.name for resource in data.resource_metrics for scope in resource.scope_metrics for metric in scope.metrics}
    assert {"trimaran.commands", "trimaran.relayed", "trimaran.folded", "trimaran.batch.seconds"} <= names


class Counting(Telemetry):
    """Keeps what is counted, and nothing else."""

    def __init__(self) -> None:
        self.counted: Counter[tuple[str, ...]] = Counter()

    def count(self, name: str, value: int, **attributes: str) -> None:
        self.counted[name, *attributes.values()] += value


def test_what_is_parked_is_counted_once_when_it_is_parked_with_its_part_and_reason() -> None:
    house, watch = House(), Counting()
    house.send(Write("good", "plain", 1))
    house.send(Write("bad", "poison", 1))
    house.store.append(Append("note-new", 0, (New("Burnt", b'{"type":"Burnt","note":"new"}'),), "key", b"digest"))
    house.relay()
    projector = house.projector(telemetry=watch)
    house.flow(projector)
    house.send(Write("bad", "plain", 1))  # waits behind the poison, and is no new letter
    house.flow(projector)
    parked = Counter((letter.part, letter.reason) for letter in house.rows.letters("rows", 1))
    assert parked["page", "error"] == 1
    assert sum(number for (_, reason), number in parked.items() if reason == "unknown type") > 0
    assert {place[2:]: number for place, number in watch.counted.items() if place[:2] == ("parked", "rows")} == parked


def test_a_saga_command_that_is_stuck_is_counted_once_and_a_refusal_that_is_tried_again_is_not() -> None:
    house, watch = House(shop.app), Counting()
    refused = json.encode(shop.SettleOrder("nobody", "sold"))
    house.rows.put_outputs([Output("selling", "nobody", "order-nobody", 1, 1, refused)])
    dispatcher = Dispatcher(shop.app, "selling", house.rows, house.commands, house.world, watch)
    for tries in range(shop.selling.max_tries + 3):
        assert watch.counted["stuck", "selling"] == (tries >= shop.selling.max_tries)
        run(dispatcher.once())
        house.clock.seconds += 120
    (output,) = house.rows.outputs("selling", 10)
    assert output.stuck
    assert watch.counted["stuck", "selling"] == 1


def test_a_silent_command_path_never_imports_opentelemetry() -> None:
    code = (
        "import sys; import apps.shop, runtime.flow.command, runtime.flow.relay, runtime.flow.project, runtime.flow.telemetry;"
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_host_is_silent_unless_told_and_refuses_a_word_it_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRIMARAN_TELEMETRY", raising=False)
    assert telemetry() is SILENT
    monkeypatch.setenv("TRIMARAN_TELEMETRY", "otel")
    assert isinstance(telemetry(), OpenTelemetry)
    monkeypatch.setenv("TRIMARAN_TELEMETRY", "prometheus")
    with pytest.raises(Misconfigured, match="say otel"):
        telemetry()
