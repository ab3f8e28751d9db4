"""channels.toml: which topic is which channel's, and how its records read. Explained in app/channels/README.md."""

from collections.abc import Iterable
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from app.config.durations import Duration
from app.config.errors import ConfigError, Disagreement, explained
from app.config.files import read_toml
from app.core.clocks import Feed
from schemas.events import CHANNELS, Channel

CLOUDEVENTS = "cloudevents"
_STRICT = ConfigDict(extra="forbid", frozen=True)


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str | dict) else value


def _named(channel: Any) -> list[Any]:
    """The channels that a channel, or a source of one with a table, may give."""
    if not isinstance(channel, dict):
        return [channel]
    return [*channel["table"].values(), *(channel[key] for key in ("default",) if key in channel)]


class TopicTable(BaseModel):
    """`[topics."name"]`: an existing topic, or the files of a recording."""

    model_config = _STRICT
    channel: Channel
    lateness: Duration = 0
    patience: Duration | None = None
    dialect: str = CLOUDEVENTS
    files: tuple[str, ...] = ()
    incarnation: int = Field(default=1, ge=1)
    """To be raised when the topic was made anew: its offsets begin again, and are no repetitions."""

    _listed = field_validator("files", mode="before")(_listed)


class EventTable(BaseModel):
    """`[[dialects.NAME.events]]`: one event that a row gives. Sources of values are compiled by app.channels."""

    model_config = _STRICT
    type: str | dict[str, Any]
    channel: Any = None
    """A channel, or a source with a table of channels."""
    when: tuple[dict[str, Any], ...] = ()
    each: tuple[str, ...] = ()
    """The path of a list, and of lists in its elements."""
    time: Any
    id: str | None = None
    source: str | None = None
    customer: dict[str, Any] | None = None
    data: dict[str, Any] = {}

    def channels(self) -> list[Channel]:
        """The channels that the event may name: one, or those of its table and its default."""
        return [] if self.channel is None else _named(self.channel)

    @field_validator("channel")
    @classmethod
    def _tabled(cls, channel: Any) -> Any:
        tabled = not isinstance(channel, dict) or isinstance(channel.get("table"), dict)
        if not tabled or not set(map(str, _named(channel))) <= set(CHANNELS):
            raise ValueError(f"allowed is a channel, or a path with a table of channels: {', '.join(CHANNELS)}")
        return channel

    _listed = field_validator("when", "each", mode="before")(_listed)


class DialectTable(BaseModel):
    """`[dialects.NAME]`: how the rows of a topic read."""

    model_config = _STRICT
    format: Literal["json", "csv"]
    time: tuple[str, ...] = ("rfc3339",)
    zone: str | None = None
    absent: tuple[str, ...] = ("",)
    decimal: Literal[".", ","] | None = None
    order: Literal["time", "arrival"] = "time"
    rows: str | None = None
    """In files: the path of the list that holds the rows of a document."""
    delimiter: str = ","
    quote: str = '"'
    encoding: str = "utf-8-sig"
    columns: tuple[str, ...] | None = None
    customer: dict[str, Any] = {}
    events: tuple[EventTable, ...]

    _listed = field_validator("time", mode="before")(_listed)

    @model_validator(mode="after")
    def _of_csv(self) -> "DialectTable":
        wrong = [key for key in ("delimiter", "quote", "encoding", "columns") if key in self.model_fields_set]
        if wrong and self.format != "csv":
            raise Disagreement(f'{wrong[0]} belongs to CSV, and `format` is "json", which has none and is UTF-8')
        if self.rows is not None and self.format != "json":
            raise Disagreement(f"rows is {self.rows!r}: only documents of JSON hold rows in a list")
        return self

    @field_validator("events")
    @classmethod
    def _some(cls, events: tuple[EventTable, ...]) -> tuple[EventTable, ...]:
        if not events:
            raise ValueError("a dialect needs at least one event")
        return events

    @field_validator("delimiter")
    @classmethod
    def _parts(cls, delimiter: str) -> str:
        if len(delimiter) != 1 or delimiter in '"\r\n':
            raise ValueError(
                'allowed is one character, such as "," or ";" or "\\t", and neither a quote nor an end of line'
            )
        return delimiter

    @field_validator("quote")
    @classmethod
    def _quotes(cls, quote: str) -> str:
        if len(quote) > 1 or quote in {"\r", "\n"}:
            raise ValueError('allowed is one character, such as \'"\', or "" where nothing is quoted')
        return quote

    @field_validator("columns")
    @classmethod
    def _apart(cls, columns: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if columns is not None and (not columns or len(set(columns)) < len(columns)):
            raise ValueError("allowed are names that differ, one for each column")
        return columns

    @field_validator("zone")
    @classmethod
    def _known(cls, zone: str | None) -> str | None:
        try:
            return zone if zone is None else ZoneInfo(zone).key
        except (KeyError, ValueError, OSError):
            raise ValueError('allowed is an IANA time zone such as "Europe/Paris" or "UTC"') from None

    @field_validator("encoding")
    @classmethod
    def _codec(cls, encoding: str) -> str:
        try:
            "".encode(encoding)
        except LookupError:
            raise ValueError('allowed is a text encoding such as "utf-8" or "latin-1"') from None
        return encoding


class ChannelTables(BaseModel):
    """The whole file."""

    model_config = _STRICT
    topics: dict[str, TopicTable] = Field(min_length=1)
    dialects: dict[str, DialectTable] = {}

    @model_validator(mode="after")
    def _dialects_known(self) -> "ChannelTables":
        if CLOUDEVENTS in self.dialects:
            raise Disagreement(f"dialects.{CLOUDEVENTS} is there without a table: allowed is any other name")
        allowed = sorted({CLOUDEVENTS, *self.dialects})
        for name, topic in self.topics.items():
            if topic.dialect not in allowed:
                raise Disagreement(f'topics."{name}".dialect is {topic.dialect!r}: allowed are {", ".join(allowed)}')
        return self

    def channels_of(self, topic: str) -> tuple[Channel, ...]:
        """The channels that the topic can speak for: its own, and those that its dialect's events name."""
        table = self.topics[topic]
        dialect = self.dialects.get(table.dialect)
        named = [channel for event in dialect.events for channel in event.channels()] if dialect else []
        return tuple(dict.fromkeys([table.channel, *named]))

    def topic_of(self, file: str) -> str | None:
        """The topic whose `files` match the name of a file (or its path), the first where several do."""
        for name, topic in self.topics.items():
            if any(fnmatch(file, pattern) or fnmatch(Path(file).name, pattern) for pattern in topic.files):
                return name
        return None

    def feeds(self) -> tuple[Feed, ...]:
        """One feed for each channel, of all topics that speak for it: as late as the latest, as patient as the most."""
        topics: dict[Channel, list[str]] = {}
        for name in self.topics:
            for channel in self.channels_of(name):
                topics.setdefault(channel, []).append(name)
        return tuple(self._feed(channel, names) for channel, names in topics.items())

    def _feed(self, channel: Channel, names: Iterable[str]) -> Feed:
        tables = [self.topics[name] for name in names]
        patience = [table.patience for table in tables]
        known = [limit for limit in patience if limit is not None]
        trusting = len(known) < len(patience)
        return Feed(channel, tuple(names), max(t.lateness for t in tables), None if trusting else max(known))


def read_channels(path: Path) -> ChannelTables:
    """Raises ConfigError."""
    return parse_channels(read_toml(path), str(path))


def parse_channels(tables: dict[str, Any], where: str) -> ChannelTables:
    """Raises ConfigError."""
    try:
        return ChannelTables.model_validate(tables)
    except ValidationError as error:
        raise explained(error, ChannelTables, where) from None


__all__ = [
    "CLOUDEVENTS",
    "ChannelTables",
    "ConfigError",
    "DialectTable",
    "EventTable",
    "parse_channels",
    "read_channels",
]
