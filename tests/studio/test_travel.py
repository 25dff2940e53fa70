"""A stream is found, wound back and forth by keyboard, passed on as an address, and its causes are drawn."""

from pathlib import Path

import pytest

from tests.studio import bed
from tests.studio.conftest import Story


@pytest.mark.long
def test_the_state_at_every_version_is_what_the_server_says_and_the_chain_leads_from_cause_to_compensation(
    story: Story, tmp_path: Path
) -> None:
    with bed.running(tmp_path) as running:
        running.send("Restock", sku="tea", quantity=3)
        order = bed.order(running, amount=2_500_00)  # dearer than the credit: what was reserved is given back
        bed.until(lambda: len(running.get("/admin/chain", name=f"order-{order}", version=1)["nodes"]) == 5, "it is given back")
        report = story("travel.mjs", URL=running.url, ORDER=order)
    assert report["heading"].startswith(f"order-{order}")
    assert report["newest"] == "2"
    assert [(step["version"], step["at"], step["missing"]) for step in report["steps"]] == [(n, str(n), []) for n in (0, 1, 2, 1)]
    assert len({step["text"] for step in report["steps"]}) == 3
    assert report["said"] == "version 2 of 2, OrderSettled"
    assert report["other"] == "1"
    assert report["otherText"] == report["steps"][1]["text"]
    assert report["undrawn"] == []
    assert report["types"] == ["ChargeRefused", "OrderPlaced", "OrderSettled", "Reserved", "Restocked"]
    assert report["back"] == ["Restocked"]
    assert report["there"] == "/streams/stock-tea?at=3"
    assert report["nowhere"] == 404
