"""Which rejects can be sent again, and why others cannot."""

import pytest
from typer.testing import CliRunner

from agents.rejects import Kept, commands, why_not
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
