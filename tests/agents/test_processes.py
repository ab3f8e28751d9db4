"""The parent of several workers: it passes signals on, ends all when one fails, and leaves none behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import pytest

from agents.processes import environment_of
from app.config import load_settings

PARENT = """
import sys
from agents.processes import run_all
sys.exit(run_all([sys.executable, "-c", sys.argv[1]], [{"NUMBER": str(n)} for n in range(int(sys.argv[2]))]))
"""
WORKS = """
import os, pathlib, signal, time
number = int(os.environ["NUMBER"])
signal.signal(signal.SIGTERM, lambda *_: exit(0))
pathlib.Path(str(number)).touch()
"""
UNTIL_TOLD = WORKS + "signal.pause()"


def parent(child: str, children: int, folder: Path) -> "subprocess.Popen[bytes]":
    path = os.pathsep.join(sys.path)
    command = [sys.executable, "-c", PARENT, child, str(children)]
    return subprocess.Popen(command, cwd=folder, env=os.environ | {"PYTHONPATH": path})


def wait_for(condition: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def at_work(running: "subprocess.Popen[bytes]", folder: Path, children: int) -> Sequence[psutil.Process]:
    """The children, once all of them work."""
    wait_for(lambda: len(list(folder.iterdir())) == children)
    return psutil.Process(running.pid).children()


def gone(processes: Sequence[psutil.Process]) -> bool:
    return all(not one.is_running() or one.status() == psutil.STATUS_ZOMBIE for one in processes)


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_what_the_parent_is_told_reaches_every_child(sign: signal.Signals, tmp_path: Path) -> None:
    running = parent(UNTIL_TOLD, 3, tmp_path)
    children = at_work(running, tmp_path, 3)
    assert len(children) == 3
    running.send_signal(sign)
    assert running.wait(10) == 0
    assert gone(children)


def test_children_that_do_not_listen_yet_end_as_they_are_told(tmp_path: Path) -> None:
    running = parent(
        "import os, pathlib, signal; pathlib.Path(os.environ['NUMBER']).touch(); signal.pause()", 2, tmp_path
    )
    children = at_work(running, tmp_path, 2)
    running.terminate()
    assert running.wait(10) == 0
    assert gone(children)


def test_when_one_fails_all_end_and_its_code_is_returned(tmp_path: Path) -> None:
    fails = WORKS + "exit(70) if number == 1 else signal.pause()"
    assert parent(fails, 3, tmp_path).wait(20) == 70


def test_a_child_that_is_killed_ends_all_and_is_no_success(tmp_path: Path) -> None:
    running = parent(UNTIL_TOLD, 2, tmp_path)
    children = at_work(running, tmp_path, 2)
    children[0].kill()
    assert running.wait(10) == 128 + signal.SIGKILL
    assert gone(children)


def test_one_that_ends_well_lets_the_others_work_on(tmp_path: Path) -> None:
    first_ends = WORKS + "time.sleep(0.5 * number); pathlib.Path(f'end{number}').touch()"
    assert parent(first_ends, 2, tmp_path).wait(20) == 0
    assert (tmp_path / "end1").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_a_parent_that_is_killed_leaves_no_child_behind(tmp_path: Path) -> None:
    running = parent(UNTIL_TOLD, 2, tmp_path)
    children = at_work(running, tmp_path, 2)
    running.kill()
    running.wait()
    wait_for(lambda: gone(children))


def test_each_worker_has_a_directory_a_port_and_a_name_of_its_own() -> None:
    settings = load_settings(None, {"HANDOFF_WORKER__INSTANCE_ID": "left", "HANDOFF_WORKER__DATA_DIR": "/data"})
    assert environment_of(settings, 2) == {
        "HANDOFF_WORKER__DATA_DIR": "/data/worker-2",
        "HANDOFF_WORKER__HTTP_PORT": "8712",
        "HANDOFF_WORKER__INSTANCE_ID": "left-2",
    }


def test_what_is_left_to_chance_stays_so_for_each_worker() -> None:
    settings = load_settings(None, {"HANDOFF_WORKER__HTTP_PORT": "0"})
    assert environment_of(settings, 1) == {"HANDOFF_WORKER__DATA_DIR": ".handoff/worker-1"}
