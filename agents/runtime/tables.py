"""Faust's tables over the runtime's stores: Faust names changelogs and shares their partitions out with the input's;
rows are written, committed and recovered by the runtime alone.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NoReturn

from aiokafka.errors import IllegalStateError
from faust.stores.base import SerializedStore
from faust.tables.manager import TableManager
from faust.tables.recovery import RebalanceAgain, Recovery, ServiceStopped
from faust.tables.table import Table
from faust.types import TP, AppT
from mode import Service

from agents.runtime.store import RESERVED_KEYS, Stores


class TableStore(SerializedStore[bytes, bytes]):
    """What is in the partitions open here, to be looked at. Writing is the runtime's."""

    stores: Stores

    def persisted_offset(self, tp: TP) -> int | None:  # noqa: ARG002
        """None: Faust has nothing to recover."""
        return None

    def _get(self, key: bytes) -> bytes | None:
        found = (store.get(key) for store in self.stores.opened.values())
        return next((value for value in found if value is not None), None)

    def _contains(self, key: bytes) -> bool:
        return key not in RESERVED_KEYS and self._get(key) is not None

    def _iteritems(self) -> Iterator[tuple[bytes, bytes]]:
        for store in self.stores.opened.values():
            yield from store.rows()

    def _iterkeys(self) -> Iterator[bytes]:
        return (key for key, _ in self._iteritems())

    def _itervalues(self) -> Iterator[bytes | None]:
        return (value for _, value in self._iteritems())

    def _size(self) -> int:
        return sum(1 for _ in self._iteritems())

    def _refuse(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        raise TypeError("rows are written by the runtime, from what a task's process() returns")

    _set = _del = _clear = reset_state = restore_backup = set_persisted_offset = apply_changelog_batch = _refuse
    backup_partition = _refuse


class RuntimeTable(Table[bytes, bytes]):
    """A table whose rows are raw bytes."""

    def __init__(self, app: AppT, name: str, stores: Stores) -> None:
        super().__init__(app, name=name, key_type=bytes, value_type=bytes, beacon=app.tables.beacon)
        self._stores = stores

    def _new_store(self) -> TableStore:
        store = TableStore(
            "runtime:", self.app, self, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw"
        )
        store.stores = self._stores
        return store


class NoRecovery(Recovery):
    """Lets the streams go on at once after a rebalance; each partition is held until the runtime has recovered it."""

    @Service.task
    async def _restart_recovery(self) -> None:
        while not self.should_stop:
            if await self.wait_for_stopped(self.signal_recovery_start.wait()):
                return
            self.signal_recovery_start.clear()
            try:
                await self._resume_streams(generation_id=self._generation_id)
            except (RebalanceAgain, IllegalStateError):
                continue
            except ServiceStopped:
                return

    @Service.task
    async def _slurp_changelogs(self) -> None:
        """No changelog record ever comes this way; Faust would wait for one even while it stops."""


class Tables(TableManager):
    """Faust's table manager with that recovery."""

    @property
    def recovery(self) -> Recovery:
        if self._recovery is None:
            self._recovery = NoRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery


def partitions_of(topic: str, tps: Iterable[TP]) -> set[int]:
    """The partitions of one topic among these."""
    return {tp.partition for tp in tps if tp.topic == topic}
