"""Local state: one RocksDB for each table partition, all within one memory budget, each row and offset written at once.

The local state is a cache of the changelog. What cannot be opened, is too old, is ahead of the changelog, or is of
another one is put aside, and read back from there.
"""

import faulthandler
import logging
import shutil
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from rocksdict import (
    BlockBasedOptions,
    Cache,
    Options,
    Rdict,
    WriteBatch,
    WriteBufferManager,
)

from agents.runtime.metrics import Metrics
from agents.runtime.settings import RuntimeSettings

log = logging.getLogger(__name__)

POSITION_KEY: Final = b"\x00position"
"""The changelog's own row: the input offset at which processing goes on, written with every batch of rows. State and
position are thus one atomic fact, whatever becomes of the group's committed offsets. Behind the offset stands the
changelog's lineage: a name that it is given with its first batch, and that no other changelog has."""
_CHANGELOG_KEY: Final = b"\x00changelog"
_WRITTEN_KEY: Final = b"\x00written"
_LOCKED: Final = "/LOCK: "
"""In the messages of RocksDB: the file that another process, or this one, holds."""
_NO_FAULT_OF_ITS_OWN: Final = ("No space left", "Disk quota exceeded", "Too many open files", "Read-only file system")
"""In the messages of RocksDB: the machine is in want, and the state is as good as it was."""
RESERVED_KEYS: Final = frozenset((POSITION_KEY, _CHANGELOG_KEY, _WRITTEN_KEY))
"""Keys no task may use."""

OPEN_LIMIT_S: Final = 20.0
"""How long RocksDB may take to open one partition: it replays a log of at most `write_buffer_bytes`."""
_STDERR: Final = 2

Row = tuple[bytes, bytes | None]


def position_row(input_next: int, lineage: bytes) -> Row:
    """The changelog's own row behind a batch."""
    return POSITION_KEY, b"%d %b" % (input_next, lineage)


def lineage_in(position: bytes | None) -> bytes:
    """The lineage in a position row's value; empty where it tells of none."""
    return (position or b"").partition(b" ")[2]


class Budget:
    """The memory all partitions share: block cache and memtables."""

    def __init__(self, settings: RuntimeSettings) -> None:
        self._cache = Cache(settings.cache_bytes)
        self._buffers = WriteBufferManager(settings.write_buffer_bytes, False)
        self._settings = settings

    def options(self) -> Options:
        """RocksDB options for one partition, drawing on the shared budget."""
        table = BlockBasedOptions()
        table.set_block_cache(self._cache)
        table.set_bloom_filter(10, False)
        table.set_cache_index_and_filter_blocks(True)
        options = Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_block_based_table_factory(table)
        options.set_write_buffer_manager(self._buffers)
        options.set_write_buffer_size(min(16 << 20, self._settings.write_buffer_bytes))
        options.set_max_open_files(self._settings.max_open_files)
        options.set_keep_log_file_num(2)
        options.set_max_background_jobs(2)
        return options


class PartitionStore:
    """The rows of one table partition, and how far they reflect its changelog."""

    def __init__(
        self, path: Path, budget: Budget, metrics: Metrics, wall_clock: Callable[[], float] = time.time
    ) -> None:
        self._path = path
        self._budget = budget
        self._metrics = metrics
        self._wall_clock = wall_clock
        self._db: Rdict | None = self._open()

    def _open(self) -> Rdict:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._condemned.exists():
            self._put_aside(self._condemned.read_text() or "a process came to its end while it opened it")
        try:
            return self._read_through(self._opened())
        except Exception as error:
            if _LOCKED in str(error):
                raise RuntimeError(f"{self._path} is in use by another process") from error
            self._unless_in_want(error)
            self._put_aside(str(error))
            return self._opened()

    def _opened(self) -> Rdict:
        """The database. Of some damaged files RocksDB never comes to an end, and no thread of Python runs meanwhile, be
        it the watchdog's: so the process is ended from outside of Python, and the next one finds the mark.
        """
        self._condemned.touch()
        faulthandler.dump_traceback_later(OPEN_LIMIT_S, exit=True, file=_STDERR)
        try:
            return Rdict(str(self._path), self._budget.options())
        finally:
            faulthandler.cancel_dump_traceback_later()
            self._condemned.unlink(missing_ok=True)

    @staticmethod
    def _read_through(db: Rdict) -> Rdict:
        """The database, once all of it could be read: what is damaged is put aside now. Found later, each partition's
        damage would cost an end of the process.
        """
        rows = db.iter()
        try:
            rows.seek_to_first()
            while rows.valid():
                rows.next()
            rows.status()
        except Exception:
            del rows  # while it lives the database can't be closed
            db.close()
            raise
        return db

    def _put_aside(self, why: str) -> None:
        aside = self._path.with_name(f"{self._path.name}.aside")
        log.error("local state %s is put aside as %s and rebuilt: %s", self._path, aside.name, why)
        shutil.rmtree(aside, ignore_errors=True)
        if self._path.exists():
            self._path.rename(aside)
        self._condemned.unlink(missing_ok=True)
        self._metrics.local_state_put_aside += 1

    @property
    def _condemned(self) -> Path:
        """A mark left by a process that could not read its state, or not even open it: the next one does not try."""
        return self._path.with_name(f"{self._path.name}.condemned")

    @property
    def db(self) -> Rdict:
        if self._db is None:
            raise RuntimeError(f"{self._path} is closed")
        return self._db

    def get(self, key: bytes) -> bytes | None:
        """One row, or None."""
        value: bytes | None = self._checked(self.db.get, key)
        return value

    def rows(self) -> Generator[tuple[bytes, bytes], None, None]:
        """Every row, in key order. Close the generator: while it lives the database can't be closed."""
        rows = self.db.iter()
        rows.seek_to_first()
        while rows.valid():
            key = rows.key()
            if key not in RESERVED_KEYS:
                yield key, rows.value()
            rows.next()
        # An iterator ends at what it can't read just as it ends at the end.
        self._checked(rows.status)

    @property
    def changelog_next(self) -> int | None:
        """The first changelog offset not reflected here; None before anything was written."""
        return self._number(_CHANGELOG_KEY)

    @property
    def input_next(self) -> int | None:
        """The input offset at which processing goes on; None before anything was processed."""
        return self._number(POSITION_KEY)

    @property
    def lineage(self) -> bytes:
        """Which changelog these rows are of; empty while that is not known."""
        return lineage_in(self.get(POSITION_KEY))

    @property
    def age_s(self) -> float:
        """Seconds since the last write, 0 where there was none."""
        written = self._number(_WRITTEN_KEY)
        return 0.0 if written is None else self._wall_clock() - written

    def _number(self, key: bytes) -> int | None:
        value = self.get(key)
        return None if value is None else int(value.partition(b" ")[0])

    def write(self, rows: Iterable[Row], changelog_next: int) -> None:
        """Writes rows (None deletes) together with the changelog offset they reflect, all or nothing."""
        batch = WriteBatch(raw_mode=True)
        put, delete = batch.put, batch.delete
        for key, value in rows:
            if value is None:
                delete(key)
            else:
                put(key, value)
        put(_CHANGELOG_KEY, b"%d" % changelog_next)
        put(_WRITTEN_KEY, b"%d" % int(self._wall_clock()))
        self._checked(self.db.write, batch)

    def _checked(self, operation: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return operation(*arguments)
        except Exception as error:
            self._unless_in_want(error)
            self._condemned.write_text(f"RocksDB failed: {error}")
            raise

    def _unless_in_want(self, error: Exception) -> None:
        """Raises OSError where it is the machine that fails: to put the state aside would take yet more of it."""
        if any(want in str(error) for want in _NO_FAULT_OF_ITS_OWN):
            raise OSError(f"local state {self._path} cannot be used: {error}") from error

    def wipe(self, why: str) -> None:
        """Starts over with no rows; the old ones are put aside."""
        self.close()
        self._put_aside(why)
        self._db = self._open()

    def close(self) -> None:
        """Releases files and lock. Safe to repeat."""
        if self._db is not None:
            self._db.close()
            self._db = None


class Stores:
    """The open partitions of one table."""

    def __init__(self, directory: Path, table: str, budget: Budget, metrics: Metrics) -> None:
        self._directory = directory
        self._table = table
        self._budget = budget
        self._metrics = metrics
        self._open: dict[int, PartitionStore] = {}

    def open(self, partition: int) -> PartitionStore:
        """The store of a partition, opened if it is not. Raises RuntimeError if another process has it."""
        store = self._open.get(partition)
        if store is None:
            store = PartitionStore(self._directory / f"{self._table}-{partition}", self._budget, self._metrics)
            self._open[partition] = store
        return store

    def close(self, partition: int) -> None:
        store = self._open.pop(partition, None)
        if store is not None:
            store.close()

    def close_all(self) -> None:
        for partition in list(self._open):
            self.close(partition)

    @property
    def opened(self) -> Mapping[int, PartitionStore]:
        return self._open
