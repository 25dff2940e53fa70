"""A command is sent from a form: a mistake is told where it was made, a refusal with its reason, and its way is shown hop by hop."""

import uuid
from pathlib import Path

from tests.studio import bed
from tests.studio.conftest import Story

HOPS = {"command", "append", "relay", "project rows", "project selling", "project posting"}


def test_a_command_is_refused_at_its_field_sent_traced_and_refused_with_its_reason(story: Story, tmp_path: Path) -> None:
    order = uuid.uuid4().hex[:8]
    with bed.running(tmp_path) as running:
        running.send("Restock", sku="tea", quantity=50)
        report = story("command.mjs", URL=running.url, ORDER=order)
    assert report["wrong"] == ["quantity"]
    assert report["focused"] == "quantity"
    assert ">= 1" in report["fieldError"]
    assert report["kept"]["order"] == order
    assert report["kept"]["quantity"] == "0"
    assert report["stored"]["events"][0]["data"]["quantity"] == 2

    trace = report["trace"]
    assert report["traceTitle"].startswith("PlaceOrder")
    assert {hop["name"] for hop in trace["hops"]} >= HOPS
    assert all(0 <= hop["from_ms"] <= hop["to_ms"] for hop in trace["hops"])
    shown = {hop: next((line for line in report["hops"] if line.startswith(hop)), "") for hop in HOPS}
    assert all(" ms" in line for line in shown.values()), shown
    assert any(line.startswith("browser is answered") for line in report["hops"])

    assert "REJECTED" in report["refused"]
    assert report["keptAgain"] == report["kept"] | {"quantity": "2"}
    assert "FORBIDDEN" in report["forbidden"]
    assert report["inputs"] == [
        "order text",
        "weight number",
        "pieces number",
        "speed select",
        "fragile checkbox",
        "stamps textarea",
        "note text",
    ]
    assert report["parcel"] == {"type": "Posted", "order": f"{order}-parcel", "weight": "1.25", "speed": "express"}
    assert "Send a command" in report["untraced"]
