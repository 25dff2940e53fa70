"""Streams are found, read and wound back, in pages, with tenants, and through what events once were."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from apps import shop
from hosts.admin import streams as streams_of
from hosts.admin.streams import before
from runtime.domain import App, Decider, Rejected, Upcast
from runtime.ports import Append, New
from tests.hosts.admin_house import MEMORY, House, files, running
from tests.live import museum

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TENANTS = museum.museum(tenant="claim")


@pytest.fixture(params=["memory", "sqlite"])
def house(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    """A shop with some stock."""
    monkeypatch.chdir(tmp_path)
    stores = files(tmp_path) if request.param == "sqlite" else {"events": MEMORY, "rows": MEMORY}
    with running(shop.app, tmp_path, **stores) as running_house:
        yield running_house


def names(answer: Any) -> list[str]:
    return [one["stream"] for one in answer["streams"]]


def stock(house: House, *skus: str) -> None:
    for sku in skus:
        house.send(shop.Restock(sku, 1))


def test_streams_come_in_pages_and_none_is_missing(house: House) -> None:
    stock(house, *(f"s{n:02}" for n in range(23)))
    found: list[str] = []
    asked: dict[str, Any] = {"kind": "stock", "limit": 5}
    while True:
        page = house.told("streams", **asked)
        assert len(page["streams"]) <= 5
        found += names(page)
        if not page["next"]:
            break
        asked["after"] = page["next"]
    assert found == [f"stock-s{n:02}" for n in range(23)]


def test_a_kind_and_a_prefix_are_found_and_nothing_else(house: House) -> None:
    stock(house, "tea", "teapot", "team", "te", "tf", "a")
    house.send(shop.PlaceOrder("tea", "ann", "tea", 1, 100, NOON))
    house.settle()
    assert names(house.told("streams", kind="stock", prefix="tea")) == ["stock-tea", "stock-team", "stock-teapot"]
    assert names(house.told("streams", prefix="stock-te")) == ["stock-te", "stock-tea", "stock-team", "stock-teapot"]
    assert names(house.told("streams", kind="order")) == ["order-tea"]
    assert names(house.told("streams", kind="stock", prefix="teak")) == []
    (first, *_) = house.told("streams", kind="payment")["streams"]
    assert first == {"stream": "payment-tea", "kind": "payment", "id": "tea", "tenant": "", "version": 1}


@pytest.mark.parametrize("prefix", ["!", "a", "é", "\ue000", "\U0001f600", "x-y"])
def test_a_prefix_of_any_character_begins_before_its_streams(house: House, prefix: str) -> None:
    stock(house, f"{prefix}1", f"{prefix}2", prefix, "~", "A")
    assert names(house.told("streams", kind="stock", prefix=prefix)) == [f"stock-{prefix}", f"stock-{prefix}1", f"stock-{prefix}2"]


def test_before_a_prefix_is_before_every_name_with_it() -> None:
    for prefix in ("a", "\x00", "\x01", "\ue000", "b\U0010ffff"):
        assert before(prefix) < prefix
    assert before("") == ""


def test_the_newest_streams_of_this_process_come_first(house: House) -> None:
    stock(house, "a", "b", "a")
    assert names(house.told("streams/recent"))[:2] == ["stock-a", "stock-b"]


def test_events_come_in_pages_with_their_envelope(house: House) -> None:
    for n in range(7):
        house.send(shop.Restock("tea", n + 1))
    page = house.told("stream", name="stock-tea", limit=3)
    assert (page["version"], page["kind"], page["next"]) == (7, "stock", 3)
    (first, *_) = page["events"]
    assert first["data"] == {"type": "Restocked", "sku": "tea", "quantity": 1}
    assert (first["version"], first["type"], first["saga"], first["cause"]) == (1, "Restocked", None, "")
    assert first["key"] and datetime.fromisoformat(first["time"]).tzinfo
    last = house.told("stream", name="stock-tea", after=6, limit=3)
    assert ([event["version"] for event in last["events"]], last["next"]) == ([7], None)
    assert house.told("stream", name="stock-tea", after=7)["events"] == []


def test_an_event_of_a_saga_names_it(house: House) -> None:
    stock(house, "tea")
    house.send(shop.PlaceOrder("o1", "ann", "tea", 1, 100, NOON))
    house.settle()
    reserved = house.told("stream", name="stock-tea")["events"][1]
    assert (reserved["type"], reserved["saga"], reserved["cause"]) == ("Reserved", "selling", "order-o1@1")


def test_a_page_of_large_events_is_cut_by_their_bytes(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams_of, "BYTES", 100)
    for _ in range(5):
        house.send(shop.Restock("tea", 1))
    page = house.told("stream", name="stock-tea")
    assert (len(page["events"]), page["next"]) == (2, 2)


def test_a_state_is_that_of_the_version(house: House) -> None:
    for n in (5, 7):
        house.send(shop.Restock("tea", n))
    assert [house.told("state", name="stock-tea", at=at)["state"] for at in (0, 1, 2)] == [0, 5, 12]
    assert house.told("state", name="stock-tea") == {"stream": "stock-tea", "at": 2, "state": 12}
    house.send(shop.PlaceOrder("o1", "ann", "tea", 1, 100, NOON))
    assert house.told("state", name="order-o1", at=0)["state"] is None
    assert house.told("state", name="order-o1", at=1)["state"]["customer"] == "ann"


def test_a_long_stream_is_folded_in_pages_and_not_beyond_its_bound(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams_of, "PAGE", 3)
    monkeypatch.setattr(streams_of, "FOLDED", 8)
    for _ in range(10):
        house.send(shop.Restock("tea", 1))
    assert house.told("state", name="stock-tea", at=8)["state"] == 8
    status, error = house.ask("state", name="stock-tea", at=9)
    assert (status, error["code"]) == (400, "LIMIT_EXCEEDED")


@pytest.mark.parametrize(
    ("path", "asked", "status", "says"),
    [
        ("stream", {"name": "stock-nothing"}, 404, "there is no stream"),
        ("stream", {}, 400, "'name' is missing"),
        ("stream", {"name": "x" * 5_000}, 400, "stream"),
        ("stream", {"name": "a\0b"}, 400, "NUL"),
        ("state", {"name": "stock-tea", "at": 2}, 400, "stands at 1"),
        ("state", {"name": "stock-tea", "at": "-1"}, 400, "a whole number from 0"),
        ("state", {"name": "nobody-1"}, 404, "of no decider"),
        ("streams", {"limit": 501}, 400, "from 1 to 500"),
        ("streams", {"kind": "nothing"}, 400, "has order, stock, payment"),
        ("streams", {"prefix": "a\0"}, 400, "NUL"),
        ("streams", {"after": "a\0"}, 400, "NUL"),
    ],
)
def test_what_cannot_be_is_said(house: House, path: str, asked: dict[str, Any], status: int, says: str) -> None:
    stock(house, "tea")
    found, error = house.ask(path, **asked)
    assert (found, says in error["error"]) == (status, True), error


def test_snapshots_are_where_a_fold_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(streams_of, "FOLDED", 4)
    kept = Decider("stock", 0, shop.decide_stock, shop.evolve_stock, id="sku", snapshot_every=10)
    with running(App("kept", parts=(kept,)), tmp_path) as house:
        for _ in range(12):
            house.send(shop.Restock("tea", 1))
        assert [house.told("state", name="stock-tea", at=at)["state"] for at in (3, 10, 12)] == [3, 10, 12]
        assert house.ask("state", name="stock-tea", at=9)[0] == 400


def test_events_of_old_are_folded_as_what_they_are_today(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    doubled = Upcast("Delivered", lambda raw: [raw | {"type": "Restocked"}, raw | {"type": "Restocked"}])
    app = App("upcast", parts=(shop.stock,), upcasts=(doubled,))
    with running(app, tmp_path) as house:
        old = New("Delivered", b'{"type":"Delivered","sku":"tea","quantity":4}')
        house.local.events.store.append(Append("stock-tea", 0, (old,), "k", b"d"))
        assert house.told("state", name="stock-tea")["state"] == 8
        assert house.told("stream", name="stock-tea")["events"][0]["type"] == "Delivered"


def test_a_stored_event_that_nobody_knows_is_no_fault_of_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with running(App("odd", parts=(shop.stock,)), tmp_path) as house:
        house.local.events.store.append(Append("stock-tea", 0, (New("Odd", b'{"type":"Odd"}'),), "k", b"d"))
        status, error = house.ask("state", name="stock-tea")
        assert (status, "'Odd' is not known" in error["error"]) == (400, True)


def test_tenants_come_first_in_names_and_a_kind_is_found_in_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(streams_of, "PAGE", 2)
    with running(TENANTS, tmp_path) as house:
        for tenant in ("acme", "zeta"):
            for room in ("a", "ab", "b"):
                house.send(museum.Visit(room, NOON), tenant)
        assert len(house.told("streams", kind="room")["streams"]) == 6
        assert names(house.told("streams", kind="room", prefix="zeta/a")) == ["zeta/room-a", "zeta/room-ab"]
        assert names(house.told("streams", prefix="acme/")) == ["acme/room-a", "acme/room-ab", "acme/room-b"]
        page = house.told("streams", kind="room", limit=2)
        assert names(house.told("streams", kind="room", limit=2, after=page["next"])) == ["acme/room-b", "zeta/room-a"]
        assert page["streams"][0] == {"stream": "acme/room-a", "kind": "room", "id": "a", "tenant": "acme", "version": 1}
        assert house.told("state", name="zeta/room-b")["state"] == 0


def test_a_scan_across_tenants_is_bounded_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(streams_of, "SCAN", 3)
    monkeypatch.setattr(streams_of, "PAGE", 2)
    with running(TENANTS, tmp_path) as house:
        for n in range(9):
            house.send(museum.Visit(f"r{n}", NOON), f"t{n}")
        first = house.told("streams", kind="room", prefix="t8", limit=5)
        assert names(first) == ["t8/room-r8"]
        page = house.told("streams", kind="room", limit=50)
        assert 3 <= len(page["streams"]) < 9 and page["next"]
        rest = house.told("streams", kind="room", after=page["next"], limit=50)
        assert names(rest)[0] > names(page)[-1]


def test_a_decider_is_not_asked_what_it_refuses(house: House) -> None:
    with pytest.raises(Rejected):
        house.send(shop.SettleOrder("nothing", "sold"))
    assert house.ask("stream", name="order-nothing")[0] == 404
