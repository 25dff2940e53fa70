"""npm's graphql-ws, Apollo Client and urql, as they come: they ask, change, watch, are refused, lose their connection and go on."""

import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.stories import HERE, check, story
from tests.live import bed
from tests.rounds import rounds
from tests.servers import npm

CLIENTS = ("graphql-ws", "apollo")  # and urql, with `--full`
DROPS = 100
ATTEMPTS = 5  # connections in six seconds: what a client that waits longer each time comes to


@pytest.fixture(scope="module")
def gateway() -> Iterator[bed.Bed]:
    """The shop, served."""
    with bed.running() as running:
        yield running


@pytest.mark.parametrize("client", [*CLIENTS, pytest.param("urql", marks=pytest.mark.long)])
def test_a_client_asks_changes_watches_is_refused_and_comes_back_without_missing_anything(
    client: str, gateway: bed.Bed, tmp_path: Path
) -> None:
    report = story(client, gateway.url, gateway.tokens.sign("ann"), tmp_path)
    check(report)
    refused = report["refusals"]["garbled"]
    assert 1 <= refused["connections"] <= ATTEMPTS
    assert refused["told"] is None or refused["told"]["code"] == 4403  # graphql-ws tries 4403 again, later and later


@pytest.mark.rounds
def test_fault_46_forced_drops_under_load_lose_nothing_double_nothing_and_never_go_back(gateway: bed.Bed, tmp_path: Path) -> None:
    drops = rounds(DROPS)
    told = {"URL": gateway.url, "TOKEN": gateway.tokens.sign("bea"), "ID": uuid.uuid4().hex[:8], "DROPS": str(drops)}
    report = npm.report(HERE / "drops.mjs", tmp_path, told | {"CUSTOMER": "bea"}, timeout_s=240)
    assert report["failure"] is None
    assert report["acknowledged"] > drops  # every drop was of a connection that worked
    assert report["rows"] == report["placed"] > 0
    assert (report["missing"], report["extra"], report["doubled"], report["backwards"]) == (0, 0, 0, 0)
    assert report["snapshots"] == 1  # never begun afresh: each time it went on


def test_the_audit_of_graphql_over_http_passes(gateway: bed.Bed, tmp_path: Path) -> None:
    results: Any = npm.report(HERE / "audit.mjs", tmp_path, {"URL": gateway.url})
    assert len(results) > 50
    assert [result for result in results if result["status"] != "ok"] == []


@pytest.mark.long
def test_a_token_that_runs_out_is_replaced_and_the_live_view_goes_on(gateway: bed.Bed, tmp_path: Path) -> None:
    told = {
        "URL": gateway.url,
        "SHORT": gateway.tokens.sign("ann", ttl_s=10),
        "TOKEN": gateway.tokens.sign("ann"),
        "ID": uuid.uuid4().hex[:8],
    }
    report = npm.report(HERE / "expiry.mjs", tmp_path, told)
    assert report["failure"] is None
    assert report["closed"] == [[4403, "Token expired"]]
    assert report["connections"] == 2
    assert report["rows"] >= report["placed"] > 0
    assert (report["snapshots"], report["doubled"], report["backwards"]) == (1, 0, 0)
