"""Everything a deployed app stands on, all of it real: PostgreSQL, Kafka with rights, Kubernetes with KEDA, an issuer of tokens, and
Pulumi's engine, which brings an app's stack up.

    with bed.made() as bed:
        shop = bed.deploy("shop")          # pulumi up
        shop.url, shop.replicas("rows"), shop.lag("rows"), shop.folded("rows")

The image is what the Dockerfile would copy, laid out as a file tree; another version of an app is another tree (`version`).
"""

import contextlib
import hashlib
import json
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from hosts.providers import open_events, open_rows
from providers.kafka.bus import KafkaBus
from runtime.domain import App
from runtime.domain.manifest import topic
from runtime.errors import Unavailable
from runtime.flow.project import watched_group
from runtime.ports import EventStore, ReadStore
from tests.cluster import cluster
from tests.cluster.api import wait
from tests.cluster.cluster import Cluster
from tests.cluster.compiling import compiled
from tests.cluster.control_plane import Timing
from tests.cluster.kubelet.images import python_image
from tests.cluster.kubelet.life import Pauses
from tests.engine.engine import Engine, Stack
from tests.live.issuer import AUDIENCE, ISSUER, Issuer, issuing
from tests.servers import kafka, kafka_security, postgres
from tests.stacks.dockerfile import lay

ROOT = Path(__file__).parents[2]
PROGRAM = ("Pulumi.yaml", "__main__.py", "stacks")  # what a checkout has beside the image's files
USER = 10001
PARTITIONS = 4
# KEDA looks, KEDA waits before none, the autoscaler syncs, it waits before fewer; none comes a look after the autoscaler is through, because a
# number that it decided before would overwrite the none (docs/scaling.md)
POLLING_S, COOLDOWN_S, SYNC_S, STABLE_S = 5, 15, 1, 4
LAG = 50  # events behind for which a projector is added
ROLES = ("admin", "relay", "projector", "gateway", "scaler")
COUNTER = "counter"  # KEDA's login of the read database, and its password
FOLDED = sql.SQL(
    "SELECT coalesce(sum(version), 0)::bigint FROM {space}.read_watermarks WHERE gid ="
    " (SELECT gid FROM {space}.read_generations WHERE name = %s AND phase = 'live' AND NOT dropped)"
)


@dataclass(frozen=True)
class Version:
    """A version of everything: the tree that the program runs from, and the name of the image that was made of it."""

    tree: Path
    image: str


class Deployed:
    """One app's stack, and what it shows of itself."""

    def __init__(self, bed: "Bed", app: App, stack: Stack, version: Version, database: str) -> None:
        self.bed, self.app, self.stack, self.version, self.database = bed, app, stack, version, database
        self.namespace = f"trimaran-{app.name}"
        self.bus = KafkaBus(f"{bed.broker.url}?deadline_ms=2000", topic(app), PARTITIONS)

    def up(self, version: Version | None = None) -> str:
        """`pulumi up`, with another version or as it is; what the engine said. Raises `AssertionError` when it failed."""
        self.version = version or self.version
        self.stack.project = self.version.tree
        self.stack.set("trimaran:image", self.version.image)
        done = self.stack.up()
        assert done.ok, f"{done.text}\n{self.bed.told(self.namespace)}"
        return done.text

    def close(self) -> None:
        """End what the test itself holds open: a client whose broker is gone would look for it for ever, and beside every later test."""
        self.bus.close()

    @property
    def url(self) -> str:
        """The gateway's service, from outside."""
        return self.bed.kube.url("gateway", self.namespace, 8000)

    def replicas(self, group: str) -> tuple[int, int]:
        """Projectors that are wanted, and those that are ready."""
        found = self.bed.kube.api.get("apps/v1", "Deployment", f"projector-{group}", self.namespace)
        assert found is not None
        return found["spec"].get("replicas", 1), found.get("status", {}).get("readyReplicas", 0)

    def lags(self, group: str) -> tuple[int, ...] | None:
        """Events behind, by partition, as KEDA sees them; None while the broker does not say."""
        try:
            lags = self.bus.lag(watched_group(self.app, group))
        except Unavailable:
            return None
        return tuple(lags[partition] for partition in range(PARTITIONS))

    def folded(self, group: str) -> int | None:
        """Events that the live generation of a group has in its rows; None while the database does not say."""
        try:
            with psycopg.connect(self.database, connect_timeout=2) as looking:
                row = looking.execute(FOLDED.format(space=sql.Identifier(self.app.name)), (group,)).fetchone()
        except psycopg.OperationalError:
            return None
        assert row is not None
        return int(row[0])

    def at_zero(self, group: str) -> bool:
        """Nothing is left to do and nobody is there."""
        return self.replicas(group) == (0, 0) and sum(self.lags(group) or (1,)) == 0

    def settle(self, *groups: str, timeout_s: float = 90) -> None:
        """Wait until these groups have come back to zero."""
        wait(lambda: all(self.at_zero(group) for group in groups), f"{', '.join(groups)} at zero", timeout_s)

    @contextlib.contextmanager
    def stores(self) -> Iterator[tuple[EventStore, ReadStore]]:
        """The databases, opened by the test itself."""
        with (
            contextlib.closing(open_events(self.database, self.app).store) as events,
            contextlib.closing(open_rows(self.database, self.app)) as rows,
        ):
            yield events, rows

    def kill_one(self, component: str, turn: int = 0) -> str:
        """kill -9 a pod's process; its name, or nothing where none runs."""
        selector = f"app.kubernetes.io/component={component}"
        running = [pod for pod in self.bed.kube.pods(self.namespace, selector) if pod.get("status", {}).get("phase") == "Running"]
        alive = [pod["metadata"]["name"] for pod in running if not pod["metadata"].get("deletionTimestamp")]
        for name in alive[turn % len(alive) :] if alive else ():
            with contextlib.suppress(ProcessLookupError):  # it has just ended by itself
                self.bed.kube.kill(name, self.namespace)
                return str(name)
        return ""

    def logs(self) -> str:
        """The ends of all pods' logs, for a failure."""
        return self.bed.told(self.namespace)


class Bed:
    """The ground: servers that may be hurt, and stacks that stand on them."""

    def __init__(
        self, work: Path, database: postgres.PostgresServer, broker: kafka.KafkaServer, kube: Cluster, engine: Engine, issuer: Issuer
    ) -> None:
        self.work, self.postgres, self.broker, self.kube, self.engine, self.issuer = work, database, broker, kube, engine, issuer

    def version(self, number: int, change: Callable[[Path], None] = lambda _: None) -> Version:
        """A tree and its image; `change` may edit the tree."""
        tree = self.work / f"v{number}"
        if not tree.exists():
            lay(tree)
            for name in PROGRAM:
                (shutil.copytree if (ROOT / name).is_dir() else shutil.copy2)(ROOT / name, tree / name)
            change(tree)
        image = f"trimaran@sha256:{hashlib.sha256(str(tree).encode()).hexdigest()}"
        self.kube.add_image(image, compiled(python_image(tree, user=USER), tree, self.work / f"v{number}.bytecode"))
        return Version(tree, image)

    def deploy(self, name: str, **settings: Any) -> Deployed:
        """`pulumi up` of an app, quick in its decisions; `settings` as in Pulumi.yaml."""
        version = self.version(1)
        database = self._database(name)
        stack = Stack(self.engine, version.tree, f"k8s-{name}", {"KUBECONFIG": str(self.kube.kubeconfig)})
        login, _, rest = database.removeprefix("postgresql://").partition("@")
        user, _, password = login.partition(":")
        logins = {role: {"user": role, "password": kafka_security.PASSWORDS[role]} for role in ROLES}
        told: Mapping[str, Any] = {
            "app": name,
            "partitions": PARTITIONS,
            "events": f"postgresql://{user}@{rest}",
            "bus": f"kafka://{self.broker.secure_bootstrap}?security_protocol=SASL_SSL&sasl_mechanism=SCRAM-SHA-512",
            "busCa": self.broker.authority.read_text(),
            "acls": True,
            "scalerUser": COUNTER,
            "jwks": self.issuer.url,
            "issuer": ISSUER,
            "audience": AUDIENCE,
            "gatewayMin": 2,
            "gatewayMax": 2,
            "pollingSeconds": POLLING_S,
            "cooldownSeconds": COOLDOWN_S,
            "lagThreshold": LAG,
            "syncEvery": "never",
            **settings,
        }
        stack.set_all({f"trimaran:{key}": value if isinstance(value, str) else json.dumps(value) for key, value in told.items()})
        stack.set("trimaran:eventsPassword", password, secret=True)
        stack.set("trimaran:scalerPassword", COUNTER, secret=True)
        stack.set("trimaran:busLogins", json.dumps(logins), secret=True)
        made = Deployed(self, import_module(f"apps.{name}").app, stack, version, database)
        made.up()
        return made

    def _database(self, name: str) -> str:
        """The URL of a database that lives as long as the server, which may be killed meanwhile."""
        with psycopg.connect(self.postgres.url, autocommit=True) as admin:
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
            if not admin.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (COUNTER,)).fetchone():
                admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(COUNTER), sql.Literal(COUNTER)))
        return f"{self.postgres.url.rpartition('/')[0]}/{name}"

    def told(self, namespace: str) -> str:
        """What pods and the operator said last."""
        pods = [pod["metadata"]["name"] for pod in self.kube.pods(namespace)]
        parts = [f"--- {pod}\n{self.kube.logs(pod, namespace)[-1500:]}" for pod in pods]
        parts += [f"--- {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in sorted((self.kube.work / "log").glob("*.log"))]
        return "\n".join(parts)


@contextlib.contextmanager
def made() -> Iterator[Bed]:
    """The ground, started side by side and removed at the end."""
    timing = Timing(hpa_sync_s=SYNC_S, hpa_downscale_stabilization_s=STABLE_S)
    pauses = Pauses(restart_s=0.5, retry_s=0.5)
    with ThreadPoolExecutor(3) as starting, contextlib.ExitStack() as stack:  # servers die with the thread that started them
        work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="trimaran-bed-")))
        lock = threading.Lock()

        def enter[T](what: contextlib.AbstractContextManager[T]) -> T:
            entered = what.__enter__()
            with lock:
                stack.push(what.__exit__)
            return entered

        database = starting.submit(enter, postgres.running(durable=False))
        broker = starting.submit(enter, kafka.running(secured=True))
        kube = starting.submit(enter, cluster.running(timing=timing, pauses=pauses))
        issuer = stack.enter_context(issuing())
        engine = Engine(work)
        yield Bed(work, database.result(), broker.result(), kube.result(), engine, issuer)
