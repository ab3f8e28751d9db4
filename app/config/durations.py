"""Durations as people write them: `500ms`, `30s`, `10m`, `2h`, `3d`, and joined, `1h30m`. Inside: milliseconds."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, PlainSerializer

_UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_WHOLE = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h|d))+")
ALLOWED = 'a duration such as "10s", "5m", "2h", "3d" or "1h30m"'
_LONGEST_D = 36_500
"""Days. What is longer is a slip, and moments that far away fit neither a date nor a row of state."""


def parse_duration(value: Any) -> int:
    """Milliseconds. Raises ValueError for whatever is no duration; a number without a unit is none."""
    text = value.strip() if isinstance(value, str) else ""
    if not _WHOLE.fullmatch(text):
        raise ValueError(f"allowed is {ALLOWED}")
    ms = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    if ms > _LONGEST_D * _UNITS["d"]:
        raise ValueError(f"allowed is at most {_LONGEST_D}d")
    return round(ms)


def parse_offset(value: Any) -> int:
    """Milliseconds, with a sign: `+30m`, `-10d`. Raises ValueError."""
    text = value.strip() if isinstance(value, str) else ""
    return -parse_duration(text[1:]) if text.startswith("-") else parse_duration(text.removeprefix("+"))


def format_duration(ms: int) -> str:
    """The shortest way to write it."""
    parts: list[str] = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, ms = divmod(ms, _UNITS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"


Duration = Annotated[int, BeforeValidator(parse_duration), PlainSerializer(format_duration, when_used="json")]
"""A field that is written as a duration and read as milliseconds."""
