"""`trimaran doctor`: looks at every URL, changes nothing, and says the way out of what it finds."""

from cli.output import FAILED, Exit, as_json, say
from hosts.providers import BUS, EVENTS, ROWS, scheme_of, sqlite_path, without_password
from hosts.settings import Settings, bus_settings, load_app
from runtime.domain import App
from runtime.domain.manifest import signals_topic, topic
from runtime.errors import Misconfigured, TrimaranError
from runtime.findings import Finding


def doctor(told: Settings, *, json: bool) -> None:
    """Exit code 1 when something is not well."""
    app = load_app(told.app)
    examined = {
        "app": (told.app, [Finding("app", f"{app.name}: {len(app.plans)} deciders, groups {', '.join(app.groups)}")]),
        "events": (told.events, stores(app, "events", told.events)),
        "rows": (told.rows, stores(app, "rows", told.rows)),
        "bus": (told.bus, bus(app, told.bus)),
    }
    if json:
        as_json({name: {"url": without_password(url), "findings": findings} for name, (url, findings) in examined.items()})
    else:
        for name, (url, findings) in examined.items():
            say(f"{name}  {without_password(url)}")
            for finding in findings:
                say(f"  {'ok ' if finding.well else 'BAD'}  {finding.what}: {finding.found}")
                if not finding.well:
                    say(f"       way out: {finding.way_out}")
    if not all(finding.well for _, findings in examined.values() for finding in findings):
        raise Exit(FAILED)


def stores(app: App, option: str, url: str) -> list[Finding]:
    """An event store or a read store."""
    match scheme_of(url, option, EVENTS if option == "events" else ROWS):
        case "memory":
            return [Finding("memory", "lives and ends with one process")]
        case "sqlite":
            from providers.sqlite.doctor import examine

            return examine(sqlite_path(url, option, make=False), option)
        case _:
            from providers.postgres.doctor import examine as examine_postgres

            return examine_postgres(url, app.name, option)


def bus(app: App, url: str) -> list[Finding]:
    """A bus."""
    if scheme_of(url, "bus", BUS) == "memory":
        return [Finding("memory", "lives and ends with one process")]
    from providers.kafka.doctor import examine

    try:
        return examine(url, {topic(app): bus_settings().partitions, signals_topic(app): 1})
    except Misconfigured:
        raise
    except TrimaranError as error:
        return [Finding("connection", str(error), False, "is it running?")]
