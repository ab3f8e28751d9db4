"""Times as channels write them → milliseconds since the epoch."""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from app.channels.outcome import Unfit, short
from schemas.codec import is_in_utc, to_ms

Parse = Callable[[Any], int]
_EPOCHS = {"epoch-s": 1e0, "epoch-ms": 1e3, "epoch-us": 1e6, "epoch-ns": 1e9}
"""Format → how many of its units make a second."""
_ISO = ("rfc3339", "%Y-%m-%d", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")
"""What Python's own ISO reader reads as it is, twenty times as fast as strptime."""
_UTC = re.compile(r"\b(?:UTC|GMT)$")
_APART = re.compile(r"\s+([+-]\d\d:?\d\d)$")
ALLOWED = '"rfc3339", "epoch-s", "epoch-ms", "epoch-us", "epoch-ns" or a strptime pattern such as "%d.%m.%Y %H:%M"'


def time_parser(formats: Sequence[str], zone: str | None, day: str | None = None, offset_ms: int = 0) -> Parse:
    """A reader of the first of these formats that fits. `zone` is that of times which carry none.

    The time is shifted by the offset, and then `day` moves it to the `start` or the `end` (its last millisecond) of its
    day in that zone: a promise of a date is kept all that day. The reader raises Unfit.
    """
    readers = [_reader(pattern) for pattern in dict.fromkeys("rfc3339" if f in _ISO else f for f in formats)]
    local = ZoneInfo(zone) if zone is not None else None

    def parse(value: Any) -> int:
        for read in readers:
            try:
                moment = _shifted(_placed(read(value), local), offset_ms)
                return _in_range(to_ms(_moved(moment, day, local or UTC)))
            except (ValueError, TypeError, OverflowError, OSError):
                continue
        zoned = "" if local else ", which must carry a zone"
        raise Unfit(f"{short(value)} is no time; read as {' or '.join(formats)}{zoned}")

    return parse


def check_format(pattern: str) -> bool:
    """Whether this names a time format at all."""
    if pattern in _EPOCHS or pattern == "rfc3339":
        return True
    try:
        datetime.strptime("", pattern)  # noqa: DTZ007 - nothing is read
    except ValueError as error:  # of a pattern that can be one it says that nothing is no such time
        return "%" in pattern and str(error).startswith("time data")
    return False


def _reader(pattern: str) -> Callable[[Any], datetime]:
    if pattern in _EPOCHS:
        per_second = _EPOCHS[pattern]
        return lambda value: datetime.fromtimestamp(float(value) / per_second, UTC)
    if pattern == "rfc3339":
        return _iso
    if "%Z" in pattern:  # Python reads the name of a zone, and then leaves the time without one
        zoned = pattern.replace("%Z", "%z")
        return lambda value: datetime.strptime(_UTC.sub("+0000", str(value)), zoned)  # noqa: DTZ007 - it has a zone
    return lambda value: datetime.strptime(str(value), pattern)  # noqa: DTZ007 - the zone is given where it is placed


def _iso(value: Any) -> datetime:
    """Python reads an ISO time also from a mere number, such as seconds since 1970, and finds another age in it; and it
    reads none whose zone stands apart: `09:00:00 UTC`, `09:00:00 +0100`.
    """
    if isinstance(value, str) and value.isdigit() and len(value) != len("20260302"):
        raise ValueError("a number")
    try:
        return datetime.fromisoformat(value)
    except ValueError:
        return datetime.fromisoformat(_APART.sub(r"\1", _UTC.sub("+00:00", value)))


def _placed(moment: datetime, zone: tzinfo | None) -> datetime:
    if moment.tzinfo is not None:
        return moment
    if zone is None:
        raise ValueError("no zone")
    return moment.replace(tzinfo=zone)


def _shifted(moment: datetime, ms: int) -> datetime:
    return moment.astimezone(UTC) + timedelta(milliseconds=ms) if ms else moment


def _in_range(ms: int) -> int:
    if not is_in_utc(ms):
        raise OverflowError(ms)
    return ms


def _moved(moment: datetime, day: str | None, zone: tzinfo) -> datetime:
    if day is None:
        return moment
    start = datetime.combine(moment.astimezone(zone).date(), time(), zone)
    if day == "start":
        return start
    return datetime.combine(start.date() + timedelta(days=1), time(), zone) - timedelta(milliseconds=1)
