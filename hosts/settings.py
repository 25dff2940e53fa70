"""What a host is told: which app, which stores and bus, where to listen; from options, else the environment, else this machine's defaults.

option      environment            default
--app       TRIMARAN_APP           shop
--events    TRIMARAN_EVENTS        sqlite:///.trimaran/<app>/events.db
--rows      TRIMARAN_ROWS          sqlite:///.trimaran/<app>/rows.db
--bus       TRIMARAN_BUS           memory://
--host      TRIMARAN_HOST          127.0.0.1
--port      TRIMARAN_PORT          8000

What the bus is like comes from the environment alone, from whoever deploys (`bus_settings`):

TRIMARAN_TOPICS            made: whoever starts makes missing topics (the default); given: nobody makes or checks them, `hosts.prepare` did
TRIMARAN_PARTITIONS        of the app's topic, 1 to 256                                     8
TRIMARAN_RETENTION_HOURS   how long the app's topic keeps a message                         168
TRIMARAN_WATCHED           1: projectors show the live generation's lag under one name      0
TRIMARAN_RIGHTS            rights that `hosts.prepare bus` grants, a JSON list              none

And of the read database: TRIMARAN_SCALER is a login of it that `hosts.prepare database` lets count what is due, and nothing else; "" is none.
"""

import os
import sys
from importlib import import_module
from pathlib import Path

from msgspec import Struct

from runtime.domain import App
from runtime.errors import Misconfigured
from runtime.limits import SHARDS

DATA = ".trimaran"
APPS = {"shop": "apps.shop:app", "flights": "apps.flights:app"}


class Settings(Struct, frozen=True):
    """URLs and addresses, all said."""

    app: str
    events: str
    rows: str
    bus: str
    host: str = "127.0.0.1"
    port: int = 8000


def settings(app: str = "", events: str = "", rows: str = "", bus: str = "", host: str = "", port: int | None = None) -> Settings:
    """What was not said comes from the environment, then from the defaults. Raises `Misconfigured`."""
    app = _said(app, "APP", "shop")
    home = folder_of(app)
    return Settings(
        app,
        _said(events, "EVENTS", f"sqlite:///{home}/events.db"),
        _said(rows, "ROWS", f"sqlite:///{home}/rows.db"),
        _said(bus, "BUS", "memory://"),
        _said(host, "HOST", "127.0.0.1"),
        _port(_said("" if port is None else str(port), "PORT", "8000")),
    )


class BusSettings(Struct, frozen=True):
    """What whoever deploys says of the bus."""

    given: bool = False  # topics are there; starting asks no broker about them
    partitions: int = 8
    retention_s: float = 168 * 3600.0
    watched: bool = False  # the live generation's projectors also commit to the group that is watched
    rights: str = ""  # JSON, read by whoever grants them


def bus_settings() -> BusSettings:
    """From the environment. Raises `Misconfigured`."""
    return BusSettings(
        given=_choice("TOPICS", {"made": False, "given": True}, "made"),
        partitions=_whole("PARTITIONS", 8, SHARDS),
        retention_s=_whole("RETENTION_HOURS", 168, 1_000_000) * 3600.0,
        watched=_choice("WATCHED", {"0": False, "1": True}, "0"),
        rights=_said("", "RIGHTS", "").strip(),
    )


def scaler_login() -> str:
    """The login that may count what is due; "" is none."""
    return _said("", "SCALER", "").strip()


def _choice(name: str, known: dict[str, bool], default: str) -> bool:
    text = _said("", name, default)
    if text not in known:
        raise Misconfigured(f"TRIMARAN_{name}={text!r}: say {' or '.join(known)}")
    return known[text]


def _whole(name: str, default: int, most: int) -> int:
    text = _said("", name, str(default))
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise Misconfigured(f"TRIMARAN_{name}={text!r}: write a whole number from 1 to {most:,}")
    return int(text)


def folder_of(app: str) -> str:
    """Where this machine keeps what belongs to an app, below the working directory."""
    return f"{DATA}/{app.replace(':', '.')}"


def _said(option: str, name: str, default: str) -> str:
    return option or os.environ.get(f"TRIMARAN_{name}", "") or default


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > 65_535:
        raise Misconfigured(f"port {text!r} is not a number from 0 to 65535 (0: any free one)")
    return int(text)


def load_app(name: str) -> App:
    """The app of a short name or of `module:name`, looked up in the working directory, too. Raises `Misconfigured`."""
    module_name, colon, attribute = APPS.get(name, name).partition(":")
    if not colon or not module_name or not attribute:
        raise Misconfigured(f"app {name!r} is not known: say {', '.join(APPS)}, or module:name such as apps.shop:app")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise Misconfigured(f"app {name!r}: there is no module {module_name!r} in {here}") from None
        raise Misconfigured(f"app {name!r}: {module_name} needs the module {error.name!r}, which is not installed") from None
    app = getattr(module, attribute, None)
    if not isinstance(app, App):
        found = ", ".join(key for key, value in vars(module).items() if isinstance(value, App)) or "none"
        raise Misconfigured(f"app {name!r}: {module_name} has no App called {attribute!r} (it has: {found})")
    return app
