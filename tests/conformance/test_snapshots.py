"""The Snapshots port in sentences, over every provider: losing a snapshot costs time, never truth."""

from collections.abc import Iterator

import pytest

from runtime.ports import Snapshot
from tests.conformance.stores import PROVIDERS, Place, opened

TAMPERABLE = ("sqlite", "postgres")


@pytest.fixture(params=PROVIDERS)
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with opened(request) as place:
        yield place


@pytest.fixture(params=TAMPERABLE)
def tamperable(request: pytest.FixtureRequest) -> Iterator[Place]:
    with opened(request) as place:
        yield place


def test_the_snapshot_with_the_highest_version_and_this_stamp_comes_back(place: Place) -> None:
    for version in (10, 20):
        place.snapshots.keep("a", Snapshot(version, "s", f"state {version}".encode()))
    assert place.snapshots.newest("a", "s") == Snapshot(20, "s", b"state 20")
    assert place.another().snapshots.newest("a", "s") == Snapshot(20, "s", b"state 20")


def test_an_older_snapshot_never_replaces_a_newer_one(place: Place) -> None:
    for version in (20, 10, 19):
        place.snapshots.keep("a", Snapshot(version, "s", str(version).encode()))
    assert place.snapshots.newest("a", "s") == Snapshot(20, "s", b"20")


def test_a_snapshot_of_another_stamp_or_stream_is_as_if_it_were_not_there(place: Place) -> None:
    place.snapshots.keep("a", Snapshot(10, "folded by v1", b"old"))
    assert place.snapshots.newest("a", "folded by v2") is None
    assert place.snapshots.newest("b", "folded by v1") is None


def test_two_deployed_versions_keep_their_own_snapshots(place: Place) -> None:
    place.snapshots.keep("a", Snapshot(50, "v1", b"by one"))
    place.snapshots.keep("a", Snapshot(40, "v2", b"by two"))
    assert place.snapshots.newest("a", "v1") == Snapshot(50, "v1", b"by one")
    assert place.snapshots.newest("a", "v2") == Snapshot(40, "v2", b"by two")


def test_stamps_of_versions_long_gone_do_not_pile_up(place: Place) -> None:
    for number in range(30):
        place.snapshots.keep("a", Snapshot(100 + number, f"v{number}", b"state"))
    kept = [number for number in range(30) if place.snapshots.newest("a", f"v{number}")]
    assert kept == [27, 28, 29]


def test_the_snapshot_just_kept_stays_even_when_its_version_is_the_lowest(place: Place) -> None:
    for number in range(5):
        place.snapshots.keep("a", Snapshot(100 - number, f"v{number}", b"state"))
        assert place.snapshots.newest("a", f"v{number}") == Snapshot(100 - number, f"v{number}", b"state")


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE snapshots SET state = '\\x00'",
        "UPDATE snapshots SET version = 999999",
        "UPDATE snapshots SET checksum = checksum + 1",
        "UPDATE snapshots SET stream = 'b'",
        "UPDATE snapshots SET stamp = 's2'",
    ],
)
def test_fault_18_a_damaged_snapshot_is_as_if_it_were_not_there_and_gives_way_to_the_next(tamperable: Place, damage: str) -> None:
    tamperable.snapshots.keep("a", Snapshot(10, "s", b"good"))
    assert tamperable.sql is not None
    tamperable.sql(damage)
    for stream, stamp in (("a", "s"), ("b", "s"), ("a", "s2")):
        assert tamperable.snapshots.newest(stream, stamp) is None
        tamperable.snapshots.keep(stream, Snapshot(5, stamp, b"again"))
        assert tamperable.snapshots.newest(stream, stamp) == Snapshot(5, stamp, b"again")
