"""A real Kubernetes control plane as local processes: etcd, the API server with RBAC, and the real controllers.

The controllers are Kubernetes' own (Deployment, ReplicaSet, Job, HorizontalPodAutoscaler, Namespace, garbage collector,
ServiceAccount, disruption) in one program, `minikcm`. Authorisation is Node and RBAC, as on any cluster: who is granted
nothing may do nothing. etcd does not flush to disk: no test pulls the plug.
"""

from dataclasses import dataclass
from pathlib import Path

from tests.cluster.api import Api, Refused, kubeconfig, wait
from tests.cluster.certificates import Authority, key_pair
from tests.cluster.programs import Program
from tests.servers.process import free_port, listening

SERVICES = "10.0.0.0/16"  # cluster addresses are given, and used by nobody
NODE = "node-1"
START_S = 180  # a cluster takes 16 s to come up on two idle cores, and ten times that on busy ones


@dataclass(frozen=True)
class Timing:
    """How quickly the cluster decides; Kubernetes' and KEDA's own defaults are 15 s and 300 s."""

    hpa_sync_s: float = 5
    hpa_downscale_stabilization_s: float = 300


class ControlPlane:
    """etcd, API server and controllers below `work`, from the programs in `programs`; `admin` may do everything."""

    def __init__(self, work: Path, programs: Path, timing: Timing) -> None:
        self.work, self._bin = work, programs
        self.authority = Authority(work / "pki")
        self.port = free_port()
        self.server = f"https://127.0.0.1:{self.port}"
        (work / "log").mkdir()
        self._tokens = key_pair(work / "pki", "tokens")
        self._etcd_url = f"http://127.0.0.1:{free_port()}"
        self._etcd = self._make_etcd()
        self._api_server = self._make_api_server()
        self.kubeconfig = self.identity("admin", "admin", "system:masters")
        self._controllers = self._make_controllers(timing)
        self.programs = [self._etcd, self._api_server, self._controllers]

    def identity(self, name: str, user: str, *groups: str) -> Path:
        """A kubeconfig for a user in groups, by a certificate."""
        certificate, key = self.authority.issue(name, user, groups=groups)
        user_words = {"client-certificate": str(certificate), "client-key": str(key)}
        return kubeconfig(self.work / f"{name}.kubeconfig", self.server, self.authority.certificate, user_words)

    def account(self, name: str, namespace: str) -> Path:
        """A kubeconfig for a service account that is there, by a token for a day."""
        token = Api(self.kubeconfig).token(name, namespace)
        path = self.work / f"{namespace}.{name}.kubeconfig"
        return kubeconfig(path, self.server, self.authority.certificate, {"token": token})

    def start(self) -> Api:
        """Start all three, and return the administrator's client when the API server is ready."""
        port = int(self._etcd_url.rpartition(":")[2])
        for program in self.programs[:2]:  # the API server waits for etcd itself
            program.spawn()
        self._etcd.wait(lambda: listening(port))
        api = Api(self.kubeconfig)
        self._api_server.wait(lambda: _ready(api))
        self._controllers.spawn()
        wait(lambda: api.get("v1", "Namespace", "default"), "namespace default", START_S)
        return api

    def stop(self) -> None:
        """Stop them, the last one first."""
        for program in reversed(self.programs):
            program.kill()

    def program(self, name: str, words: list[str], environment: dict[str, str] | None = None, before: tuple[str, ...] = ()) -> Program:
        """One of the programs, with its log; `before` are words before the command."""
        return Program(name, [*before, str(self._bin / name), *words], self.work / "log" / f"{name}.log", environment)

    def _make_etcd(self) -> Program:
        peer = f"http://127.0.0.1:{free_port()}"
        words = [f"--data-dir={self.work / 'etcd'}", f"--listen-client-urls={self._etcd_url}", f"--advertise-client-urls={self._etcd_url}"]
        words += [f"--listen-peer-urls={peer}", f"--initial-advertise-peer-urls={peer}", f"--initial-cluster=default={peer}"]
        return self.program("etcd", [*words, "--unsafe-no-fsync"])

    def _make_api_server(self) -> Program:
        hosts = ["127.0.0.1", "localhost", "kubernetes", "kubernetes.default.svc"]
        certificate, key = self.authority.issue("api", "kube-apiserver", hosts=hosts)
        proxy, proxy_key = self.authority.issue("front-proxy", "front-proxy-client")
        authority, (public, private) = self.authority.certificate, self._tokens
        settings = {
            "etcd-servers": self._etcd_url,
            "secure-port": self.port,
            "bind-address": "127.0.0.1",
            "advertise-address": "127.0.0.1",
            "endpoint-reconciler-type": "none",
            "service-cluster-ip-range": SERVICES,
            "authorization-mode": "Node,RBAC",
            "enable-admission-plugins": "NodeRestriction",
            "tls-cert-file": certificate,
            "tls-private-key-file": key,
            "client-ca-file": authority,
            "cert-dir": self.work / "api",
            "service-account-issuer": "https://kubernetes.default.svc",
            "service-account-key-file": public,
            "service-account-signing-key-file": private,
            "requestheader-client-ca-file": authority,
            "requestheader-allowed-names": "front-proxy-client",
            "requestheader-username-headers": "X-Remote-User",
            "requestheader-group-headers": "X-Remote-Group",
            "requestheader-extra-headers-prefix": "X-Remote-Extra-",
            "proxy-client-cert-file": proxy,
            "proxy-client-key-file": proxy_key,
        }
        return self.program("kube-apiserver", [f"--{name}={value}" for name, value in settings.items()])

    def _make_controllers(self, timing: Timing) -> Program:
        words = [f"--kubeconfig={self.identity('controllers', 'system:kube-controller-manager', 'system:masters')}"]
        words += [f"--horizontal-pod-autoscaler-sync-period={timing.hpa_sync_s}s"]
        words += [f"--horizontal-pod-autoscaler-downscale-stabilization={timing.hpa_downscale_stabilization_s}s"]
        return self.program("minikcm", words)


def _ready(api: Api) -> bool:
    try:
        api.call("GET", "/readyz")
    except (Refused, OSError):
        return False
    return True
