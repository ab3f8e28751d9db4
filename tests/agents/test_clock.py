"""The clock that processes share."""

import subprocess
import sys
from pathlib import Path

from agents.clock import SharedClock

START = 1_772_509_320_000
_SETTER = """
import sys
from pathlib import Path
from agents.clock import SharedClock
clock = SharedClock(Path(sys.argv[1]))
for step in range(300_000):
    clock.set(int(sys.argv[2]) + step)
"""


def test_a_moment_is_never_read_while_it_is_half_written(tmp_path: Path) -> None:
    clock = SharedClock(tmp_path / "clock", start=START)
    last = START
    with subprocess.Popen([sys.executable, "-c", _SETTER, str(tmp_path / "clock"), str(START)]) as setter:
        while setter.poll() is None:
            for _ in range(1000):
                now = clock()
                assert last <= now < START + 300_000
                last = now
    assert clock() == START + 299_999
