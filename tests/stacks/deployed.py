"""The stacks that the tests look at: the committed program and settings of each app, with secrets to watch, recorded once a run."""

import json
from functools import cache
from pathlib import Path

from hosts.deployment import describe
from runtime.errors import Misconfigured
from stacks.recording import Recording
from tests.stacks.harness import Examined, examine

ROOT = Path(__file__).parents[2]
APPS = ("shop", "flights")
DIGEST = f"registry.example/trimaran@sha256:{'0123456789abcdef' * 4}"
PASSWORDS = {
    role: f"canary-{role}" for role in ("admin", "relay", "projector", "gateway", "scaler", "events", "rows", "counter", "certificate")
}
CONFIG = {
    "trimaran:image": DIGEST,
    "trimaran:production": "true",
    "trimaran:events": "postgresql://trimaran@postgres.example:5432/events?sslmode=require",
    "trimaran:eventsPassword": PASSWORDS["events"],
    "trimaran:rows": "postgresql://trimaran@postgres.example:5433/rows?sslmode=require",
    "trimaran:rowsPassword": PASSWORDS["rows"],
    "trimaran:scalerUser": "trimaran-scaler",
    "trimaran:scalerPassword": PASSWORDS["counter"],
    "trimaran:bus": "kafka://kafka.example:9093?security_protocol=SASL_SSL&sasl_mechanism=SCRAM-SHA-512",
    "trimaran:busLogins": json.dumps(
        {role: {"user": f"trimaran-{role}", "password": PASSWORDS[role]} for role in ("admin", "relay", "projector", "gateway", "scaler")}
    ),
    "trimaran:busCa": "-----BEGIN CERTIFICATE-----\nof an authority\n-----END CERTIFICATE-----\n",
    "trimaran:acls": "true",
    "trimaran:jwks": "https://login.example/keys",
    "trimaran:issuer": "https://login.example",
    "trimaran:audience": "trimaran",
    "trimaran:origins": "https://board.example",
    "trimaran:host": "board.example",
    "trimaran:tlsSecret": "board-tls",
}
SECRETS = ["trimaran:eventsPassword", "trimaran:rowsPassword", "trimaran:scalerPassword", "trimaran:busLogins"]
OUTSIDE = ["Secret/board-tls"]  # made by who manages the host's certificate


def program() -> None:
    """What the root `__main__.py` runs."""
    from stacks.program import deploy

    deploy(describe, Misconfigured)


@cache
def deployed(app: str, **changed: str) -> Examined:
    """The stack of an app: every setting said that makes a resource, in production."""
    config = CONFIG | {"trimaran:app": app} | {f"trimaran:{name}": value for name, value in changed.items()}
    return examine(program, {key: value for key, value in config.items() if value}, SECRETS, external=OUTSIDE, values=PASSWORDS.values())


def recorded(app: str) -> Recording:
    """Its graph."""
    return deployed(app).update
