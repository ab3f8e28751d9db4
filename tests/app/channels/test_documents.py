"""JSON as channels write it."""

import json

import pytest

from app.channels.documents import read_json, write_json


def test_what_json_has_no_word_for_is_nothing() -> None:
    assert read_json(b'{"at": NaN, "qty": [1, -Infinity], "note": "NaN"}') == {
        "at": None,
        "qty": [1, None],
        "note": "NaN",
    }


@pytest.mark.parametrize("text", [b"", b"{nonsense", b'{"a": NaN', b"\xff NaN"])
def test_what_is_no_json_is_none(text: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each library says it in words of its own
        read_json(text)


@pytest.mark.parametrize("value", [{"a": 1}, {"a": "\ud800"}, {"a": 1 << 70}])
def test_whatever_was_read_can_be_written(value: object) -> None:
    assert json.loads(write_json(value)) == value
