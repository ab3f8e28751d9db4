"""Places at which a test can make the process die, as kill -9 would: HANDOFF_CRASH_AT=<point>[:n].

The n-th time the point is passed the process ends with status 137. Unset, a point costs one comparison.
"""

import os
from itertools import count
from typing import Final

BEFORE_PROCESS: Final = "before-process"
AFTER_PROCESS: Final = "after-process"
AFTER_OUTPUTS: Final = "after-outputs-sent"
AFTER_CHANGELOG: Final = "after-changelog-sent"
AFTER_OFFSETS: Final = "after-offsets-sent"
BEFORE_COMMIT: Final = "before-commit"
AFTER_COMMIT: Final = "after-commit"
AFTER_STORE: Final = "after-store-written"
IN_RECOVERY: Final = "in-recovery"

POINTS: Final = (
    BEFORE_PROCESS,
    AFTER_PROCESS,
    AFTER_OUTPUTS,
    AFTER_CHANGELOG,
    AFTER_OFFSETS,
    BEFORE_COMMIT,
    AFTER_COMMIT,
    AFTER_STORE,
    IN_RECOVERY,
)


def parse(value: str) -> tuple[str, int]:
    """`point` or `point:n` as the point and how many passes are left. Raises ValueError for an unknown point."""
    point, _, times = value.partition(":")
    if point not in POINTS:
        raise ValueError(f"HANDOFF_CRASH_AT is {point!r}, must be one of {', '.join(POINTS)}")
    return point, int(times or 1)


_armed, _nth = parse(os.environ["HANDOFF_CRASH_AT"]) if os.environ.get("HANDOFF_CRASH_AT") else ("", 0)
_passes = count(1)


def crash_at(point: str) -> None:
    """Ends the process if this point is armed and passed for the n-th time."""
    if point == _armed and next(_passes) >= _nth:
        os._exit(137)
