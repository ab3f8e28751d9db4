"""Local state is written all or nothing with the offset it reflects, and what can't be trusted is put aside."""

import subprocess
import sys
from pathlib import Path

import pytest
from rocksdict import Options, Rdict

from agents.runtime.metrics import Metrics
from agents.runtime.settings import RuntimeSettings
from agents.runtime.store import POSITION_KEY, Budget, PartitionStore, Stores, position_row


@pytest.fixture
def budget(tmp_path: Path) -> Budget:
    return Budget(RuntimeSettings(app_id="a", bootstrap_servers="b:1", data_dir=tmp_path))


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def test_rows_position_and_changelog_offset_survive_a_restart(tmp_path: Path, budget: Budget, metrics: Metrics) -> None:
    store = PartitionStore(tmp_path / "t-0", budget, metrics)
    store.write([(b"a", b"1"), (b"b", b"2"), (POSITION_KEY, b"41")], changelog_next=7)
    store.write([(b"a", None), (POSITION_KEY, b"42")], changelog_next=9)
    store.close()
    store = PartitionStore(tmp_path / "t-0", budget, metrics)
    assert list(store.rows()) == [(b"b", b"2")]
    assert (store.changelog_next, store.input_next) == (9, 42)


def test_a_new_store_reflects_nothing(tmp_path: Path, budget: Budget, metrics: Metrics) -> None:
    store = PartitionStore(tmp_path / "t-0", budget, metrics)
    assert (store.changelog_next, store.input_next, store.age_s) == (None, None, 0.0)
    assert store.get(b"a") is None


def test_the_position_tells_which_changelog_it_is_of_if_anything_does(
    tmp_path: Path, budget: Budget, metrics: Metrics
) -> None:
    store = PartitionStore(tmp_path / "table-0", budget, metrics)
    told = [(store.input_next, store.lineage)]
    for position in ((POSITION_KEY, b"41"), position_row(42, b"one")):
        store.write([position], changelog_next=1)
        told.append((store.input_next, store.lineage))
    assert told == [(None, b""), (41, b""), (42, b"one")]


def test_the_age_is_the_time_since_the_last_write(tmp_path: Path, budget: Budget, metrics: Metrics) -> None:
    now = [1_000.0]
    store = PartitionStore(tmp_path / "t-0", budget, metrics, wall_clock=lambda: now[0])
    store.write([(b"a", b"1")], changelog_next=1)
    now[0] = 4_600.0
    assert store.age_s == 3_600.0


def test_a_store_closes_after_its_rows_were_looked_at_only_in_part(
    tmp_path: Path, budget: Budget, metrics: Metrics
) -> None:
    store = PartitionStore(tmp_path / "t-0", budget, metrics)
    store.write([(b"a", b"1"), (b"b", b"2")], changelog_next=1)
    rows = store.rows()
    assert next(rows) == (b"a", b"1")
    rows.close()
    store.close()
    assert PartitionStore(tmp_path / "t-0", budget, metrics).get(b"b") == b"2"


def test_what_cannot_be_opened_is_put_aside(tmp_path: Path, budget: Budget, metrics: Metrics) -> None:
    store = PartitionStore(tmp_path / "t-0", budget, metrics)
    store.write([(b"a", b"1")], changelog_next=1)
    store.close()
    (tmp_path / "t-0" / "CURRENT").write_bytes(b"nonsense")
    store = PartitionStore(tmp_path / "t-0", budget, metrics)
    assert store.changelog_next is None
    assert (tmp_path / "t-0.aside").is_dir()
    assert metrics.local_state_put_aside == 1


def test_a_damaged_block_is_no_lock(
    tmp_path: Path, budget: Budget, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    PartitionStore(tmp_path / "t-0", budget, metrics).close()
    answers = iter([Exception("Corruption: block checksum mismatch"), None])

    def opened(path: str, options: Options) -> Rdict:
        answer = next(answers)
        if answer is not None:
            raise answer
        return Rdict(path, options)

    monkeypatch.setattr("agents.runtime.store.Rdict", opened)
    PartitionStore(tmp_path / "t-0", budget, metrics).close()
    assert metrics.local_state_put_aside == 1


def damaged(path: Path, budget: Budget, metrics: Metrics) -> None:
    """Makes a store of which a part can't be read, though it can be opened."""
    store = PartitionStore(path, budget, metrics)
    store.write([(b"k%d" % n, b"v" * 100) for n in range(1_000)], changelog_next=1)
    store.db.flush()
    store.close()
    for table in path.glob("*.sst"):
        table.write_bytes(b"\x55" * 200 + table.read_bytes()[200:])


def test_what_cannot_be_read_is_put_aside_as_it_is_opened(tmp_path: Path, budget: Budget, metrics: Metrics) -> None:
    damaged(tmp_path / "t-0", budget, metrics)
    store = PartitionStore(tmp_path / "t-0", budget, metrics)
    assert store.changelog_next is None
    assert list(store.rows()) == []
    assert metrics.local_state_put_aside == 1


def test_what_could_not_be_read_is_put_aside_by_the_next_process(
    tmp_path: Path, budget: Budget, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged(tmp_path / "t-0", budget, metrics)
    with monkeypatch.context() as unread:
        unread.setattr(PartitionStore, "_read_through", lambda _self, db: db)
        store = PartitionStore(tmp_path / "t-0", budget, metrics)
    with pytest.raises(Exception, match="Corruption"):
        list(store.rows())
    store.close()
    assert PartitionStore(tmp_path / "t-0", budget, metrics).changelog_next is None


FULL = "IO error: No space left on device: While appending to file: 000008.log"


OPENING = """
import sys
from pathlib import Path
from agents.runtime import store
from agents.runtime.metrics import Metrics
from agents.runtime.settings import RuntimeSettings

path = Path(sys.argv[1])
store.OPEN_LIMIT_S = 1.0
settings = RuntimeSettings(app_id="test", bootstrap_servers="b:1", data_dir=path.parent)
store.PartitionStore(path, store.Budget(settings), Metrics())
"""


def test_damage_of_which_rocksdb_comes_to_no_end_ends_the_process_and_the_next_puts_it_aside(
    tmp_path: Path, budget: Budget, metrics: Metrics
) -> None:
    store = PartitionStore(tmp_path / "table-0", budget, metrics)
    store.write([(b"a", b"1")], changelog_next=1)
    store.close()
    (manifest,) = (tmp_path / "table-0").glob("MANIFEST-*")
    # The head of a record of a kind that RocksDB reads only where logs are used again, and longer than what is there.
    manifest.write_bytes(manifest.read_bytes() + bytes.fromhex("01020304 8813 05") + b"z" * 300)
    opening = subprocess.run(
        [sys.executable, "-c", OPENING, str(tmp_path / "table-0")],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (opening.returncode, "in _opened" in opening.stderr) == (1, True)
    assert PartitionStore(tmp_path / "table-0", budget, metrics).get(b"a") is None
    assert (tmp_path / "table-0.aside").exists()


def test_a_full_disk_condemns_no_state(tmp_path: Path, budget: Budget, metrics: Metrics) -> None:
    store = PartitionStore(tmp_path / "t-0", budget, metrics)
    store.write([(b"a", b"1")], changelog_next=1)
    with pytest.raises(OSError, match="t-0 cannot be used: IO error: No space left on device"):
        store._checked(_fails)
    store.close()
    assert PartitionStore(tmp_path / "t-0", budget, metrics).get(b"a") == b"1"
    assert metrics.local_state_put_aside == 0


def test_state_on_a_full_disk_is_not_put_aside(
    tmp_path: Path, budget: Budget, metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    PartitionStore(tmp_path / "t-0", budget, metrics).close()
    monkeypatch.setattr("agents.runtime.store.Rdict", _fails)
    with pytest.raises(OSError, match="t-0 cannot be used: IO error: No space left on device"):
        PartitionStore(tmp_path / "t-0", budget, metrics)
    assert not (tmp_path / "t-0.aside").exists()


def _fails(*_: object) -> None:
    raise Exception(FULL)


def test_a_directory_in_use_is_refused_not_put_aside(tmp_path: Path, budget: Budget, metrics: Metrics) -> None:
    store = PartitionStore(tmp_path / "t-0", budget, metrics)
    with pytest.raises(RuntimeError, match="in use by another process"):
        PartitionStore(tmp_path / "t-0", budget, metrics)
    store.close()


def test_wiping_starts_over_and_keeps_the_old_rows_aside(tmp_path: Path, budget: Budget, metrics: Metrics) -> None:
    store = PartitionStore(tmp_path / "t-0", budget, metrics)
    store.write([(b"a", b"1")], changelog_next=1)
    store.wipe("it is a test")
    assert list(store.rows()) == []
    assert PartitionStore(tmp_path / "t-0.aside", budget, metrics).get(b"a") == b"1"


def test_stores_open_a_partition_once_and_close_it_for_good(tmp_path: Path, budget: Budget, metrics: Metrics) -> None:
    stores = Stores(tmp_path, "t", budget, metrics)
    assert stores.open(3) is stores.open(3)
    stores.close(3)
    assert dict(stores.opened) == {}
    stores.open(3)
    stores.close_all()
    with pytest.raises(RuntimeError, match="is closed"):
        stores.open(3).close() or stores.open(3).get(b"a")
