"""Which file is whose, and what its rows come to: canonical events in the order in which they are to be played."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatch
from heapq import merge
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from app.channels import NEVER_MIND, Canonical, Channels, Outcome, Refused, Skipped, canonical, unreadable
from app.channels.columns import unknown
from app.channels.documents import read_json
from app.channels.nowhere import Nowhere
from app.config.channels import CLOUDEVENTS, ChannelTables
from app.core.identity import lacks_order, places
from app.core.linking import Item
from app.replay.files import BadFile, BadRow, Row, Watch, csv_rows, json_rows, rows_within
from schemas.codec import TICK, UnknownType, Unreadable

Order = Literal["time", "arrival"]
_REASONS = 1000
"""How many reasons are counted one by one: some name the value, and there may be as many as rows."""
_OTHER = "another reason"


class Source(msgspec.Struct, frozen=True):
    """One file of a recording."""

    path: Path
    topic: str | None
    """None for canonical events that no topic of channels.toml claims."""
    number: int
    """Its place among the files of its topic: the partition that it stands for."""
    order: Order


class Read(NamedTuple):
    """A canonical event on its way into the detector. Orders as it is to be played."""

    now: int
    """As far as time has come in its stream, ms."""
    file: int
    row: int
    part: int
    """Its index among the events of the row."""
    item: Item


class Rejection(NamedTuple):
    """A row that could not be read."""

    file: str
    row: int
    stage: str
    reason: str


class Tally:
    """What became of the rows."""

    def __init__(self, on_reject: Callable[[Rejection], None]) -> None:
        self.rows = 0
        self.skipped: Counter[str] = Counter()
        """Reason → rows."""
        self.rejected: Counter[str] = Counter()
        """Stage → rows."""
        self.reasons: Counter[str] = Counter()
        """Reason → rows rejected for it, of the reasons that came first."""
        self.missing: dict[str, list[str]] = {}
        """File → what its dialect names and it has not, in words."""
        self.nowhere: dict[str, Nowhere] = {}
        """Topic → what its dialect of JSON names and was not found yet."""
        self._on_reject = on_reject

    def skip(self, reason: str) -> None:
        """A row was passed over."""
        self.skipped[reason if reason in self.skipped or len(self.skipped) < _REASONS else _OTHER] += 1

    def miss(self, source: Source, missing: list[str]) -> None:
        """A file lacks columns that its dialect names."""
        if missing:
            self.missing[str(source.path)] = missing

    def refuse(self, source: Source, row: int, refused: Refused) -> None:
        """A row was rejected."""
        self.rejected[refused.stage] += 1
        if refused.reason in self.reasons or len(self.reasons) < _REASONS:
            self.reasons[refused.reason] += 1
        self._on_reject(Rejection(str(source.path), row, refused.stage, refused.reason))


def find_sources(
    paths: Iterable[Path], tables: ChannelTables | None, mapped: Sequence[tuple[str, str]], order: Order | None
) -> list[Source]:
    """The files, each once, with its topic: by `--map` pattern, else by the `files` of channels.toml. Of a folder, the
    files that some topic claims. Raises BadFile for a file that is nobody's, and where there is none.
    """
    found: list[Source] = []
    known: set[Path] = set()
    for path in paths:
        for file, given in _files(path):
            topic = _topic(file, tables, mapped)
            if (topic is not None or given) and (place := file.resolve()) not in known:
                known.add(place)
                number = sum(1 for source in found if source.topic == topic)
                found.append(Source(file, topic, number, order or _order(file, topic, tables)))
    if not found:
        raise BadFile(f"{', '.join(str(path) for path in paths) or 'nothing'}: no file there belongs to a topic")
    return found


def _files(path: Path) -> list[tuple[Path, bool]]:
    """The files of a path, and whether they were named one by one."""
    if path.is_dir():
        return [(file, False) for file in sorted(path.iterdir()) if file.is_file()]
    if str(path) != "-" and not path.exists():
        raise BadFile(f"{path}: no such file")
    return [(path, True)]


def _topic(path: Path, tables: ChannelTables | None, mapped: Sequence[tuple[str, str]]) -> str | None:
    for pattern, topic in mapped:
        if fnmatch(str(path), pattern) or fnmatch(path.name, pattern):
            if tables is None or topic not in tables.topics:
                allowed = ", ".join(tables.topics) if tables is not None else "none, since there is no channels.toml"
                raise BadFile(f"--map {pattern}={topic}: no such topic; there are {allowed}")
            return topic
    return tables.topic_of(str(path)) if tables is not None else None


def _order(path: Path, topic: str | None, tables: ChannelTables | None) -> Order:
    if topic is None or tables is None:
        if path.name.removesuffix(".gz").endswith(".csv"):
            raise BadFile(
                f"{path}: belongs to no topic: name it in `files` of channels.toml, or by --map PATTERN=topic"
            )
        return "arrival"
    dialect = tables.dialects.get(tables.topics[topic].dialect)
    return dialect.order if dialect is not None else "arrival"


def read_all(sources: Sequence[Source], channels: Channels | None, tally: Tally, watch: Watch) -> Iterator[Read]:
    """All events of all files in one order. Those of `time` are sorted as if every channel had been on time; those of
    `arrival` come as they stand, and time moves on with the latest of them. Raises BadFile.
    """
    streams: list[Iterable[Read]] = [
        _arriving(number, source, channels, tally, watch)
        for number, source in enumerate(sources)
        if source.order == "arrival"
    ]
    timed = [(number, source) for number, source in enumerate(sources) if source.order == "time"]
    if timed:
        streams.append(_sorted(timed, channels, tally, watch))
    return iter(streams[0]) if len(streams) == 1 else merge(*streams)


def _arriving(number: int, source: Source, channels: Channels | None, tally: Tally, watch: Watch) -> Iterator[Read]:
    now = -1
    for row, outcome, index in outcomes(source, channels, tally, watch):
        now = max(now, outcome.at)
        yield Read(now, number, row, index, item_of(outcome))


def _sorted(
    sources: Iterable[tuple[int, Source]], channels: Channels | None, tally: Tally, watch: Watch
) -> Iterator[Read]:
    reads = [
        Read(outcome.at, number, row, index, _out_of_order(outcome))
        for number, source in sources
        for row, outcome, index in outcomes(source, channels, tally, watch)
    ]
    reads.sort()
    yield from reads


def item_of(found: Canonical) -> Item:
    channel, data = found.event.fact.channel, found.event.fact.data
    lacks, named = lacks_order(data), found.identifiers
    return Item(found.at, channel, found.customer, named, lacks, places(data), found.event)


def _out_of_order(found: Canonical) -> Item:
    """What was sorted does not come in the order of its origin: that makes it no repetition."""
    item = item_of(found)
    return msgspec.structs.replace(item, payload=msgspec.structs.replace(found.event, linked=True))


def outcomes(
    source: Source, channels: Channels | None, tally: Tally, watch: Watch
) -> Iterator[tuple[int, Canonical, int]]:
    """Row number, event, and its index among the events of that row."""
    translate = _plain if source.topic is None or channels is None else _Translator(source, channels)
    for number, row in _rows(source, channels, tally, watch):
        tally.rows += 1
        for index, outcome in enumerate(translate(number, row)):
            if isinstance(outcome, Canonical):
                if outcome.customer is None and not outcome.identifiers:
                    tally.refuse(
                        source, number, Refused("link", "the event names neither a customer nor an identifier")
                    )
                else:
                    yield number, outcome, index
            elif isinstance(outcome, Skipped):
                tally.skip(outcome.reason)
            else:
                tally.refuse(source, number, outcome)


def _rows(source: Source, channels: Channels | None, tally: Tally, watch: Watch) -> Iterator[Row]:
    dialect = channels.dialect(source.topic) if channels is not None and source.topic is not None else None
    if dialect is None or dialect.table.format == "json":
        rows = json_rows(source.path, watch)
        if dialect is None or source.topic is None:
            return rows
        nowhere = tally.nowhere.setdefault(source.topic, Nowhere(dialect.table))
        return _looked_at(rows if dialect.rows is None else rows_within(rows, dialect.rows), nowhere)
    table = dialect.table
    return csv_rows(source.path, table, watch, lambda columns: tally.miss(source, unknown(table, columns)))


def _looked_at(rows: Iterator[Row], nowhere: Nowhere) -> Iterator[Row]:
    for number, row in rows:
        if nowhere.sought and isinstance(row, bytes):
            with suppress(ValueError, RecursionError):  # told by whoever reads it as a row
                nowhere.look(read_json(row))
        yield number, row


def _plain(_number: int, row: bytes) -> Sequence[Outcome]:
    """Canonical events as they are; the ticks of a recorded log are passed over, for replay makes its own."""
    try:
        return (canonical(row),)
    except UnknownType as error:
        return () if TICK.encode() in row else (Skipped(str(error)),)
    except Unreadable as error:
        return (unreadable(row, error),)


class _Translator:
    """The rows of a file of a topic."""

    def __init__(self, source: Source, channels: Channels) -> None:
        assert source.topic is not None
        self._topic = source.topic
        self._number = source.number
        self._channels = channels
        self._bytes = channels.tables.topics[source.topic].dialect == CLOUDEVENTS

    def __call__(self, number: int, row: bytes | dict[str, str] | BadRow) -> Sequence[Outcome]:
        if isinstance(row, BadRow):
            return (Refused("decode", str(row)),)
        origin = (self._topic, self._number, number)
        if isinstance(row, bytes):
            return self._channels.translate(self._topic, row, (), origin, NEVER_MIND)
        return self._channels.translate_row(self._topic, row, origin, NEVER_MIND)
