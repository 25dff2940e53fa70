"""What arrives: whole events, none lost and none made, however few come at a time and however often a burst repeats."""

import pytest

from costs.scaling.arrivals import Dealer, arriving
from tests.costs.building import Burst, workload


@pytest.mark.parametrize(
    ("shares", "dealt"), [((0.5, 0.3, 0.2), [50, 30, 20]), ((0.25,) * 4, [25] * 4), ((0.97, 0.01, 0.01, 0.01), [97, 1, 1, 1])]
)
def test_single_events_follow_the_shares_as_many_at_once_do(shares: tuple[float, ...], dealt: list[int]) -> None:
    one_by_one, dealer = [0] * len(shares), Dealer(shares)
    for _ in range(100):
        now = dealer.deal(1)
        assert sorted(now) == [0] * (len(shares) - 1) + [1]
        one_by_one = [had + got for had, got in zip(one_by_one, now, strict=True)]
    assert one_by_one == Dealer(shares).deal(100) == dealt


@pytest.mark.parametrize("shares", [(0.5, 0.5000005), (0.5, 0.4999995)], ids=["above 1", "below 1"])
def test_shares_that_do_not_quite_add_up_make_and_lose_nothing(shares: tuple[float, ...]) -> None:
    dealer = Dealer(shares)
    assert [sum(dealer.deal(10**7)) for _ in range(3)] == [10**7] * 3


def test_a_burst_comes_whole_each_time_it_repeats() -> None:
    arrive = arriving(workload(Burst(at_s=10, events=7, over_s=3, every_s=20)))
    assert [(second, arrive(second)) for second in range(70) if arrive(second)] == [
        *((10, 2), (11, 2), (12, 3)),
        *((30, 2), (31, 2), (32, 3)),
        *((50, 2), (51, 2), (52, 3)),
    ]
    assert sum(arrive(second) for second in range(10 + 20 * 50)) == 7 * 50


def test_a_burst_that_repeats_as_soon_as_it_is_over_leaves_no_gap() -> None:
    arrive = arriving(workload(Burst(at_s=10, events=7, over_s=3, every_s=3)))
    assert [arrive(second) for second in range(9, 19)] == [0, *(2, 2, 3) * 3]
