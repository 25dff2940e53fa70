"""What an operator does in the studio: a letter redriven, a stuck saga tried again, rows rebuilt beside the live ones."""

from pathlib import Path

import pytest

from tests.studio import bed, harbour
from tests.studio.conftest import Story


@pytest.mark.long
def test_a_letter_is_redriven_a_stuck_saga_tried_again_and_rows_are_rebuilt_compared_and_swapped(talk: Story, tmp_path: Path) -> None:
    with bed.running(tmp_path) as running:
        for sku in ("tea", harbour.JAM, harbour.HEAVY):
            running.send("Restock", sku=sku, quantity=10)
        fine, jammed, refused = (bed.order(running, sku) for sku in ("tea", harbour.JAM, harbour.HEAVY))
        bed.until(lambda: running.get("/admin/letters")["letters"], "a letter")
        bed.until(lambda: running.get("/admin/sagas")["counts"]["stuck"], "a stuck saga")
        mended = tmp_path / harbour.MENDED
        report = talk("operating.mjs", {"MEND": mended.touch}, URL=running.url, JAMMED=jammed, REFUSED=refused)
        labels = {row["order"] for row in running.ask("{labelRows {nodes {order}}}")["labelRows"]["nodes"]}
        parcel = running.get("/admin/stream", name=f"parcel-{refused}")
    assert "the label printer is jammed" in report["letter"]
    assert '"sku": "jam"' in report["event"]
    assert "the label printer is jammed" in report["stillJammed"]
    assert report["parked"] == 1
    assert "the post takes nothing heavy today" in report["saga"]
    assert fine in report["waiting"]
    assert "events folded" in report["redriven"]
    assert report["letters"] == []
    assert labels == {fine, jammed, refused, "meanwhile", "after"}
    assert parcel["version"] == 1
    assert (report["before"]["live"], report["before"]["green"]) == (1, None)
    assert (report["filled"]["live"], report["filled"]["green"]) == (1, 2)
    assert "Generation 2 has the same rows as 1" in report["compared"]
    assert "meanwhile" in report["read"]
    assert (report["after"]["live"], report["after"]["green"]) == (2, None)
