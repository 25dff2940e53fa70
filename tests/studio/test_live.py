"""A page that stays open sees what others do, and outlives the server: it says that it is alone, and goes on by itself."""

from pathlib import Path

from tests.studio import bed
from tests.studio.conftest import Story


def test_an_open_page_sees_what_others_do_and_outlives_a_killed_server_without_a_reload(talk: Story, tmp_path: Path) -> None:
    with bed.running(tmp_path) as running:
        running.send("Restock", sku="tea", quantity=100)

        def start() -> None:
            running.start()
            bed.order(running, name="live-3")

        report = talk("live.mjs", {"KILL": running.kill, "START": start}, URL=running.url)
    assert report["before"] == 0
    assert "ann" in report["row"]
    assert report["kept"] == 1  # what was seen last stays, and says that it is old
    assert report["rows"] == [1, 1, 1, 1]
    assert report["reloaded"] == ["since the start", "since the start"]
