"""Renews the copies of other people's scripts in hosts/pages from npm: `uv run python -m tests.clients.vendor`.

The pages have to work where there is no internet, so their scripts are in the repository, byte for byte as npm has them, with the licence
of everything that their authors bundled into them. VENDORED.md, which this writes too, says what is there; a test compares it.
"""

import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from msgspec import Struct

PAGES = Path(__file__).parents[2] / "hosts" / "pages"
PACKAGES = {
    "graphiql": "4.1.2",
    "react": "18.3.1",
    "react-dom": "18.3.1",
    "graphql-ws": "6.4.2",
    "graphql": "16.15.0",
    "htm": "3.1.1",
    "preact": "10.7.1",  # htm has its code inside; only its licence is taken
}
SIBLINGS = ("codemirror-graphql", "graphql-language-service")  # bundled from the same repository as graphiql, under its licence
GRAPHIQL_HEAD = """# Vendored from npm

The scripts of the GraphiQL page, unchanged, so that it works without internet and without a bundler. Renew them with
`uv run python -m tests.clients.vendor` after changing the versions in [vendor.py](../../../tests/clients/vendor.py); `page.js`,
`page.css` and `icon.svg` are ours.

GraphiQL 4 is the last major version with a build that a plain `<script>` can load; 5 needs a bundler or a CDN.

"""
GRAPHIQL_FOOT = "Their licences, and those of what is bundled into them, are in LICENSES.txt, those of the fonts inside the style sheet in FONTS.txt: {}."
STUDIO_HEAD = """# Vendored from npm

What of the studio is not ours, unchanged, so that it works without internet and without a bundler. Renew it with
`uv run python -m tests.clients.vendor` after changing the versions in [vendor.py](../../../tests/clients/vendor.py).
`js/vendor/graphql-ws.js`, as a browser asks for it, is the file that [the GraphiQL page](../graphiql/VENDORED.md) has.

"""
STUDIO_FOOT = "The module is htm with Preact and its hooks in it; their licences are in LICENSES.txt: {}."
COLUMNS = "| file | npm package | file in it | bytes | sha256 |\n|---|---|---|---|---|\n"


class Vendored(Struct, frozen=True):
    """What one page has of others: `files` are (package, file in it, name here), `bundles` the source maps that tell what is in them."""

    folder: str
    head: str
    foot: str
    files: tuple[tuple[str, str, str], ...]
    inside: tuple[str, ...] = ()
    bundles: tuple[str, ...] = ()


GRAPHIQL = Vendored(
    "graphiql",
    GRAPHIQL_HEAD,
    GRAPHIQL_FOOT,
    (
        ("graphiql", "graphiql.min.js", "graphiql.min.js"),
        ("graphiql", "graphiql.min.css", "graphiql.min.css"),
        ("react", "umd/react.production.min.js", "react.min.js"),
        ("react-dom", "umd/react-dom.production.min.js", "react-dom.min.js"),
        ("graphql-ws", "umd/graphql-ws.min.js", "graphql-ws.min.js"),
    ),
    bundles=("graphiql/graphiql.min.js.map",),
)
STUDIO = Vendored("studio", STUDIO_HEAD, STUDIO_FOOT, (("htm", "preact/standalone.module.js", "js/vendor/preact.js"),), inside=("preact",))


def renew() -> None:
    """Install the packages into a temporary folder, and copy files, licences and checksums from there."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = [f"{name}@{version}" for name, version in PACKAGES.items()]
        subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", *wanted], cwd=folder, check=True)
        for page in (GRAPHIQL, STUDIO):
            copy(page, Path(folder) / "node_modules")


def copy(page: Vendored, modules: Path) -> None:
    """One page's files, their licences, and VENDORED.md."""
    here, rows = PAGES / page.folder, ""
    for package, source, name in page.files:
        (here / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(modules / package / source, here / name)
        data = (here / name).read_bytes()
        rows += f"| {name} | {package} {PACKAGES[package]} | {source} | {len(data):,} | {hashlib.sha256(data).hexdigest()} |\n"
    maps = [bundle(modules / source_map) for source_map in page.bundles]
    bundled = sorted({package for package, *_ in page.files} | set(page.inside) | set().union(*maps))
    (here / "LICENSES.txt").write_text("".join(licence(modules, name) for name in bundled))
    (here / "VENDORED.md").write_text(f"{page.head}{COLUMNS}{rows}\n{page.foot.format(', '.join(bundled))}\n")


def bundle(source_map: Path) -> set[str]:
    """The packages whose code is in a bundle."""
    found = set()
    for source in json.loads(source_map.read_text())["sources"]:
        inside = re.findall(r"node_modules/((?:@[^/]+/)?[^/]+)", source)
        found |= {inside[-1]} if inside else set()
    return found


def licence(modules: Path, name: str) -> str:
    """One package's licence, under its name."""
    folder = modules / name
    if not folder.exists():  # bundled by its authors, and no longer needed by today's versions: its siblings share the licence
        siblings = sorted((modules / name).parent.iterdir()) if name.startswith("@") else []
        if not siblings:
            raise SystemExit(f"{name} is in the bundle and not installed: what is its licence?")
        folder = siblings[0]
    told = json.loads((folder / "package.json").read_text())
    files = sorted(path for path in folder.iterdir() if re.match(r"(licen[cs]e|copying)", path.name, re.IGNORECASE) and path.is_file())
    text = "\n".join(path.read_text().strip() for path in files) or f"Its package has no licence file; package.json says {told['license']}."
    title = f"{name} ({told['license']})"
    return f"{title}\n{'=' * len(title)}\n{text}\n\n\n"


if __name__ == "__main__":
    renew()
