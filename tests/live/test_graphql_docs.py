"""docs/graphql.md does what it says: its examples are asked in order and answered as shown, its table of errors is the code's."""

import asyncio
import json
import re
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps import shop
from runtime.domain import App
from runtime.live import errors
from runtime.live.errors import CODES, Refused
from runtime.live.limits import Limits
from runtime.live.plans import Entry, Plan, Update
from runtime.live.requests import Request
from tests.live.answering import ANN, Answering

TEXT = (Path(__file__).parents[2] / "docs" / "graphql.md").read_text()
EXAMPLES = re.findall(r"^```graphql\n(.*?)^```\n\n```json\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
(MODULE,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


@pytest.fixture
def answering() -> Iterator[Answering]:
    """The shop, with the page's own fields beside the generated ones."""
    module = types.ModuleType("shop_fields")
    exec(compile(MODULE, "docs/graphql.md", "exec"), module.__dict__)
    sys.modules["shop_fields"] = module
    yield Answering(App("shop", parts=shop.app.parts, api=shop.app.api, fields="shop_fields"), limits=Limits(wait_s=0.05))
    del sys.modules["shop_fields"]


def live(answering: Answering, plan: Plan, text: str) -> Any:
    """The first picture of a plan, rendered."""
    rows = answering.house.table(plan.part)
    names = [column.name for column in answering.app.folds[plan.part].table.columns]
    entries = tuple(Entry(key, 1, 1, dict(zip(names, row, strict=True))) for key, row in rows.items())
    return json.loads(answering.engine.render(answering.engine.prepare(Request(text)), Update(entries, "AQEB", snapshot=True)))


def answer(answering: Answering, text: str) -> Any:
    """What the example is answered."""
    prepared = answering.engine.prepare(Request(text))
    if prepared.kind == "subscription":
        plan = asyncio.run(answering.engine.subscribe(prepared, ANN))
        assert isinstance(plan, Plan)
        return live(answering, plan, text)
    response = asyncio.run(answering.engine.execute(prepared, ANN))
    if prepared.kind == "mutation":
        answering.fold()
    return response


def test_the_examples_are_answered_as_the_page_shows(answering: Answering) -> None:
    assert len(EXAMPLES) == TEXT.count("```graphql") == 7
    for text, shown in EXAMPLES:
        assert answer(answering, text) == json.loads(shown), text


def test_the_generator_of_the_page_counts_down(answering: Answering) -> None:
    async def collect() -> list[Any]:
        source = await answering.engine.subscribe(answering.engine.prepare(Request("subscription { countdown(start: 2) }")), ANN)
        assert not isinstance(source, Plan)
        return [response["data"]["countdown"] async for response in source]

    assert asyncio.run(collect()) == [2, 1, 0]
    assert answering.engine.generators == ("countdown",)


def table(text: str) -> list[str]:
    """The rows of a table of codes."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return lines[lines.index("| code | when | retry |") :]


def test_the_page_and_the_module_have_one_table_of_errors() -> None:
    assert table(errors.__doc__ or "") == table(TEXT)


def test_every_code_that_is_told_is_in_the_table() -> None:
    listed = {row.split("|")[1].strip() for row in table(TEXT)[1:]}
    assert {code for _, code in CODES} | {"BAD_REQUEST", "INTERNAL"} == listed
    with pytest.raises(Refused):
        raise Refused([])


def test_the_operators_of_the_page_are_those_of_the_schema(answering: Answering) -> None:
    from runtime.domain.tables import Kind
    from runtime.live.schema.filters import OPERATORS, PLAIN, SORTED

    shown = dict(re.findall(r"^\| (text|int|boolean|lists)[^|]* \| (.*?) \|$", TEXT, re.MULTILINE))
    listed = {name: tuple(re.findall(r"`(\w+)`", operators)) for name, operators in shown.items()}
    assert listed == {"text": OPERATORS[Kind.TEXT], "int": SORTED, "boolean": PLAIN, "lists": OPERATORS[Kind.JSON]}
