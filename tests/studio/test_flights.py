"""What the board and the charts of the flights say is what GraphQL answers."""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from tests.studio import bed
from tests.studio.conftest import Story

NEW_YORK = ZoneInfo("America/New_York")
QUESTION = """{
  boardRows(where: {origin: {eq: "LGA"}}, first: 1000) {
    nodes { carrier number destination scheduled status departed depDelay }
  }
  dayRows { nodes { day scheduled } }
  carrierRows { nodes { carrier departed depDelay } }
  hourRows(first: 1000) { nodes { hour departed depDelay } }
}"""


def there(instant: str) -> str:
    """The time of day at the airport."""
    return f"{datetime.fromisoformat(instant).astimezone(NEW_YORK):%H:%M}"


@pytest.mark.long
def test_the_board_and_the_charts_say_what_graphql_answers(story: Story, tmp_path: Path) -> None:
    with bed.flying(tmp_path) as flying:
        answer = flying.ask(QUESTION)
        report = story("flights.mjs", URL=flying.url)
    assert report["homes"] == ["EWR", "JFK", "LGA"]
    rows = answer["boardRows"]["nodes"]
    known = {(there(row["scheduled"]), f"{row['carrier']} {row['number']}", row["destination"]): row for row in rows}
    for time, flight, place, remark in report["board"]:
        row = known[time, flight, place]
        if row["status"] == "cancelled":
            assert remark == "cancelled"
        else:
            late = f" +{row['depDelay']}" if row["depDelay"] >= 5 else ""
            assert remark == f"departed {there(row['departed'])}{late}"

    charts = report["charts"]
    assert [int(values[-1]) for _, *values in charts["Flights a day"]] == [row["scheduled"] for row in answer["dayRows"]["nodes"]]
    carriers = {row["carrier"]: row["depDelay"] / row["departed"] for row in answer["carrierRows"]["nodes"] if row["departed"]}
    shown = {name: float(value) for name, value, *_ in charts["Mean departure delay by carrier"]}
    assert shown == pytest.approx(carriers, abs=0.51)
    hours: dict[int, tuple[int, int]] = {}
    for row in answer["hourRows"]["nodes"]:
        hour = datetime.fromisoformat(row["hour"]).astimezone(NEW_YORK).hour
        departed, delay = hours.get(hour, (0, 0))
        hours[hour] = (departed + row["departed"], delay + row["depDelay"])
    means = {f"{hour:02}:00": delay / departed for hour, (departed, delay) in hours.items() if departed}
    told = {name: float(value) for name, value, *_ in charts["Mean departure delay by hour of the day"] if value not in ("", "–")}
    assert told == pytest.approx(means, abs=0.51)
