"""JSON as channels write it."""

import json
from typing import Any

import orjson

_BEYOND = (b"NaN", b"Infinity")
"""What JSON has no word for, and many write all the same."""


def read_json(text: bytes) -> Any:
    """The document. `NaN` and the infinities are null: tools write them where a cell was empty. Raises ValueError, and
    RecursionError.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        if not any(word in text for word in _BEYOND):
            raise
    return json.loads(text, parse_constant=lambda _: None)


def write_json(value: Any) -> bytes:
    """The same, written; also what `orjson` reads from nobody."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value).encode()
