"""The project's own stack on servers of its own: PostgreSQL, Kafka with users and rights, and a Kubernetes that KEDA may come to later.

A stack of the root program is configured but not brought up, so that a test says what is wrong with it first.
"""

import contextlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.cluster import bed, cluster
from tests.cluster.control_plane import Timing
from tests.cluster.kubelet.life import Pauses
from tests.engine.engine import Engine, Stack
from tests.live.issuer import AUDIENCE, ISSUER, issuing
from tests.servers import kafka, kafka_security, postgres

ROLES = ("admin", "relay", "projector", "gateway", "scaler")
PARTITIONS = 4
SECRETS = ("eventsPassword", "busLogins")


@contextlib.contextmanager
def standing(*, keda: bool = True) -> Iterator[bed.Bed]:
    """All servers, started side by side and removed at the end; `keda=False` leaves KEDA to whoever installs it."""
    timing, pauses = Timing(hpa_sync_s=1, hpa_downscale_stabilization_s=4), Pauses(restart_s=0.5, retry_s=0.5)
    with contextlib.ExitStack() as opened, ThreadPoolExecutor(2) as starting:
        work = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="trimaran-engine-")))
        database, broker = postgres.running(durable=False), kafka.running(secured=True)
        starts = starting.submit(database.__enter__), starting.submit(broker.__enter__)
        server, brokers = starts[0].result(), starts[1].result()
        opened.push(database.__exit__)
        opened.push(broker.__exit__)
        kube = opened.enter_context(cluster.running(timing=timing, pauses=pauses, keda=keda))
        issuer = opened.enter_context(issuing())
        yield bed.Bed(work, server, brokers, kube, Engine(work), issuer)


def logins(**changed: str) -> str:
    """Every role's user and password at the broker, as JSON; another password for a role is a wrong one."""
    return json.dumps({role: {"user": role, "password": changed.get(role, kafka_security.PASSWORDS[role])} for role in ROLES})


def settings(ground: bed.Bed, app: str, database: str) -> Mapping[str, Any]:
    """What a stack of an app says for this ground; a database is a URL with its password."""
    login, _, rest = database.removeprefix("postgresql://").partition("@")
    user, _, password = login.partition(":")
    return {
        "app": app,
        "image": ground.version(1).image,
        "partitions": PARTITIONS,
        "events": f"postgresql://{user}@{rest}",
        "eventsPassword": password,
        "bus": f"kafka://{ground.broker.secure_bootstrap}?security_protocol=SASL_SSL&sasl_mechanism=SCRAM-SHA-512",
        "busCa": ground.broker.authority.read_text(),
        "busLogins": logins(),
        "acls": True,
        "jwks": ground.issuer.url,
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "gatewayMin": 1,
        "pollingSeconds": 2,
        "cooldownSeconds": 10,
        "syncEvery": "never",
    }


def stack_of(ground: bed.Bed, app: str, database: str, **changed: Any) -> Stack:
    """A stack of the root program, as it is laid out in a checkout, with all that it needs said."""
    made = Stack(ground.engine, ground.version(1).tree, f"k8s-{app}", {"KUBECONFIG": str(ground.kube.kubeconfig)})
    say(made, **{**settings(ground, app, database), **changed})
    return made


def say(stack: Stack, **told: Any) -> None:
    """Set configuration of trimaran; what must be secret is, and a list is set item by item, as the engine wants it."""
    for key in [key for key, value in told.items() if isinstance(value, list)]:
        for number, item in enumerate(told.pop(key)):
            stack.set(f"trimaran:{key}[{number}]", item, path=True)
    values = {f"trimaran:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in told.items()}
    secrets = {key: values.pop(key) for key in list(values) if key.removeprefix("trimaran:") in SECRETS}
    if values:
        stack.set_all(values)
    for key, value in secrets.items():
        stack.set(key, value, secret=True)
