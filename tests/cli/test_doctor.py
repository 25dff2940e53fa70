"""What the doctor says of servers and files that cannot serve: what is wrong, and a way out that works. It changes nothing."""

import contextlib
import json
import sqlite3
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kafka import KafkaAdminClient
from psycopg import sql

from tests.cli.running import trimaran
from tests.servers import kafka
from tests.servers.process import free_port

RESTOCK = '{"type":"Restock","sku":"cup","quantity":5}'


def bad(directory: Path, section: str, *arguments: str) -> list[dict[str, Any]]:
    """What is not well in one section; nothing else may be."""
    done = trimaran(directory, "doctor", "--json", *arguments)
    found = json.loads(done.stdout)
    wrong = {name: [one for one in each["findings"] if not one["well"]] for name, each in found.items()}
    assert done.returncode == (1 if wrong[section] else 0), done.stderr
    assert all(one["way_out"] for one in wrong[section])
    return wrong[section]


def test_a_schema_of_a_newer_program_is_found_in_a_file_and_left_alone(tmp_path: Path) -> None:
    assert trimaran(tmp_path, "send", RESTOCK).returncode == 0
    path = tmp_path / ".trimaran/shop/events.db"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE schema_versions SET version = 99")
        database.commit()
    before = path.read_bytes()
    (finding,) = bad(tmp_path, "events")
    assert "version 99, this program knows" in finding["found"]
    assert finding["way_out"] == "run a newer program"
    assert path.read_bytes() == before


def test_a_schema_of_a_newer_program_is_found_in_postgres(tmp_path: Path, postgres_url: str) -> None:
    assert trimaran(tmp_path, "send", RESTOCK, "--events", postgres_url).returncode == 0
    with psycopg.connect(postgres_url) as admin:
        admin.execute("UPDATE shop.schema_versions SET version = 99")
    found = bad(tmp_path, "events", "--events", postgres_url)
    assert [one["way_out"] for one in found if "schema" in one["what"]] == ["run a newer program"]


@pytest.fixture
def narrow(postgres_url: str) -> Iterator[str]:
    """The database's URL for a user who may only connect."""
    name = f"narrow_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'secret'").format(sql.Identifier(name)))
        yield f"postgresql://{name}:secret@{postgres_url.rpartition('@')[2]}"
        admin.execute(sql.SQL("DROP OWNED BY {} CASCADE").format(sql.Identifier(name)))
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


def rights(found: list[dict[str, Any]]) -> str:
    """The way out of the finding about privileges."""
    (way_out,) = [one["way_out"] for one in found if one["what"] == "rights"]
    assert isinstance(way_out, str)
    return way_out


def test_a_user_without_privileges_is_told_the_grant_that_helps(tmp_path: Path, postgres_url: str, narrow: str) -> None:
    grant = rights(bad(tmp_path, "events", "--events", narrow))
    refused = trimaran(tmp_path, "send", RESTOCK, "--events", narrow)
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1), refused.stderr
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(grant.encode())
    assert not [one for one in bad(tmp_path, "events", "--events", narrow) if one["what"] == "rights"]
    assert trimaran(tmp_path, "send", RESTOCK, "--events", narrow).stdout == "stock-cup@1\n"


def test_a_user_without_privileges_on_a_schema_that_is_there_is_told_the_grant(tmp_path: Path, postgres_url: str, narrow: str) -> None:
    assert trimaran(tmp_path, "send", RESTOCK, "--events", postgres_url).returncode == 0
    grant = rights(bad(tmp_path, "events", "--events", narrow))
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(grant.encode())
    assert not [one for one in bad(tmp_path, "events", "--events", narrow) if one["what"] == "rights"]


def test_a_server_that_is_not_there_and_a_wrong_password_are_found_and_no_password_is_shown(tmp_path: Path, postgres_url: str) -> None:
    host = postgres_url.rpartition("@")[2]
    for url in (f"postgresql://me:hidden@127.0.0.1:{free_port()}/x", f"postgresql://nobody_here:hidden@{host}"):
        (finding,) = bad(tmp_path, "events", "--events", url)
        assert finding["what"] == "connection"
        assert "hidden" not in str(finding)
    (finding,) = bad(tmp_path, "bus", "--bus", f"kafka://127.0.0.1:{free_port()}")
    assert "Connection refused" in finding["found"]


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """An app with a topic of its own, in the working directory; its name."""
    name = f"shop{uuid.uuid4().hex[:12]}"
    (tmp_path / "mine.py").write_text(f"from apps import shop\nfrom runtime.domain import App\napp = App({name!r}, parts=shop.app.parts)\n")
    return name


def test_topics_that_are_not_there_yet_are_no_fault_and_wrong_ones_are(tmp_path: Path, kafka_url: str, mine: str) -> None:
    told = ("--app", "mine:app", "--bus", kafka_url)
    assert bad(tmp_path, "bus", *told) == []
    topic = f"trimaran.{mine}"
    admin = KafkaAdminClient(bootstrap_servers=kafka_url.removeprefix("kafka://"))
    admin.create_topics({topic: {"num_partitions": 2, "replication_factor": 1, "configs": {"cleanup.policy": "compact"}}})
    admin.wait_for_topics([topic])
    admin.close()
    partitions, policy = bad(tmp_path, "bus", *told)
    assert (partitions["found"], partitions["way_out"]) == ("2 partitions", f"kafka-topics --alter --topic {topic} --partitions 8")
    assert policy["found"] == "compact"
    assert "cleanup.policy=delete" in policy["way_out"]


@pytest.mark.long
def test_a_broker_that_refuses_the_password_is_found(tmp_path: Path) -> None:
    with kafka.running(secured=True) as server:
        (finding,) = bad(tmp_path, "bus", "--bus", server.secure_url(password="hidden"))
        assert "SaslAuthenticationFailedError" in finding["found"]
        assert "hidden" not in str(finding)
        for command in (("dev", "--port", "0", "--events", "memory://", "--rows", "memory://"), ("rebuild", "status")):
            refused: subprocess.CompletedProcess[str] = trimaran(tmp_path, *command, "--bus", server.secure_url(password="hidden"))
            assert (refused.returncode, refused.stderr.count("\n")) == (2, 1), refused.stderr
            assert "check user, password" in refused.stderr
