"""Reading rows: one's own writes, one meaning over a swap, and an answer even when a generation goes away under the read."""

import pytest

from apps import shop
from runtime.domain.filters import Query
from runtime.errors import Malformed, Stopped
from runtime.steps import run
from tests.flow.house import House, go_on, until
from tests.simulation.domain import Write


def test_a_row_is_read_with_its_generation_and_revision() -> None:
    house = House()
    house.send(shop.Restock("tea", 3))
    house.fold()
    read = run(house.reading().get("shelf", "tea"))
    assert (read.row, read.generation, read.revision, read.stale) == ({"sku": "tea", "free": 3, "n": 1}, 1, 1, False)
    assert run(house.reading().get("shelf", "rum")).row is None


def test_a_read_after_a_token_waits_for_it() -> None:
    house = House()
    token = house.send(shop.Restock("tea", 3)).token
    core = house.reading().get("shelf", "tea", after=token)
    pending = until(core, "sleep", 2)
    house.fold()
    read = go_on(core, pending)
    assert (read.row["n"], read.stale) == (1, False)


def test_a_read_after_a_token_that_does_not_come_says_stale_after_its_wait() -> None:
    house = House()
    token = house.send(shop.Restock("tea", 3)).token
    began = house.clock.seconds
    read = run(house.reading().get("shelf", "tea", after=token, wait_s=2.0))
    assert (read.row, read.stale, read.parked) == (None, True, False)
    assert 2.0 <= house.clock.seconds - began <= 2.3


def test_a_parked_stream_answers_at_once() -> None:
    house = House()
    token = house.send(Write("bad", "poison", 1)).token
    run(house.sink().apply(house.streams()))
    began = house.clock.seconds
    read = run(house.reading().get("page", "bad", after=token))
    assert (read.stale, read.parked) == (True, True)
    assert house.clock.seconds == began
    assert not run(house.reading().get("weights", "bad", after=token)).stale


@pytest.mark.parametrize("token", ["stock-tea", "@3", "stock-tea@x", "stock-tea@"])
def test_a_token_that_is_none_is_refused(token: str) -> None:
    with pytest.raises(Malformed, match="stream@version"):
        run(House().reading().get("shelf", "tea", after=token))


def test_an_unknown_part_names_those_that_are_there() -> None:
    with pytest.raises(Malformed, match="no part 'shelves' with rows: it has ticket"):
        run(House().reading().get("shelves", "tea"))


def test_rows_folded_by_other_code_are_not_read() -> None:
    house = House()
    house.rows._state.filled.clear()
    with pytest.raises(Stopped, match="rebuild start --group rows"):
        run(house.reading().get("shelf", "tea"))


def swapped(house: House) -> None:
    rebuild = house.rebuild()
    run(rebuild.fill(run(rebuild.start())))
    run(rebuild.swap())


def test_a_read_that_a_swap_overtakes_shows_no_row_that_grows_younger_afterwards() -> None:
    house = House()
    house.send(shop.Restock("tea", 3))
    blue = house.projector()
    house.flow(blue)
    reading = house.reading()
    run(reading.get("shelf", "tea"))
    core = reading.get("shelf", "tea")
    pending = until(core, "get")
    swapped(house)
    house.send(shop.Restock("tea", 4))
    house.flow(blue)  # blue is now ahead of live
    seen = go_on(core, pending)
    later = run(reading.get("shelf", "tea"))
    assert later.row is not None
    assert later.row["n"] >= seen.row["n"]
    assert seen.generation == 2


def test_neither_a_read_nor_a_query_fails_of_a_generation_that_is_dropped_under_it() -> None:
    house = House()
    house.send(shop.Restock("tea", 3))
    house.fold()
    reading = house.reading()
    get, query = reading.get("shelf", "tea"), reading.query("shelf", Query())
    pending_get, pending_query = until(get, "get"), until(query, "query")
    swapped(house)
    run(house.rebuild().finish())
    assert go_on(get, pending_get).row["n"] == 1
    generation, page = go_on(query, pending_query)
    assert (generation.number, len(page.rows)) == (2, 1)
