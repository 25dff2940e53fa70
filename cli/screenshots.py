"""`trimaran screenshots`: the pictures of README and docs, taken in Chromium from a week of real flights and a shop with its troubles.

Servers run on loopback in a temporary folder and end with the command. What is missing is named, as by `trimaran test`, whose
browser and servers these are.
"""

import importlib.util
import tempfile
from contextlib import ExitStack
from pathlib import Path

from cli.output import remark, say
from runtime.errors import Misconfigured, Unavailable

FIRST, LAST, SPEED = "2013-01-01", "2013-01-07", "14400"
TAKEN_S = 600.0
PICTURES = (
    "flow-light",
    "flow-dark",
    "trace",
    "stream",
    "chain",
    "rows",
    "board",
    "charts",
    "letters",
    "sagas",
    "rebuilds",
    "try",
    "phone",
)


def run(to: Path) -> None:
    """Take every picture. Raises `Misconfigured` where something has to be installed first."""
    if importlib.util.find_spec("tests") is None:
        raise Misconfigured("the pictures are taken with the servers and the browser of the tests: run it in a checkout of the repository")
    from tests.servers import chromium, npm
    from tests.studio import bed

    if chromium.binary() is None:
        raise Misconfigured("the pictures are taken in Chromium: install chromium")
    to.mkdir(parents=True, exist_ok=True)
    try:
        npm.packages()
        with tempfile.TemporaryDirectory(prefix="trimaran-") as folder, ExitStack() as stack:
            here = Path(folder)
            remark(f"starting a shop, and the flights of {FIRST} to {LAST} …")
            shop = stack.enter_context(bed.running(_made(here / "shop")))
            flights = stack.enter_context(bed.flying(_made(here / "flights"), FIRST, LAST, SPEED, wait=False))
            told = {"SHOP": shop.url, "FLIGHTS": flights.url, "LAST": LAST, "TO": str(here), "PICTURES": " ".join(PICTURES)}
            remark("taking pictures while they fly, which takes two minutes …")
            chromium.driven(bed.HERE / "screenshots.mjs", here / "browser", told, TAKEN_S)
            for name in PICTURES:
                data = (here / f"{name}.png").read_bytes()
                (to / f"{name}.png").write_bytes(data)
                say(f"{to / f'{name}.png'}  {len(data) / 1000:.0f} kB")
    except npm.Missing as missing:
        raise Misconfigured(str(missing)) from None
    except npm.Failed as failed:
        raise Unavailable(f"the pictures could not be taken: {failed}") from None


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
