"""The worker that is measured: the composition of `handoff worker`, but for its clock, which is given.

python -m tests.bench.worker FOLDER [wall]    where `wall` takes the machine's clock, else the folder's stands still
"""

import sys
from pathlib import Path

from agents.clock import SharedClock, wall_clock
from agents.demo.worker import CHANNELS, CLOCK, SETTINGS
from agents.worker import work
from app.config import load_settings, read_channels


def main(folder: Path, *, wall: bool) -> int:
    """Runs it until it is told to stop; returns its exit code."""
    now = wall_clock if wall else SharedClock(folder / CLOCK)
    return work(load_settings(folder / SETTINGS, {}), read_channels(folder / CHANNELS), now=now)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), wall=sys.argv[2:] == ["wall"]))
