"""GraphQL over HTTP on the gateway's path: status codes, media types, and what a foreign page cannot do."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from runtime.live.limits import Limits
from runtime.live.wire.http import JSON, RESPONSE_JSON, Turned, media_of
from tests.live import bed
from tests.live.protocol.probe import streaming

PAGE = "https://page.example"
HELLO = {"query": "{hello}"}
ANSWER = {"data": {"hello": "hello world"}}


@pytest.fixture(scope="module")
def gateway() -> Iterator[bed.Bed]:
    with bed.running(streaming, origins=(PAGE,), limits=Limits(message_bytes=20_000)) as running:
        yield running


@pytest.fixture(scope="module")
def http(gateway: bed.Bed) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=gateway.serving.url, trust_env=False, timeout=30) as client:
        yield client


def code(response: httpx.Response) -> str:
    """Of the one error."""
    (error,) = response.json()["errors"]
    found: str = error["extensions"]["code"]
    return found


@pytest.mark.parametrize("accept", [RESPONSE_JSON, JSON])
def test_a_query_by_post_or_get_is_answered(http: httpx.Client, accept: str) -> None:
    for response in (
        http.post("/graphql", json=HELLO, headers={"accept": accept}),
        http.post("/graphql", json=HELLO | {"variables": None, "operationName": None, "extensions": None}, headers={"accept": accept}),
        http.post("/graphql", content=json.dumps(HELLO), headers={"accept": accept, "content-type": "application/json; charset=UTF-8"}),
        http.get("/graphql", params=HELLO, headers={"accept": accept}),
        http.get(
            "/graphql",
            params={"query": "query a($n: String) {hello(name: $n)}", "variables": '{"n":"world"}', "operationName": "a"},
            headers={"accept": accept},
        ),
    ):
        assert (response.status_code, response.json()) == (200, ANSWER)
        assert response.headers["content-type"] == f"{accept}; charset=utf-8"


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        (RESPONSE_JSON, RESPONSE_JSON),
        (f"{RESPONSE_JSON}, {JSON}", RESPONSE_JSON),
        (f"{JSON}, {RESPONSE_JSON}", RESPONSE_JSON),
        (f"{RESPONSE_JSON};q=0.5, {JSON}", JSON),
        (f"{RESPONSE_JSON};q=0.9, {JSON};q=0.8, */*;q=0.1", RESPONSE_JSON),
        (f"{JSON};charset=utf-8", JSON),
        ("text/html, */*;q=0.1", JSON),
        (f"{JSON};q=0, {RESPONSE_JSON}", RESPONSE_JSON),
        (f"{JSON};q=nonsense, {RESPONSE_JSON}", RESPONSE_JSON),
    ],
)
def test_the_answer_is_written_as_the_client_likes(accept: str, media: str) -> None:
    assert media_of(accept) == media


@pytest.mark.parametrize("accept", ["text/html", f"{JSON};q=0", f"{JSON};charset=latin-1", "*/*;q=0"])
def test_other_wishes_cannot_be_fulfilled(http: httpx.Client, accept: str) -> None:
    with pytest.raises(Turned):
        media_of(accept)
    assert http.post("/graphql", json=HELLO, headers={"accept": accept}).status_code == 406


@pytest.mark.parametrize(
    "asked",
    [
        {"query": "{"},
        {"query": "{nothing}"},
        {"query": "query a {hello} query b {hello}"},
        {"query": "query a {hello}", "operationName": "b"},
        {"query": "query($n: Int!) {slow(seconds: $n)}", "variables": {"n": "text"}},
        {"query": "subscription {count(to: 1)}"},
    ],
    ids=json.dumps,
)
def test_what_cannot_be_executed_is_400_where_the_media_type_has_a_meaning_and_200_in_plain_json(
    http: httpx.Client, asked: dict[str, Any]
) -> None:
    for accept, status in ((RESPONSE_JSON, 400), (JSON, 200)):
        response = http.post("/graphql", json=asked, headers={"accept": accept})
        assert response.status_code == status
        assert "data" not in response.json() and response.json()["errors"][0]["message"]


def test_a_subscription_is_told_where_to_go(http: httpx.Client) -> None:
    response = http.post("/graphql", json={"query": "subscription {count(to: 1)}"})
    assert "WebSocket" in response.json()["errors"][0]["message"]


def test_errors_of_resolvers_are_200_with_the_data(http: httpx.Client) -> None:
    for query, data in (("{hello fails}", {"hello": "hello world", "fails": None}), ("{failsWhole}", None)):
        response = http.post("/graphql", json={"query": query}, headers={"accept": RESPONSE_JSON})
        assert (response.status_code, response.json()["data"]) == (200, data)
        assert code(response) == "INTERNAL" and "secret" not in response.text


@pytest.mark.parametrize(
    "body",
    [
        "",
        "nonsense",
        "1",
        "null",
        '"text"',
        "{}",
        '{"query":1}',
        '{"query":null}',
        '{"query":"{hello}","variables":"{}"}',
        '{"query":"{hello}","variables":[]}',
        '{"query":"{hello}","operationName":1}',
        '{"query":"{hello}","extensions":"x"}',
        '{"query":"{hello}","variables":{"a":NaN}}',
        "[" * 5_000,
        '{"query":"\\ud800"}',
    ],
    ids=lambda body: body[:40],
)
def test_a_body_that_is_no_request_is_400_for_everybody(http: httpx.Client, body: str) -> None:
    for accept in (RESPONSE_JSON, JSON):
        response = http.post("/graphql", content=body, headers={"accept": accept, "content-type": JSON})
        assert response.status_code == 400 and code(response) == "BAD_REQUEST", response.text


def test_batches_are_refused_with_the_way_out(http: httpx.Client) -> None:
    response = http.post("/graphql", json=[HELLO, HELLO])
    assert response.status_code == 400 and "batching" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize(
    "query_string", ["", "query=%FF", "query={hello}&query={hello}", "query={hello}&variables=x", "query={hello}&variables=[]", "q=1"]
)
def test_a_query_string_that_is_no_request_is_400(http: httpx.Client, query_string: str) -> None:
    assert http.get(f"/graphql?{query_string}").status_code == 400


@pytest.mark.parametrize(
    "type", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/json; charset=latin-1", "json"]
)
def test_a_post_that_a_form_could_send_is_415(http: httpx.Client, type: str) -> None:
    response = http.post("/graphql", content=json.dumps(HELLO), headers={"content-type": type})
    assert response.status_code == 415 and code(response) == "BAD_REQUEST"


def test_compressed_bodies_are_415(http: httpx.Client) -> None:
    response = http.post("/graphql", content=b"x", headers={"content-type": JSON, "content-encoding": "gzip"})
    assert response.status_code == 415


def test_a_mutation_must_be_posted(http: httpx.Client) -> None:
    bump = 'mutation {bump(input: {counter: "http", by: 1}, key: "k") {last replayed}}'
    response = http.get("/graphql", params={"query": bump})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert [http.post("/graphql", json={"query": bump}).json()["data"]["bump"] for _ in range(2)] == [
        {"last": 1, "replayed": False},
        {"last": 1, "replayed": True},
    ]


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "HEAD"])
def test_other_methods_are_405_and_say_which_are_offered(http: httpx.Client, method: str) -> None:
    response = http.request(method, "/graphql")
    assert (response.status_code, response.headers["allow"]) == (405, "GET, POST, OPTIONS")


def test_a_token_says_who_asks_and_a_bad_one_is_401(http: httpx.Client, gateway: bed.Bed) -> None:
    def who(**headers: str) -> httpx.Response:
        return http.post("/graphql", json={"query": "{who}"}, headers=headers)

    assert who().json() == {"data": {"who": ""}}
    assert who(authorization=f"Bearer {gateway.tokens.sign('ann')}").json() == {"data": {"who": "ann"}}
    for bad in ("Bearer x", "Basic eDp5", f"Bearer {gateway.tokens.sign('ann')}x", "Bearer"):
        response = who(authorization=bad)
        assert response.status_code == 401 and code(response) == "UNAUTHENTICATED"
        assert response.headers["www-authenticate"].startswith("Bearer")


def test_a_body_over_the_bound_is_413_whether_it_says_so_or_not(http: httpx.Client) -> None:
    big = json.dumps(HELLO | {"variables": {"a": "x" * 30_000}})

    def drops() -> Iterator[bytes]:
        for start in range(0, len(big), 1_000):
            yield big[start : start + 1_000].encode()

    for content in (big, drops()):
        response = http.post("/graphql", content=content, headers={"content-type": JSON})
        assert response.status_code == 413 and code(response) == "LIMIT_EXCEEDED"


def test_a_page_of_another_site_is_not_let_in_and_an_allowed_one_may_read(http: httpx.Client) -> None:
    for origin in ("https://evil.example", "null", "http://page.example", f"{PAGE}.evil.example", "file://"):
        response = http.post("/graphql", json=HELLO, headers={"origin": origin})
        assert response.status_code == 403 and code(response) == "FORBIDDEN"
        assert "access-control-allow-origin" not in response.headers
    response = http.post("/graphql", json=HELLO, headers={"origin": PAGE})
    assert (response.status_code, response.headers["access-control-allow-origin"]) == (200, PAGE)
    assert "origin" in response.headers["vary"] and "access-control-allow-credentials" not in response.headers


def test_a_browsers_preflight_is_answered_for_allowed_pages_only(http: httpx.Client) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "content-type,authorization"}
    allowed = http.options("/graphql", headers=asked | {"origin": PAGE})
    assert (allowed.status_code, allowed.content) == (204, b"")
    assert allowed.headers["access-control-allow-origin"] == PAGE
    assert "POST" in allowed.headers["access-control-allow-methods"]
    assert {"authorization", "content-type"} <= set(allowed.headers["access-control-allow-headers"].split(", "))
    refused = http.options("/graphql", headers=asked | {"origin": "https://evil.example"})
    assert refused.status_code == 403 and "access-control-allow-methods" not in refused.headers


def test_without_a_list_only_pages_of_the_same_host_are_let_in_and_with_a_star_any() -> None:
    with bed.running(streaming) as own, httpx.Client(trust_env=False) as http:
        same = own.url.removesuffix("/graphql")
        assert [http.post(own.url, json=HELLO, headers={"origin": origin}).status_code for origin in (same, PAGE)] == [200, 403]
    with bed.running(streaming, origins=("*",)) as anybody, httpx.Client(trust_env=False) as http:
        assert http.post(anybody.url, json=HELLO, headers={"origin": PAGE}).headers["access-control-allow-origin"] == PAGE


def test_more_operations_than_allowed_are_429() -> None:
    with bed.running(streaming, limits=Limits(operations_per_identity=0)) as running:
        response = httpx.post(running.url, json=HELLO, trust_env=False)
        assert response.status_code == 429 and code(response) == "LIMIT_EXCEEDED" and response.headers["retry-after"] == "1"
