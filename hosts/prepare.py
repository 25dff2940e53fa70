"""Jobs that run before everything else of a deployment: what stores and bus must have when the first role starts.

    python -m hosts.prepare database    tables of events and rows, migrated; the first generation of every group
    python -m hosts.prepare bus         topics, rights (TRIMARAN_RIGHTS), the first offsets of the groups

A step says one line and may be done again: a job that was killed anywhere is run once more. `database` needs the login of the
roles, `bus` one that may administer the brokers; the roles themselves then need no right to make anything.
"""

import argparse
import threading
from contextlib import ExitStack
from typing import Any

from hosts.process import host, killable, say
from hosts.providers import SIGNALS_RETENTION_S, open_bus, open_events, open_rows, refuse_memory, scheme_of
from hosts.settings import BusSettings, Settings, bus_settings, scaler_login
from runtime.domain import App
from runtime.domain.manifest import signals_topic, topic
from runtime.errors import Misconfigured
from runtime.findings import Finding
from runtime.flow.project import generation_group, open_generation, unsure, watched_group
from runtime.ports import EventStore, Phase, ReadStore
from runtime.steps import run as drive

SQL = {"postgresql": "providers.postgres", "sqlite": "providers.sqlite"}


def options(parser: argparse.ArgumentParser) -> None:
    """What to prepare."""
    parser.add_argument("what", choices=("database", "bus"), help="which of them")


def run(told: Settings, app: App, asked: argparse.Namespace, stop: threading.Event, stack: ExitStack) -> None:
    """Prepare the databases or the bus, saying one line for each thing."""
    killable()
    if asked.what == "database":
        database(told, app, stack)
    else:
        bus(told, app, stack)


# --- database
def database(told: Settings, app: App, stack: ExitStack) -> None:
    """Tables, then generations. Raises `Misconfigured` for a server that is too old and for rights that are missing."""
    for option, url in (("events", told.events), ("rows", told.rows)):
        refuse_memory(url, option)
        scheme_of(url, option, SQL)
        fit(app, option, url)
    events = open_events(told.events, app)
    stack.callback(events.store.close)
    say(f"events: schema {app.name} is up to date")
    rows = open_rows(told.rows, app)
    stack.callback(rows.close)
    say(f"rows: schema {app.name} is up to date")
    if login := scaler_login():
        let_count(rows, login)
    for group in app.groups:
        say(f"group {group}: {first_generation(app, group, events.store, rows)}")


def fit(app: App, option: str, url: str) -> None:
    """What a doctor would call bad, but for the durability that is the operator's own choice: that is only told."""
    if not url.startswith("postgres"):
        return
    from providers.postgres.doctor import SETTINGS, examine

    for finding in examine(url, app.name, option):
        if finding.well or finding.what == "connection":  # whoever connects next says more of it
            continue
        if finding.what not in SETTINGS:
            raise Misconfigured(f"--{option}: {words(finding)}")
        say(f"warning: {option}: {words(finding)}")


def words(finding: Finding) -> str:
    """A finding in a line."""
    return f"{finding.what}: {finding.found}: {finding.way_out}"


def let_count(rows: ReadStore, login: str) -> None:
    """Let a login of the read database count what is due, and read nothing of it."""
    from providers.postgres.rows import PostgresReadStore

    if not isinstance(rows, PostgresReadStore):
        raise Misconfigured(f"TRIMARAN_SCALER={login!r}: only PostgreSQL has logins: take it away")
    rows.let_count(login)
    say(f"rows: {login} may count what is due")


def first_generation(app: App, group: str, store: EventStore, rows: ReadStore) -> str:
    """Make it where there is none; a saga whose past is not sure is left to an operator, and dispatches nothing until then."""
    live = [one.number for one in rows.generations(group) if one.phase is Phase.LIVE]
    if live:
        return f"generation {live[-1]} is live"
    if drive(unsure(app, group, store, rows)):
        return (
            f"a saga without rows, while the store has events: decide what is sent for those, then run `trimaran rebuild start --group {group}` "
            "with --silent (nothing) or --resend (all of it); until then its projector stops and says so"
        )
    return f"generation {drive(open_generation(app, group, store, rows)).number} is made"


# --- bus
def bus(told: Settings, app: App, stack: ExitStack) -> None:
    """Topics, rights, first offsets."""
    refuse_memory(told.bus, "bus")
    rules = bus_settings()
    declared = declared_rights(rules)
    opened: Any
    signals: Any
    opened, signals = open_bus(told.bus, app, rules=BusSettings(given=True, partitions=rules.partitions))
    stack.callback(signals.close)
    stack.callback(opened.close)
    made = opened.ensure(rules.retention_s)
    kept = f"keeps messages for {rules.retention_s / 3600:,.0f} h{'' if made or not opened.keep_for(rules.retention_s) else ' from now on'}"
    say(f"topic {topic(app)}: {f'made with {rules.partitions} partitions' if made else 'is there'}, {kept}")
    say(f"topic {signals_topic(app)}: {'made' if signals.ensure(SIGNALS_RETENTION_S) else 'is there'}")
    if declared:
        granted = opened.grant(declared)
        say(f"rights: {granted} granted, {len(declared) - granted} were there")
    for group in app.groups:
        say(first_offsets(opened, app, group))


def declared_rights(rules: BusSettings) -> list[Any]:
    """Read before anything is done."""
    from providers.kafka.rights import rights_of

    return rights_of(rules.rights)


def first_offsets(opened: Any, app: App, group: str) -> str:
    """The first generation's before those that are watched: where these are there, a later generation may be the live one."""
    watched, first = watched_group(app, group), generation_group(app, group, 1)
    if opened.begun(watched):
        missing = opened.commit_first(watched)
        return f"group {watched}: " + (f"{missing} partitions begin" if missing else "has its offsets")
    opened.commit_first(first)
    return f"group {watched}: {opened.commit_first(watched)} partitions begin, as those of {first} do"


if __name__ == "__main__":
    host("prepare", (), run, options)
