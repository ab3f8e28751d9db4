"""`handoff worker --processes N`: one parent, N workers, each a process with a core of its own.

The parent starts no worker anew: whatever runs the parent (systemd, Kubernetes) does that, and sees one exit code. The
workers share out the partitions through Kafka as any other workers do; the parent only passes signals on.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Final

from app.config import Settings

_LOOK_EVERY_S: Final = 0.1
_STOP_LIMIT_S: Final = 15.0
"""How long workers that were told to stop may take; a worker ends itself long before."""
_PASSED_ON: Final = (signal.SIGTERM, signal.SIGINT)
_SET_DEATH_SIGNAL: Final = 1  # PR_SET_PDEATHSIG
_libc = ctypes.CDLL(None)

Child = subprocess.Popen[bytes]


def environment_of(settings: Settings, number: int) -> dict[str, str]:
    """What sets one worker apart from its siblings: its directory, its port, its name as a static member."""
    worker = settings.worker
    found = {"HANDOFF_WORKER__DATA_DIR": str(worker.data_dir / f"worker-{number}")}
    if worker.http_port:
        found["HANDOFF_WORKER__HTTP_PORT"] = str(worker.http_port + number)
    if worker.instance_id is not None:
        found["HANDOFF_WORKER__INSTANCE_ID"] = f"{worker.instance_id}-{number}"
    return found


def run_all(command: Sequence[str], environments: Sequence[Mapping[str, str]]) -> int:
    """Runs the command once for each environment (over the process's own) until all have ended.

    SIGTERM and SIGINT go on to the children. When a child ends with an error the others are told to stop. Returns the
    code of the first that failed (128 and the signal's number where one killed it), else 0.
    """
    stopping: list[int] = []
    with _signals_to(stopping.append):
        children = [_started(command, environment) for environment in environments]
        code = _watched(children, stopping)
        _end(children)
    # Who was told to stop before it could listen has ended as it was told.
    codes = [code, *(_code(child) for child in children if child.returncode != -signal.SIGTERM)]
    return next((code for code in codes if code), 0)


@contextmanager
def _signals_to(take: Callable[[int], None]) -> Iterator[None]:
    def handler(number: int, _frame: FrameType | None) -> None:
        take(number)

    before = {number: signal.signal(number, handler) for number in _PASSED_ON}
    try:
        yield
    finally:
        for number, former in before.items():
            signal.signal(number, former)


def _started(command: Sequence[str], environment: Mapping[str, str]) -> Child:
    # A session of its own: an interrupt at the terminal would otherwise reach it twice.
    return subprocess.Popen(  # noqa: S603 - our own command
        command,
        env=os.environ | environment,
        start_new_session=True,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - the parent has no threads
    )


def _die_with_parent() -> None:
    """Lets the kernel stop a worker whose parent was killed, so that none is left behind with its directory locked."""
    if sys.platform == "linux":
        _libc.prctl(_SET_DEATH_SIGNAL, signal.SIGTERM)


def _watched(children: Sequence[Child], stopping: Sequence[int]) -> int:
    """Waits until all have ended, one has failed, or a signal has come; returns the failure's code, else 0."""
    while None in [child.poll() for child in children]:
        failed = next((child for child in children if child.returncode), None)
        if failed is not None:
            sys.stderr.write(f"worker process {failed.pid} ended with status {failed.returncode}; all others stop\n")
            return _code(failed)
        if stopping:
            return 0
        time.sleep(_LOOK_EVERY_S)
    return 0


def _end(children: Sequence[Child]) -> None:
    """Tells all to stop and waits for their end; what takes too long is killed."""
    for child in children:
        child.send_signal(signal.SIGTERM)
    until = time.monotonic() + _STOP_LIMIT_S
    for child in children:
        try:
            child.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _code(child: Child) -> int:
    status = child.returncode or 0
    return 128 - status if status < 0 else status
