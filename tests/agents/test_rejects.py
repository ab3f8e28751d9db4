"""Which rejects can be sent again, and why others cannot."""

import pytest

from agents.rejects import Kept, why_not
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
    assert why_not(Kept("0-1", Reject("desk", 2, 7, "decode", kind, "no event"), key, value, (), 0)) == why
