"""What whoever deploys says of the bus: every mistake is named, and topics that are given are not asked for at start."""

import time
from collections.abc import Callable

import pytest

from apps.shop import app as shop
from hosts.providers import open_bus
from hosts.settings import BusSettings, bus_settings
from providers.kafka.bus import KafkaBus
from runtime.errors import Misconfigured
from runtime.ports import Envelope


def test_without_a_word_topics_are_made_as_on_one_machine() -> None:
    assert bus_settings() == BusSettings(given=False, partitions=8, retention_s=7 * 86_400.0, watched=False, rights="")


def test_everything_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TOPICS": "given", "PARTITIONS": "256", "RETENTION_HOURS": "1", "WATCHED": "1", "RIGHTS": "[]"}.items():
        monkeypatch.setenv(f"TRIMARAN_{name}", value)
    assert bus_settings() == BusSettings(given=True, partitions=256, retention_s=3600.0, watched=True, rights="[]")


@pytest.mark.parametrize(
    ("name", "value", "named"),
    [
        ("TOPICS", "yes", "say made or given"),
        ("PARTITIONS", "0", "from 1 to 256"),
        ("PARTITIONS", "257", "from 1 to 256"),
        ("PARTITIONS", "eight", "from 1 to 256"),
        ("PARTITIONS", "²", "from 1 to 256"),
        ("RETENTION_HOURS", "-1", "from 1 to 1,000,000"),
        ("WATCHED", "true", "say 0 or 1"),
    ],
)
def test_what_cannot_be_is_named(monkeypatch: pytest.MonkeyPatch, name: str, value: str, named: str) -> None:
    monkeypatch.setenv(f"TRIMARAN_{name}", value)
    with pytest.raises(Misconfigured, match=f"TRIMARAN_{name}.*{named}"):
        bus_settings()


def test_a_bus_in_memory_has_the_partitions_that_are_said() -> None:
    bus, signals = open_bus("memory://", shop, rules=BusSettings(partitions=3))
    assert bus.partitions == 3
    signals.close()


def test_given_topics_are_not_asked_for_at_start_and_a_missing_one_names_the_job_that_makes_it(
    kafka_url: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hosts.providers.topic", lambda app: topic)
    monkeypatch.setattr("hosts.providers.signals_topic", lambda app: f"{topic}.signals")
    started = time.monotonic()
    bus, signals = open_bus(f"{kafka_url}?deadline_ms=3000", shop, rules=BusSettings(given=True))
    assert time.monotonic() - started < 0.5  # nobody was asked
    attempts: list[Callable[[], object]] = [
        lambda: bus.consumer("readers"),
        lambda: signals.listen().__enter__(),
        lambda: bus.publish([Envelope("order-1", b"x")]),
    ]
    for attempt in attempts:
        with pytest.raises(Misconfigured, match=f"topic '{topic}.*missing.*prepare-bus"):
            attempt()
    assert isinstance(bus, KafkaBus)
    bus.ensure(3600)
    bus.publish([Envelope("order-1", b"x")])
    assert sum(bus.lag("readers").values()) == 1
    bus.close()
    signals.close()
