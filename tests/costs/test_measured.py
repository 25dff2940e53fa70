"""A time line measured on the real KEDA and Kafka (docs/pictures/cluster.json): the simulation agrees with it, and the picture shows it."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from costs.scaling.compare import fitted
from costs.scaling.workload import parse
from tests.cluster.record import Record, Sample, Settings, read
from tests.cluster.timeline import drawn, nice, rates

RECORD = Path(__file__).parents[2] / "docs" / "pictures" / "cluster.json"


def test_the_simulation_fed_with_the_measured_lag_is_within_one_polling_interval() -> None:
    record = read(RECORD)
    _, apart = fitted(parse(json.dumps(record.workload()), "measured.json"))
    assert record.peak() > 1
    assert apart is not None
    assert apart <= record.settings.polling_s


def test_the_picture_is_that_of_the_record() -> None:
    assert RECORD.with_suffix(".svg").read_text() == drawn(read(RECORD))


def test_a_picture_is_well_formed_and_tells_itself_to_who_cannot_see_it(tmp_path: Path) -> None:
    samples = [Sample(at / 2, (at, 0), min(at, 4), min(at // 2, 4), at * 10) for at in range(20)]
    record = Record("a<b", "rows", Settings(2, 50, 2, 10, 1, 4), samples, [(3.0, "burst & more")])
    record.write(tmp_path / "record.json")
    assert read(tmp_path / "record.json") == record
    picture = ElementTree.fromstring(drawn(record))
    assert picture.get("aria-label") == "a<b, group rows: 0 to 1 to 2 to 3 to 4 projectors in 10 s"
    texts = [element.text for element in picture.iter() if element.tag.endswith("text")]
    assert "burst & more" in texts
    assert "events folded a second" in texts


def test_a_record_without_anything_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing was recorded"):
        drawn(Record("a", "rows", Settings(2, 50, 2, 10, 1, 4)))


def test_events_a_second_are_those_of_the_last_two_and_pass_over_what_could_not_be_read() -> None:
    samples = [Sample(0, (0,), 0, 0, 0), Sample(1, (0,), 0, 0, None), Sample(2, (0,), 0, 0, 100), Sample(4, (0,), 0, 0, 100)]
    assert rates(samples) == [(0, 0.0), (2, 50.0), (4, 0.0)]


@pytest.mark.parametrize(
    ("most", "ticks"),
    [(0, [0, 1]), (4, [0, 1, 2, 3, 4]), (7, [0, 2, 4, 6, 8]), (1_024, [0, 500, 1_000, 1_500]), (90, [0, 20, 40, 60, 80, 100])],
)
def test_an_axis_has_round_numbers_up_to_the_most(most: float, ticks: list[float]) -> None:
    assert nice(most) == ticks
