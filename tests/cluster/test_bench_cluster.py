"""The benchmark of four projectors from cold zero, at a size that a test can wait for: what it promises holds, and it would tell if not."""

from collections.abc import Iterator

import pytest

from bench import cluster_lines, servers

pytestmark = pytest.mark.cluster

EVENTS = 10_000


@pytest.fixture(scope="module", autouse=True)
def ended() -> Iterator[None]:
    """Servers of the benchmark's own end with it."""
    yield
    servers.stop()


def test_four_from_cold_zero_fold_every_event_once_and_leave_at_ease() -> None:
    with cluster_lines.million(EVENTS) as measure:
        sample = measure()
    assert sample.value > 0
    assert sample.peer_value is not None
    assert sample.ratio == pytest.approx(sample.value / sample.peer_value)


def test_coming_and_going_while_they_work_loses_and_doubles_nothing() -> None:
    with cluster_lines.scale_down(EVENTS) as measure:
        assert measure().ratio == 0
