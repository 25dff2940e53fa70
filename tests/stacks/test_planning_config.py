"""The settings that Pulumi.yaml declares are those that the program reads, with the same defaults; the example is one that passes."""

import json
from pathlib import Path
from typing import Any

import yaml

from stacks.config import DEFAULTS, SECRETS, settings
from stacks.refusals import refuse
from tests.stacks.given import LOGINS, about, given

ROOT = Path(__file__).parents[2]
TYPES = {str: "string", int: "integer", bool: "boolean", list: "array"}


def declared() -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    return config


def test_every_setting_is_declared_with_its_type_and_default_but_for_secrets() -> None:
    assert set(declared()) == {f"trimaran:{name}" for name in DEFAULTS if name not in SECRETS}
    for name, said in declared().items():
        default = DEFAULTS[name.removeprefix("trimaran:")]
        assert (said["default"], said["type"]) == (default, TYPES[type(default)]), name
        assert said["description"]


def test_secrets_are_told_in_words() -> None:
    text = (ROOT / "Pulumi.yaml").read_text()
    assert all(f"{name}" in text for name in SECRETS)


def test_the_example_passes_with_the_secrets_that_it_asks_for_and_holds_none() -> None:
    config = yaml.safe_load((ROOT / "Pulumi.k8s.yaml").read_text())["config"]
    said = {name.removeprefix("trimaran:"): value if isinstance(value, str) else json.dumps(value) for name, value in config.items()}
    assert said.keys() <= DEFAULTS.keys() - set(SECRETS)
    secret = {"eventsPassword": "one", "busLogins": json.dumps(LOGINS)}
    refuse(settings(said | secret | {"cloud": "k8s"}, set(secret)), about(said["app"]))


def test_a_password_is_in_no_repr() -> None:
    said = given(
        rowsPassword="topsecret",
        scalerUser="keda",
        scalerPassword="topsecret",
        busCert="topsecret",
        busKey="topsecret",
        busLogins={"all": {"user": "u", "password": "topsecret"}},
    )
    assert "topsecret" not in repr(said)
    assert said.counter and "topsecret" in said.counter.url
    assert "topsecret" in said.rows.url


def test_a_login_that_counts_is_one_of_the_read_database() -> None:
    assert given().counter is None
    said = given(rows="postgresql://u@rows.example/d?sslmode=require", rowsPassword="one", scalerUser="keda", scalerPassword="two")
    assert said.counter and said.counter.url == "postgresql://keda:two@rows.example:5432/d?sslmode=require"


def test_the_read_database_is_the_event_stores_unless_it_is_named() -> None:
    assert given().rows == given().events
    other = given(rows="postgresql://u@rows.example/d", rowsPassword="another")
    assert other.rows.url == "postgresql://u:another@rows.example:5432/d"
