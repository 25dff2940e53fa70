"""The studio as a server hands it out: small, nothing from elsewhere, nothing to steal, and every module that it names is there."""

import asyncio
import hashlib
import re
from functools import cache
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette

from hosts.pages.studio import ASSETS, HERE, eager, files, routes
from tests.clients import vendor
from tests.pages import policy_of, settings_of

BUDGET = 200_000  # bytes of a visit to a view, with the page and all that it loads, as it is served: there is no compression
IMPORT = re.compile(r"""(?:^|[\s;])(?:import|export)\b[^"'`;()=]*?["']([^"']+)["']|\bimport\(\s*["']([^"']+)["']\s*\)""", re.MULTILINE)
FILES = files()
CSS = re.compile(r"""\bcss\(["']([\w-]+)["']\)""")
VIEWS = ("flow", "streams", "rows", "board", "charts", "letters", "sagas", "rebuilds", "try")


@cache
def site(title: str) -> Starlette:
    """A server of the page."""
    return Starlette(routes=routes(title, lambda: "secret-token", app="shop"))


def get(path: str, host: str = "localhost:8000", title: str = "shop", **headers: str) -> httpx.Response:
    """What a browser gets."""

    async def asked() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(site(title)), base_url="http://localhost:8000") as client:
            return await client.get(path, headers={"host": host} | {name.replace("_", "-"): value for name, value in headers.items()})

    return asyncio.run(asked())


def sources(suffix: str) -> list[str]:
    """Our own files of a kind, by their path in the page's folder."""
    return sorted(name for name in FILES if name.endswith(suffix) and "/vendor/" not in name)


def imports(name: str) -> list[str]:
    """What a module imports, static or when it is needed; only addresses that are written out."""
    return [static or lazy for static, lazy in IMPORT.findall(FILES[name].data.decode())]


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "shop.localhost:8000"])
def test_a_visitor_of_this_machine_is_signed_in(host: str) -> None:
    told = settings_of(get("/", host))
    assert told["token"] == "secret-token"
    assert (told["app"], told["endpoint"]) == ("shop", "/graphql")


@pytest.mark.parametrize("host", ["evil.example:8000", "10.0.0.7:8000", "localhost.evil.example", "", "[::", "127.0.0.1.evil.example:8000"])
def test_a_name_that_was_pointed_at_this_machine_gets_no_token(host: str) -> None:
    page = get("/", host)
    assert page.status_code == 200
    assert "secret-token" not in page.text


def test_no_host_but_ours_is_allowed_and_nothing_inline() -> None:
    page = get("/")
    policy = policy_of(page)
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == policy["style-src"] == ["'self'"]
    assert policy["connect-src"] == ["'self'", "ws://localhost:8000", "wss://localhost:8000"]
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == ["'none'"]
    assert "unsafe" not in page.headers["content-security-policy"]
    assert not re.findall(r"<script(?![^>]*(src=|application/json))", page.text)
    assert not re.findall(r"<style|\sstyle=|\son[a-z]+=", page.text)
    assert not re.findall(r"(?:src|href)=\"(?!/studio/)", page.text)


def test_a_host_header_cannot_write_into_the_policy() -> None:
    assert policy_of(get("/", "a; script-src *"))["connect-src"] == ["'self'"]


def test_the_page_is_never_kept() -> None:
    assert get("/").headers["cache-control"] == "no-store"


def test_a_name_cannot_end_the_element_that_it_is_in() -> None:
    page = get("/", title="</script><b>")
    assert "</script><b>" not in page.text
    assert settings_of(page)["title"] == "</script><b>"


@pytest.mark.parametrize("name", ["studio.css", "icon.svg", "js/app.js", "js/vendor/preact.js", "js/vendor/graphql-ws.js", "css/flow.css"])
def test_a_file_is_kept_for_good_under_the_digest_of_all(name: str) -> None:
    address = f"{ASSETS}/{settings_of(get('/'))['version']}/{name}"
    answer = get(address)
    assert answer.content == FILES[name].data
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-type"].split(";")[0] in ("text/javascript", "text/css", "image/svg+xml")
    assert get(address, if_none_match=answer.headers["etag"]).status_code == 304


def test_a_page_of_before_gets_no_module_of_now() -> None:
    answer = get(f"{ASSETS}/0123456789abcdef/js/app.js")
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")


@pytest.mark.parametrize(
    "path", ["index.html", "__init__.py", "VENDORED.md", "js/../__init__.py", "js/..%2f..%2f__init__.py", "js/nothing.js", ""]
)
def test_nothing_else_is_served(path: str) -> None:
    assert get(f"{ASSETS}/{settings_of(get('/'))['version']}/{path}").status_code == 404


@pytest.mark.parametrize("view", VIEWS)
def test_a_visit_to_a_view_is_small(view: str) -> None:
    loaded = sorted({*eager(FILES), *eager(FILES, f"js/views/{view}.js")})
    styles = {f"css/{said}.css" for name in loaded for said in CSS.findall(FILES[name].data.decode())}
    sizes = {name: len(FILES[name].data) for name in (*loaded, *styles, "studio.css", "icon.svg")} | {"/": len(get("/").content)}
    assert sum(sizes.values()) <= BUDGET, sizes


@pytest.mark.parametrize("name", sources(".js"))
def test_every_module_that_is_imported_is_there(name: str) -> None:
    for said in imports(name):
        assert said.startswith("."), f"{name} imports {said}: a browser finds relative addresses only"
        imported = (Path("/") / Path(name).parent / said).resolve().relative_to("/").as_posix()
        assert imported in FILES, f"{name} imports {said}"


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_there(view: str) -> None:
    assert f"js/views/{view}.js" in FILES


def test_what_the_page_starts_with_is_told_in_advance_and_no_view_is() -> None:
    told = re.findall(rf'rel="modulepreload" href="{ASSETS}/[0-9a-f]+/([^"]+)"', get("/").text)
    assert told == eager(FILES)
    assert {"js/app.js", "js/core.js", "js/live.js", "js/ui.js", "js/vendor/preact.js", "js/vendor/graphql-ws.js"} <= set(told)
    assert not [name for name in told if "/views/" in name]


@pytest.mark.parametrize("name", sources(".js"))
def test_no_markup_asks_for_what_the_policy_forbids(name: str) -> None:
    text = FILES[name].data.decode()
    assert not re.findall(r"""\sstyle=["']|\sstyle="\$\{""", text), f"{name}: a style is an object here, which sets properties"
    assert not re.findall(r"\b(eval|Function|innerHTML|dangerouslySetInnerHTML|insertAdjacentHTML|document\.write)\b\s*[=(:]", text)


@pytest.mark.parametrize("name", sources(".css"))
def test_no_style_fetches_from_elsewhere(name: str) -> None:
    assert not re.findall(r"@import|url\((?![\"']?data:)", FILES[name].data.decode())


def test_a_style_that_a_view_links_is_there() -> None:
    linked = {(name, said) for name in sources(".js") for said in CSS.findall(FILES[name].data.decode())}
    assert ("js/views/flow.js", "flow") in linked
    assert not [(name, said) for name, said in linked if f"css/{said}.css" not in FILES]


def test_the_vendored_module_is_the_one_that_npm_had() -> None:
    rows = re.findall(
        r"^\| (\S+) \| (\S+) (\S+) \| \S+ \| ([\d,]+) \| ([0-9a-f]{64}) \|$", (HERE / "VENDORED.md").read_text(), re.MULTILINE
    )
    assert {(package, name) for name, package, *_ in rows} == {(package, name) for package, _, name in vendor.STUDIO.files}
    for name, package, version, size, digest in rows:
        data = (HERE / name).read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (int(size.replace(",", "")), digest), name
        assert vendor.PACKAGES[package] == version, name


def test_it_comes_with_its_licences() -> None:
    told = (HERE / "LICENSES.txt").read_text()
    assert set(re.findall(r"^(\S+) \([\w.-]+\)\n=+$", told, re.MULTILINE)) == {"htm", "preact"}
