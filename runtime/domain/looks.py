"""How an app likes to be looked at: which rows are a board, which aggregations are charts. Apart from the domain, which needs none of it.

`App(looks="apps.flights_looks")` names a module that holds `looks = (Timetable(…), Chart(…))`. Only a page for people reads it; what it
names is checked against the app there, and a field that is not there is one clear error.
"""

import importlib
from collections.abc import Iterator

from msgspec import Struct

from runtime.domain.api import Exposed
from runtime.domain.app import App
from runtime.domain.folds import AggregationFold
from runtime.domain.tables import Kind, Table
from runtime.domain.windows import CALENDAR, Window
from runtime.errors import Misconfigured

NUMBERS = (Kind.INT, Kind.FLOAT, Kind.DECIMAL)
BY = ("window", "hour_of_day")


class Timetable(Struct, frozen=True, kw_only=True):
    """A part's rows as a board of what goes when, such as departures: at an instant, `what` (its fields together), to a place.

    `home` splits it into one board for each of its values. `left` is when it really went, `delay` by how many minutes too late.
    """

    part: str
    at: str
    what: tuple[str, ...]
    place: str
    home: str | None = None
    status: str | None = None
    delay: str | None = None
    left: str | None = None
    title: str = "Departures"


class Chart(Struct, frozen=True, kw_only=True):
    """An aggregation's `value` (over `per`, where a mean is meant) along its window, the hours of the day, or a field of its key."""

    part: str
    title: str
    value: str
    per: str | None = None
    by: str = "window"
    unit: str = ""


type Look = Timetable | Chart


def looks_of(app: App) -> tuple[Look, ...]:
    """What the app's looks module says, checked; none without one. Raises `Misconfigured`."""
    if app.looks is None:
        return ()
    try:
        module = importlib.import_module(app.looks)
    except ModuleNotFoundError as error:
        if error.name and app.looks.startswith(error.name):
            raise Misconfigured(f"App(looks={app.looks!r}): there is no module {app.looks!r}") from error
        raise
    found = getattr(module, "looks", None)
    if not isinstance(found, tuple) or not all(isinstance(look, Timetable | Chart) for look in found):
        raise Misconfigured(f"App(looks={app.looks!r}): that module holds no `looks = (Timetable(…), Chart(…))`")
    for look in found:
        _check(app, look, f"{app.looks}: {type(look).__name__}({look.part!r})")
    return found


def _check(app: App, look: Look, where: str) -> None:
    shown = [one.part.name for one in app.api if isinstance(one, Exposed)]
    if look.part not in shown:
        raise Misconfigured(f"{where}: the app exposes no such part: it exposes {', '.join(shown) or 'none'}")
    fold = app.folds[look.part]
    for option, field, kinds in _timetable_fields(look) if isinstance(look, Timetable) else _chart_fields(look):
        _check_field(fold.table, field, kinds, f"{where}: {option}={field!r}")
    if isinstance(look, Chart):
        if not isinstance(fold, AggregationFold):
            raise Misconfigured(f"{where}: a chart shows an aggregation, and this is a {type(fold.part).__name__.lower()}")
        _check_by(fold, look.by, f"{where}: by={look.by!r}")


def _timetable_fields(look: Timetable) -> Iterator[tuple[str, str, tuple[Kind, ...]]]:
    yield "at", look.at, (Kind.INSTANT,)
    for field in look.what:
        yield "what", field, ()
    yield "place", look.place, ()
    for option, kinds in (("home", (Kind.TEXT,)), ("status", ()), ("delay", NUMBERS), ("left", (Kind.INSTANT,))):
        field = getattr(look, option)
        if field is not None:
            yield option, field, kinds


def _chart_fields(look: Chart) -> Iterator[tuple[str, str, tuple[Kind, ...]]]:
    yield "value", look.value, NUMBERS
    if look.per is not None:
        yield "per", look.per, NUMBERS


def _check_field(table: Table, field: str, kinds: tuple[Kind, ...], where: str) -> None:
    known = {column.name: column.kind for column in table.columns}
    if field not in known:
        raise Misconfigured(f"{where}: there is no such field: the part has {', '.join(known)}")
    if kinds and known[field] not in kinds:
        raise Misconfigured(f"{where}: that field is {known[field].value}, it must be {' or '.join(kind.value for kind in kinds)}")


def _check_by(fold: AggregationFold, by: str, where: str) -> None:
    keys = fold.part.key if isinstance(fold.part.key, tuple) else (fold.part.key,)
    windows = [key for key in keys if isinstance(key, Window)]
    fields = [key for key in keys if isinstance(key, str)]
    if by not in (*BY, *fields):
        raise Misconfigured(f"{where}: say {' or '.join([*BY, *fields])}")
    if by in BY and not windows:
        raise Misconfigured(f"{where}: the aggregation has no window")
    if by == "hour_of_day" and windows[0].parsed[1] in CALENDAR:
        raise Misconfigured(f"{where}: a window of {windows[0].size} has no hours")
