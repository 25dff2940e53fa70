"""The jobs before a deployment: idempotent, killable anywhere, a line for each thing done, and one line for what is in the way."""

import json
import subprocess
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest
from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, OffsetSpec

from hosts.prepare import database
from hosts.settings import load_app, settings
from providers.postgres import doctor
from providers.postgres.rows import PostgresReadStore
from providers.postgres.rows_due import counting_due
from runtime.domain import App
from runtime.errors import Misconfigured
from tests.cli.running import started
from tests.servers import kafka

RIGHTS = [
    {"principal": "User:relay", "resource": "topic", "name": "trimaran.shop", "operation": "write"},
    {"principal": "User:projector", "resource": "group", "name": "shop.", "pattern": "prefixed", "operation": "read"},
    {"principal": "User:admin", "resource": "cluster", "operation": "describe"},
]


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """An app of this test alone, so that its topics and schema are."""
    name = f"shop{uuid.uuid4().hex[:12]}"
    (tmp_path / "mine.py").write_text(f"from apps import shop\nfrom runtime.domain import App\napp = App({name!r}, parts=shop.app.parts)\n")
    return name


class Job:
    """`python -m hosts.prepare …` of an app in a folder."""

    def __init__(self, folder: Path, what: str, **said: str) -> None:
        self._folder, self._what = folder, what
        self._said = {f"TRIMARAN_{name.upper()}": value for name, value in {"app": "mine:app", **said}.items()}

    def start(self) -> "subprocess.Popen[str]":
        return started(self._folder, self._what, module="hosts.prepare", env=self._said)

    def run(self) -> tuple[int, list[str], str]:
        """To its end: exit code, lines, error."""
        with self.start() as process:
            try:
                out, error = process.communicate(timeout=60)
            finally:
                process.kill()
        return process.returncode, out.splitlines(), error

    def done(self) -> list[str]:
        code, lines, error = self.run()
        assert (code, error) == (0, ""), (lines, error)
        return lines

    def killed_after(self, lines: int) -> None:
        """kill -9 as soon as so many lines were said."""
        process = self.start()
        assert process.stdout is not None
        for _ in range(lines):
            process.stdout.readline()
        process.kill()
        process.communicate()


def generations(url: str, name: str) -> list[tuple[str, int, str]]:
    store = PostgresReadStore(url, name)
    found = [(one.group, one.number, str(one.phase)) for group in ("rows", "selling") for one in store.generations(group)]
    store.close()
    return found


# --- database


def test_the_database_is_made_once_and_found_the_next_time(tmp_path: Path, mine: str, postgres_url: str) -> None:
    job = Job(tmp_path, "database", events=postgres_url, rows=postgres_url)
    warned = [line for line in job.done() if not line.startswith("warning: ")]
    schemas = [f"events: schema {mine} is up to date", f"rows: schema {mine} is up to date"]
    assert warned == [*schemas, "group rows: generation 1 is made", "group selling: generation 1 is made"]
    again = [line for line in job.done() if not line.startswith("warning: ")]
    assert again == [*schemas, "group rows: generation 1 is live", "group selling: generation 1 is live"]
    assert generations(postgres_url, mine) == [("rows", 1, "live"), ("selling", 1, "live")]


def test_killed_anywhere_the_database_job_is_simply_run_again(tmp_path: Path, mine: str, postgres_url: str) -> None:
    job = Job(tmp_path, "database", events=postgres_url, rows=postgres_url)
    warnings = sum(line.startswith("warning: ") for line in Job(tmp_path, "database", events=postgres_url, rows=postgres_url).run()[1])
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f'DROP SCHEMA "{mine}" CASCADE')
    for lines in range(warnings, warnings + 4):
        job.killed_after(lines)
    job.done()
    assert generations(postgres_url, mine) == [("rows", 1, "live"), ("selling", 1, "live")]


def test_a_saga_whose_rows_are_not_there_is_left_to_an_operator(tmp_path: Path, mine: str, postgres_url: str) -> None:
    job = Job(tmp_path, "database", events=postgres_url, rows=postgres_url)
    job.done()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"INSERT INTO \"{mine}\".streams (stream, version) VALUES ('order-1', 1)")
        connection.execute(f"UPDATE \"{mine}\".read_generations SET dropped = true WHERE name = 'selling'")
    lines = job.done()
    assert "group rows: generation 1 is live" in lines
    assert [line for line in lines if line.startswith("group selling") and "--group selling` with --silent" in line]
    assert generations(postgres_url, mine) == [("rows", 1, "live")]


def test_a_server_that_is_too_old_is_refused_before_anything_is_made(monkeypatch: pytest.MonkeyPatch, postgres_url: str, mine: str) -> None:
    monkeypatch.setattr(doctor, "SERVER", 99)
    with pytest.raises(Misconfigured, match=r"--events: server: PostgreSQL \d+.*: use PostgreSQL 99 or newer"), ExitStack() as stack:
        database(settings(events=postgres_url, rows=postgres_url), App(mine, parts=load_app("shop").parts), stack)
    with psycopg.connect(postgres_url) as connection:
        assert connection.execute("SELECT to_regnamespace(%s)", (mine,)).fetchone() == (None,)


def test_rights_that_are_missing_are_named_in_one_line(tmp_path: Path, mine: str, postgres_url: str) -> None:
    user = f"u{uuid.uuid4().hex[:12]}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'secret'")
    url = as_user(postgres_url, user)
    code, lines, error = Job(tmp_path, "database", events=url, rows=url).run()
    assert (code, lines[-1:] == [] or lines[-1].startswith("warning")) == (2, True)
    assert error.startswith("error: --events: rights: ") and "GRANT CREATE ON DATABASE" in error
    assert error.count("\n") == 1
    assert "secret" not in error


def test_a_login_that_counts_what_is_due_reads_nothing_of_it(tmp_path: Path, mine: str, postgres_url: str) -> None:
    user = f"u{uuid.uuid4().hex[:12]}"
    job = Job(tmp_path, "database", events=postgres_url, rows=postgres_url, scaler=user)
    code, _, error = job.run()
    assert (code, error.count("\n")) == (2, 1) and f'CREATE ROLE "{user}"' in error, error
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {user} LOGIN PASSWORD 'secret'")
        assert f"rows: {user} may count what is due" in job.done()
        job.done()  # once more, as after a kill
        admin.execute(
            f'INSERT INTO "{mine}".read_outputs (saga, generation, stream, version, n, key, command, tenant, tries, error, stuck, ready)'
            " SELECT 'selling', 0, 's', 1, n, 'k' || n, '{}', '', 0, '', n = 3, now() FROM generate_series(1, 3) n"
        )
        tables = [name for (name,) in admin.execute("SELECT table_name FROM information_schema.tables WHERE table_schema = %s", (mine,))]
    with psycopg.connect(as_user(postgres_url, user), autocommit=True) as counting:
        assert counting.execute(counting_due(mine, "selling")).fetchone() == (2,)
        assert {"streams", "read_outputs", "read_changes"} <= set(tables)
        for words in [f'SELECT * FROM "{mine}".{name}' for name in tables] + [
            f'SELECT command FROM "{mine}".read_outputs',
            f'DELETE FROM "{mine}".read_outputs',
            f'UPDATE "{mine}".read_clock SET now = now',
        ]:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                counting.execute(words)


def test_a_login_that_counts_needs_a_database_with_logins(tmp_path: Path, mine: str) -> None:
    files = {name: f"sqlite:///{tmp_path}/{name}.db" for name in ("events", "rows")}
    code, _, error = Job(tmp_path, "database", scaler="keda", **files).run()
    assert (code, error) == (2, "error: TRIMARAN_SCALER='keda': only PostgreSQL has logins: take it away\n")


def as_user(url: str, user: str) -> str:
    """The URL with another login."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{user}:secret@{rest.rpartition('@')[2]}"


def test_a_database_that_is_away_says_so_and_may_be_tried_again(tmp_path: Path, mine: str) -> None:
    url = "postgresql://nobody:secret@127.0.0.1:1/nothing"
    code, lines, error = Job(tmp_path, "database", events=url, rows=url).run()
    assert (code, lines) == (4, [])
    assert error.count("\n") == 1 and "127.0.0.1:1" in error and "secret" not in error


# --- bus


class Broker:
    """What a broker says of an app's topics and groups."""

    def __init__(self, url: str, name: str) -> None:
        self._admin = KafkaAdminClient(bootstrap_servers=url.removeprefix("kafka://").partition("?")[0])
        self.topic = f"trimaran.{name}"

    def partitions(self) -> int:
        return len(self._admin.describe_topics([self.topic])[0]["partitions"])

    def setting(self, name: str) -> str:
        told = self._admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, self.topic)], config_filter="all")
        return str(told["topic"][self.topic][name]["value"])

    def committed(self, group: str) -> dict[int, int]:
        found = self._admin.list_group_offsets(group)[group]
        return {place.partition: one.offset for place, one in found.items() if one.offset >= 0}

    def ends(self) -> int:
        places = [TopicPartition(self.topic, number) for number in range(self.partitions())]
        return sum(end.offset for end in self._admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST)).values())

    def close(self) -> None:
        self._admin.close()


@pytest.fixture
def broker(kafka_url: str, mine: str) -> Any:
    found = Broker(kafka_url, mine)
    yield found
    found.close()


def test_the_bus_gets_topics_and_first_offsets_and_keeps_what_is_there(tmp_path: Path, mine: str, kafka_url: str, broker: Broker) -> None:
    job = Job(tmp_path, "bus", bus=kafka_url, partitions="5", retention_hours="2")
    assert job.done() == [
        f"topic trimaran.{mine}: made with 5 partitions, keeps messages for 2 h",
        f"topic trimaran.{mine}.signals: made",
        f"group {mine}.rows: 5 partitions begin, as those of {mine}.rows.1 do",
        f"group {mine}.selling: 5 partitions begin, as those of {mine}.selling.1 do",
    ]
    assert (broker.partitions(), broker.setting("retention.ms"), broker.setting("cleanup.policy")) == (5, "7200000", "delete")
    for group in ("rows", "rows.1", "selling", "selling.1"):
        assert broker.committed(f"{mine}.{group}") == dict.fromkeys(range(5), 0)
    longer = Job(tmp_path, "bus", bus=kafka_url, partitions="5", retention_hours="3")
    assert longer.done()[0] == f"topic trimaran.{mine}: is there, keeps messages for 3 h from now on"
    assert longer.done() == [
        f"topic trimaran.{mine}: is there, keeps messages for 3 h",
        f"topic trimaran.{mine}.signals: is there",
        f"group {mine}.rows: has its offsets",
        f"group {mine}.selling: has its offsets",
    ]
    assert broker.setting("retention.ms") == "10800000"


def test_a_topic_with_fewer_partitions_is_refused_in_one_line_and_left_alone(
    tmp_path: Path, mine: str, kafka_url: str, broker: Broker
) -> None:
    Job(tmp_path, "bus", bus=kafka_url, partitions="2").done()
    code, lines, error = Job(tmp_path, "bus", bus=kafka_url, partitions="4").run()
    assert (code, lines, error.count("\n")) == (2, [], 1)
    assert f"topic 'trimaran.{mine}' has 2 partitions, 4 are asked for" in error
    assert broker.partitions() == 2


def test_killed_anywhere_the_bus_job_is_simply_run_again(tmp_path: Path, mine: str, kafka_url: str, broker: Broker) -> None:
    job = Job(tmp_path, "bus", bus=kafka_url, partitions="3")
    for lines in range(4):
        job.killed_after(lines)
    job.done()
    for group in ("rows", "rows.1", "selling", "selling.1"):
        assert broker.committed(f"{mine}.{group}") == dict.fromkeys(range(3), 0)


def test_a_bus_that_nobody_else_can_reach_is_refused(tmp_path: Path, mine: str) -> None:
    code, _, error = Job(tmp_path, "bus", bus="memory://").run()
    assert code == 2 and "--bus memory:// lives inside one process" in error


@pytest.mark.long
def test_rights_are_granted_where_they_are_missing(tmp_path: Path, mine: str) -> None:
    with kafka.running(secured=True) as server:
        job = Job(tmp_path, "bus", bus=server.url, partitions="1", rights=json.dumps(RIGHTS[:2]))
        assert "rights: 2 granted, 0 were there" in job.done()
        more = Job(tmp_path, "bus", bus=server.url, partitions="1", rights=json.dumps(RIGHTS))
        assert "rights: 1 granted, 2 were there" in more.done()
        stranger = Job(tmp_path, "bus", bus=server.secure_url("stranger", "stranger"), rights=json.dumps(RIGHTS))
        code, _, error = stranger.run()
        assert (code, error.count("\n")) == (2, 1) and "does not let us describe or create topic" in error


def test_rights_on_brokers_that_keep_none_and_rights_that_are_none_are_refused(tmp_path: Path, mine: str, kafka_url: str) -> None:
    code, _, error = Job(tmp_path, "bus", bus=kafka_url, partitions="1", rights=json.dumps(RIGHTS)).run()
    assert code == 2 and "the brokers keep no rights (no authorizer)" in error
    for rights, named in (
        ("[{}]", "principal"),
        ("no", "truncated"),
        ('[{"principal":"x","resource":"topic","operation":"read"}]', "User:"),
    ):
        code, _, error = Job(tmp_path, "bus", bus="kafka://127.0.0.1:1", partitions="1", rights=rights).run()
        assert code == 2 and "TRIMARAN_RIGHTS" in error and named in error, error  # before a broker is asked
