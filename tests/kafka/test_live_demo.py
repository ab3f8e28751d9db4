"""`handoff demo` finds all that is broken in its day, and leaves nothing behind however it ends."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
DEMO = [sys.executable, "-m", "agents.cli", "demo"]


def test_every_breach_of_the_day_is_found_and_none_invented(tmp_path: Path) -> None:
    summary = tmp_path / "summary.json"
    ended = subprocess.run(
        [*DEMO, "--customers", "120", "--speed", "6000", "--summary", str(summary)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    found = json.loads(summary.read_text())
    assert found["found"] > 50
    assert (found["missed"], found["false"]) == (0, 0)
    assert found["rejects"]["found"] == found["rejects"]["expected"] > 0
    assert found["skipped"]["found"] >= found["skipped"]["expected"] > 0
    assert f"found {found['found']}, missed 0, false 0" in ended.stdout
    told = [line for line in ended.stdout.splitlines() if " H101 order-not-visible " in line]
    assert len(told) > 5, "alerts are shown as they fire and resolve"


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_it_ends_soon_with_all_that_it_started(tmp_path: Path, sign: signal.Signals) -> None:
    with subprocess.Popen(
        [*DEMO, "--customers", "200", "--speed", "100"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"TMPDIR": str(tmp_path)},
    ) as demo:
        assert demo.stdout is not None
        assert demo.stderr is not None
        try:
            assert any("The worker is ready" in line for line in demo.stdout)
            started = psutil.Process(demo.pid).children(recursive=True)
            assert len(started) >= 2, "a broker and a worker"
            began = time.monotonic()
            demo.send_signal(sign)
            assert demo.wait(15) == 130
            assert time.monotonic() - began < 10
            assert "Traceback" not in demo.stderr.read()
        finally:
            demo.kill()
    _, alive = psutil.wait_procs(started, timeout=5)
    assert alive == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "options",
    [["--customers", "0"], ["--customers", "many"], ["--speed", "0"], ["--seed", "x"], ["--sped", "9"], ["more"]],
    ids=" ".join,
)
def test_an_option_that_means_nothing_is_refused_before_anything_starts(options: list[str]) -> None:
    ended = subprocess.run([*DEMO, *options], capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert options[0] in ended.stderr or options[-1] in ended.stderr
