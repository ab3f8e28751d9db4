"""What the demo runs on: a folder with its settings, an embedded broker with the topics, and one real worker."""

import asyncio
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.error import URLError
from urllib.request import urlopen

import msgspec

from agents.clock import SharedClock
from agents.demo.worker import CHANNELS, CLOCK, SETTINGS
from agents.embedded import EmbeddedBroker
from agents.topics import partitions_of
from app.config import ChannelTables, Settings, load_settings, read_channels
from app.config.files import write_toml
from schemas.topics import own_topics

PARTITIONS = 2
START_TIMEOUT_S = 60.0
LOG = "worker.log"


class DemoError(RuntimeError):
    """The demo cannot go on. The message says why, and where to look."""


class Stage(msgspec.Struct, frozen=True):
    """A running demo."""

    folder: Path
    settings: Settings
    tables: ChannelTables
    clock: SharedClock
    worker: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.worker.http_port}"

    async def metrics(self) -> dict[str, list[float]]:
        """Metric name → its values over all labels, as /metrics says them now."""
        text = await asyncio.to_thread(_get, f"{self.url}/metrics")
        found: dict[str, list[float]] = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                found.setdefault(name.partition("{")[0], []).append(float(value))
        return found

    def check(self) -> None:
        """Raises DemoError where the worker has ended."""
        if self.worker.poll() is not None:
            tail = (self.folder / LOG).read_text(errors="replace").splitlines()[-12:]
            raise DemoError(f"the worker ended with exit code {self.worker.returncode}:\n" + "\n".join(tail))

    async def ready(self) -> None:
        """Waits until the worker has its partitions. Raises DemoError."""
        async with asyncio.timeout(START_TIMEOUT_S):
            while True:
                self.check()
                try:
                    await asyncio.to_thread(_get, f"{self.url}/readyz")
                except OSError:
                    await asyncio.sleep(0.2)
                else:
                    return


def _get(url: str) -> str:
    try:
        with urlopen(url, timeout=5) as answer:  # noqa: S310  # always http://127.0.0.1
            return str(answer.read().decode())
    except URLError as error:
        raise OSError(str(error)) from None


@contextmanager
def stage(start_ms: int) -> Iterator[Stage]:
    """Sets everything up, and takes it down again whatever happens."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="handoff-demo-")))
        broker = stack.enter_context(EmbeddedBroker())
        settings = _settings(folder, broker.bootstrap)
        tables = read_channels(folder / CHANNELS)
        own = {name: partitions_of(settings, topic) for name, topic in own_topics(settings.worker.app_id).items()}
        broker.create_topics({**own, **dict.fromkeys(tables.topics, PARTITIONS)})
        clock = SharedClock(folder / CLOCK, start=start_ms)
        worker = stack.enter_context(_worker(folder))
        yield Stage(folder, settings, tables, clock, worker)


def _settings(folder: Path, bootstrap: str) -> Settings:
    (folder / CHANNELS).write_text(files("app.simulate").joinpath("channels.toml").read_text())
    worker = {
        "app_id": "handoff",
        "partitions": PARTITIONS,
        "processing": "at-least-once",
        "data_dir": str(folder / "state"),
        "tick_seconds": 0.1,
        "http_port": _free_port(8710),
    }
    # The day's clock stands still at its end: the last millisecond of it must be passed on too.
    links = {"secret": secrets.token_hex(32), "every": "1ms"}
    (folder / SETTINGS).write_text(write_toml({"kafka": {"bootstrap": bootstrap}, "worker": worker, "links": links}))
    return load_settings(folder / SETTINGS, {})


def _free_port(wanted: int) -> int:
    """The wanted port where it is free, else any that is."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise DemoError("no port is free on 127.0.0.1")


@contextmanager
def _worker(folder: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A session of its own keeps an interrupt at the terminal from it: the demo stops it in good order."""
    with (folder / LOG).open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - this very program
            [sys.executable, "-m", "agents.demo.worker", str(folder)], stderr=log, stdout=log, start_new_session=True
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
