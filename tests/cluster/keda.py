"""The real KEDA: its operator and its metrics adapter as local processes, with the rights that KEDA's own installation gives them.

The operator runs under its service account `keda-operator` with the roles of KEDA's `config/rbac` (data/keda_rights.yaml),
and sees the names of services as pods do. It holds no lock on leadership, and webhooks are off.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import yaml

from tests.cluster import aggregation
from tests.cluster.api import Api, Object, wait
from tests.cluster.control_plane import START_S, ControlPlane
from tests.cluster.names import hosts_file, with_hosts
from tests.cluster.programs import Program
from tests.servers.process import free_port, listening

NAMESPACE = "keda"
RIGHTS = Path(__file__).parent / "data" / "keda_rights.yaml"
GROUP, VERSION = "external.metrics.k8s.io", "v1beta1"


class Keda:
    """KEDA on a control plane; `definitions` is the folder of its custom resource definitions."""

    def __init__(self, plane: ControlPlane, api: Api, definitions: Path) -> None:
        self._plane, self._api = plane, api
        self._definitions = definitions
        self._health, self._metrics, self._adapter_port = free_port(), free_port(), free_port()
        self.operator: Program | None = None
        self.adapter: Program | None = None

    def install(self) -> None:
        """Define its kinds, give it its account and rights, and start both programs; `ready` tells when they answer."""
        definitions = [yaml.safe_load(path.read_text()) for path in sorted(self._definitions.glob("*.yaml"))]
        self._api.apply([{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}])
        self._api.apply([_account(), *yaml.safe_load_all(RIGHTS.read_text()), *definitions, *self._metrics_api()])
        account = self._plane.account("keda-operator", NAMESPACE)
        self._certificates()
        names = [each["metadata"]["name"] for each in definitions]
        wait(lambda: all(self._established(name) for name in names), "KEDA's kinds", START_S)
        self.operator, self.adapter = self._make_operator(account), self._make_adapter(account)
        self.operator.spawn()
        self.adapter.spawn()

    def ready(self) -> None:
        """Return when the operator is ready and the API server gets metrics through the adapter."""
        self.operator_ready()
        wait(lambda: aggregation.reached(self._api, GROUP, VERSION), "the API of external metrics", START_S)

    def operator_ready(self) -> None:
        """Return when the operator answers."""
        assert self.operator is not None
        self.operator.wait(lambda: listening(self._health) and listening(self._metrics))

    @contextlib.contextmanager
    def operator_killed(self) -> Iterator[None]:
        """kill -9 the operator; it is started again at the end."""
        assert self.operator is not None
        self.operator.kill()
        try:
            yield
        finally:
            self.operator.spawn()
            self.operator_ready()

    def stop(self) -> None:
        """Stop both."""
        for program in (self.adapter, self.operator):
            if program is not None:
                program.kill()

    def _established(self, name: str) -> bool:
        return aggregation.holds(self._api.get("apiextensions.k8s.io/v1", "CustomResourceDefinition", name), "Established")

    def _certificates(self) -> None:
        hosts = ["localhost", "127.0.0.1", "keda-operator.keda.svc", "keda-metrics-apiserver.keda.svc"]
        certificate, key = self._plane.authority.issue("keda", "keda-operator", hosts=hosts)
        folder = self._plane.work / "keda"
        folder.mkdir(mode=0o700)
        for name, source in {"ca.crt": self._plane.authority.certificate, "tls.crt": certificate, "tls.key": key}.items():
            (folder / name).write_bytes(source.read_bytes())

    def _metrics_api(self) -> list[Object]:
        authority = self._plane.authority.certificate
        return aggregation.told(GROUP, VERSION, "keda-metrics-apiserver", NAMESPACE, self._adapter_port, authority)

    def _make_operator(self, account: Path) -> Program:
        words = ["--zap-log-level=debug", "--zap-encoder=console", "--zap-time-encoding=rfc3339nano", "--enable-cert-rotation=false"]
        words += [f"--cert-dir={self._plane.work / 'keda'}", "--metrics-bind-address=0"]
        words += [f"--health-probe-bind-address=127.0.0.1:{self._health}", f"--metrics-service-bind-address=127.0.0.1:{self._metrics}"]
        return self._plane.program("keda-operator", words, _environment(account), with_hosts(hosts_file(self._plane.work, NAMESPACE)))

    def _make_adapter(self, account: Path) -> Program:
        folder = self._plane.work / "keda"
        words = [f"--secure-port={self._adapter_port}", "--bind-address=127.0.0.1", "--port=0", f"--client-ca-file={folder / 'ca.crt'}"]
        words += [f"--tls-cert-file={folder / 'tls.crt'}", f"--tls-private-key-file={folder / 'tls.key'}", f"--cert-dir={folder}"]
        words += [f"--metrics-service-address=localhost:{self._metrics}"]
        for flag in ("kubeconfig", "lister-kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig"):
            words.append(f"--{flag}={account}")
        return self._plane.program("keda-adapter", words, _environment(account))


def _environment(account: Path) -> dict[str, str]:
    return {"KUBECONFIG": str(account), "WATCH_NAMESPACE": "", "POD_NAMESPACE": NAMESPACE, "KEDA_CLUSTER_OBJECT_NAMESPACE": NAMESPACE}


def _account() -> Object:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "keda-operator", "namespace": NAMESPACE}}
