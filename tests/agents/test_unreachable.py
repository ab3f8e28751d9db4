"""What the commands say where no broker answers."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NOBODY = "127.0.0.1:1"


@pytest.mark.parametrize("command", [["rejects", "list"], ["topics", "--declare"]], ids=" ".join)
def test_a_broker_that_does_not_answer_is_named_and_nothing_is_left_open(command: list[str]) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "agents.cli", *command],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT), "HANDOFF_KAFKA__BOOTSTRAP": NOBODY},
    )

    assert ended.returncode == 2
    assert f"handoff: {NOBODY} cannot be reached: " in ended.stderr
    assert not any(word in ended.stderr for word in ("Unclosed", "Traceback"))
