"""`trimaran screenshots`: the pictures of README and docs, taken in Chromium from a week of real flights and a shop with its troubles.

Servers run on loopback in a temporary folder and end with the command. What is missing is named, as by `trimaran test`, whose
browser and servers these are.
"""

import importlib.util
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from cli.output import remark, say
from runtime.errors import Misconfigured, Unavailable

if TYPE_CHECKING:  # a checkout has the tests, an installation has not
    from tests.studio.bed import Bed

FIRST, LAST, SPEED = "2013-01-01", "2013-01-07", "14400"
NOON, TO_NOON, SLOWLY = "2013-01-03T17:00", "3600", "60"  # in New York, for the departure board: a minute of 2013 a second
TAKEN_S = 600.0
PICTURES = (
    "flow-light",
    "flow-dark",
    "trace",
    "stream",
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
            noon = stack.enter_context(_at_noon(_made(here / "noon")))
            flights = stack.enter_context(bed.flying(_made(here / "flights"), FIRST, LAST, SPEED, wait=False))
            told = {"SHOP": shop.url, "FLIGHTS": flights.url, "NOON": noon.url, "LAST": LAST}
            told |= {"TO": str(here), "PICTURES": " ".join(PICTURES)}
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


@contextmanager
def _at_noon(folder: Path) -> Iterator["Bed"]:
    """A day replayed to its noon, and from there as slowly as a board can be read."""
    from tests.studio import bed

    day = NOON[:10]
    with bed.flying(folder, day, day, TO_NOON, wait=False) as quick:
        bed.until(lambda: NOON <= quick.get("/admin/flow")["clock"] < "2014", "it is noon", TAKEN_S)
    with bed.flying(folder, day, day, SLOWLY, wait=False) as slow:
        yield slow


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
