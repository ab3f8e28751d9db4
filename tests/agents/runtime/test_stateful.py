"""What a stateful agent says of the partitions it owns."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from agents.runtime.metrics import Metrics
from agents.runtime.recovery import Recovered
from agents.runtime.settings import RuntimeSettings
from agents.runtime.stateful import StatefulShare
from agents.runtime.store import Budget


def share_in(folder: Path) -> StatefulShare:
    settings = RuntimeSettings(app_id="a", bootstrap_servers="b:1", data_dir=folder)
    app: Any = SimpleNamespace(settings=settings, metrics=Metrics(), budget=Budget(settings))
    never: Any = None
    return StatefulShare(app, name="count", topic="events", table="rows", factory=never, on_oversize=None)


async def test_nothing_is_left_to_recover_of_partitions_that_were_taken_away_meanwhile(tmp_path: Path) -> None:
    """The watchdog would wait for what nobody does any more, and end a worker that stands by."""
    share = share_in(tmp_path)
    share._recovery.progress = {0: Recovered(left=5)}
    await share.quiesce()
    share.assign(())
    assert share.recovery_left() == [("rows", 0)]


class Waiting:
    """A way out that is only opened and closed."""

    async def start(self) -> None: ...

    async def close(self) -> None: ...


async def test_whoever_asks_for_a_workers_health_is_answered_between_one_store_and_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share, seen = share_in(tmp_path), []

    async def beat() -> None:
        while True:
            seen.append(-1)
            await asyncio.sleep(0)

    async def recovered(*_: object) -> None: ...

    monkeypatch.setattr(share, "_new_outlet", lambda _partition: Waiting())
    monkeypatch.setattr(share._recovery, "run", recovered)
    monkeypatch.setattr(share.stores, "open", seen.append)
    beating = asyncio.ensure_future(beat())
    await share._take_over([0, 1])
    beating.cancel()
    assert -1 in seen[seen.index(0) : seen.index(1)]
