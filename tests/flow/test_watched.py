"""What scales a group by its lag sees one name over all generations: the live one shows there how far it is, and a lost word is said again."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import Unavailable
from runtime.flow.project import LOOK_EVERY_S, Projector, consumer_group, watched_group
from runtime.ports import Phase
from runtime.steps import run
from tests.flow.house import House
from tests.simulation.domain import Write

PARTITIONS = 4


def watched_lag(house: House) -> int:
    return sum(house.bus.lag(watched_group(house.app, "rows")).values())


def own_lag(house: House, projector: Projector) -> int:
    return sum(house.bus.lag(consumer_group(house.app, projector.generation)).values())


def write(house: House, events: int = 6) -> None:
    for n in range(events):
        house.send(Write(f"n{house.dice.randrange(9)}", "plain", n))
    house.relay()


def rounds(house: House, *projectors: Projector, count: int = 4) -> None:
    """Rounds over which a look at the generations falls due."""
    for _ in range(count):
        for projector in projectors:
            run(projector.once(0.0))
        house.clock.seconds += LOOK_EVERY_S


def prepared(**more: Any) -> House:
    """A house whose watched group has its first offsets, as a deployment commits them."""
    house = House(partitions=PARTITIONS, **more)
    house.bus.commit_now(watched_group(house.app, "rows"))
    return house


def test_the_live_generation_shows_its_commits_and_an_idle_round_shows_them_again() -> None:
    house = prepared()
    projector = house.projector(watched=True)
    write(house)
    assert watched_lag(house) == 6
    run(projector.once(0.0))
    assert (watched_lag(house), house.bus.members("shop.rows")) == (0, 0)
    house.bus.commit_now("elsewhere")  # so that the log keeps what comes
    write(house)
    run(projector.once(0.0))
    stale = dict.fromkeys(range(PARTITIONS), 0)
    house.bus._groups[watched_group(house.app, "rows")].committed.update(stale)  # a late word of somebody who was paused
    run(projector.once(0.0))
    assert watched_lag(house) == 0


def test_who_was_not_told_to_shows_nothing() -> None:
    house = prepared()
    projector = house.projector()
    write(house)
    rounds(house, projector)
    assert (own_lag(house, projector), watched_lag(house)) == (0, 6)


def test_a_batch_that_failed_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    house = prepared()
    projector = house.projector(watched=True)
    write(house)
    with monkeypatch.context() as away:
        away.setattr(house.rows, "begin", lambda *_: (_ for _ in ()).throw(Unavailable("away")))
        with pytest.raises(Unavailable):
            run(projector.once(0.0))
        projector.consumer.rewind()
    assert watched_lag(house) == 6
    rounds(house, projector)
    assert watched_lag(house) == 0


def test_green_is_silent_until_it_is_live_and_blue_from_then_on() -> None:
    house = prepared()
    write(house)
    blue = house.projector(watched=True)
    rounds(house, blue)
    rebuild = house.rebuild()
    green = run(rebuild.start())
    run(rebuild.fill(green))
    second = house.projector(generation=green, watched=True)
    write(house)
    rounds(house, second)
    assert (own_lag(house, second), watched_lag(house)) == (0, 6)
    run(rebuild.swap())
    rounds(house, second)
    assert watched_lag(house) == 0
    write(house)
    rounds(house, blue)
    assert (own_lag(house, blue), watched_lag(house)) == (0, 6)
    rounds(house, second)
    assert watched_lag(house) == 0


class Fleet:
    """Projectors that come, go, are killed and lose words, over a rebuild."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.house = prepared(seed=seed)
        self.living: list[Projector] = []
        self.lossy = True
        self.swapped = False
        self.join()

    def join(self) -> None:
        for generation in self.house.rows.generations("rows"):
            if generation.phase in (Phase.LIVE, Phase.BLUE):
                projector = self.house.projector(generation=generation, watched=True)
                consumer: Any = projector.consumer
                consumer.show = self.losing(projector.consumer.show)
                self.living.append(projector)

    def losing(self, show: Callable[[str], None]) -> Callable[[str], None]:
        return lambda group: None if self.lossy and self.dice.random() < 0.6 else show(group)

    def kill(self) -> None:
        if self.living:
            self.living.pop(self.dice.randrange(len(self.living))).consumer.close()

    def work(self) -> None:
        for projector in self.living:
            run(projector.once(0.0))
        self.house.clock.seconds += self.dice.random()

    def write(self) -> None:
        write(self.house, self.dice.randrange(1, 8))

    def swap(self) -> None:
        if not self.swapped:
            rebuild = self.house.rebuild()
            run(rebuild.fill(run(rebuild.start())))
            run(rebuild.swap())
            self.swapped = True


@given(st.integers(0, 2**32), st.lists(st.sampled_from(["write", "work", "work", "kill", "join", "swap"]), max_size=40))
def test_whatever_happened_the_watched_lag_is_in_the_end_what_live_has_not_done(seed: int, steps: list[str]) -> None:
    """Words get lost, members die, a rebuild is swapped in; then all is quiet: nothing is lost and the group could go to zero."""
    fleet = Fleet(seed)
    for step in steps:
        getattr(fleet, step)()
    fleet.join()
    fleet.lossy = False
    house = fleet.house
    rounds(house, *fleet.living, count=12)
    assert watched_lag(house) == 0
    assert house.shown() == house.wanted()
    fleet.write()
    assert watched_lag(house) > 0
    rounds(house, *fleet.living, count=6)
    assert watched_lag(house) == 0
    assert house.shown() == house.wanted()
