"""A real Apache Kafka broker of our own: one KRaft node started from the jars that Maven Central serves.

The jars are fetched once by Maven into the user's cache folder, by version; every broker has a temporary directory and
free loopback ports. Topics are never created by accident, and a session may be as short as a second, for tests.
"""

import base64
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from tests.servers import cache as kept
from tests.servers import kafka_security as security
from tests.servers.process import Server, ServerFailed, free_port, listening

KAFKA = "4.1.2"
LOG4J = "2.25.1"

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>trimaran</groupId><artifactId>broker</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>{LOG4J}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-core</artifactId><version>{LOG4J}</version></dependency>
    <dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-api</artifactId><version>{LOG4J}</version></dependency>
  </dependencies>
</project>
"""

JAVA = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=WARN", "-Duser.language=en"]


def cache() -> Path:
    """Where the jars of this version are kept."""
    return kept.folder() / f"kafka-{KAFKA}"


def cached() -> bool:
    """Whether the jars are there, so that Maven is not needed."""
    return (cache() / f"kafka_2.13-{KAFKA}.jar").exists()


def jars() -> Path:
    """The folder with the broker's jars; fetched by Maven when they are not there."""
    if cached():
        return cache()
    if shutil.which("mvn") is None:
        raise ServerFailed("no Apache Kafka: install maven (it fetches the jars once into the cache)")
    with tempfile.TemporaryDirectory(prefix="trimaran-maven-") as folder:
        (Path(folder) / "pom.xml").write_text(POM)
        words = ["mvn", "-q", "-B", "-f", f"{folder}/pom.xml", "dependency:copy-dependencies", f"-DoutputDirectory={folder}/jars"]
        fetched = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
        if fetched.returncode != 0:
            raise ServerFailed(f"Maven could not fetch Apache Kafka {KAFKA}:\n{(fetched.stdout + fetched.stderr)[-2000:]}")
        _publish(Path(folder) / "jars")
    return cache()


def _publish(fetched: Path) -> None:
    """Move the jars into the cache at once, so that nobody ever sees half of them."""
    cache().parent.mkdir(parents=True, exist_ok=True)
    near = Path(tempfile.mkdtemp(prefix=".kafka-", dir=cache().parent))
    shutil.copytree(fetched, near, dirs_exist_ok=True)
    try:
        near.rename(cache())
    except OSError:
        shutil.rmtree(near)
        if not cached():
            raise


class KafkaServer:
    """One broker: `start`, `stop`, `kill`, `pause`, `resume`; with `secured` also a SASL_SSL listener (kafka_security.py tells
    its users and what they may do). Stopped or killed, it starts again on its data.

    `port` and `advertised_port` serve a proxy in between: clients connect to what is advertised.
    """

    def __init__(self, *, secured: bool = False, port: int = 0, advertised_port: int = 0) -> None:
        if shutil.which("java") is None:
            raise ServerFailed("no Java: install openjdk-17-jre-headless (or newer) for Apache Kafka")
        self._classpath = f"{jars()}/*"
        self._root = Path(tempfile.mkdtemp(prefix="trimaran-kafka-"))
        self.port = port or free_port()
        self.advertised_port = advertised_port or self.port
        self.secure_port = free_port() if secured else 0
        self._properties = self._root / "server.properties"
        self.authority = self._root / "ca.pem"  # of the secured listener, for its clients
        settings = self._settings(free_port()) | (self._security() if secured else {})
        self._properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
        self._format()
        self._server = Server(self._java("-Xms96m", "-Xmx400m", "kafka.Kafka", str(self._properties)), self._root / "log")

    @property
    def url(self) -> str:
        """The URL of the plain listener."""
        return f"kafka://{self.bootstrap}"

    @property
    def bootstrap(self) -> str:
        """Host and port of the plain listener, where everybody may do everything."""
        return f"127.0.0.1:{self.advertised_port}"

    @property
    def secure_bootstrap(self) -> str:
        """Host and port of the SASL_SSL listener."""
        return f"127.0.0.1:{self.secure_port}"

    def secure_url(self, user: str = security.USER, password: str = "", mechanism: str = "PLAIN") -> str:
        """The URL of the SASL_SSL listener for a user, with that user's password unless another is given."""
        login = f"{quote(user, safe='')}:{quote(password or security.PASSWORDS[user], safe='')}"
        options = f"security_protocol=SASL_SSL&sasl_mechanism={mechanism}&cafile={quote(str(self.authority))}"
        return f"kafka://{login}@{self.secure_bootstrap}?{options}"

    @property
    def pid(self) -> int:
        """The broker's process id."""
        return self._server.pid

    def _java(self, *words: str) -> list[str]:
        return ["java", *JAVA, "-cp", self._classpath, *words]

    def _settings(self, controller: int) -> dict[str, str]:
        listeners = {"PLAINTEXT": self.port} | ({"SASL_SSL": self.secure_port} if self.secure_port else {})
        own = ",".join(f"{name}://127.0.0.1:{port}" for name, port in listeners.items())
        return {
            "process.roles": "broker,controller",
            "node.id": "1",
            "controller.quorum.bootstrap.servers": f"127.0.0.1:{controller}",
            "listeners": f"{own},CONTROLLER://127.0.0.1:{controller}",
            "advertised.listeners": own.replace(f":{self.port}", f":{self.advertised_port}"),
            "controller.listener.names": "CONTROLLER",
            "inter.broker.listener.name": "PLAINTEXT",
            "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SASL_SSL:SASL_SSL",
            "log.dirs": str(self._root / "logs"),
            "offsets.topic.replication.factor": "1",
            "offsets.topic.num.partitions": "1",
            "transaction.state.log.replication.factor": "1",
            "transaction.state.log.min.isr": "1",
            "share.coordinator.state.topic.replication.factor": "1",
            "share.coordinator.state.topic.min.isr": "1",
            "group.initial.rebalance.delay.ms": "0",
            "group.min.session.timeout.ms": "1000",
            "auto.create.topics.enable": "false",
            "log.cleaner.dedupe.buffer.size": "2097152",
            "broker.heartbeat.interval.ms": "300",
            "broker.session.timeout.ms": "1500",  # a killed broker may register again only after this
        }

    def _security(self) -> dict[str, str]:
        store = self._root / "broker.p12"
        security.certify(store, self.authority)
        return security.settings(store)

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=").replace("-", "A")
        words = self._java("-Xmx128m", "kafka.tools.StorageTool", "format", "--standalone", "-t", cluster, "-c", str(self._properties))
        words += security.scram_words() if self.secure_port else []
        made = subprocess.run(words, capture_output=True, text=True, check=False)
        if made.returncode != 0:
            raise ServerFailed(f"Kafka's storage could not be formatted: {(made.stdout + made.stderr)[-2000:]}")

    def start(self) -> None:
        """Start (again) and return when it listens."""
        ports = [self.port, *([self.secure_port] if self.secure_port else [])]
        self._server.start(lambda: all(listening(port) for port in ports), timeout_s=90)

    def stop(self) -> None:
        """SIGTERM: a controlled shutdown."""
        self._server.stop(signal.SIGTERM)

    def kill(self) -> None:
        """kill -9."""
        self._server.kill()

    def pause(self) -> None:
        """SIGSTOP: connections stay, nobody answers."""
        self._server.send(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._server.send(signal.SIGCONT)

    def revive(self) -> None:
        """Whatever a test did to it: let it run, and answer."""
        if self._server.running():
            self.resume()
        else:
            self.start()

    def remove(self) -> None:
        """Kill it and delete everything."""
        self._server.kill()
        shutil.rmtree(self._root, ignore_errors=True)


@contextlib.contextmanager
def running(*, secured: bool = False, port: int = 0, advertised_port: int = 0) -> Iterator[KafkaServer]:
    """A started broker, removed at the end."""
    server = KafkaServer(secured=secured, port=port, advertised_port=advertised_port)
    try:
        server.start()
        yield server
    finally:
        server.remove()
