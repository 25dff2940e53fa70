"""Renews the copy of GraphiQL in hosts/pages/graphiql from npm: `uv run python -m tests.clients.vendor`.

The page has to work where there is no internet, so its scripts are in the repository, byte for byte as npm has them, with the licence
of everything that their authors bundled into them. VENDORED.md, which this writes too, says what is there; a test compares it.
"""

import hashlib
import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

PAGES = Path(__file__).parents[2] / "hosts" / "pages" / "graphiql"
PACKAGES = {"graphiql": "4.1.2", "react": "18.3.1", "react-dom": "18.3.1", "graphql-ws": "6.4.2", "graphql": "16.15.0"}
FILES = (  # package, file in it, name here
    ("graphiql", "graphiql.min.js", "graphiql.min.js"),
    ("graphiql", "graphiql.min.css", "graphiql.min.css"),
    ("react", "umd/react.production.min.js", "react.min.js"),
    ("react-dom", "umd/react-dom.production.min.js", "react-dom.min.js"),
    ("graphql-ws", "umd/graphql-ws.min.js", "graphql-ws.min.js"),
)
SIBLINGS = ("codemirror-graphql", "graphql-language-service")  # bundled from the same repository as graphiql, under its licence
HEAD = """# Vendored from npm

The scripts of the GraphiQL page, unchanged, so that it works without internet and without a bundler. Renew them with
`uv run python -m tests.clients.vendor` after changing the versions in [vendor.py](../../../tests/clients/vendor.py); `page.js`,
`page.css` and `icon.svg` are ours.

GraphiQL 4 is the last major version with a build that a plain `<script>` can load; 5 needs a bundler or a CDN.

| file | npm package | file in it | bytes | sha256 |
|---|---|---|---|---|
"""


def renew() -> None:
    """Install the packages into a temporary folder, and copy files, licences and checksums from there."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = [f"{name}@{version}" for name, version in PACKAGES.items()]
        subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", *wanted], cwd=folder, check=True)
        modules = Path(folder) / "node_modules"
        rows = ""
        for package, source, name in FILES:
            shutil.copyfile(modules / package / source, PAGES / name)
            data = (PAGES / name).read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            rows += f"| {name} | {package} {PACKAGES[package]} | {source} | {len(data):,} | {digest} |\n"
        bundled = sorted({package for package, *_ in FILES} | bundle(modules / "graphiql" / "graphiql.min.js.map"))
        (PAGES / "LICENSES.txt").write_text("".join(licence(modules, name) for name in bundled))
        told = ", ".join(bundled)
        (PAGES / "VENDORED.md").write_text(
            f"{HEAD}{rows}\nTheir licences, and those of what is bundled into them, are in LICENSES.txt, those of the fonts inside the style sheet in FONTS.txt: {told}.\n"
        )


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
