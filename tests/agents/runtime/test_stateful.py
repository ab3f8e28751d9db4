"""What a stateful agent says of the partitions it owns."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from agents.runtime.metrics import Metrics
from agents.runtime.recovery import Recovered
from agents.runtime.settings import RuntimeSettings
from agents.runtime.stateful import StatefulShare
from agents.runtime.store import Budget


async def test_nothing_is_left_to_recover_of_partitions_that_were_taken_away_meanwhile(tmp_path: Path) -> None:
    """The watchdog would wait for what nobody does any more, and end a worker that stands by."""
    settings = RuntimeSettings(app_id="a", bootstrap_servers="b:1", data_dir=tmp_path)
    app: Any = SimpleNamespace(settings=settings, metrics=Metrics(), budget=Budget(settings))
    never: Any = None
    share = StatefulShare(app, name="count", topic="events", table="rows", factory=never, on_oversize=None)
    share._recovery.progress = {0: Recovered(left=5)}
    await share.quiesce()
    share.assign(())
    assert share.recovery_left() == [("rows", 0)]
