"""The app as the studio is told it: GraphQL's own names, what a form needs, and looks that must fit."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from graphql import GraphQLInputObjectType, parse, validate

from apps import flights, shop
from hosts.admin import Admin
from hosts.admin.fields import selection
from hosts.admin.model import Model
from runtime.domain import App, Saga
from runtime.domain.looks import Chart, Timetable, looks_of
from runtime.errors import Misconfigured
from runtime.live.schema.building import build
from tests.hosts.admin_house import running
from tests.live import museum


def told(app: App) -> dict[str, Any]:
    """The model, without a process around it."""
    admin = Admin.__new__(Admin)
    admin.app = app
    return Model(admin).told


def named(found: list[dict[str, Any]], name: str, by: str = "name") -> dict[str, Any]:
    (one,) = [one for one in found if one[by] == name]
    return one


@pytest.fixture
def looking() -> Iterator[ModuleType]:
    """A looks module of the test's own."""
    module = ModuleType("some_looks")
    sys.modules["some_looks"] = module
    yield module
    del sys.modules["some_looks"]


def seen(parts: Any, api: Any) -> App:
    return App("seen", parts=parts, api=api, looks="some_looks")


def test_it_is_served_and_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with running(shop.app, tmp_path) as house:
        model = house.told("model")
        assert (model["app"], model["tenant"], model["doc"].split(":")[0]) == ("shop", None, "A shop")
        assert house.told("model") == model
        status, error = house.ask("model", colour="red")
        assert (status, error["code"], "colour" in error["error"]) == (400, "BAD_INPUT", True)


def test_kinds_groups_and_sagas_are_named() -> None:
    model = told(shop.app)
    assert named(model["kinds"], "stock") == {
        "name": "stock",
        "id": "sku",
        "events": ["Restocked", "Reserved", "ReserveRefused"],
        "commands": ["Restock", "Reserve"],
    }
    assert model["groups"] == [
        {"name": "rows", "parts": ["ticket", "sales"], "saga": False},
        {"name": "selling", "parts": ["selling"], "saga": True},
    ]
    assert model["sagas"] == [{"name": "selling", "key": "order", "group": "selling", "compensates": ["Restock", "Refund"]}]


def test_a_command_has_what_a_form_needs() -> None:
    place = named(told(shop.app)["commands"], "PlaceOrder")
    assert (place["kind"], place["mutation"], place["input"]) == ("order", "placeOrder", "PlaceOrderInput")
    fields = {field["graphql"]: field for field in place["fields"]}
    assert [name for name, field in fields.items() if field["id"]] == ["order"]
    assert all(field["required"] and field["default"] is None for field in fields.values())
    assert (fields["quantity"]["type"], fields["quantity"]["doc"]) == ("BigInt", "Must be greater than 0.")
    assert (fields["at"]["type"], fields["customer"]["sample"]) == ("DateTime", "ann")


def test_a_form_filled_with_the_samples_is_valid_graphql() -> None:
    for app in (shop.app, flights.app, museum.app):
        schema = build(app).schema
        for command in told(app)["commands"]:
            if command["mutation"] is not None:
                text = f"mutation ($input: {command['input']}!) {{ {command['mutation']}(input: $input) {{ token }} }}"
                assert validate(schema, parse(text)) == []
                taken = schema.type_map[command["input"]]
                assert isinstance(taken, GraphQLInputObjectType)
                assert {field["graphql"] for field in command["fields"]} == set(taken.fields)


def test_choices_defaults_and_lists_are_those_of_the_types() -> None:
    fields = {field["name"]: field for field in named(told(museum.app)["commands"], "Show")["fields"]}
    assert (fields["era"]["type"], fields["era"]["choices"]) == ("Enum", ["STONE_AGE", "ROME"])
    assert (fields["material"]["choices"], fields["material"]["default"]) == (["clay", "gold"], "clay")
    assert (fields["tags"]["list"], list(fields["tags"]["default"]), fields["on_show"]["graphql"]) == (True, [], "onShow")
    assert (fields["room"]["doc"], fields["parts"]["type"], fields["notes"]["type"]) == ("where it stands", "PartInput", "JSON")


def test_a_question_made_of_the_model_is_valid_graphql() -> None:
    for app in (shop.app, flights.app, museum.museum(tenant="claim")):
        schema = build(app).schema
        for row in told(app)["rows"]:
            chosen = " ".join(f"{field['graphql']} {field['select']}" for field in row["fields"])
            given = {"where": row["filter"], "window": row["range"]}
            given = {name: type_ for name, type_ in given.items() if type_}
            variables = ", ".join(f"${name}: {type_}" for name, type_ in given.items()) + f", $order: [{row['order']}!]"
            arguments = ", ".join(f"{name}: ${name}" for name in given) + ", orderBy: $order"
            text = f"query ({variables}) {{ {row['many']}({arguments}) {{ nodes {{ {chosen} }} }} }}"
            assert validate(schema, parse(text)) == [], text
            for field in row["fields"]:
                for operator in field["operators"]:
                    asked = f"query ($where: {row['filter']}) {{ {row['many']}(where: $where) {{ nodes {{ __typename }} }} }}"
                    assert operator and validate(schema, parse(asked)) == []


def test_measures_keys_and_windows_are_told() -> None:
    hour = named(told(flights.app)["rows"], "hour", "part")
    assert (hour["aggregation"], hour["key"]) == (True, ["hour"])
    assert hour["window"] == {"field": "hour", "step": "1 hour", "zone": "America/New_York"}
    assert {field["name"]: field["measure"] for field in hour["fields"] if field["name"] in ("hour", "departed", "dep_delay", "worst")} == {
        "hour": None,
        "departed": "count",
        "dep_delay": "sum",
        "worst": "max",
    }
    visits = named(told(museum.app)["rows"], "visits_of_day", "part")
    assert {field["graphql"]: field["measure"] for field in visits["fields"]} == {
        "room": None,
        "day": None,
        "visitors": "count",
        "paid": "sum",
        "longest": "max",
        "first": "min",
        "stay": "mean",
        "stayTotal": "sum",
        "stayCount": "count",
    }


def test_structs_in_structs_are_selected_three_deep() -> None:
    schema = build(museum.app).schema
    assert selection(schema.type_map["Size"]) == "{ width height }"
    deep = "{ name madeOf { name } size { width height } }"
    assert selection(schema.type_map["Part"]) == f"{{ name madeOf {deep} size {{ width height }} }}"


def test_an_app_that_shows_nothing_has_a_model_all_the_same() -> None:
    model = told(App("quiet", parts=shop.app.parts))
    assert [(row["part"], row["one"], row["many"], row["filter"]) for row in model["rows"]] == [
        ("ticket", None, None, None),
        ("sales", None, None, None),
    ]
    assert {command["mutation"] for command in model["commands"]} == {None}
    assert named(model["commands"], "PlaceOrder")["fields"][3]["type"] == "BigInt"
    assert model["looks"] == []


def test_the_looks_of_the_apps_fit_and_have_the_names_of_graphql() -> None:
    board, by_hour, *others = told(flights.app)["looks"]
    assert board == {
        "kind": "timetable",
        "part": "board",
        "one": "board",
        "many": "boardRows",
        "at": "scheduled",
        "what": ["carrier", "number"],
        "place": "destination",
        "home": "origin",
        "status": "status",
        "delay": "depDelay",
        "left": "departed",
        "title": "Departures",
    }
    assert (by_hour["many"], by_hour["value"], by_hour["per"], by_hour["by"]) == ("hourRows", "depDelay", "departed", "hour_of_day")
    assert (by_hour["window"], [look["by"] for look in others]) == ("hour", ["window", "carrier", "window"])
    assert {look["kind"] for look in told(shop.app)["looks"]} == {"chart"}


BOARD: dict[str, Any] = {"part": "board", "at": "scheduled", "what": ("carrier",), "place": "destination"}


@pytest.mark.parametrize(
    ("look", "says"),
    [
        (Timetable(**BOARD | {"part": "nothing"}), "exposes no such part"),
        (Timetable(**BOARD | {"delay": "dep_dely"}), "delay='dep_dely': there is no such field: the part has flight, date"),
        (Timetable(**BOARD | {"at": "carrier"}), "at='carrier': that field is text, it must be instant"),
        (Chart(part="board", title="x", value="dep_delay"), "a chart shows an aggregation, and this is a projection"),
        (Chart(part="origin", title="x", value="late"), "the aggregation has no window"),
        (Chart(part="day", title="x", value="late", by="hour_of_day"), "a window of 1 day has no hours"),
        (Chart(part="hour", title="x", value="late", by="carrier"), "say window or hour_of_day"),
        (Chart(part="carrier", title="x", value="carrier"), "that field is text, it must be int or float or decimal"),
    ],
)
def test_a_look_that_does_not_fit_is_one_clear_error(looking: ModuleType, look: Any, says: str) -> None:
    looking.looks = (look,)  # type: ignore[attr-defined]
    with pytest.raises(Misconfigured, match=r"some_looks") as raised:
        told(seen(flights.app.parts, flights.app.api))
    assert says in str(raised.value)


def test_a_looks_module_that_is_not_there_or_holds_none_is_named(looking: ModuleType) -> None:
    with pytest.raises(Misconfigured, match="holds no `looks"):
        looks_of(seen(flights.app.parts, flights.app.api))
    with pytest.raises(Misconfigured, match=r"there is no module 'apps\.nothing'"):
        looks_of(App("seen", parts=(), looks="apps.nothing"))


def test_what_a_saga_compensates_with_must_be_a_command_of_the_app() -> None:
    saga = Saga("selling", key="order", state=shop.Sale(), evolve=shop.track, react=shop.react, compensates=(flights.CancelFlight,))
    app = App("odd", parts=(shop.orders, shop.stock, shop.payments, saga))
    with pytest.raises(Misconfigured, match="'selling' names CancelFlight, which no decider of app 'odd' has"):
        _ = app.folds
