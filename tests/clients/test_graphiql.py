"""GraphiQL in Chromium, as `trimaran dev` serves it: what a newcomer does in the first five minutes."""

import json
import uuid
from pathlib import Path

import pytest

from tests.clients import dev
from tests.servers import chromium

HERE = Path(__file__).parent


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_visitor_asks_changes_watches_and_is_refused_and_nothing_comes_from_elsewhere(scheme: str, tmp_path: Path) -> None:
    order = uuid.uuid4().hex
    purchase = {"order": order, "customer": "ann", "sku": "tea", "quantity": 1, "amount": 500, "at": "2026-01-01T10:00:00Z"}
    with dev.running(tmp_path, "ann") as shop:
        told = {"URL": shop.url, "SHOTS": str(tmp_path), "SCHEME": scheme, "INPUT": json.dumps({"input": purchase}, indent=2)}
        report = chromium.driven(HERE / "graphiql.mjs", tmp_path / "browser", told)
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
    assert all((tmp_path / f"{scheme}-{name}.png").stat().st_size > 10_000 for name in ("start", "live", "refused", "docs"))
