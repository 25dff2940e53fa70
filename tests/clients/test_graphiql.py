"""GraphiQL in Chromium, as `trimaran dev` serves it: what a newcomer does in the first five minutes."""

import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients import dev
from tests.servers import chromium

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dev.Dev]:
    """`trimaran dev --app shop`."""
    with dev.running(tmp_path_factory.mktemp("dev"), "ann") as running:
        yield running


def visit(shop: dev.Dev, folder: Path, scheme: str, **more: str) -> dict[str, Any]:
    """What a visitor meets."""
    told = {"URL": shop.url, "SHOTS": str(folder), "SCHEME": scheme} | more
    return chromium.driven(HERE / "graphiql.mjs", folder / "browser", told)


@pytest.mark.long
def test_the_page_is_light_or_dark_as_the_system_is(shop: dev.Dev, tmp_path: Path) -> None:
    pages = {scheme: visit(shop, tmp_path, scheme) for scheme in ("light", "dark")}
    bright = {scheme: [int(part) for part in re.findall(r"\d+", page["background"])[:3]] for scheme, page in pages.items()}
    assert min(bright["light"]) > 200
    assert max(bright["dark"]) < 100
    assert [page["console"] for page in pages.values()] == [[], []]


def test_a_visitor_asks_changes_watches_and_is_refused_and_nothing_comes_from_elsewhere(shop: dev.Dev, tmp_path: Path) -> None:
    order = uuid.uuid4().hex
    purchase = {"order": order, "customer": "ann", "sku": "tea", "quantity": 1, "amount": 500, "at": "2026-01-01T10:00:00Z"}
    report = visit(shop, tmp_path, "light", INPUT=json.dumps({"input": purchase}, indent=2))
    assert report["title"] == "shop · GraphiQL"
    assert report["tabs"] == ["LiveTicketRows", "PlaceOrder", "Restock", "TicketRows"]
    assert json.loads(report["variables"]) == {"where": {}}
    assert (report["console"], report["foreign"], report["failed"]) == ([], [], [])
    assert report["snapshot"]["data"]["ticketRows"]["changed"] == []
    assert report["mutation"]["data"]["placeOrder"]["token"] == f"order-{order}@1"
    (changed,) = report["update"]["data"]["ticketRows"]["changed"]
    assert changed["row"]["order"] == order
    assert report["refused"]["errors"][0]["extensions"]["code"] == "REJECTED"
    assert [node["order"] for node in report["query"]["data"]["ticketRows"]["nodes"]] == [order]
    assert (report["tabsAfterReload"], report["queryAfterReload"]) == (report["tabs"], report["query"])
    assert "Mutation" in report["docs"]
    assert "4403 Forbidden" in report["stranger"]
    assert report["strangerSockets"] == 1
    assert all((tmp_path / f"light-{name}.png").stat().st_size > 10_000 for name in ("start", "live", "refused", "docs"))
