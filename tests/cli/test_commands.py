"""What every command does when nothing is wrong, as processes of their own on one directory."""

import json
import signal
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import started, trimaran

RESTOCK = '{"type":"Restock","sku":"cup","quantity":5}'
ORDER = {"type": "PlaceOrder", "order": "o1", "customer": "ann", "sku": "cup", "quantity": 1, "amount": 100, "at": "2026-05-01T12:00:00Z"}
FIELDS = ["flights", "events", "rows", "flagged", "lost", "doubled", "seconds", "events_per_s", "tables"]
TABLE = ["carrier", "month", "scheduled", "departed", "cancelled", "diverted", "arrived", "dep_delay", "arr_delay", "late"]


def said(directory: Path, *arguments: str, stdin: str = "") -> str:
    done = trimaran(directory, *arguments, stdin=stdin)
    assert done.returncode == 0, done.stderr
    return done.stdout


def lines_of(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_help_names_every_command_and_the_exit_codes(tmp_path: Path) -> None:
    text = said(tmp_path, "--help")
    commands = "dev demo feed send watch streams replay rebuild dlq export import doctor bench test"
    assert all(f"\n  {command} " in text for command in commands.split())
    assert "130 interrupted" in text


def test_send_streams_and_replay_show_what_was_stored(tmp_path: Path) -> None:
    assert said(tmp_path, "send", RESTOCK, "--key", "k") == "stock-cup@1\n"
    told = lines_of(said(tmp_path, "send", "-", "--json", stdin=f"{RESTOCK}\n\n{json.dumps(ORDER)}\n"))
    assert [(one["token"], one["replayed"]) for one in told] == [("stock-cup@2", False), ("order-o1@1", False)]
    assert said(tmp_path, "streams") == "order-o1@1\nstock-cup@2\n"
    assert said(tmp_path, "streams", "--prefix", "stock") == "stock-cup@2\n"
    first, second = lines_of(said(tmp_path, "streams", "stock-cup", "--json"))
    assert (first["version"], first["key"], first["data"]["quantity"], second["version"]) == (1, "k", 5, 2)
    assert [one["state"] for one in lines_of(said(tmp_path, "replay", "stock-cup", "--json"))] == [5, 10]
    assert [one["state"] for one in lines_of(said(tmp_path, "replay", "stock-cup", "--to", "1", "--json"))] == [5]


def test_an_export_goes_into_another_store_and_is_whole(tmp_path: Path) -> None:
    said(tmp_path, "send", "-", stdin=f"{RESTOCK}\n{json.dumps(ORDER)}\n")
    said(tmp_path, "export", "out.jsonl")
    assert trimaran(tmp_path, "export", "out.jsonl").returncode == 2, "a whole export is not written over"
    torn = (tmp_path / "out.jsonl").read_bytes()
    (tmp_path / "torn.jsonl").write_bytes(torn[: len(torn) * 2 // 3])
    said(tmp_path, "export", "torn.jsonl")
    assert (tmp_path / "torn.jsonl").read_bytes() == torn
    there = ("--events", "sqlite:///there/events.db", "--rows", "sqlite:///there/rows.db")
    said(tmp_path, "import", "out.jsonl", *there)
    assert said(tmp_path, "streams", "stock-cup", "--json", *there[:2]) == said(tmp_path, "streams", "stock-cup", "--json")
    asked = trimaran(tmp_path, "dev", "--port", "0", *there)
    assert (asked.returncode, "--silent" in asked.stderr) == (5, True), "only people know whether the saga's rows were lost"
    assert trimaran(tmp_path, "rebuild", "start", "--group", "selling", *there).returncode == 2
    assert "is live" in said(tmp_path, "rebuild", "start", "--group", "selling", "--silent", *there)


def test_the_doctor_finds_a_healthy_store_healthy_and_changes_nothing(tmp_path: Path) -> None:
    assert "not there yet" in said(tmp_path, "doctor")
    assert not any(tmp_path.iterdir())
    said(tmp_path, "send", RESTOCK)
    found = json.loads(said(tmp_path, "doctor", "--json"))
    assert all(one["well"] for section in found.values() for one in section["findings"])


def test_the_doctor_says_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, it is a text that is long enough to look at\n" * 100)
    done = trimaran(tmp_path, "doctor", "--events", "sqlite:///text.db", "--rows", "postgresql://me:hidden@127.0.0.1:1/x")
    assert done.returncode == 1
    assert done.stdout.count("way out:") == 2
    assert "hidden" not in done.stdout


def test_the_doctor_looks_at_postgres(tmp_path: Path, postgres_url: str) -> None:
    stores = ("--events", postgres_url, "--rows", postgres_url)
    before = trimaran(tmp_path, "doctor", *stores).stdout
    assert before.count("no tables yet") == 2
    assert "way out: set fsync = on" in before, "this server of the tests runs without"
    said(tmp_path, "send", RESTOCK, *stores)
    assert trimaran(tmp_path, "doctor", *stores).stdout.count("schema: version 1") == 2


def test_the_demo_prints_one_object_of_the_agreed_form_and_the_second_run_finds_the_data(tmp_path: Path) -> None:
    day = ("demo", "--to", "2013-01-01", "--speed", "max", "--json")
    done = trimaran(tmp_path, *day)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert "runs on http://127.0.0.1:" in done.stderr
    assert list(found) == FIELDS
    assert (found["flights"], found["rows"], found["lost"], found["doubled"]) == (842, 842, 0, 0)
    assert list(found["tables"][0]) == TABLE
    assert sum(row["scheduled"] for row in found["tables"]) == 842
    again = trimaran(tmp_path, *day)
    assert again.returncode == 0, again.stderr
    assert "--fresh" in again.stderr
    assert {name: value for name, value in json.loads(again.stdout).items() if name not in ("seconds", "events_per_s")} == {
        name: value for name, value in found.items() if name not in ("seconds", "events_per_s")
    }
    rebuilt = trimaran(tmp_path, "rebuild", "start", "--group", "rows", "--app", "flights")
    assert "generation 2 is live" in rebuilt.stdout, rebuilt.stderr
    together = trimaran(tmp_path, "rebuild", "start", "--group", "rows", "--app", "flights", "--workers", "2")
    assert f"rows: {found['events'] + found['flagged']:,} events folded" in together.stderr, together.stderr
    assert "generation 3 is live" in together.stdout, together.stderr
    after = trimaran(tmp_path, *day)
    assert json.loads(after.stdout)["tables"] == found["tables"]
    plan = lines_of(said(tmp_path, "rebuild", "--plan", "--json", "--app", "flights"))
    assert [one["streams"] for one in plan] == [842, 842]
    fresh = trimaran(tmp_path, *day, "--fresh", "--chaos", "5")
    assert json.loads(fresh.stdout)["tables"] == found["tables"], fresh.stderr


def test_a_demo_that_is_interrupted_stops_cleanly_and_goes_on(tmp_path: Path) -> None:
    process = started(tmp_path, "demo", "--to", "2013-01-01", "--speed", "20000")
    assert process.stdout is not None
    assert "commands" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "the same command goes on from there" in errors
    assert "Traceback" not in errors
    done = trimaran(tmp_path, "demo", "--to", "2013-01-01", "--speed", "max", "--json")
    found = json.loads(done.stdout)
    assert (found["flights"], found["lost"], found["doubled"]) == (842, 0, 0), output


@pytest.mark.long
def test_a_feed_without_projectors_is_shown_by_a_later_demo(tmp_path: Path) -> None:
    told = json.loads(said(tmp_path, "feed", "flights", "--to", "2013-01-01", "--json"))
    assert (told["whole"], told["repeated"]) == (True, 0)
    found = json.loads(said(tmp_path, "demo", "--to", "2013-01-01", "--speed", "max", "--json"))
    assert (found["events"], found["lost"], found["doubled"]) == (told["commands"], 0, 0)


@pytest.fixture
def dev(tmp_path: Path) -> Any:
    process = started(tmp_path, "dev", "--port", "0", "--no-open")
    assert process.stdout is not None
    line = process.stdout.readline()
    assert "runs on http://" in line, process.stderr.read() if process.stderr and process.poll() is not None else line
    yield process, line.split()[3].rstrip(":,")
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)


def test_dev_takes_commands_from_http_and_from_send_and_watch_shows_their_rows(dev: Any, tmp_path: Path) -> None:
    process, url = dev
    said(tmp_path, "send", RESTOCK)
    watching = started(tmp_path, "watch", "ticket", "--json", "--seconds", "20")
    assert watching.stderr is not None
    assert watching.stdout is not None
    assert "watching ticket" in watching.stderr.readline()
    request = urllib.request.Request(f"{url}/commands", json.dumps(ORDER).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=20) as answer:
        assert json.loads(answer.read())["token"] == "order-o1@1"
    stages: list[str] = []
    while not stages or stages[-1] != "sold":
        stages.append(json.loads(watching.stdout.readline())["row"]["stage"])
    watching.send_signal(signal.SIGINT)
    watching.communicate(timeout=20)
    assert stages in (["placed", "sold"], ["sold"])
    with urllib.request.urlopen(f"{url}/rows/ticket?key=o1&after=order-o1@2", timeout=20) as answer:
        assert json.loads(answer.read())["row"]["stage"] == "sold"
    second = trimaran(tmp_path, "dev", "--port", "0")
    assert second.returncode == 2
    assert "already runs" in second.stderr
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 0, "Ctrl-C is how dev ends"


POISON = """
from apps import shop
from runtime.domain import App, Projection


def show(row: shop.Ticket | None, event: shop.OrderPlaced | shop.OrderSettled) -> shop.Ticket:
    if not FLAG.exists() and event.order == "bad":
        raise ValueError("cannot show this")
    return shop.show_ticket(row, event)

import pathlib
FLAG = pathlib.Path("mended")
app = App("shop", parts=(shop.orders, Projection("ticket", key="order", row=shop.Ticket, evolve=show)))
"""


def test_a_poisoned_stream_is_listed_shown_redriven_and_dropped(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(POISON)
    told = ("--app", "mine:app", "--events", "sqlite:///e.db", "--rows", "sqlite:///r.db")
    process = started(tmp_path, "dev", "--port", "0", *told)
    try:
        assert process.stdout is not None
        assert "runs on" in process.stdout.readline()
        for order in ("good", "bad"):
            said(tmp_path, "send", json.dumps(ORDER | {"order": order}), *told[:4])
        until = time.monotonic() + 30
        while "order-bad" not in (listed := said(tmp_path, "dlq", "list", *told)):
            assert time.monotonic() < until, listed
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    (letter,) = json.loads(said(tmp_path, "dlq", "list", "--json", *told))["letters"]
    assert (letter["part"], letter["stream"], letter["version"]) == ("ticket", "order-bad", 1)
    shown = said(tmp_path, "dlq", "show", "ticket", "order-bad", *told)
    assert "cannot show this" in shown
    assert "PlaceOrder" not in shown
    assert "OrderPlaced" in shown
    again = trimaran(tmp_path, "dlq", "redrive", "ticket", "order-bad", *told)
    assert again.returncode == 1
    assert "still cannot fold" in again.stderr
    (tmp_path / "mended").touch()
    assert "1 events folded" in said(tmp_path, "dlq", "redrive", "ticket", "order-bad", *told)
    assert "nothing is parked" in said(tmp_path, "dlq", "list", *told)


def test_a_range_that_cannot_be_replayed_removes_nothing_of_an_earlier_run(tmp_path: Path) -> None:
    day = ("demo", "--from", "2013-01-01", "--to", "2013-01-01", "--speed", "max", "--json")
    assert trimaran(tmp_path, *day).returncode == 0
    kept = (tmp_path / ".trimaran" / "flights" / "events.db").read_bytes()
    refused = trimaran(tmp_path, "demo", "--from", "2013-05-02", "--to", "2013-05-01", "--fresh")
    assert (refused.returncode, refused.stdout, refused.stderr.count("\n")) == (2, "", 1), refused.stderr
    assert (tmp_path / ".trimaran" / "flights" / "events.db").read_bytes() == kept
