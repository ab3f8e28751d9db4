"""What is wrong with the cluster's topics is said in words, before any work is taken."""

import asyncio
from collections.abc import Sequence

import pytest
from aiokafka.errors import (
    CoordinatorNotAvailableError,
    KafkaError,
    TransactionalIdAuthorizationFailed,
)

from agents.runtime.preflight import ExpectedTopic, FoundTopic, _calm, _refusal, problems

PLAIN: dict[str, str] = {"cleanup.policy": "delete", "max.message.bytes": "1048588", "min.insync.replicas": "1"}


def found(partitions: int = 4, replication: int = 3, **config: str) -> FoundTopic:
    return FoundTopic(
        partitions, replication, PLAIN | {name.replace("_", "."): value for name, value in config.items()}
    )


def test_topics_as_expected_have_no_problem() -> None:
    expected = ExpectedTopic(
        name="t", partitions=4, replication=3, cleanup_policy="delete", max_message_bytes=1_000_000
    )
    assert problems([expected], {"t": found()}) == []


def test_a_missing_topic_is_named() -> None:
    assert problems([ExpectedTopic(name="t")], {}) == ["topic t does not exist"]


def test_partitions_must_be_as_many_as_needed() -> None:
    wrong = problems([ExpectedTopic(name="handoff.events", partitions=4)], {"handoff.events": found(3)})
    assert wrong == ["topic handoff.events has 3 partitions, 4 are needed"]


def test_co_partitioned_topics_must_have_as_many() -> None:
    expected = ExpectedTopic(name="log", same_partitions_as="events")
    wrong = problems([expected], {"log": found(8), "events": found(4)})
    assert wrong == ["topic log has 8 partitions, but events has 4: they must have as many"]


def test_policy_replication_and_size_are_each_a_problem_of_their_own() -> None:
    expected = ExpectedTopic(name="t", cleanup_policy="compact", replication=3, max_message_bytes=2_000_000)
    assert problems([expected], {"t": found(replication=1)}) == [
        "topic t is replicated 1 times, 3 are needed",
        "topic t has cleanup.policy delete, compact is needed",
        "topic t takes messages of 1048588 bytes, 2000000 are needed",
    ]


def test_the_order_of_policies_does_not_matter() -> None:
    expected = ExpectedTopic(name="t", cleanup_policy="compact,delete")
    assert problems([expected], {"t": found(cleanup_policy="delete, compact")}) == []


def test_more_replicas_in_sync_than_there_are_can_never_be() -> None:
    wrong = problems([ExpectedTopic(name="t")], {"t": found(replication=1, min_insync_replicas="2")})
    assert wrong == ["topic t wants 2 replicas in sync, but has 1: no write works"]


def test_a_changelog_that_forgets_deletions_before_local_state_is_too_old_is_a_problem() -> None:
    """A row that was deleted meanwhile would live on in local state."""
    expected = ExpectedTopic(name="log", deletions_ms=3_600_000)
    assert problems([expected], {"log": found(delete_retention_ms="3600000")}) == []
    assert problems([expected], {"log": found(delete_retention_ms="60000")}) == [
        "topic log forgets deletions after 60000 ms, 3600000 are needed"
    ]


def test_what_the_broker_does_not_tell_is_no_problem() -> None:
    expected = ExpectedTopic(name="t", partitions=4, cleanup_policy="compact", max_message_bytes=2_000_000)
    assert problems([expected], {"t": FoundTopic(4, 1, {})}) == []


def test_partitions_without_a_leader_are_a_problem() -> None:
    down = FoundTopic(4, 1, PLAIN, leaderless=2, in_sync=0)
    assert problems([ExpectedTopic(name="t")], {"t": down}) == [
        "topic t has no leader for 2 of its partitions: are brokers down?"
    ]


def test_fewer_replicas_in_sync_than_a_write_needs_are_a_problem() -> None:
    behind = FoundTopic(4, 3, PLAIN | {"min.insync.replicas": "2"}, in_sync=1)
    assert problems([ExpectedTopic(name="t", replication=3)], {"t": behind}) == [
        "topic t has 1 replicas in sync, 2 are needed: are brokers down?"
    ]
    assert problems([ExpectedTopic(name="t")], {"t": behind}) == []  # which is only read


@pytest.mark.parametrize(("leaderless", "seen"), [([0], 0), ([2, 1, 0], 0), ([2] * 9, 2)])
async def test_leaders_that_are_being_elected_are_waited_for(
    leaderless: Sequence[int], seen: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter(leaderless)

    async def look() -> dict[str, FoundTopic]:
        return {"t": FoundTopic(4, 1, PLAIN, leaderless=next(looks))}

    async def no_time(_seconds: float) -> None:
        return None

    monkeypatch.setattr(asyncio, "sleep", no_time)
    assert (await _calm(look))["t"].leaderless == seen


NOT_YET, FORBIDDEN = CoordinatorNotAvailableError, TransactionalIdAuthorizationFailed


@pytest.mark.parametrize(
    ("answers", "refused", "left"),
    [
        ([None], None, 0),
        ([NOT_YET, NOT_YET, None], None, 0),
        ([NOT_YET] * 12, NOT_YET, 2),
        ([FORBIDDEN] * 3, FORBIDDEN, 2),
    ],
)
async def test_who_coordinates_transactions_is_asked_until_somebody_does_or_nobody_will(
    answers: list[type[KafkaError] | None],
    refused: type[KafkaError] | None,
    left: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def ask() -> None:
        if (answer := answers.pop()) is not None:
            raise answer

    async def no_time(_seconds: float) -> None:
        return None

    answers.reverse()
    monkeypatch.setattr(asyncio, "sleep", no_time)
    error = await _refusal(ask)
    assert (None if error is None else type(error), len(answers)) == (refused, left)
