"""The Kafka broker that tests of the live shell run against: the first of a chain that can be had on this machine.

1. ``external``: the one that KAFKA_BOOTSTRAP_SERVERS names.
2. ``docker``: the image apache/kafka in a container, where Docker answers.
3. ``kafka``: Apache Kafka's jars from Maven Central, where Java 17 is; fetched once to ``.kafka/``, up in 5 s.
4. ``embedded``: the broker in memory of `agents.embedded`, which keeps no transactions.

HANDOFF_TEST_BROKER names one of the four and then nothing else will do, or is ``auto``, the default.
``python -m tests.brokers kafka`` starts one by hand and names its address.
"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from xml.etree import ElementTree as ET

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from agents.embedded import EmbeddedBroker, EmbeddedBrokerError

_ROOT = Path(__file__).resolve().parent.parent
_POM = _ROOT / ".ci" / "kafka" / "pom.xml"
_CACHE = _ROOT / ".kafka"
_HOST = "127.0.0.1"
_FETCH_TIMEOUT = 240  # seconds: 43 MB of jars, once
_START_TIMEOUT = 60  # seconds
# Where Linux offers it, the kernel kills the broker when its parent ends in whatever way, so that none is left behind.
_DIES_WITH_PARENT = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []
_NO_CONFIG: Mapping[str, str] = MappingProxyType({})

# One node that is broker and controller. What is not here is Kafka's default.
_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # A broker that was killed comes back when its former session has ended: 9 s by default.
    "broker.session.timeout.ms": "3000",
    "broker.heartbeat.interval.ms": "500",
    "auto.create.topics.enable": "false",
    "log.retention.ms": "-1",  # recordings are dated long ago, and must stay until they are read
}


class BrokerUnavailable(Exception):
    """This kind of broker cannot be had here. The text says why."""


class Broker:
    """A broker under test.

    ``kind`` is its name ("apache-kafka 4.4.0", "embedded"), ``source`` says also where it is from, ``transactions``
    whether it keeps them (hides aborted records, fences former owners), ``restartable`` whether `kill` and `restart`
    work.
    """

    def __init__(
        self, bootstrap: str, kind: str, source: str, *, transactions: bool, restartable: bool = False
    ) -> None:
        self.bootstrap = bootstrap
        self.kind = kind
        self.source = source
        self.transactions = transactions
        self.restartable = restartable

    def create_topics(self, topics: Mapping[str, int], config: Mapping[str, str] = _NO_CONFIG) -> None:
        """Create each topic with its number of partitions and, where the broker knows policies, this configuration."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        wanted = [NewTopic(name, count, 1, config=dict(config)) for name, count in topics.items()]
        for created in admin.create_topics(wanted, operation_timeout=30).values():
            created.result(30)
        # The controller answers before the broker has heard of the topic.
        until = time.monotonic() + 30
        while any(_partitions(admin, name) != count for name, count in topics.items()):
            if time.monotonic() > until:
                raise BrokerUnavailable(f"{self.kind} created {', '.join(topics)} and does not show them")
            time.sleep(0.02)

    def new_topic(self, stem: str, partitions: int, config: Mapping[str, str] = _NO_CONFIG) -> str:
        """Create a topic that no other test has and return its name, which begins with ``stem``."""
        name = f"{stem}-{uuid.uuid4().hex[:12]}"
        self.create_topics({name: partitions}, config)
        return name

    def kill(self) -> None:
        """End the broker at once, as by kill -9. What it had written stays."""
        raise BrokerUnavailable(f"{self.kind} cannot be killed by a test")

    def restart(self) -> None:
        """Start it again after `kill`, at the same address with what it had written."""
        raise BrokerUnavailable(f"{self.kind} cannot be restarted by a test")

    def close(self) -> None:
        """Give back what the broker uses. Called once."""


class _Embedded(Broker):
    def __init__(self) -> None:
        self._broker = EmbeddedBroker().__enter__()
        super().__init__(self._broker.bootstrap, "embedded", "embedded", transactions=False)

    def create_topics(self, topics: Mapping[str, int], config: Mapping[str, str] = _NO_CONFIG) -> None:
        self._broker.create_topics(topics)

    def close(self) -> None:
        self._broker.close()


class _KafkaProcess(Broker):
    """Apache Kafka from its jars, as a child of this process that dies with it."""

    def __init__(self, jars: Path, version: str) -> None:
        port, controller = _free_ports(2)
        kind = f"apache-kafka {version}"
        super().__init__(f"{_HOST}:{port}", kind, f"{kind} from Maven Central", transactions=True, restartable=True)
        self._classpath = f"{jars}/*"
        self._home = Path(tempfile.mkdtemp(prefix="kafka-"))
        self._settings = self._home / "server.properties"
        self._process: subprocess.Popen[bytes] | None = None
        self._settings.write_text(_properties(_server_settings(port, controller, self._home / "data")))
        try:
            self._format()
            self.restart()
        except BaseException:
            self.close()
            raise

    def _format(self) -> None:
        tool = ["kafka.tools.StorageTool", "format", "--cluster-id", "handofftestsAAAAAAAAAA", "--config"]
        done = _run(self._java(*tool, str(self._settings)), 60)
        if done.returncode:
            raise BrokerUnavailable(f"Kafka's storage was not formatted: {(done.stderr or done.stdout)[-500:]}")

    def restart(self) -> None:
        with (self._home / "kafka.log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_DIES_WITH_PARENT, *self._java("kafka.Kafka", str(self._settings))],
                cwd=self._home,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        self.kill()
        shutil.rmtree(self._home, ignore_errors=True)

    def _java(self, *arguments: str) -> list[str]:
        return ["java", "-Xmx512m", "-XX:+UseSerialGC", "-cp", self._classpath, *arguments]

    def _wait(self) -> None:
        assert self._process is not None
        answers = _waiter(self.bootstrap)
        while not answers():
            if self._process.poll() is not None:
                tail = (self._home / "kafka.log").read_text(errors="replace")[-1500:]
                raise BrokerUnavailable(f"Kafka ended with status {self._process.returncode}: {tail}")


class _Container(Broker):
    """Apache Kafka in a container of its own."""

    def __init__(self, version: str) -> None:
        from testcontainers.core.container import DockerContainer

        (port,) = _free_ports(1)
        settings = _SETTINGS | {
            "listeners": "PLAINTEXT://:9092,CONTROLLER://:9093",
            "advertised.listeners": f"PLAINTEXT://{_HOST}:{port}",
            "controller.quorum.voters": "1@localhost:9093",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        }
        self._container = DockerContainer(f"apache/kafka:{version}")
        self._container.ports["9092/tcp"] = (_HOST, port)  # type: ignore[assignment]  # docker takes the pair, too
        for key, value in settings.items():
            self._container.with_env("KAFKA_" + key.upper().replace(".", "_"), value)
        kind = f"apache-kafka {version}"
        super().__init__(f"{_HOST}:{port}", kind, f"{kind} in Docker", transactions=True)
        self._container.start()
        try:
            answers = _waiter(self.bootstrap)
            while not answers():
                pass
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._container.stop()


def _external() -> Broker:
    bootstrap = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if not bootstrap:
        raise BrokerUnavailable("KAFKA_BOOTSTRAP_SERVERS is not set")
    return Broker(bootstrap, "external", f"{bootstrap}, from KAFKA_BOOTSTRAP_SERVERS", transactions=True)


def _docker() -> Broker:
    import docker  # type: ignore[import-untyped]

    try:
        docker.from_env(timeout=5).ping()
    except docker.errors.DockerException:
        raise BrokerUnavailable("Docker does not answer") from None
    try:
        return _Container(_kafka_version())
    except (docker.errors.DockerException, OSError) as error:
        raise BrokerUnavailable(f"Docker has no container for it: {error}") from None


def _kafka() -> Broker:
    _check_java()
    version = _kafka_version()
    return _KafkaProcess(_jars(version), version)


def _embedded() -> Broker:
    try:
        return _Embedded()
    except EmbeddedBrokerError as error:
        raise BrokerUnavailable(str(error)) from None


_CHAIN: Mapping[str, Callable[[], Broker]] = MappingProxyType(
    {"external": _external, "docker": _docker, "kafka": _kafka, "embedded": _embedded}
)


def wanted_broker() -> str:
    """What HANDOFF_TEST_BROKER asks for. Raises ValueError for a word that means nothing."""
    wanted = os.environ.get("HANDOFF_TEST_BROKER", "auto")
    if wanted != "auto" and wanted not in _CHAIN:
        raise ValueError(f"HANDOFF_TEST_BROKER is {wanted!r}; allowed are auto, {', '.join(_CHAIN)}")
    return wanted


def open_broker(wanted: str) -> Broker:
    """The broker of this kind, or for ``auto`` the first of the chain. The caller closes it.

    Raises `BrokerUnavailable` where it cannot be had, with the reason of each that was tried.
    """
    reasons = []
    for name, opener in _CHAIN.items():
        if wanted not in ("auto", name):
            continue
        try:
            broker = opener()
        except BrokerUnavailable as reason:
            reasons.append(f"{name}: {reason}")
            continue
        if reasons and not broker.transactions:
            broker.source += f" ({'; '.join(reasons)})"
        return broker
    raise BrokerUnavailable("; ".join(reasons))


def _kafka_version() -> str:
    version = ET.parse(_POM).findtext(".//{*}kafka.version")
    assert version, f"{_POM} names no kafka.version"
    return version


def _check_java() -> None:
    if shutil.which("java") is None:
        raise BrokerUnavailable("no java on the PATH")
    said = _run(["java", "-version"], 30).stderr
    major = re.search(r'version "(\d+)', said)
    if major is None or int(major[1]) < 17:
        raise BrokerUnavailable(f"Kafka needs Java 17 or later; java -version says: {said.splitlines()[:1]}")


def _jars(version: str) -> Path:
    """The folder with Kafka's jars, fetched when it is not there yet."""
    folder = _CACHE / version
    if folder.is_dir():
        return folder
    if shutil.which("mvn") is None:
        raise BrokerUnavailable("no mvn on the PATH to fetch Kafka with")
    _CACHE.mkdir(exist_ok=True)
    sys.stderr.write(f"fetching Apache Kafka {version} from Maven Central, once (43 MB)\n")
    with tempfile.TemporaryDirectory(dir=_CACHE) as partial:
        _fetch(Path(partial) / "jars")
        try:
            (Path(partial) / "jars").rename(folder)
        except OSError:
            if not folder.is_dir():  # else another run was first, and its jars are as good
                raise
    return folder


def _fetch(target: Path) -> None:
    goal = ["dependency:copy-dependencies", f"-DoutputDirectory={target}", "-DincludeScope=runtime"]
    limits = ["-Daether.connector.connectTimeout=10000", "-Daether.connector.requestTimeout=60000"]
    command = ["mvn", "-B", "-q", "-f", str(_POM), *limits, *goal]
    done = _run(command, _FETCH_TIMEOUT)
    if done.returncode:
        errors = [line for line in done.stdout.splitlines() if "ERROR" in line]
        raise BrokerUnavailable(f"Maven did not fetch Kafka: {(errors or ['no reason given'])[0][:300]}")


def _server_settings(port: int, controller: int, data: Path) -> dict[str, str]:
    return _SETTINGS | {
        "listeners": f"PLAINTEXT://{_HOST}:{port},CONTROLLER://{_HOST}:{controller}",
        "advertised.listeners": f"PLAINTEXT://{_HOST}:{port}",
        "controller.quorum.voters": f"1@{_HOST}:{controller}",
        "log.dirs": str(data),
    }


def _properties(settings: Mapping[str, str]) -> str:
    return "".join(f"{key}={value}\n" for key, value in settings.items())


def _waiter(bootstrap: str) -> Callable[[], bool]:
    """A function that waits a little and says whether the broker answers. Raises `BrokerUnavailable` past the limit."""
    admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0, "reconnect.backoff.max.ms": 200})
    until = time.monotonic() + _START_TIMEOUT

    def answers() -> bool:
        try:
            admin.list_topics(timeout=0.5)
        except KafkaException:
            if time.monotonic() > until:
                raise BrokerUnavailable(f"the broker did not answer in {_START_TIMEOUT} s") from None
            return False
        return True

    return answers


def _partitions(admin: AdminClient, topic: str) -> int:
    found = admin.list_topics(topic, timeout=10).topics.get(topic)
    return len(found.partitions) if found is not None else 0


def _run(command: list[str], timeout: int) -> "subprocess.CompletedProcess[str]":
    try:
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, check=False
        )
    except subprocess.TimeoutExpired:
        raise BrokerUnavailable(f"{command[0]} did not end within {timeout} s") from None


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server((_HOST, 0)) for _ in range(count)]
    ports = [open_socket.getsockname()[1] for open_socket in sockets]
    for open_socket in sockets:
        open_socket.close()
    return ports


def _main() -> None:
    broker = open_broker(sys.argv[1] if len(sys.argv) > 1 else wanted_broker())
    sys.stdout.write(f"broker: {broker.source} at {broker.bootstrap}; interrupt to end it\n")
    sys.stdout.flush()
    try:
        signal.pause()
    except KeyboardInterrupt:
        broker.close()


if __name__ == "__main__":
    _main()
