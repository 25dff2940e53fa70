"""Which module keeps which promise: one closed table from a URL's scheme to its provider, imported only when it is chosen.

A host never names a technology; function archives are built from this table, so what is not in it is not in them.
"""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from msgspec import Struct

from hosts.settings import BusSettings, bus_settings
from runtime.domain import App
from runtime.domain.manifest import signals_topic, topic
from runtime.errors import Misconfigured
from runtime.ports import Bus, EventStore, ReadStore, Relay, Signals, Snapshots

EVENTS = {"memory": "providers.memory", "sqlite": "providers.sqlite", "postgresql": "providers.postgres"}
ROWS = EVENTS
BUS = {"memory": "providers.memory", "kafka": "providers.kafka"}

EXAMPLES = {
    "memory": "memory://",
    "sqlite": "sqlite:///file.db (sqlite:////absolute/file.db)",
    "postgresql": "postgresql://user:password@host:5432/database",
    "kafka": "kafka://host:9092",
}


class Events(Struct):
    """An event store with what lives beside it."""

    store: EventStore
    snapshots: Snapshots
    relay: Relay


def scheme_of(url: str, option: str, known: dict[str, str]) -> str:
    """The scheme of a URL that this option knows; `Misconfigured` with examples otherwise."""
    scheme, colon, rest = url.partition("://")
    if colon and scheme == "postgres":
        scheme = "postgresql"
    if not colon or scheme not in known:
        examples = ", ".join(EXAMPLES[each] for each in known)
        raise Misconfigured(f"--{option} {without_password(url)!r} is not a URL that is known here: write {examples}")
    port = rest.partition("?")[0].partition("/")[0].rpartition("@")[2].rpartition("]")[2].partition(",")[0].partition(":")[2]
    if scheme == "postgresql" and port and not port.isdigit():
        raise Misconfigured(f"--{option} {without_password(url)!r} is no PostgreSQL URL: port {port!r} is not a number")
    if scheme == "memory" and rest:
        raise Misconfigured(f"--{option} {url!r}: memory:// takes nothing after it")
    return scheme


def without_password(url: str) -> str:
    """A URL for people."""
    head, at, tail = url.rpartition("@")
    if not at or "://" not in head:
        return url
    scheme, _, login = head.partition("://")
    return f"{scheme}://{login.partition(':')[0]}@{tail}"


def open_events(url: str, app: App) -> Events:
    """The event store, snapshots and relay of a URL. Raises `Misconfigured`, `Unavailable`."""
    scheme = scheme_of(url, "events", EVENTS)
    package = EVENTS[scheme]
    match scheme:
        case "memory":
            store = _class(package, "events", "MemoryEventStore")()
            return Events(store, _class(package, "snapshots", "MemorySnapshots")(), _class(package, "relay", "MemoryRelay")(store))
        case "sqlite":
            store = _class(package, "events", "SqliteEventStore")(sqlite_path(url, "events"))
            return Events(store, _class(package, "snapshots", "SqliteSnapshots")(store), _class(package, "relay", "SqliteRelay")(store))
        case _:
            store = _class(package, "events", "PostgresEventStore")(url, app.name)
            return Events(store, _class(package, "snapshots", "PostgresSnapshots")(store), _class(package, "relay", "PostgresRelay")(store))


def open_rows(url: str, app: App) -> ReadStore:
    """The read store of a URL. Raises `Misconfigured`, `Unavailable`."""
    scheme = scheme_of(url, "rows", ROWS)
    package = ROWS[scheme]
    rows: ReadStore
    match scheme:
        case "memory":
            rows = _class(package, "rows", "MemoryReadStore")()
        case "sqlite":
            rows = _class(package, "rows", "SqliteReadStore")(sqlite_path(url, "rows"))
        case _:
            rows = _class(package, "rows", "PostgresReadStore")(url, app.name)
    return rows


def open_bus(url: str, app: App, chaos: int | None = None, rules: BusSettings | None = None) -> tuple[Bus, Signals]:
    """The bus of a URL, its topic made if it is not there (unless topics are given), and the signals that travel with it.

    `chaos` seeds an in-process bus that repeats, shuffles and loses messages. `rules` come from the environment.
    """
    rules = rules or bus_settings()
    scheme = scheme_of(url, "bus", BUS)
    package = BUS[scheme]
    if scheme == "memory":
        disturbed = None if chaos is None else _class(package, "chaos", "Chaos")(chaos, duplicate=0.05, shuffle_window=20, drop=0.05)
        return _class(package, "bus", "MemoryBus")(rules.partitions, chaos=disturbed), _class(package, "signals", "MemorySignals")()
    if chaos is not None:
        raise Misconfigured("--chaos disturbs the in-process bus only: leave --bus out")
    bus = _class(package, "bus", "KafkaBus")(url, topic(app), rules.partitions)
    signals = _class(package, "signals", "KafkaSignals")(url, signals_topic(app))
    if not rules.given:
        make_topics(bus, signals, rules)
    return bus, signals


def make_topics(bus: Any, signals: Any, rules: BusSettings) -> None:
    """Make the topics that are missing, or say why those that are there cannot serve."""
    bus.ensure(rules.retention_s)
    signals.ensure(SIGNALS_RETENTION_S)


SIGNALS_RETENTION_S = 3_600.0


def _class(package: str, module: str, name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(import_module(f"{package}.{module}"), name)
    return found


def sqlite_path(url: str, option: str, *, make: bool = True) -> str:
    """The file of `sqlite:///relative` or `sqlite:////absolute`; its directory is made, unless told not to."""
    path = url.removeprefix("sqlite://")
    if not path.startswith("/") or not path.strip("/"):
        raise Misconfigured(f"--{option} {url!r}: write {EXAMPLES['sqlite']}")
    file = Path(path[1:])
    if file.is_dir():
        raise Misconfigured(f"--{option} {url!r}: {file} is a directory, name a file in it")
    if not make:
        return str(file)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Misconfigured(f"--{option} {url!r}: cannot make {file.parent} ({error.strerror}): choose another place") from error
    return str(file)


def refuse_memory(url: str, option: str) -> None:
    """`Misconfigured` for memory:// where another process should see what is written."""
    if url.startswith("memory:"):
        raise Misconfigured(
            f"--{option} memory:// lives inside one process, and this is another: "
            f"use {EXAMPLES['kafka'] if option == 'bus' else EXAMPLES['sqlite']}, or `trimaran dev`, which is one process"
        )
