"""Which rejects can be sent again, and why others cannot."""

from types import SimpleNamespace

import pytest
from aiokafka.errors import InvalidTimestampError
from typer.testing import CliRunner

from agents import rejects
from agents.rejects import Kept, NotKept, NotSent, commands, replay_rejects, why_not
from schemas.rejects import TOO_LARGE, Reject


@pytest.mark.parametrize(
    ("key", "value", "kind", "why"),
    [
        (b"k", b"v", "Unreadable", None),
        (b"k", None, "Unreadable", None),
        (None, b"", "Unreadable", None),
        (None, None, "Unreadable", "0-1 has neither key nor value: there is nothing to send"),
        (None, None, TOO_LARGE, "the record of 0-1 was too large to be kept; it is in desk, partition 2, offset 7"),
    ],
)
def test_what_has_no_bytes_is_not_sent_again(
    key: bytes | None, value: bytes | None, kind: str, why: str | None
) -> None:
    assert why_not(Kept("0-1", Reject("desk", 2, 7, "decode", kind, "no event"), key, value, (), 0), {"desk"}) == why


def test_what_came_from_a_topic_that_is_gone_is_not_sent_again() -> None:
    reject = Reject("gone", 0, 7, "decode", "Unreadable", "no event")
    assert why_not(Kept("0-1", reject, None, b"v", (), 0), {"desk"}) == "the topic of 0-1, gone, does not exist"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["list", "--limit", "0"], "Invalid value for '--limit'"),
        (["list", "--stage", "foo"], "'foo' is not one of 'decode', 'dialect'"),
        (["replay"], "which rejects? Name their ids, or --all"),
        (["replay", "0-1", "--all"], "which rejects? Name their ids, or --all"),
    ],
)
def test_what_no_rejects_answer_to_is_refused_before_any_are_read(arguments: list[str], words: str) -> None:
    refused = CliRunner().invoke(commands, arguments, env={"COLUMNS": "200"})

    assert refused.exit_code == 2
    assert words in refused.stderr


class Cluster:
    """A producer, and the cluster behind it, which has one topic and takes no record older than 5 ms."""

    def __init__(self, **_: object) -> None:
        self.client = SimpleNamespace(fetch_all_metadata=self.itself)

    async def itself(self) -> "Cluster":
        return self

    def topics(self) -> set[str]:
        return {"desk"}

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def send_and_wait(self, _topic: str, _value: bytes, *, timestamp_ms: int, **_: object) -> None:
        if timestamp_ms < 5:
            raise InvalidTimestampError


def kept(name: str, topic: str, offset: int, timestamp: int) -> Kept:
    return Kept(name, Reject(topic, 0, offset, "time", "Unreadable", "no time"), None, b"v", (), timestamp)


SOME = [kept("0-0", "desk", 0, 9), kept("0-1", "desk", 1, 4), kept("0-2", "desk", 2, 9), kept("0-3", "till", 0, 9)]


async def test_what_the_broker_refuses_is_named_with_how_many_were_sent_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejects, "AIOKafkaProducer", Cluster)
    assert await replay_rejects({}, SOME[:1]) == 1
    with pytest.raises(NotSent, match=r"desk has not taken 0-1: InvalidTimestampError\(\); sent again before it: 1"):
        await replay_rejects({}, SOME[:3])


async def test_where_a_topic_is_gone_nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejects, "AIOKafkaProducer", Cluster)
    with pytest.raises(NotKept, match="the topic of 0-3, till, does not exist"):
        await replay_rejects({}, SOME)


async def test_of_all_those_are_sent_that_can_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejects, "AIOKafkaProducer", Cluster)
    left_out: list[str] = []
    assert await replay_rejects({}, SOME, left_out.append) == 2
    assert [why.split(",")[0] for why in left_out] == [
        "the topic of 0-3",
        "desk has not taken 0-1: InvalidTimestampError()",
    ]
