"""Checks the cluster before a worker takes work: topics, of which it creates none, and transactions. What is wrong with
them fails late and obscurely.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.errors import KafkaError, for_code

from agents.runtime.settings import RuntimeSettings

log = logging.getLogger(__name__)

_POLICY = "cleanup.policy"
_LARGEST = "max.message.bytes"
_MIN_IN_SYNC = "min.insync.replicas"
_DELETIONS = "delete.retention.ms"
_ELECTION_S = 5
_COORDINATOR_S = 10
"""The first to ask for a coordinator of transactions lets the broker make the topic that it keeps them in."""
_UNCOORDINATED = (
    'nobody in the cluster coordinates transactions, which processing = "exactly-once" needs: {error}; has it fewer '
    "brokers than transaction.state.log.replication.factor says, or no right to the transactional ids?"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpectedTopic:
    """What a topic must be like; None where it does not matter."""

    name: str
    partitions: int | None = None
    same_partitions_as: str | None = None
    """Another topic with which this one is co-partitioned."""
    cleanup_policy: str | None = None
    """`compact`, `delete` or `compact,delete`."""
    replication: int | None = None
    """The least; None for a topic that is only read."""
    max_message_bytes: int | None = None
    """The least."""
    deletions_ms: int | None = None
    """How long a compacted topic must at least tell of a deletion."""
    made_by: str = ""
    """What is said of who makes it, where it is not there."""


@dataclass(frozen=True, slots=True)
class FoundTopic:
    """A topic as the cluster has it; its configuration is empty where the broker does not tell."""

    partitions: int
    replication: int
    config: Mapping[str, str]
    leaderless: int = 0
    """Partitions that nobody serves."""
    in_sync: int | None = None
    """The fewest replicas in sync that a partition has."""


def problems(expected: Sequence[ExpectedTopic], found: Mapping[str, FoundTopic]) -> list[str]:
    """What is wrong, in words, one line each; empty when all is well."""
    return [line for topic in expected for line in _problems(topic, found)]


def _problems(topic: ExpectedTopic, found: Mapping[str, FoundTopic]) -> list[str]:
    real = found.get(topic.name)
    if real is None:
        return [f"topic {topic.name} does not exist{topic.made_by and f': {topic.made_by}'}"]
    lines = []
    if topic.partitions is not None and real.partitions != topic.partitions:
        lines.append(f"topic {topic.name} has {real.partitions} partitions, {topic.partitions} are needed")
    other = found.get(topic.same_partitions_as or "")
    if other is not None and other.partitions != real.partitions:
        lines.append(f"topic {topic.name} has {real.partitions} partitions, but {topic.same_partitions_as} has "
                     f"{other.partitions}: they must have as many")  # fmt: skip
    if topic.replication is not None and real.replication < topic.replication:
        lines.append(f"topic {topic.name} is replicated {real.replication} times, {topic.replication} are needed")
    if real.leaderless:
        lines.append(f"topic {topic.name} has no leader for {real.leaderless} of its partitions: are brokers down?")
    return lines + _config_problems(topic, real)


def _config_problems(topic: ExpectedTopic, real: FoundTopic) -> list[str]:
    lines = []
    policy = real.config.get(_POLICY)
    if topic.cleanup_policy is not None and policy is not None and _parts(policy) != _parts(topic.cleanup_policy):
        lines.append(f"topic {topic.name} has cleanup.policy {policy}, {topic.cleanup_policy} is needed")
    largest = int(real.config.get(_LARGEST, 0))
    if topic.max_message_bytes is not None and 0 < largest < topic.max_message_bytes:
        lines.append(f"topic {topic.name} takes messages of {largest} bytes, {topic.max_message_bytes} are needed")
    deletions = int(real.config.get(_DELETIONS, -1))
    if topic.deletions_ms is not None and 0 <= deletions < topic.deletions_ms:
        lines.append(f"topic {topic.name} forgets deletions after {deletions} ms, {topic.deletions_ms} are needed")
    in_sync = int(real.config.get(_MIN_IN_SYNC, 0))
    if in_sync > real.replication:
        lines.append(f"topic {topic.name} wants {in_sync} replicas in sync, but has {real.replication}: no write works")
    elif topic.replication is not None and real.in_sync is not None and in_sync > real.in_sync:
        lines.append(f"topic {topic.name} has {real.in_sync} replicas in sync, {in_sync} are needed: are brokers down?")
    return lines


def _parts(policy: str) -> set[str]:
    return {part.strip() for part in policy.split(",")}


async def check_topics(settings: RuntimeSettings, expected: Sequence[ExpectedTopic]) -> list[str]:
    """What is wrong with the cluster, in words; a cluster that can't be reached is one such problem.

    Policies and sizes are checked only where the broker tells them; the embedded one does not.
    """
    try:
        async with asyncio.timeout(settings.step_timeout_s):
            wrong = problems(expected, await _calm(lambda: _look(settings, expected)))
            return [*wrong, *await _transactions(settings)] if settings.transactional else wrong
    except (KafkaError, TimeoutError, OSError) as error:
        return [f"the cluster at {settings.bootstrap_servers} does not answer: {error!r}"]


async def _transactions(settings: RuntimeSettings) -> list[str]:
    """A cluster that nobody coordinates transactions in answers all else, and lets a worker wait until it gives up."""
    client = AIOKafkaClient(
        bootstrap_servers=settings.servers,
        client_id=f"{settings.client_id}-preflight",
        request_timeout_ms=settings.request_timeout_ms,
        **settings.security,
    )
    name = f"{settings.app_id}-preflight"
    try:
        await client.bootstrap()
        error = await _refusal(lambda: client.coordinator_lookup(CoordinationType.TRANSACTION, name))
    finally:
        await client.close()
    return [_UNCOORDINATED.format(error=repr(error))] if error is not None else []


async def _refusal(ask: Callable[[], Awaitable[object]]) -> KafkaError | None:
    """Why nobody coordinates transactions; None once somebody does."""
    error = None
    for _ in range(_COORDINATOR_S):
        try:
            await ask()
        except KafkaError as refused:
            error = refused
        else:
            return None
        if not error.retriable:
            break
        await asyncio.sleep(1)
    return error


async def _calm(look: Callable[[], Awaitable[dict[str, FoundTopic]]]) -> dict[str, FoundTopic]:
    """What is seen once every partition has its leader: while brokers restart, leaders are elected within seconds."""
    for _ in range(_ELECTION_S):
        found = await look()
        if not any(topic.leaderless for topic in found.values()):
            return found
        await asyncio.sleep(1)
    return await look()


async def _look(settings: RuntimeSettings, expected: Sequence[ExpectedTopic]) -> dict[str, FoundTopic]:
    admin = AIOKafkaAdminClient(
        bootstrap_servers=settings.servers,
        client_id=f"{settings.client_id}-preflight",
        request_timeout_ms=settings.request_timeout_ms,
        **settings.security,
    )
    try:
        await admin.start()
        wanted = {topic.name for topic in expected} | {topic.same_partitions_as for topic in expected}
        # All topics, then those wanted: asking for one by name makes some brokers create it.
        there = {t["topic"]: t["partitions"] for t in await admin.describe_topics() if t["topic"] in wanted}
        configs = await _configs(admin, sorted(there))
    finally:
        await admin.close()
    return {name: _found(parts, configs.get(name, {})) for name, parts in there.items()}


def _found(parts: Sequence[Mapping[str, Any]], config: Mapping[str, str]) -> FoundTopic:
    return FoundTopic(
        len(parts),
        min((len(part["replicas"]) for part in parts), default=0),
        config,
        leaderless=sum(part["leader"] < 0 for part in parts),
        in_sync=min((len(part["isr"]) for part in parts), default=0),
    )


async def _configs(admin: AIOKafkaAdminClient, names: Sequence[str]) -> dict[str, dict[str, str]]:
    wanted = dict.fromkeys((_POLICY, _LARGEST, _MIN_IN_SYNC, _DELETIONS))
    try:
        answers = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, n, wanted) for n in names])
        return {name: config for answer in answers for name, config in map(_config, answer.resources)}
    except (KafkaError, TimeoutError) as error:
        log.info("the broker does not tell its topics' configuration: %r", error)
        return {}


def _config(resource: Any) -> tuple[str, dict[str, str]]:
    error, _, _, name, entries = resource
    if error:
        raise for_code(error)(name)
    return name, {entry[0]: entry[1] for entry in entries}
