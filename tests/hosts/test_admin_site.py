"""Who may use /admin and /operate: programs and the page of this machine; nobody elsewhere, and no gateway in production has them."""

import http.client
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import jwt
import pytest

from apps import shop
from hosts.admin import Admin, NotFound, routes
from hosts.gateway import Ports, open_gateway, sender_of
from hosts.gateway_settings import GatewaySettings
from hosts.http import Face
from hosts.local import Local, open_local
from hosts.local_gateway import VISITOR, LocalGateway, open_local_gateway
from hosts.serving import Serving
from hosts.settings import Settings
from runtime.domain import App
from runtime.domain.api import Identity
from runtime.errors import Conflict, Malformed, Misconfigured, Rejected, Stopped, Unavailable
from runtime.live.callers.identity import Anonymous

MEMORY = "memory://"
TOLD = Settings("shop", MEMORY, MEMORY, MEMORY, port=0)
JSON = "application/json"


@contextmanager
def served(app: App = shop.app) -> Iterator[tuple[Local, LocalGateway]]:
    with ExitStack() as stack:
        local = open_local(TOLD, app, stack)
        gateway = open_local_gateway(local, TOLD, lambda: (True, {}))
        stack.callback(gateway.serving.stop)
        local.start()
        gateway.serving.start()
        yield local, gateway


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def gateway() -> Iterator[LocalGateway]:
    with served() as (_, opened):
        yield opened


def asked(serving: Serving, method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=30)
    try:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def code(answer: tuple[int, Mapping[str, str], bytes]) -> tuple[int, str]:
    """The status and the code of an error, which has no other members than its line of text."""
    told = json.loads(answer[2])
    assert set(told) == {"error", "code"}
    assert "\n" not in told["error"]
    return answer[0], told["code"]


def test_a_program_of_this_machine_reads_what_no_browser_may_keep_or_lend_to_another_origin(gateway: LocalGateway) -> None:
    port = gateway.serving.port
    for host in (f"127.0.0.1:{port}", f"localhost:{port}", f"studio.localhost:{port}", "[::1]:1"):
        status, headers, body = asked(gateway.serving, "GET", "/admin/flow", Host=host, Origin=f"http://{host}")
        assert (status, headers["content-type"], headers["cache-control"]) == (200, JSON, "no-store")
        assert headers["x-content-type-options"] == "nosniff"
        assert not [name for name in headers if name.startswith("access-control-")]
        assert json.loads(body)["failure"] is None


@pytest.mark.parametrize("path", ["/admin/flow", "/admin/model", "/admin/nothing", "/operate/redrive", "/operate/nothing"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "OPTIONS"])
def test_no_page_of_elsewhere_reads_or_operates(gateway: LocalGateway, method: str, path: str) -> None:
    assert gateway.tokens is not None
    token = f"Bearer {gateway.tokens.sign('ann', roles=('operator',))}"
    for origin in ("https://evil.example", "null", "http://localhost:1", f"https://127.0.0.1.evil.example:{gateway.serving.port}"):
        answer = asked(gateway.serving, method, path, b"{}", Origin=origin, Authorization=token, Content_Type=JSON)
        assert code(answer) == (403, "FORBIDDEN"), origin
    status, _, body = asked(gateway.serving, method, path, b"{}", Host="evil.example:8000", Authorization=token, Content_Type=JSON)
    assert (status, b"this machine" in body) == (421, True)


def test_an_origin_that_the_gateway_lets_in_is_not_let_in_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMARAN_ORIGINS", "https://shop.example")
    with served() as (_, gateway):
        assert code(asked(gateway.serving, "GET", "/admin/flow", Host="shop.example", Origin="https://shop.example")) == (403, "FORBIDDEN")
        assert code(asked(gateway.serving, "GET", "/admin/flow", Host="shop.example")) == (403, "FORBIDDEN")
        assert code(asked(gateway.serving, "POST", "/operate/redrive", b"{}", Host="shop.example")) == (403, "FORBIDDEN")


def test_reading_is_get_and_operating_is_post(gateway: LocalGateway) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert code(asked(gateway.serving, method, "/admin/flow", b"{}", Content_Type=JSON)) == (405, "BAD_REQUEST")
    assert asked(gateway.serving, "HEAD", "/admin/flow")[0] == 405
    assert code(asked(gateway.serving, "GET", "/operate/redrive")) == (405, "BAD_REQUEST")
    for path in ("/admin", "/admin/", "/admin/nothing", "/admin/flow/more", "/operate/nothing", "/operate"):
        assert code(asked(gateway.serving, "GET", path)) == (404, "NOT_FOUND"), path
    assert code(asked(gateway.serving, "GET", "/admin/flow?page=2")) == (400, "BAD_INPUT")


def test_operating_needs_a_token_with_the_role_and_a_json_body(gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[bytes, str]] = []

    def note(admin: Admin, body: bytes, identity: Identity) -> object:
        seen.append((body, identity.subject))
        return {"folded": 1}

    monkeypatch.setitem(routes.POST, "/operate/redrive", note)
    with served() as (_, opened):
        assert opened.tokens is not None

        def operated(body: bytes = b"{}", content_type: str = JSON, **headers: str) -> tuple[int, Mapping[str, str], bytes]:
            return asked(opened.serving, "POST", "/operate/redrive", body, Content_Type=content_type, **headers)

        good = f"Bearer {opened.tokens.sign('ann', roles=('operator',))}"
        assert code(operated()) == (401, "UNAUTHENTICATED")
        assert code(operated(Authorization="Basic YW5uOmFubg==")) == (401, "UNAUTHENTICATED")
        assert code(operated(Authorization=f"Bearer {opened.tokens.sign('ann')}")) == (403, "FORBIDDEN")
        assert code(operated(Authorization=f"Bearer {opened.tokens.sign('ann', roles=('clerk', 'operators'))}")) == (403, "FORBIDDEN")
        assert code(operated(Authorization=f"Bearer {opened.tokens.sign('ann', claims={'role': 'operator'})}")) == (403, "FORBIDDEN")
        assert code(operated(content_type="text/plain", Authorization=good)) == (400, "BAD_INPUT")
        assert code(operated(body=b"x" * (routes.BODY_MAX + 1), Authorization=good)) == (413, "LIMIT_EXCEEDED")
        assert seen == []
        status, _, body = operated(b'{"part": "ticket"}', Authorization=good, Origin=f"http://127.0.0.1:{opened.serving.port}")
        assert (status, json.loads(body), seen) == (200, {"folded": 1}, [(b'{"part": "ticket"}', "ann")])


def test_the_token_of_the_page_has_the_role_and_those_that_the_app_names(gateway: LocalGateway) -> None:
    _, _, page = asked(gateway.serving, "GET", "/", Accept="text/html")
    text = page.decode()
    token = text[text.index("eyJ") :].partition('"')[0]
    told = jwt.decode(token, options={"verify_signature": False})
    assert (told["sub"], told["roles"]) == (VISITOR, ["clerk", "operator"])


@pytest.mark.parametrize(
    ("error", "status", "named"),
    [
        (NotFound("no stream 'x'"), 404, "NOT_FOUND"),
        (Malformed("limit: a number"), 400, "BAD_INPUT"),
        (Rejected("there is no green generation"), 400, "REJECTED"),
        (Conflict("order-1", 1, 2), 409, "CONFLICT"),
        (Misconfigured("--rows postgresql://ann:s3cret@db:5432/shop has no tables"), 400, "INTERNAL"),
        (Stopped("folded from postgresql://ann:s3cret@db:5432/shop"), 503, "STOPPED"),
        (Unavailable("connection to postgresql://ann:s3cret@db:5432/shop refused"), 503, "UNAVAILABLE"),
        (RuntimeError("postgresql://ann:s3cret@db:5432/shop"), 500, "INTERNAL"),
    ],
)
def test_an_error_is_one_line_with_its_code_and_no_password(
    error: Exception, status: int, named: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "trimaran")

    def fail(admin: Admin, asked: Mapping[str, str]) -> object:
        raise error

    monkeypatch.setitem(routes.GET, "/admin/failing", fail)
    with served() as (_, opened):
        answer = asked(opened.serving, "GET", "/admin/failing")
        assert code(answer) == (status, named)
        assert b"s3cret" not in answer[2]
        assert (b"internal error" in answer[2]) == (status == 500)


def test_an_app_that_shows_nothing_over_graphql_has_the_studio_all_the_same() -> None:
    with served(App("quiet", parts=shop.app.parts)) as (_, gateway):
        assert gateway.shows_pages
        status, headers, _ = asked(gateway.serving, "GET", "/", Accept="text/html")
        assert (status, headers["content-type"].partition(";")[0]) == (200, "text/html")
        status, _, body = asked(gateway.serving, "GET", "/admin/flow")
        assert (status, json.loads(body)["gateway"]["connections"]) == (200, 0)
        status, _, body = asked(gateway.serving, "GET", "/graphql", Accept="text/html")
        assert (status, b"expose(part, allow=" in body) == (404, True)


def nothing_there(serving: Serving) -> None:
    for path in ("/", "/studio/x/js/app.js", "/admin/flow", "/admin/model"):
        assert asked(serving, "GET", path, Accept="text/html")[0] == 404, path
    assert asked(serving, "POST", "/operate/redrive", b"{}", Content_Type=JSON)[0] == 404


def test_a_gateway_process_has_none_of_it() -> None:
    with ExitStack() as stack:
        local = open_local(TOLD, shop.app, stack)
        ports = Ports(local.rows, local.signals, sender_of(local.commands), Face(shop.app, None, None, lambda: (True, {})))
        serving = open_gateway(shop.app, ports, TOLD, GatewaySettings(production=True), Anonymous())
        stack.callback(serving.stop)
        serving.start()
        nothing_there(serving)


def test_dev_in_production_has_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRIMARAN_PRODUCTION", "1")
    with served() as (_, gateway):
        nothing_there(gateway.serving)


def test_an_address_that_others_reach_has_none_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hosts.local_gateway.on_this_machine", lambda host: False)  # as for 0.0.0.0, without listening there
    with served() as (_, gateway):
        nothing_there(gateway.serving)
