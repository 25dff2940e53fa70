"""Amazon's own DynamoDB Local, as npm's amplify-dynamodb-simulator carries it: fetched once, checked by its digest, run by Java.

Of the package only the emulator is unpacked; its 280 dependencies are for its JavaScript, which nobody runs here.
"""

import base64
import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.servers import cache
from tests.servers.process import Server, ServerFailed, free_port, listening

PACKAGE, VERSION = "amplify-dynamodb-simulator", "2.9.30"
INTEGRITY = "sha512-xTeeRLvzEfqyd5lh3bH4c0kHvSHHmmhD5ZDsHFKAQ5g2Zl6JqlFdutaQhCLHzxEp6Ry1o7TB6niIoXuQAnSewQ=="
FETCH_S = 300
JAVA = (
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Xmx256m",
)  # it lives for seconds: what the second compiler and threads do never pays
START_S = 120.0


def emulator() -> Path:
    """The folder with DynamoDBLocal.jar."""
    if shutil.which("java") is None or shutil.which("npm") is None:
        raise ServerFailed("DynamoDB Local needs java (17 or newer) and npm: install openjdk-17-jre-headless and nodejs with npm")
    kept = cache.folder()
    folder = kept / f"dynamodb-{VERSION}"
    with (kept / "dynamodb.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # of two test processes one fetches, the other waits
        if not folder.exists():
            _fetch(kept, folder)
    return folder / "package" / "emulator"


def _fetch(cache: Path, folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=cache, prefix="dynamodb-", ignore_cleanup_errors=True) as making:
        words = ["npm", "pack", "--silent", f"{PACKAGE}@{VERSION}"]
        made = subprocess.run(words, cwd=making, capture_output=True, text=True, timeout=FETCH_S, check=False)
        if made.returncode != 0:
            raise ServerFailed(f"npm could not fetch {PACKAGE}: {made.stderr.strip()[-400:]}")
        archive = next(Path(making).glob("*.tgz"))
        digest = base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if f"sha512-{digest}" != INTEGRITY:
            raise ServerFailed(f"{PACKAGE}@{VERSION} has another digest than when it was tested: sha512-{digest}")
        with tarfile.open(archive) as packed:
            packed.extractall(making, filter="data")
        archive.unlink()
        os.rename(making, folder)


@contextlib.contextmanager
def running() -> Iterator[str]:
    """The URL of a fresh, empty DynamoDB in memory."""
    folder, port = emulator(), free_port()
    words = ["java", *JAVA, f"-Djava.library.path={folder / 'DynamoDBLocal_lib'}", "-jar", str(folder / "DynamoDBLocal.jar")]
    with tempfile.TemporaryDirectory() as logs:
        server = Server(["env", "-C", logs, *words, "-inMemory", "-sharedDb", "-port", str(port), "-disableTelemetry"], Path(logs) / "log")
        server.start(lambda: listening(port), START_S)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.stop()
