"""Settings and descriptions for tests of stacks: what an operator would say, and what changes in one test."""

import json
from dataclasses import replace
from typing import Any

from hosts.deployment import describe
from stacks.config import BUS_ROLES, Settings, settings
from stacks.description import Description, description

DIGEST = "a" * 64
LOGINS = {role: {"user": f"user-{role}", "password": f"password of {role}"} for role in BUS_ROLES}
CONFIG: dict[str, str] = {
    "cloud": "k8s",
    "image": f"registry.example/trimaran@sha256:{DIGEST}",
    "events": "postgresql://trimaran@events.example:5432/trimaran",
    "eventsPassword": "the password of the events",
    "bus": "kafka://kafka.example:9093?security_protocol=SASL_SSL&sasl_mechanism=PLAIN",
    "busLogins": json.dumps(LOGINS),
}
SECRET = {"eventsPassword", "rowsPassword", "scalerPassword", "busLogins", "busCert", "busKey"}
PLAINTEXT = {"bus": "kafka://kafka.example:9092", "busLogins": "{}"}


def given(secret: set[str] = SECRET, **changed: Any) -> Settings:
    """The settings with some changed: texts as they are, other values as JSON, None taken away."""
    said = CONFIG | {name: value if isinstance(value, str) else json.dumps(value) for name, value in changed.items() if value is not None}
    for name, value in changed.items():
        if value is None:
            said.pop(name, None)
    return settings(said, secret & said.keys())


def about(app: str = "shop", **changed: Any) -> Description:
    """A real app's description with some fields changed."""
    return replace(description(describe(app)), **changed)
