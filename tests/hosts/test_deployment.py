"""What a stack is told: plain data, true to the app, to the entry points and to the store."""

import ast
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from msgspec.structs import replace

from apps.shop import app as shop
from hosts.deployment import describe, roles
from providers.postgres.rows import PostgresReadStore
from runtime.domain.manifest import manifest
from runtime.errors import Misconfigured
from runtime.ports import Output, Phase
from tests.conformance.read_stores import SELLING, write

NOON = datetime(2013, 6, 1, 12, 0, tzinfo=UTC)


def test_it_is_plain_data_and_says_the_same_twice() -> None:
    told = describe("shop")
    assert json.loads(json.dumps(told)) == told == describe("shop")
    assert told["manifest"] == manifest(shop)
    assert told["app"] == "shop"
    assert told["topics"] == {"events": "trimaran.shop", "signals": "trimaran.shop.signals"}
    assert told["limits"]["bytes_per_event"] == 400_000
    assert told["limits"]["partitions"] == 256


def test_every_group_has_a_stable_name_to_watch_and_the_first_generations_own() -> None:
    groups = describe("shop")["groups"]
    assert set(groups) == set(shop.groups)
    for name, group in groups.items():
        assert (group["watched"], group["first"]) == (f"shop.{name}", f"shop.{name}.1")
        assert group["saga"] is shop.groups[name].saga
        assert group["schema"] == shop.groups[name].schema
        assert (group["due"] is None) is not group["saga"]


def test_an_app_that_is_not_there_is_refused() -> None:
    with pytest.raises(Misconfigured, match="nowhere"):
        describe("nowhere")


def test_every_role_is_a_module_that_can_be_run() -> None:
    """`python -m` of each finds a file with a main block."""
    for name, role in roles().items():
        assert role["command"][:2] == ["python", "-m"], name
        file = Path(*role["command"][2].split(".")).with_suffix(".py")
        blocks = [node for node in ast.parse(file.read_text()).body if isinstance(node, ast.If)]
        assert any(ast.unparse(block.test) == "__name__ == '__main__'" for block in blocks), f"{name}: {file}"


def test_a_stack_that_is_planned_loads_no_driver() -> None:
    import subprocess
    import sys

    code = "import sys, hosts.deployment as d; d.describe('shop'); print([m for m in ('psycopg', 'kafka', 'graphene') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def counted(url: str, statement: str) -> Any:
    assert "\n" not in statement
    with psycopg.connect(url) as connection:
        (row,) = connection.execute(statement).fetchall()
    (value,) = row
    return value


def test_the_count_of_due_work_is_what_a_dispatcher_would_find(postgres_url: str) -> None:
    saga = next(name for name, group in describe("shop")["groups"].items() if group["saga"])
    statement = describe("shop")["groups"][saga]["due"]
    store = PostgresReadStore(postgres_url, "shop")
    assert counted(postgres_url, statement) == 0
    store.create(replace(SELLING, name=saga), Phase.LIVE, 1)

    def output(stream: str, **parts: Any) -> Output:
        return Output(saga, stream, stream, 1, 1, b'{"tag":"Reserve"}', **parts)

    stuck, later, retried, other = output("order-4"), output("order-3", due=NOON + timedelta(hours=1)), output("order-5"), output("order-7")
    made = [
        output("order-1"),
        output("order-2", due=NOON),
        later,
        stuck,
        retried,
        output("order-6", generation=2),
        replace(other, saga="x"),
    ]
    write(store, saga, 1, outputs=made)
    store.failed(stuck, "no", None)
    store.failed(retried, "later", NOON + timedelta(minutes=10))
    for now, expected in ((NOON, 2), (NOON + timedelta(minutes=10), 3), (NOON + timedelta(hours=2), 4)):
        store.set_clock(now)
        assert counted(postgres_url, statement) == len(store.due(saga, store.clock(), 100)) == expected
    store.set_clock(None)
    assert counted(postgres_url, statement) == len(store.due(saga, store.clock(), 100)) == 4  # by database time, those of 2013
    write(store, saga, 1, outputs=[replace(output("order-8"), due=store.clock() + timedelta(hours=1))])
    assert counted(postgres_url, statement) == len(store.due(saga, store.clock(), 100)) == 4
    store.close()
