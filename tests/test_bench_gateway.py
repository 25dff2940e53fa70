"""The gateway's lines say what they promise, are chosen by one word, and measure something real, here with a handful of sockets."""

from collections.abc import Iterator

import pytest

from bench import gateway_fan as fan
from bench import gateway_lines as lines
from bench import table
from bench.gateway_attacks import BOMBS, SIZES
from bench.gateway_child import Child, python
from bench.gateway_domain import ALL
from bench.gateway_stateless import measured
from bench.measure import Sample, bounded, spent

GOALS = {
    "gateway-fanout-vs-broadcast": (1.35, "lower"),
    "gateway-fanout-vs-ariadne": (0.15, "lower"),
    "gateway-fanout-vs-graphql-ws": (0, "higher"),
    "gateway-filters-5000": (1.2, "lower"),
    "gateway-attack-10mb": (1, "lower"),
    "gateway-attack-bombs": (1, "lower"),
    "gateway-attack-stall": (1, "lower"),
    "gateway-stateless": (1, "lower"),
    "gateway-crowd": (1, "lower"),
    "gateway-latency": (1, "lower"),
}
BOUNDS = {
    "gateway-attack-10mb": 50,
    "gateway-attack-bombs": 10,
    "gateway-attack-stall": 50,
    "gateway-stateless": 1,
    "gateway-crowd": 200,
    "gateway-latency": 10,
}


def test_every_goal_of_the_gateway_is_built_in_and_one_word_takes_them_all() -> None:
    chosen, unknown = table._chosen(table.all_lines(), ["gateway"])
    assert {line.name: (line.goal, line.better) for line in chosen} == GOALS
    assert unknown == []


def test_a_name_that_is_a_lines_own_takes_no_others() -> None:
    chosen, _ = table._chosen(table.all_lines(), ["cold-start"])
    assert [line.name for line in chosen] == ["cold-start"]


def test_half_a_word_takes_nothing() -> None:
    assert table._chosen(table.all_lines(), ["gate"]) == ([], ["gate"])


def test_lines_against_a_bound_name_it() -> None:
    known = table.all_lines()
    assert {name: known[name].peer for name in BOUNDS} == {name: f"at most {bound} ms" for name, bound in BOUNDS.items()}


def test_what_is_spent_is_compared_in_all() -> None:
    ours, theirs = iter([1.0, 5.0]), iter([1.0, 3.0])
    assert spent(lambda: next(ours), lambda: next(theirs), turns=2, scale=10)() == Sample(ratio=1.5, value=30.0, peer_value=20.0)


def test_a_bound_shows_how_much_of_it_is_used() -> None:
    assert bounded(lambda: 5.0, 20.0)() == Sample(ratio=0.25, value=5.0)


@pytest.mark.parametrize("peer", [fan.broadcast, fan.ariadne])
def test_a_change_is_counted_at_every_socket_of_both_sides(peer: lines.Peer) -> None:
    with lines.both(peer, 3) as (us, them):
        assert us() > 0
        assert them() > 0


def test_the_reference_server_says_what_we_say() -> None:
    with fan.crowds(2) as (ours, load), fan.graphql_ws(ours.last) as server:
        theirs = fan.Fan(server, load, "theirs")
        theirs.open(ALL, [{}] * 2)
        theirs.publish(2)
        assert len(theirs.last) == len(ours.last)


def test_few_filters_are_measured_like_many() -> None:
    with lines.filters(many=100, few=50, turns=2) as measure:
        assert measure().ratio > 0


def test_a_message_that_is_too_big_is_measured_and_never_answered() -> None:
    with lines.big() as measure:
        assert measure().value > 0


@pytest.fixture(scope="module")
def attacked() -> Iterator[tuple[Child, Child]]:
    with python("bench.gateway_load") as load, fan.ours({}) as server:
        yield load, server


@pytest.mark.parametrize("kind", BOMBS)
def test_every_bomb_is_refused_for_what_it_is(kind: str, attacked: tuple[Child, Child]) -> None:
    load, server = attacked
    for size in SIZES:
        assert load.order("bombs", port=server.port, kind=kind, size=size, times=1) == {"codes": ["LIMIT_EXCEEDED"]}


def test_every_kind_of_message_of_the_stateless_driver_costs_something() -> None:
    costs = measured(3, times=1)
    assert set(costs) == {"connect", "connection_init", "ping", "query", "subscribe", "push", "complete"}
    assert all(cost > 0 for cost in costs.values())


def test_a_mutation_is_followed_to_its_subscriber() -> None:
    with lines.latency() as measure:
        assert measure().value > 0
