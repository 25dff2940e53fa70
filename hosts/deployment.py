"""What a stack is told about an app: its manifest, the commands of every role, and the names that they share. Pure data, nothing opened.

The root `__main__.py` hands it to `stacks/`, which knows no code of ours. The same names are read by the hosts themselves, so a
stack cannot spell one differently.
"""

from typing import Any

from hosts.settings import load_app
from providers.postgres.rows_due import counting_due
from runtime.domain import App
from runtime.domain.manifest import manifest, signals_topic, topic
from runtime.domain.tables import Group
from runtime.flow.project import generation_group, watched_group

HTTP, PROBES = 8000, 8001  # ports of a container
LIVE, READY, LOAD = "/live", "/ready", "/load"

_BUS = ["TRIMARAN_BUS", "TRIMARAN_TOPICS", "TRIMARAN_PARTITIONS"]
_PROBED = ["TRIMARAN_HOST", "TRIMARAN_PROBES"]
_CALLERS = [f"TRIMARAN_{name}" for name in ("JWKS", "ISSUER", "AUDIENCE", "ORIGINS", "LIMITS", "REVOKED", "PRODUCTION")]
_RUNNING = {"ports": {"probes": PROBES}, "probes": {"live": LIVE, "ready": READY}}
_JOB: dict[str, Any] = {"ports": {}, "probes": {}}


def describe(app_name: str) -> dict[str, Any]:
    """The app of a short name, or of `module:name`, for a stack. Raises `Misconfigured`."""
    app = load_app(app_name)
    return {
        "manifest": (plain := manifest(app)),
        "app": app_name,
        "roles": roles(),
        "groups": {group.name: _group(app, group) for group in app.groups.values()},
        "topics": {"events": topic(app), "signals": signals_topic(app)},
        "limits": plain["limits"] | {"partitions": plain["shards"]},
    }


def roles() -> dict[str, dict[str, Any]]:
    """What runs: the command, the environment it reads, ports and probes.

    A projector's command goes on with `--group=…`, an upgrade's with `start` or `finish` and `--group=…`.
    """
    return {
        "gateway": {
            "command": _python("hosts.gateway"),
            "environment": [*_stores(), *_BUS, "TRIMARAN_PORT", "TRIMARAN_LINGER_S", *_PROBED, *_CALLERS],
            "ports": {"http": HTTP, "probes": PROBES},
            "probes": {"live": LIVE, "ready": READY, "load": LOAD},
        },
        "relay": {"command": _python("hosts.relay"), "environment": ["TRIMARAN_APP", "TRIMARAN_EVENTS", *_BUS, *_PROBED], **_RUNNING},
        "projector": {
            "command": _python("hosts.projector"),
            "environment": [*_stores(), *_BUS, "TRIMARAN_WATCHED", *_PROBED],
            **_RUNNING,
        },
        "prepare-database": {"command": _python("hosts.prepare", "database"), "environment": [*_stores(), "TRIMARAN_SCALER"], **_JOB},
        "prepare-bus": {
            "command": _python("hosts.prepare", "bus"),
            "environment": ["TRIMARAN_APP", "TRIMARAN_BUS", "TRIMARAN_PARTITIONS", "TRIMARAN_RETENTION_HOURS", "TRIMARAN_RIGHTS"],
            **_JOB,
        },
        "upgrade": {"command": _python("hosts.upgrade"), "environment": [*_stores(), *_BUS, "TRIMARAN_WATCHED"], **_JOB},
    }


def _stores() -> list[str]:
    return ["TRIMARAN_APP", "TRIMARAN_EVENTS", "TRIMARAN_ROWS"]


def _python(*words: str) -> list[str]:
    return ["python", "-m", *words]


def _group(app: App, group: Group) -> dict[str, Any]:
    return {
        "watched": watched_group(app, group.name),
        "first": generation_group(app, group.name, 1),
        "saga": group.saga,
        "schema": group.schema,
        "due": counting_due(app.name, group.name) if group.saga else None,
    }
