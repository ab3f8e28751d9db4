"""Follows `handoff.alerts` and tells each revision in words a person understands."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from rich.text import Text

from schemas.alerts import Alert
from schemas.codec import decode_alert
from schemas.topics import ALERTS

_STYLE = {"critical": "bold red", "warning": "yellow", "info": "cyan"}
_WORDS = {
    "late": "came late",
    "averted": "came just in time",
    "retracted": "was wrong, and is taken back",
    "cancelled": "is no longer owed",
    "expired": "never came",
}


class Watcher:
    """Reads every revision; `tell` is given each, and `alerts` holds the last of each alert."""

    def __init__(self, client: Mapping[str, Any], partitions: int, tell: Callable[[Alert], None]) -> None:
        self._consumer = AIOKafkaConsumer(**client, enable_auto_commit=False, fetch_max_wait_ms=50)
        self._partitions = [TopicPartition(ALERTS.name, number) for number in range(partitions)]
        self._tell = tell
        self.alerts: dict[str, Alert] = {}
        self.revisions: list[Alert] = []

    async def start(self) -> None:
        """From now on `follow` will find what comes."""
        async with asyncio.timeout(20.0):
            await self._consumer.start()
        self._consumer.assign(self._partitions)
        await self._consumer.seek_to_beginning()

    async def stop(self) -> None:
        """Closes the consumer."""
        with suppress(TimeoutError):
            async with asyncio.timeout(3.0):
                await self._consumer.stop()

    async def follow(self) -> None:
        """Reads until it is cancelled."""
        while True:
            await self.read(200)

    async def read(self, wait_ms: int) -> int:
        """Reads what there is, waiting at most so long; returns how many revisions came."""
        batches = await self._consumer.getmany(timeout_ms=wait_ms)
        found = [decode_alert(record.value) for batch in batches.values() for record in batch]
        for alert in found:
            self.alerts[alert.id] = alert
            self.revisions.append(alert)
            self._tell(alert)
        return len(found)


def tell(alert: Alert) -> Text:
    """One line for one revision."""
    line = Text()
    moment = alert.ends_at or (alert.starts_at if alert.phase == "jeopardy" else alert.due)
    line.append(f"{moment:%a %H:%M:%S}  ", style="dim")
    if alert.status == "firing":
        line.append(f"{'at risk' if alert.phase == 'jeopardy' else 'broken':<9}", style=_STYLE[alert.severity])
    else:
        line.append(f"{alert.resolution:<9}", style="green" if alert.resolution != "retracted" else "magenta")
    line.append(f" {alert.rule} {alert.name:<22} ", style="bold" if alert.status == "firing" else "")
    line.append(alert.summary)
    if alert.resolution:
        line.append(f": {_WORDS[alert.resolution]}{_by(alert)}", style="dim")
    elif alert.cause:
        line.append(f" ({alert.cause})", style="dim")
    return line


def _by(alert: Alert) -> str:
    if alert.late_seconds is None:
        return ""
    minutes, seconds = divmod(round(alert.late_seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f", by {hours} h {minutes} min" if hours else f", by {minutes} min {seconds} s"
