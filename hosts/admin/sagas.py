"""GET /admin/sagas: which sagas run, wait for a timer, compensate, or are stuck.

    stuck          a command of theirs was refused until its tries were used up
    compensating   … is one that the saga says it `compensates` with, and is on its way
    waiting        nothing but timers is pending
    running        everything else

A saga's rows and what it wants sent are read up to a bound each; with more than that `cut` says that the counts are not whole.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from hosts.admin import Admin
from hosts.admin.streams import number
from hosts.http import known
from runtime.domain import App
from runtime.domain.filters import Query
from runtime.domain.folds import SagaFold
from runtime.domain.messages import tag_of
from runtime.errors import Malformed, Stopped
from runtime.flow.reading import Reading
from runtime.ports import Output, ReadStore
from runtime.steps import run

STATES = ("stuck", "compensating", "waiting", "running")  # the most urgent first
SHOWN = 500  # sagas of an answer at most
ROWS, OUTPUTS = 10_000, 10_000  # of one saga, looked at
PAGE = 1_000


class One(Struct):
    """A saga of one key: its row, if there is one, and what it has pending."""

    saga: str
    key: str  # as stored
    row: str | None = None
    outputs: list[Output] = []


def sagas(admin: Admin, asked: Mapping[str, str]) -> object:
    """Those of a saga and a state (all, unless said), the most urgent first, and how many there are of each state."""
    known(asked, ("saga", "state", "limit"))
    names = [fold.part.name for fold in _folds(admin.app)]
    saga, state, limit = asked.get("saga", ""), asked.get("state", ""), number(asked, "limit", 100, 1, SHOWN)
    if saga and saga not in names:
        raise Malformed(f"saga={saga!r}: {admin.app.name!r} has {', '.join(names) or 'none'}")
    if state and state not in STATES:
        raise Malformed(f"state={state!r}: say {', '.join(STATES)}")
    found: dict[str, list[One]] = {each: [] for each in STATES}
    cut = False
    for fold in _folds(admin.app):
        if not saga or fold.part.name == saga:
            ones, whole = _all(admin.local.rows, admin.local.reading, admin.app, fold)
            cut = cut or not whole
            taking_back = {tag_of(command) for command in fold.part.compensates}
            for one in ones:
                found[_state(one, taking_back)].append(one)
    shown = [(each, one) for each in STATES if not state or each == state for one in found[each]][:limit]
    if cut:
        for _, one in shown:
            one.row = one.row or next(_rows(admin.local.reading, one.saga, one.key), ("", None))[1]
    return {
        "counts": {each: len(ones) for each, ones in found.items()},
        "sagas": [_told(admin.app, each, one) for each, one in shown],
        "cut": cut,
    }


def _folds(app: App) -> list[SagaFold]:
    return [fold for fold in app.folds.values() if isinstance(fold, SagaFold)]


def _all(rows: ReadStore, reading: Reading, app: App, fold: SagaFold) -> tuple[list[One], bool]:
    """Every key of a saga that has a row or something pending; False when there are more than were looked at."""
    name = fold.part.name
    outputs = rows.outputs(name, OUTPUTS + 1)
    found: dict[str, One] = {}
    whole = len(outputs) <= OUTPUTS
    for output in outputs[:OUTPUTS]:
        if not output.generation:  # what a rebuild holds back is no news
            found.setdefault(output.key, One(name, output.key, None, [])).outputs.append(output)
    for seen, (key, state) in enumerate(_rows(reading, name)):
        if seen >= ROWS:
            whole = False
            break
        found.setdefault(key, One(name, key, None, [])).row = state
    return sorted(found.values(), key=lambda one: one.key), whole


def _rows(reading: Reading, saga: str, only: str = "") -> Iterator[tuple[str, str]]:
    """The stored states by key (or that of one key); none of a saga that was never projected."""
    cursor = ""
    while True:
        try:
            _, page = run(reading.query(saga, Query(first=PAGE, cursor=cursor, tenant=None, key=only)))
        except Stopped:
            return
        for key, row in page.rows:
            assert row.values is not None and isinstance(row.values[0], str)
            yield key, row.values[0]
        if not page.cursor:
            return
        cursor = page.cursor


def _state(one: One, taking_back: set[str]) -> str:
    if any(output.stuck for output in one.outputs):
        return "stuck"
    if any(tag(output) in taking_back for output in one.outputs):
        return "compensating"
    return "waiting" if one.outputs and all(output.due is not None for output in one.outputs) else "running"


def tag(output: Output) -> str:
    """Which command it is; "" of one that is damaged."""
    try:
        return msgspec.json.decode(output.command, type=_Tagged).type
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return ""


class _Tagged(Struct):
    type: str


def _told(app: App, state: str, one: One) -> dict[str, Any]:
    tenant, _, key = one.key.partition("/") if app.tenant is not None else ("", "", one.key)
    return {
        "saga": one.saga,
        "key": key,
        "tenant": tenant,
        "state": state,
        "row": None if one.row is None else msgspec.Raw(one.row.encode()),
        "outputs": [_output(output) for output in one.outputs],
    }


def _output(output: Output) -> dict[str, Any]:
    return {
        "command": tag(output),
        "data": msgspec.Raw(output.command),
        "due": output.due,
        "tries": output.tries,
        "error": output.error,
        "stuck": output.stuck,
        "stream": output.stream,
        "version": output.version,
    }
