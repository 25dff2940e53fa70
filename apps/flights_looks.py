"""How the flights like to be looked at: the departure board of each airport, and where the delays are."""

from runtime.domain.looks import Chart, Timetable

looks = (
    Timetable(
        part="board",
        at="scheduled",
        what=("carrier", "number"),
        place="destination",
        home="origin",
        status="status",
        delay="dep_delay",
        left="departed",
        title="Departures",
    ),
    Chart(
        part="hour", title="Mean departure delay by hour of the day", value="dep_delay", per="departed", by="hour_of_day", unit="minutes"
    ),
    Chart(part="day", title="Flights a day", value="scheduled", unit="flights"),
    Chart(part="carrier", title="Mean departure delay by carrier", value="dep_delay", per="departed", by="carrier", unit="minutes"),
    Chart(part="hour", title="Late departures", value="late", unit="flights"),
)
