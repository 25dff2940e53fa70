"""Runs the story of one client, and says what every client must have seen in it."""

import uuid
from pathlib import Path
from typing import Any

from tests.servers import npm

HERE = Path(__file__).parent


def story(client: str, url: str, token: str, folder: Path, **more: str) -> dict[str, Any]:
    """A day of a client."""
    told = {"CLIENT": client, "URL": url, "TOKEN": token, "ID": uuid.uuid4().hex[:8]} | more
    return npm.report(HERE / "story.mjs", folder, told)


def check(report: dict[str, Any]) -> None:
    """What every client must have seen, whatever the gateway runs on."""
    assert report["failure"] is None
    assert report["token"].endswith("@1")
    assert report["own"]["customer"] == "ann"  # not older than the mutation's token
    assert report["rejected"] == "REJECTED"
    assert report["badCursor"] == report["badInput"] == "BAD_INPUT"
    assert report["badField"] == "BAD_REQUEST"
    assert (report["view"]["doubled"], report["view"]["backwards"]) == (0, 0)
    assert report["view"]["rows"] >= 3
    assert report["snapshotsAfterTheCut"] == 0  # it went on from its cursor
    none = report["refusals"]["none"]
    assert none["connections"] == 1
    assert none["told"]["errors"][0]["code"] in ("UNAUTHENTICATED", "FORBIDDEN")
