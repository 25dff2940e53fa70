"""The GraphiQL page as a server hands it out: nothing from elsewhere, nothing to steal, nothing that is not what npm has."""

import asyncio
import hashlib
import re
from pathlib import Path

import httpx
import pytest
from graphql import parse, validate
from graphql.execution.values import get_variable_values
from starlette.applications import Starlette

from hosts.pages.examples import examples
from hosts.pages.graphiql import HERE, SCRIPTS, STYLES, Example, routes
from hosts.pages.serving import MEDIA_TYPES
from hosts.settings import load_app
from runtime.live.schema.building import build
from tests.clients import vendor
from tests.pages import policy_of, settings_of

EXAMPLES = [Example("query Tickets { ticketRows { nodes { order } } }", {"a": "</script><b>"})]


def get(path: str, host: str = "localhost:8000", token: str = "secret-token", **headers: str) -> httpx.Response:
    """What a browser gets."""

    async def asked() -> httpx.Response:
        app = Starlette(routes=routes("shop", lambda: token, EXAMPLES))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost:8000") as client:
            return await client.get(path, headers={"host": host} | {name.replace("_", "-"): value for name, value in headers.items()})

    return asyncio.run(asked())


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST", "shop.localhost:8000"])
def test_a_visitor_of_this_machine_is_signed_in(host: str) -> None:
    assert settings_of(get("/graphql", host))["token"] == "secret-token"


@pytest.mark.parametrize("host", ["evil.example:8000", "10.0.0.7:8000", "localhost.evil.example", "", "127.0.0.1.evil.example:8000"])
def test_a_name_that_was_pointed_at_this_machine_gets_no_token(host: str) -> None:
    page = get("/graphql", host)
    assert page.status_code == 200
    assert "secret-token" not in page.text


def test_no_host_but_ours_is_allowed_and_no_script_in_the_page() -> None:
    page = get("/graphql")
    policy = policy_of(page)
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == ["'self'"]
    assert policy["style-src"] == ["'self'", f"'nonce-{settings_of(page)['nonce']}'"]
    assert policy["connect-src"] == ["'self'", "ws://localhost:8000", "wss://localhost:8000"]
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == ["'none'"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert not re.findall(r"<script(?![^>]*(src=|application/json))", page.text)
    assert not re.findall(r"(?:src|href)=\"(?!/graphiql/)", page.text)


def test_a_host_header_cannot_write_into_the_policy() -> None:
    assert policy_of(get("/graphql", "a; script-src *"))["connect-src"] == ["'self'"]


def test_the_page_is_never_kept_and_its_nonce_never_the_same() -> None:
    one, two = get("/graphql"), get("/graphql")
    assert one.headers["cache-control"] == "no-store"
    assert settings_of(one)["nonce"] != settings_of(two)["nonce"]


def test_an_example_cannot_end_the_element_that_it_is_in() -> None:
    page = get("/graphql")
    assert "</script><b>" not in page.text
    assert settings_of(page)["examples"][0]["variables"] == {"a": "</script><b>"}


@pytest.mark.parametrize("name", [*STYLES, *SCRIPTS, "icon.svg"])
def test_a_file_of_the_page_is_kept_for_good_under_its_hash(name: str) -> None:
    (address,) = set(re.findall(rf'"(/graphiql/{re.escape(name)}\?v=[0-9a-f]+)"', get("/graphql").text))
    answer = get(address)
    assert answer.content == (HERE / name).read_bytes()
    assert answer.headers["content-type"] == MEDIA_TYPES[Path(name).suffix]
    assert "immutable" in answer.headers["cache-control"]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert get(f"/graphiql/{name}").headers["cache-control"] == "no-cache"
    assert get(f"/graphiql/{name}", if_none_match=answer.headers["etag"]).status_code == 304


@pytest.mark.parametrize("path", ["/graphiql/VENDORED.md", "/graphiql/__init__.py", "/graphiql/..%2f__init__.py", "/graphiql/nothing.js"])
def test_nothing_else_is_served(path: str) -> None:
    assert get(path).status_code == 404


def test_the_files_are_those_that_npm_had() -> None:
    rows = re.findall(
        r"^\| (\S+) \| (\S+) (\S+) \| \S+ \| ([\d,]+) \| ([0-9a-f]{64}) \|$", (HERE / "VENDORED.md").read_text(), re.MULTILINE
    )
    assert {(package, name) for name, package, *_ in rows} == {(package, name) for package, _, name in vendor.GRAPHIQL.files}
    for name, package, version, size, digest in rows:
        data = (HERE / name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (int(size.replace(",", "")), digest), name
        assert vendor.PACKAGES[package] == version, name


def test_everything_that_is_served_comes_with_its_licence() -> None:
    told = (HERE / "LICENSES.txt").read_text()
    assert {package for package, *_ in vendor.GRAPHIQL.files} <= set(re.findall(r"^(\S+) \([\w.-]+\)\n=+$", told, re.MULTILINE))
    assert "SIL OPEN FONT LICENSE" in (HERE / "FONTS.txt").read_text()


@pytest.mark.parametrize("name", ["shop", "flights"])
def test_the_examples_of_an_app_are_operations_of_its_schema(name: str) -> None:
    app = load_app(name)
    schema = build(app).schema
    kinds = set()
    for example in examples(app):
        document = parse(example.query)
        assert validate(schema, document) == []
        (operation,) = document.definitions
        kinds.add(operation.operation.value)  # type: ignore[attr-defined]
        coerced = get_variable_values(schema, operation.variable_definitions, example.variables or {})  # type: ignore[attr-defined]
        assert isinstance(coerced, dict), coerced
    assert kinds == {"query", "mutation", "subscription"}


def test_a_visitor_sees_what_the_examples_write() -> None:
    (placing, *_) = [example for example in examples(load_app("shop"), "bob") if example.query.startswith("mutation PlaceOrder")]
    assert placing.variables is not None
    assert placing.variables["input"]["customer"] == "bob"
