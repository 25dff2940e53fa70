"""What each role needs of a broker that grants nothing by itself: with these rights it works, without any one it is told which, at once.

Kafka's authorizer takes read and write on a topic or group for describe as well, so describe is a right of its own for the scaler alone.
"""

import contextlib
import signal
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from apps import shop
from hosts.providers import open_events
from providers.kafka.bus import KafkaBus
from providers.kafka.rights import Right
from providers.kafka.signals import KafkaSignals
from runtime.domain import App
from runtime.errors import Misconfigured
from runtime.flow.command import Commands
from runtime.ports import Envelope, Signal
from tests.cli.running import started
from tests.servers import kafka
from tests.simulation.world import START

pytestmark = pytest.mark.long

RIGHTS = {
    "relay": [("topic", "trimaran.{app}", "literal", "write")],
    "projector": [
        ("topic", "trimaran.{app}", "literal", "read"),
        ("topic", "trimaran.{app}.signals", "literal", "write"),
        ("group", "{app}.", "prefixed", "read"),
    ],
    "gateway": [("topic", "trimaran.{app}.signals", "literal", "read")],
    "scaler": [("topic", "trimaran.{app}", "literal", "describe"), ("group", "{app}.", "prefixed", "describe")],
}
SIGNAL = Signal("ticket", "o1", "", 1, 1, 1, 1, b"", b"{}")
CASES = [(role, dropped) for role, rights in RIGHTS.items() for dropped in range(-1, len(rights))]


@pytest.fixture(scope="module")
def secured() -> Iterator[kafka.KafkaServer]:
    with kafka.running(secured=True) as server:
        yield server


def rights(role: str, app: str, dropped: int) -> list[Right]:
    """Those of a role but one (-1: all)."""
    lines = [line for place, line in enumerate(RIGHTS[role]) if place != dropped]
    return [Right(f"User:{role}", resource, operation, name.format(app=app), pattern) for resource, name, pattern, operation in lines]  # type: ignore[arg-type]


class Place:
    """The topics of a new app on the broker, and a user with some rights."""

    def __init__(self, server: kafka.KafkaServer, granted: Callable[[str], list[Right]]) -> None:
        self.app = f"app{uuid.uuid4().hex[:10]}"
        self.topic, self.signals = f"trimaran.{self.app}", f"trimaran.{self.app}.signals"
        self.admin = KafkaBus(server.url, self.topic, 2)
        self.admin.ensure(3600)
        KafkaSignals(server.url, self.signals).ensure(3600)
        self.admin.publish([Envelope("order-1", b"x")])
        self.admin.commit_first(f"{self.app}.rows")
        self.admin.grant(granted(self.app))

    def use(self, role: str, url: str) -> None:
        """What a role does, once."""
        url = f"{url}&deadline_ms=6000"
        with contextlib.ExitStack() as stack:
            bus, signals = KafkaBus(url, self.topic, 2), KafkaSignals(url, self.signals)
            stack.callback(bus.close)
            stack.callback(signals.close)
            match role:
                case "relay":
                    bus.publish([Envelope("order-2", b"y")])
                case "projector":
                    self.project(bus, signals)
                case "gateway":
                    with signals.listen() as listener:
                        assert listener.take(1, 0.1) == []
                case "scaler":
                    assert sum(bus.lag(f"{self.app}.rows").values()) == 1
                case _:
                    raise AssertionError(role)

    def project(self, bus: KafkaBus, signals: KafkaSignals) -> None:
        with contextlib.closing(bus.consumer(f"{self.app}.rows.1")) as consumer:
            until = time.monotonic() + 30
            while not (found := consumer.poll(10, 0.5)):
                assert time.monotonic() < until
            signals.send([SIGNAL])
            assert consumer.commit({one.partition: one.offset + 1 for one in found})
            while sum(self.admin.lag(f"{self.app}.rows").values()):
                assert time.monotonic() < until
                consumer.poll(10, 0.1)
                consumer.show(f"{self.app}.rows")


@pytest.mark.parametrize(("role", "dropped"), CASES)
def test_a_role_works_with_its_rights_and_names_any_that_is_missing(secured: kafka.KafkaServer, role: str, dropped: int) -> None:
    place = Place(secured, lambda app: rights(role, app, dropped))
    if dropped < 0:
        place.use(role, secured.secure_url(role))
    else:
        _, name, *_ = RIGHTS[role][dropped]
        with pytest.raises(Misconfigured, match=r"grant the right|we may not see it") as refused:
            place.use(role, secured.secure_url(role))
        assert name.format(app=place.app).rstrip(".") in str(refused.value)
        assert "\n" not in str(refused.value)
    place.admin.close()


# --- the projector as a process


def projector(folder: Path, place: Place, url: str, rows: str) -> "subprocess.Popen[str]":
    """Started as in a pod, on topics that are given."""
    (folder / "mine.py").write_text(
        f"from apps import shop\nfrom runtime.domain import App\napp = App({place.app!r}, parts=shop.app.parts)\n"
    )
    said = {"APP": "mine:app", "EVENTS": rows, "ROWS": rows, "BUS": url, "TOPICS": "given", "PARTITIONS": "2", "WATCHED": "1"}
    return started(folder, "--group=rows", module="hosts.projector", env={f"TRIMARAN_{name}": value for name, value in said.items()})


def sold(place: Place, url: str) -> None:
    """An event that the bus has lost, so that the projector finds it in the store and tells of its row."""
    app = App(place.app, parts=shop.app.parts)
    events = open_events(url, app)
    Commands(app, events.store, events.snapshots).send(shop.PlaceOrder("o1", "ann", "tea", 1, 100, START))
    events.store.close()


@pytest.mark.parametrize("dropped", range(len(RIGHTS["projector"])))
def test_a_projector_without_a_right_ends_with_exit_code_2_and_one_line(
    secured: kafka.KafkaServer, postgres_url: str, tmp_path: Path, dropped: int
) -> None:
    place = Place(secured, lambda app: rights("projector", app, dropped))
    sold(place, postgres_url)
    with projector(tmp_path, place, secured.secure_url("projector"), postgres_url) as process:
        _, error = process.communicate(timeout=60)
    assert process.returncode == 2, error
    assert error.startswith("error: ") and error.count("\n") == 1
    assert RIGHTS["projector"][dropped][1].format(app=place.app).rstrip(".") in error
    place.admin.close()


def test_a_projector_with_its_rights_shows_that_nothing_is_left(secured: kafka.KafkaServer, postgres_url: str, tmp_path: Path) -> None:
    place = Place(secured, lambda app: rights("projector", app, -1))
    sold(place, postgres_url)
    with projector(tmp_path, place, secured.secure_url("projector"), postgres_url) as process:
        until = time.monotonic() + 60
        while sum(place.admin.lag(f"{place.app}.rows").values()):
            assert time.monotonic() < until and process.poll() is None
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        _, error = process.communicate(timeout=60)
    assert (process.returncode, error) == (0, "")
    place.admin.close()
