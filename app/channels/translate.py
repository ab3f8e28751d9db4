"""Records of channel topics → canonical events. Pure: "now" is an argument."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import orjson

from app.channels.cloudevents import Headers, stamped, structured
from app.channels.dialect import Dialect, Draft, Nothing
from app.channels.documents import read_json
from app.channels.outcome import Canonical, Outcome, Refused, Skipped, Stage, Unfit
from app.config.channels import CLOUDEVENTS, ChannelTables, DialectTable, read_channels
from app.config.errors import ConfigError
from app.core.clocks import Feed
from app.core.identity import Identities, padded
from schemas.codec import Event, UnknownType, Unreadable, decode_record, to_time
from schemas.events import Customer
from schemas.links import impersonal, renamed

FUTURE_MS = 5 * 60_000
"""How far ahead of now an event may be: it may never move a clock further."""
NEVER_MIND = 1 << 62
"""A "now" that no event is ahead of."""
Origin = tuple[str, int, int]
LARGEST = 300_000
"""Bytes of an event: a third of what can be sent at once, for rows and alerts say again what events say."""

LONGEST_FIELD = 1 << 24
"""Characters of a field of CSV: a quote that nothing closes must not take in all there is."""


class _Data(msgspec.Struct, gc=False):
    customer: Customer | None = None


class _Head(msgspec.Struct, gc=False):
    data: _Data | None = None


_head = msgspec.json.Decoder(_Head)
_PLAIN = Identities(b"")
"""For recordings and tests: personal identifiers are not protected where nothing is kept."""


def customer_in(value: bytes) -> Customer | None:
    """The identifiers of the customer that a canonical event carries. Raises Unreadable."""
    try:
        head = _head.decode(value)
    except msgspec.DecodeError as error:
        raise Unreadable(str(error)) from None
    return head.data.customer if head.data is not None else None


def canonical(value: bytes, identities: Identities = _PLAIN) -> Canonical:
    """A canonical event from its bytes. Raises Unreadable, and UnknownType."""
    record = decode_record(value)
    if not isinstance(record, Event):
        raise UnknownType("a tick is no event of a channel")
    fact = record.fact
    if names := padded(fact.data):
        return canonical(renamed(value, names), identities)
    customer = customer_in(value)
    named = customer.id if customer is not None else None
    if named is not None and named != named.strip():
        named = named.strip() or None
    elif customer == Customer(named):  # nothing personal is known
        customer = None
    identifiers = identities.of_event(fact.data, customer)
    if customer is not None:
        value = impersonal(value, named)
    return Canonical(named, identifiers, fact.at, fact.channel, value, record)


def unreadable(value: bytes, error: Unreadable) -> Refused:
    """Why a canonical event is refused: it is no JSON at all, or it breaks its schema."""
    try:
        orjson.loads(value)
    except orjson.JSONDecodeError:
        return Refused("decode", str(error))
    return Refused("schema", str(error))


class Channels:
    """channels.toml, compiled. Raises ConfigError where it cannot be."""

    def __init__(self, tables: ChannelTables, identities: Identities = _PLAIN) -> None:
        self.tables = tables
        self._identities = identities
        self._dialects = {name: Dialect(name, table) for name, table in tables.dialects.items()}

    @classmethod
    def load(cls, path: Path, identities: Identities = _PLAIN) -> "Channels":
        """From a channels.toml. Raises ConfigError."""
        try:
            return cls(read_channels(path), identities)
        except ConfigError as error:
            lines = str(error).splitlines()
            raise ConfigError("\n".join(ln if ln.startswith(str(path)) else f"{path}: {ln}" for ln in lines)) from None

    @property
    def feeds(self) -> tuple[Feed, ...]:
        """The feed of each configured channel."""
        return self.tables.feeds()

    def channels_of(self, topic: str) -> tuple[str, ...]:
        """The channels that the topic can speak for, its own first."""
        return self.tables.channels_of(topic)

    def dialect(self, topic: str) -> Dialect | None:
        """None where the topic carries CloudEvents."""
        return self._dialects.get(self.tables.topics[topic].dialect)

    def translate(self, topic: str, value: bytes, headers: Headers, origin: Origin, now_ms: int) -> list[Outcome]:
        """What a record of a topic comes to: canonical events, or one refusal, or one skip. `origin` is its topic,
        partition and offset. Raises KeyError for a topic that is not configured.
        """
        plain = self.tables.topics[topic].dialect == CLOUDEVENTS
        try:
            if plain:
                return [self._event(topic, value, headers, origin, now_ms)]
            row = self._row(topic, value)
        except UnknownType as error:
            return [Skipped(str(error))]
        except Unreadable as error:
            return [unreadable(value, error)]
        except _Refusal as error:
            return [Refused(error.stage, str(error))]
        except Exception as error:
            return [_unforeseen(error)]
        return self.translate_row(topic, row, origin, now_ms)

    def translate_row(self, topic: str, row: Any, origin: Origin, now_ms: int) -> list[Outcome]:
        """The same for a row of a dialect, taken apart already."""
        dialect = self._dialects[self.tables.topics[topic].dialect]
        try:
            drafts = dialect.drafts(row)
            return [self._made(topic, draft, origin, index, now_ms) for index, draft in enumerate(drafts)]
        except Nothing as error:
            return [Skipped(str(error))]
        except Unfit as error:
            return [Refused("dialect", str(error))]
        except Unreadable as error:
            return [Refused("schema", str(error))]
        except _Refusal as error:
            return [Refused(error.stage, str(error))]
        except Exception as error:
            return [_unforeseen(error)]

    def _event(self, topic: str, value: bytes, headers: Headers, origin: Origin, now_ms: int) -> Canonical:
        name, partition, offset = self._place(topic, origin)
        place = {"origintopic": name, "originpartition": partition, "originoffset": offset, "originindex": 0}
        expected = self.tables.topics[topic].channel
        found = canonical(stamped(structured(value, headers), expected, place), self._identities)
        if found.channel != expected:
            raise _Refusal("schema", f"channel: the event says {found.channel!r}, and {topic} is {expected!r}'s")
        return _passed(found, now_ms)

    def _row(self, topic: str, value: bytes) -> Any:
        table = self._dialects[self.tables.topics[topic].dialect].table
        if table.format == "json":
            row = read_json(value)
            if not isinstance(row, dict):
                raise ValueError("no JSON object")
            return row
        if table.columns is None:
            raise ValueError("a record is one line of CSV without its header: the dialect must name its `columns`")
        fields = next(csv_records([value.decode(table.encoding)], table), [])
        return named(table.columns, fields)

    def _made(self, topic: str, draft: Draft, origin: Origin, index: int, now_ms: int) -> Canonical:
        value = _envelope(draft, self.tables.topics[topic].channel, self._place(topic, origin), index)
        return _passed(canonical(value, self._identities), now_ms)

    def _place(self, topic: str, origin: Origin) -> Origin:
        """The origin by which a record is known: a topic made anew is another one to whoever drops repetitions."""
        incarnation = self.tables.topics[topic].incarnation
        return origin if incarnation == 1 else (f"{topic}#{incarnation}", *origin[1:])


class _Refusal(Exception):
    """A record is refused at a stage of its own."""

    def __init__(self, stage: Stage, reason: str) -> None:
        super().__init__(reason)
        self.stage = stage


def _unforeseen(error: Exception) -> Refused:
    """Libraries raise much that they do not tell of, of records that are made for it or merely odd. Whatever it is, it
    is that record's own fault, and others must not wait for it.
    """
    known = isinstance(error, ValueError | orjson.JSONEncodeError)
    return Refused("decode", str(error) if known else f"{type(error).__name__}: {error}")


def csv_records(lines: Iterable[str], table: DialectTable) -> Iterator[list[str]]:
    """Lines of CSV as the dialect writes them → the fields of each row."""
    csv.field_size_limit(LONGEST_FIELD)
    if not table.quote:
        return csv.reader(lines, delimiter=table.delimiter, quoting=csv.QUOTE_NONE)
    return csv.reader(lines, delimiter=table.delimiter, quotechar=table.quote)


def named(columns: tuple[str, ...] | list[str], fields: list[str]) -> Mapping[str, str]:
    """A row of CSV by its columns. Raises ValueError where it has another number of fields; delimiters at its end, with
    nothing between them, are none.
    """
    if len(fields) < len(columns) or any(fields[len(columns) :]):
        raise ValueError(f"{len(fields)} fields where the header has {len(columns)}")
    return dict(zip(columns, fields, strict=False))


def _passed(found: Canonical, now_ms: int) -> Canonical:
    """The event, if it is neither of the future nor too large. Raises _Refusal."""
    if found.at > now_ms + FUTURE_MS:
        ahead = (found.at - now_ms) / 1000
        raise _Refusal("time", f"time: {to_time(found.at).isoformat()} is {ahead:.0f} s ahead of now")
    if len(found.value) > LARGEST:
        raise _Refusal("size", f"the event has {len(found.value):,} bytes, and {LARGEST:,} are sent on at most")
    return found


def _envelope(draft: Draft, channel: str, origin: Origin, index: int) -> bytes:
    """The canonical event. Without an id of its own it is named after its place: read again, it is the same,
    and of events of one moment the one that was read first sorts first.
    """
    return orjson.dumps(
        {
            "specversion": "1.0",
            "id": draft.id or f"{origin[0]}/{origin[1]}/{origin[2]:012}/{index:03}",
            "source": draft.source or f"/{origin[0]}",
            "type": draft.type,
            "time": to_time(draft.at),
            "channel": draft.channel or channel,
            "origintopic": origin[0],
            "originpartition": origin[1],
            "originoffset": origin[2],
            "originindex": index,
            "data": {"customer": draft.customer, **draft.data},
        }
    )
