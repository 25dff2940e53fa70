"""What is kept of the flow while it runs: every command is counted, some are followed to their rows, and nothing grows."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import pytest

from apps import shop
from hosts.admin import watching
from hosts.admin.figures import DURATIONS, Latencies, Rate
from hosts.admin.said import said
from hosts.admin.traced import HOPS, Trace
from hosts.admin.watching import TRACES, Watching
from hosts.local import Local, open_local
from hosts.settings import Settings
from hosts.telemetry import told_to
from runtime.errors import Rejected
from runtime.flow.telemetry import SILENT, Telemetry
from runtime.ports import Answer, Recorded

MEMORY = "memory://"
PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ORDER = shop.PlaceOrder("o1", "ann", "cup", 2, 500, datetime(2026, 1, 1, tzinfo=UTC))
LATE_S = 30.0


@pytest.fixture
def local() -> Iterator[Local]:
    with ExitStack() as stack:
        opened = open_local(Settings("shop", MEMORY, MEMORY, MEMORY), shop.app, stack)
        opened.start()
        yield opened


def way_of(local: Local, token: str, *awaited: str) -> dict[str, Any]:
    """The trace of an append, as soon as it has passed these hops."""
    late = time.monotonic() + LATE_S
    while True:
        trace = local.watching.trace_of(token)
        shown = trace.shown() if trace else {"hops": []}
        if set(awaited) <= {hop["name"] for hop in shown["hops"]}:
            return shown
        assert time.monotonic() < late, shown
        time.sleep(0.02)


def test_a_command_with_a_traceparent_is_followed_to_its_rows_and_to_what_a_saga_sent_because_of_it(local: Local) -> None:
    local.commands.send(shop.Restock("cup", 5))
    token = local.commands.send(ORDER, trace=PARENT).token
    way = way_of(local, token, "project rows", "project selling", "dispatch selling")
    assert (way["id"], way["command"], way["stream"], way["token"]) == (PARENT.split("-")[1], "PlaceOrder", "order-o1", "order-o1@1")
    assert way["error"] is None
    hops = {hop["name"]: hop for hop in way["hops"]}
    assert set(hops) == {"command", "append", "relay", "project rows", "project selling", "dispatch selling"}
    assert all(0 <= hop["from_ms"] <= hop["to_ms"] <= way["ms"] for hop in hops.values())
    assert hops["append"]["to_ms"] <= hops["command"]["to_ms"]
    assert hops["relay"]["to_ms"] <= hops["project rows"]["to_ms"] <= hops["dispatch selling"]["to_ms"]


def test_two_commands_of_one_trace_are_told_apart(local: Local) -> None:
    for sku in ("cup", "pot"):
        local.commands.send(shop.Restock(sku, 5), trace=PARENT)
    cup, pot = (way_of(local, f"stock-{sku}@1", "relay", "project rows") for sku in ("cup", "pot"))
    assert (cup["id"], pot["id"]) == (PARENT.split("-")[1],) * 2
    assert (cup["stream"], pot["stream"]) == ("stock-cup", "stock-pot")
    stored = [local.events.store.read(f"stock-{sku}", 0, 10)[0].trace for sku in ("cup", "pot")]
    assert len({*stored, PARENT}) == 3, "each is a span of its own below the caller's"


def test_every_command_is_counted_and_of_those_without_a_traceparent_a_few_are_followed(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "SAMPLE_EVERY_NS", 10**15)
    for number in range(50):
        local.commands.send(shop.Restock(f"cup-{number}", 1))
    assert (local.watching.commands.total, local.watching.appended.total, local.watching.refused) == (50, 50, 0)
    assert [trace.command for trace in local.watching.traces(100)] == ["Restock"]
    assert local.watching.recent()[:2] == [("stock-cup-49", 1), ("stock-cup-48", 1)]


def test_a_refused_command_is_counted_as_refused_and_its_trace_says_why(local: Local) -> None:
    local.commands.send(ORDER)
    with pytest.raises(Rejected) as refusal:
        local.commands.send(ORDER, trace=PARENT)
    (trace,) = [trace for trace in local.watching.traces(10) if trace.error]
    assert (trace.error, trace.token, trace.shown()["token"]) == (str(refusal.value), "", None)
    assert local.watching.refused == 1


def test_a_known_answer_is_no_append(local: Local) -> None:
    first = local.commands.send(shop.Restock("cup", 1), key="once")
    again = local.commands.send(shop.Restock("cup", 1), key="once", trace=PARENT)
    assert (again.token, again.replayed) == (first.token, True)
    assert (local.watching.commands.total, local.watching.appended.total) == (2, 1)
    assert way_of(local, first.token, "command")["hops"][-1]["note"] == "a known answer again"


@pytest.mark.parametrize("sent", ["garbage", "00--01", "00-" + "0" * 32 + "-00f067aa0ba902b7-01", "a-b-c-d-e-f"])
def test_what_is_no_traceparent_breaks_no_command(local: Local, sent: str) -> None:
    assert local.commands.send(shop.Restock("cup", 1), trace=sent).token == "stock-cup@1"
    assert len(way_of(local, "stock-cup@1", "project rows")["id"]) == 32


def test_what_is_kept_is_bounded() -> None:
    watch = Watching()
    for number in range(TRACES + 20):
        span = watch.begin("command Restock", PARENT)
        carried = watch.carry(span, PARENT)
        for again in range(HOPS + 5):
            watch.hop("relay", [Recorded("stock-cup", number, "Restocked", b"", trace=carried)], time.time_ns() + again * 1_000_000)
        watch.end(span, None, Answer("stock-cup", number, number + 1))
    kept = watch.traces(10_000)
    assert len(kept) == TRACES
    assert kept[0].token == f"stock-cup@{TRACES + 20}", "the newest first"
    assert all(len(trace.hops) <= HOPS for trace in kept)
    assert watch.trace_of("stock-cup@1") is None, "the oldest made room"
    assert watch.trace_of("stock-cup@none") is None
    assert watch.recent() == [("stock-cup", TRACES + 20)]


def test_an_append_is_found_by_each_of_its_versions() -> None:
    watch = Watching()
    span = watch.begin("command Restock", PARENT)
    watch.carry(span, PARENT)
    watch.end(span, None, Answer("stock-cup", 3, 5))
    found = [watch.trace_of(f"stock-cup@{version}") for version in (3, 4, 5, 6)]
    assert [trace is not None for trace in found] == [False, True, True, False]


class Giving(Telemetry):
    """Gives every command a span of its own, and keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def begin(self, name: str, parent: str) -> Any:
        return name

    def carry(self, span: Any, parent: str) -> str:
        return PARENT

    def step(self, span: Any, name: str, started: int) -> None:
        self.told.append(name)

    def end(self, span: Any, error: Exception | None = None, answer: Answer | None = None) -> None:
        self.told.append(f"end {span}")

    def hop(self, name: str, events: Any, started: int) -> None:
        self.told += [f"{name} {event.stream}" for event in events]

    def count(self, name: str, value: int, **attributes: str) -> None:
        self.told.append(f"{value} {name}")


def test_of_several_each_is_told_everything_and_the_span_of_the_first_is_carried() -> None:
    given, watch = Giving(), Watching()
    both = told_to(SILENT, given, watch)
    span = both.begin("command Restock", "")
    assert both.carry(span, "") == PARENT
    both.step(span, "append", both.started())
    both.end(span, None, Answer("stock-cup", 0, 1))
    both.count("commands", 1, type="Restock")
    both.count("folded", 3, group="rows")
    both.hop("relay", (event for event in [Recorded("stock-cup", 1, "Restocked", b"", trace=PARENT)]), both.started())
    assert given.told == ["append", "end command Restock", "1 commands", "3 folded", "relay stock-cup"]
    trace = watch.trace_of("stock-cup@1")
    assert trace is not None
    assert (trace.carried, {hop["name"] for hop in trace.hops}) == (PARENT, {"append", "command", "relay"})
    assert (watch.commands.total, watch.folded["rows"].total) == (1, 3)
    assert told_to(SILENT, watch) is watch
    assert told_to(SILENT) is SILENT


def test_a_rate_is_that_of_the_last_seconds_and_the_total_stays() -> None:
    now = [100.0]
    rate = Rate(lambda: now[0])
    assert rate.per_s() == 0.0
    for _ in range(20):
        rate.add(10)
        now[0] += 1.0
    assert rate.per_s() == 10.0
    now[0] += 3_600.0
    assert (rate.per_s(), rate.total) == (0.0, 200)
    young = Rate(lambda: now[0])
    young.add(6)
    now[0] += 2.0
    assert young.per_s() == 3.0, "measured since its start"


def test_percentiles_are_those_of_the_last_durations() -> None:
    durations = Latencies()
    assert durations.ms(0.5, 0.95) == [0.0, 0.0]
    for ms in range(1, 101):
        durations.add(ms * 1_000_000)
    assert durations.ms(0.5, 0.95) == [51.0, 96.0]
    for _ in range(DURATIONS):
        durations.add(7_000_000)
    assert durations.ms(0.0, 0.5, 1.0) == [7.0, 7.0, 7.0], "the old ones made room"


def test_a_hop_told_twice_is_one() -> None:
    trace = Trace("Restock", "", 1_000_000_000)
    for _ in range(2):
        trace.passed("relay", 1_005_000_000, 1_006_000_000)
    trace.passed("relay", 999_000_000, 1_001_000_000)
    assert [(hop["from_ms"], hop["to_ms"]) for hop in trace.hops] == [(5.0, 6.0), (0.0, 1.0)], "a round under way began with it"


@pytest.mark.parametrize(
    "text",
    [
        'connection to "postgresql://ann:s3cret@db:5432/shop" failed',
        "kafka://ann:s3cret@broker:9092 is away",
        "postgresql://ann:s3@cret@db/shop",
        "postgresql://:s3cret@db/shop",
        "host=db user=ann password=s3cret dbname=shop",
        "host=db password='s3cret with words' dbname=shop",
        "host=db PASSWORD = s3cret",
    ],
)
def test_the_text_of_an_error_is_one_line_without_a_password(text: str) -> None:
    told = said(ValueError(f"first\n{text}\nlast"))
    assert "s3" not in told
    assert "cret" not in told
    assert "***" in told
    assert "\n" not in told
    assert told.startswith("first ")
    assert told.endswith(" last")
    assert said(ValueError()) == "ValueError"
