"""A worker takes no work on wrong topics, and `handoff preflight` and `handoff topics` say and do what is missing."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType

from agents.worker import EXIT_UNREADY
from schemas.topics import ACTIONS, ALERTS, EVENTS, REJECTS
from tests.brokers import Broker
from tests.kafka.live import PARTITIONS, Live, create, delete, open_live

pytestmark = pytest.mark.kafka


@pytest.fixture
def unready(broker: Broker, tmp_path: Path) -> Iterator[Live]:
    """A detector whose events topic has too many partitions, without its rejects and one channel's topic."""
    with open_live(broker, tmp_path, without=(EVENTS.name, REJECTS.name, "web.events")) as live:
        create(live.broker, {EVENTS.name: (3, {})})
        yield live
        if live.broker is broker:
            delete(broker, [EVENTS.name])


@pytest.fixture
def bare(broker: Broker, tmp_path: Path) -> Iterator[Live]:
    """A detector on a real broker, without any topic of its own."""
    if broker.kind == "embedded":
        pytest.skip("the embedded broker neither creates topics by request nor keeps policies")
    with open_live(broker, tmp_path) as live:
        own = [name for name in live.topics() if name not in live.tables.topics]
        delete(broker, own)
        yield live


WRONG = [
    f"topic {EVENTS.name} has 3 partitions, 2 are needed",
    f"topic {REJECTS.name} does not exist: `handoff topics --declare` makes it",
    "topic web.events does not exist: it is a channel's, named in channels.toml, and made by its owner",
]


def config_of(broker: Broker, topic: str) -> dict[str, str]:
    resource = ConfigResource(ResourceType.TOPIC, topic)
    admin = AdminClient({"bootstrap.servers": broker.bootstrap})
    answer = admin.describe_configs([resource])
    return {name: entry.value for name, entry in answer[resource].result(30).items()}


def test_a_worker_that_finds_wrong_topics_names_which_and_how_and_takes_no_work(unready: Live) -> None:
    ended = unready.handoff("worker")
    assert ended.returncode == EXIT_UNREADY
    *named, end = [line for line in ended.stderr.splitlines() if not line.startswith("{")]  # those are its log
    assert named == WRONG
    assert end == "The worker takes no work until this is mended."


def test_preflight_says_the_same_before_anything_runs(unready: Live) -> None:
    ended = unready.handoff("preflight")
    assert (ended.returncode, ended.stdout.splitlines()) == (1, WRONG)


def test_preflight_is_content_with_what_a_worker_needs(live: Live) -> None:
    ended = live.handoff("preflight")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "is ready" in ended.stdout


def test_a_cluster_that_does_not_answer_is_named(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HANDOFF_KAFKA__BOOTSTRAP", "127.0.0.1:1")
    ended = live.handoff("preflight")
    assert ended.returncode == 1
    assert ended.stdout.startswith("the cluster at 127.0.0.1:1 does not answer")


def test_declare_makes_the_topics_a_worker_needs_with_their_policies(bare: Live) -> None:
    declared = bare.handoff("topics", "--declare")
    assert (declared.returncode, declared.stderr) == (0, "")
    assert bare.handoff("preflight").returncode == 0
    changelog = f"{bare.settings.worker.app_id}-journeys-changelog"
    policies = {name: config_of(bare.broker, name)["cleanup.policy"] for name in (EVENTS.name, ALERTS.name, changelog)}
    assert policies == {EVENTS.name: "delete", ALERTS.name: "compact,delete", changelog: "compact"}
    assert config_of(bare.broker, EVENTS.name)["retention.ms"] == str(EVENTS.retention_ms)


def test_declare_leaves_alone_what_is_there(bare: Live) -> None:
    bare.handoff("topics", "--declare")
    again = bare.handoff("topics", "--declare")
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "declared: nothing was missing")


def test_a_wrong_policy_is_named(bare: Live) -> None:
    create(bare.broker, {ACTIONS.name: (PARTITIONS, {"cleanup.policy": "delete"})})
    create(bare.broker, {ALERTS.name: (PARTITIONS, {"max.message.bytes": "9999"})})
    changelog = f"{bare.settings.worker.app_id}-journeys-changelog"
    create(bare.broker, {changelog: (PARTITIONS, {"cleanup.policy": "compact", "delete.retention.ms": "60000"})})
    bare.handoff("topics", "--declare")
    found = bare.handoff("preflight").stdout
    assert f"topic {changelog} forgets deletions after 60000 ms" in found
    assert f"topic {ACTIONS.name} has cleanup.policy delete, compact,delete is needed" in found
    assert f"topic {ALERTS.name} takes messages of 9999 bytes" in found


def test_rejects_without_their_topic_are_told_which_is_missing(unready: Live) -> None:
    ended = unready.handoff("rejects", "list")
    assert ended.returncode == 2
    assert ended.stderr == f"handoff: the topic {REJECTS.name} does not exist; `handoff topics` declares it\n"
