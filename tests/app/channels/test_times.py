"""Times as channels write them."""

import pytest

from app.channels.outcome import Unfit
from app.channels.times import time_parser
from schemas.codec import to_time


def read(text: str, pattern: str, zone: str | None = "Europe/Berlin") -> str:
    return to_time(time_parser((pattern,), zone)(text)).isoformat()


@pytest.mark.parametrize(
    ("text", "pattern"),
    [
        ("2026-07-02 09:00:00 UTC", "rfc3339"),
        ("2026-07-02 09:00:00.000000 UTC", "rfc3339"),
        ("2026-07-02 11:00:00 +0200", "rfc3339"),
        ("2026-07-02T09:00:00+00", "rfc3339"),
        ("02.07.2026 09:00 UTC", "%d.%m.%Y %H:%M %Z"),
        ("Thu, 02 Jul 2026 09:00:00 GMT", "%a, %d %b %Y %H:%M:%S %Z"),
        ("7/2/26 11:00 AM", "%m/%d/%y %I:%M %p"),
        ("1782982800", "epoch-s"),
        ("1782982800000", "epoch-ms"),
        ("1782982800000000", "epoch-us"),
        ("1782982800000000000", "epoch-ns"),
        ("2.7.2026 11:00", "%d.%m.%Y %H:%M"),
    ],
)
def test_times_are_read_as_they_are_written_and_in_the_zone_they_name(text: str, pattern: str) -> None:
    assert read(text, pattern) == "2026-07-02T09:00:00+00:00"


@pytest.mark.parametrize(
    ("text", "pattern"),
    [("2026-07-02 09:00:00 Z UTC", "rfc3339"), ("2026-07-02 09:00 CEST", "%Y-%m-%d %H:%M %Z"), (" UTC", "rfc3339")],
)
def test_a_zone_that_cannot_be_told_is_no_time(text: str, pattern: str) -> None:
    with pytest.raises(Unfit, match="is no time"):
        read(text, pattern)
