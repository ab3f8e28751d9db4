"""The demo's worker process: like any other, but for its clock, which is as far as the simulated day has come."""

import sys
from dataclasses import replace
from pathlib import Path

from agents.clock import SharedClock
from agents.runtime import RuntimeSettings
from agents.worker import work
from app.config import load_settings, read_channels

SETTINGS, CHANNELS, CLOCK = "handoff.toml", "channels.toml", "now"
"""The files of the demo's folder."""


def _quick(runtime: RuntimeSettings) -> RuntimeSettings:
    """The embedded broker settles a rebalance only after the session's time, and answers an empty fetch no sooner."""
    return replace(
        runtime, session_timeout_ms=6_000, heartbeat_ms=1_000, rebalance_timeout_ms=30_000, fetch_max_wait_ms=50
    )


def main(folder: Path) -> int:
    """Runs the worker of a demo's folder; returns its exit code."""
    settings = load_settings(folder / SETTINGS, {})
    return work(settings, read_channels(folder / CHANNELS), now=SharedClock(folder / CLOCK), adjust=_quick)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
