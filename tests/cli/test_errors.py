"""What can be wrong in what people type: one clear line with the way out, the right exit code, nothing half-written."""

import os
import socket
import sqlite3
from pathlib import Path

import pytest

from tests.cli.running import trimaran

RESTOCK = '{"type":"Restock","sku":"cup","quantity":5}'
USAGE, REJECTED, UNAVAILABLE = 2, 3, 4


def refused(directory: Path, code: int, *arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> str:
    """The one line on stderr; it is one, and no traceback."""
    done = trimaran(directory, *arguments, stdin=stdin, env=env)
    assert done.returncode == code, done.stderr + done.stdout
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    return lines[0]


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("nonsense", "sqlite:///"),
        ("mysql://localhost/x", "postgresql://"),
        ("kafka://localhost:9092", "postgresql://"),
        ("sqlite://", "sqlite:///file.db"),
        ("sqlite:///", "sqlite:///file.db"),
        ("memory://", "one process"),
        ("postgresql://localhost:notaport/x", "PostgreSQL URL"),
    ],
)
def test_a_wrong_store_url_is_a_usage_error_that_shows_right_ones(tmp_path: Path, url: str, named: str) -> None:
    assert named in refused(tmp_path, USAGE, "send", RESTOCK, "--events", url)
    assert not any(tmp_path.iterdir()), "nothing was written"


@pytest.mark.parametrize(("url", "named"), [("tcp://x", "kafka://"), ("kafka://", "host:port"), ("kafka://x:1?colour=red", "colour")])
def test_a_wrong_bus_url_is_a_usage_error(tmp_path: Path, url: str, named: str) -> None:
    assert named in refused(tmp_path, USAGE, "dev", "--bus", url, "--events", "memory://", "--rows", "memory://", "--port", "0")


def test_a_missing_server_is_unavailable_and_asks_whether_it_runs(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        assert "running" in refused(tmp_path, UNAVAILABLE, "send", RESTOCK, "--events", f"postgresql://me:hidden@127.0.0.1:{port}/x")
        line = refused(tmp_path, UNAVAILABLE, "dev", "--bus", f"kafka://127.0.0.1:{port}", "--events", "memory://", "--rows", "memory://")
        assert "no Kafka broker" in line


def test_refused_credentials_are_a_usage_error_that_hides_the_password(tmp_path: Path, postgres_url: str) -> None:
    host = postgres_url.rpartition("@")[2]
    line = refused(tmp_path, USAGE, "send", RESTOCK, "--events", f"postgresql://nobody_here:hidden@{host}")
    assert "nobody_here" in line
    assert "hidden" not in line


def test_a_newer_schema_is_refused_with_both_versions(tmp_path: Path) -> None:
    assert trimaran(tmp_path, "send", RESTOCK).returncode == 0
    database = sqlite3.connect(tmp_path / ".trimaran/shop/events.db")
    database.execute("UPDATE schema_versions SET version = 99")
    database.commit()
    database.close()
    line = refused(tmp_path, USAGE, "send", RESTOCK)
    assert "99" in line
    assert "newer program" in line


def test_a_port_in_use_is_a_usage_error_that_names_the_option(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        line = refused(tmp_path, USAGE, "dev", "--port", str(taken.getsockname()[1]), "--events", "memory://", "--rows", "memory://")
    assert "in use" in line
    assert "--port" in line


@pytest.mark.parametrize(
    ("app", "named"),
    [("shoop", "shop, flights"), ("apps.nothing:app", "no module"), ("apps.shop:shop", "it has: app"), ("apps.shop:", "module:name")],
)
def test_an_unknown_app_says_what_there_is(tmp_path: Path, app: str, named: str) -> None:
    assert named in refused(tmp_path, USAGE, "send", RESTOCK, "--app", app)


@pytest.mark.parametrize(
    ("command", "named"),
    [
        ("{", "not JSON"),
        ("{", 'write it like {"type": "Charge"'),
        ("[]", "object"),
        ('{"type":"Restok","sku":"cup","quantity":5}', "Restock"),
        ('{"type":"Restock","sku":"cup","quantity":5,"colour":"red"}', "unknown field `colour`; Restock has sku, quantity"),
        ('{"type":"Restock","sku":"cup"}', "quantity"),
        ('{"type":"Restock","sku":"cup","quantity":"five"}', "quantity"),
        ('{"type":"Restock","sku":"cup","quantity":0}', "quantity"),
        ('{"type":"Restock","sku":"","quantity":1}', "empty"),
        ('{"type":"SettleOrder","order":"nobody","outcome":"sold"}', "no order"),
    ],
)
def test_a_bad_command_is_rejected_and_the_text_names_what_is_wrong(tmp_path: Path, command: str, named: str) -> None:
    assert named in refused(tmp_path, REJECTED, "send", command)
    if named not in ("empty", "no order"):  # these two are found with the stream's name and with what is stored
        assert not any(tmp_path.iterdir()), "nothing was written"
    assert trimaran(tmp_path, "streams").stdout == ""


def test_one_bad_line_of_many_sends_nothing(tmp_path: Path) -> None:
    line = refused(tmp_path, REJECTED, "send", "-", stdin=f"{RESTOCK}\n{RESTOCK}\n{{\n")
    assert "line 3" in line
    assert not any(tmp_path.iterdir()), "nothing was written"
    assert trimaran(tmp_path, "streams").stdout == ""


def test_a_key_that_comes_back_with_another_command_is_rejected(tmp_path: Path) -> None:
    assert trimaran(tmp_path, "send", RESTOCK, "--key", "k").stdout == "stock-cup@1\n"
    assert trimaran(tmp_path, "send", RESTOCK, "--key", "k").stdout == "stock-cup@1\n"
    assert "'k'" in refused(tmp_path, REJECTED, "send", RESTOCK.replace("5", "6"), "--key", "k")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("feed", "trains"), "flights"),
        (("feed", "flights", "--from", "2012-01-01"), "2013"),
        (("feed", "flights", "--from", "2013-05-02", "--to", "2013-05-01"), "after"),
        (("feed", "flights", "--from", "yesterday"), "2013-01-07"),
        (("demo", "--speed", "warp"), "3600"),
        (("demo", "--speed", "-1"), "3600"),
        (("demo", "--app", "shop"), "flights"),
        (("rebuild", "start"), "--group"),
    ],
)
def test_wrong_options_say_how_they_are_written(tmp_path: Path, arguments: tuple[str, ...], named: str) -> None:
    assert named in refused(tmp_path, USAGE, *arguments)


def test_what_is_not_there_is_rejected_with_where_to_look(tmp_path: Path) -> None:
    assert "`trimaran streams`" in refused(tmp_path, REJECTED, "streams", "order-nobody")
    assert "`trimaran streams`" in refused(tmp_path, REJECTED, "replay", "order-nobody")
    assert "order, stock, payment" in refused(tmp_path, REJECTED, "replay", "ordre-1")
    assert "dlq list" in refused(tmp_path, REJECTED, "dlq", "show", "ticket", "order-1")
    assert "ticket" in refused(tmp_path, REJECTED, "watch", "tickets")
    assert "no rebuild" in refused(tmp_path, REJECTED, "rebuild", "abort", "--group", "rows")


def test_a_file_that_is_no_database_or_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, it is a text that is long enough to look at\n" * 100)
    assert "text.db" in refused(tmp_path, USAGE, "send", RESTOCK, "--events", "sqlite:///text.db")
    assert "directory" in refused(tmp_path, USAGE, "send", RESTOCK, "--events", f"sqlite:///{tmp_path}")
    assert "cannot make" in refused(tmp_path, USAGE, "send", RESTOCK, "--events", "sqlite:///text.db/inside.db")


def test_an_import_of_something_else_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"hello":"world"}\n')
    assert "line 1" in refused(tmp_path, REJECTED, "import", "in.jsonl")
    assert "cannot open" in refused(tmp_path, USAGE, "import", "nowhere.jsonl")
    assert trimaran(tmp_path, "streams").stdout == ""


def test_settings_come_from_the_environment_too(tmp_path: Path) -> None:
    done = trimaran(tmp_path, "send", RESTOCK, env={"TRIMARAN_EVENTS": "sqlite:///other.db"})
    assert done.returncode == 0
    assert (tmp_path / "other.db").exists()
    assert "nonsense" in refused(tmp_path, USAGE, "streams", env={"TRIMARAN_EVENTS": "nonsense"})
    assert "flights" in refused(tmp_path, USAGE, "streams", env={"TRIMARAN_APP": "trains"})


def test_an_unknown_option_or_command_is_a_usage_error(tmp_path: Path) -> None:
    assert trimaran(tmp_path, "streams", "--colour", "red").returncode == USAGE
    assert trimaran(tmp_path, "dance").returncode == USAGE
    assert trimaran(tmp_path, "dlq", "redrive").returncode == USAGE
    assert "after `status`" in trimaran(tmp_path, "rebuild", "--app", "flights", "status").stderr, "an option is never silently ignored"


def test_a_reader_that_goes_away_is_no_error(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w") as closed:
        import subprocess
        import sys

        from tests.cli.running import environment

        done = subprocess.run(
            [sys.executable, "-c", "from cli.main import main; main()", "doctor"],
            cwd=tmp_path,
            env=environment(),
            stdout=closed,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert "Traceback" not in done.stderr
