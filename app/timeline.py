"""Timelines: the scenarios in a rule's page, which are read as documentation and run as tests.

A timeline is a fenced block whose info string is `timeline` and the kinds of scenario it is. Each line is one record in
the order of arrival: its event time, then `channel type field=value …` or `tick [channel …]`; what is to be said when
it has been taken in stands behind `#`, as `firing H101 o1` or `resolved H101 o1 late`, several parted by `;`. Lines
`given name=value` come first and set windows, patience and lateness. Nothing may be said that is not claimed, and
nothing claimed that is not said.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, get_args, get_type_hints

import msgspec

from app.compose import Detector, RuleSettings, all_feeds, detector
from app.core.counts import Counts
from app.core.rule import Rule
from schemas.alerts import Alert
from schemas.codec import Event, Record, TickData, to_time
from schemas.events import CHANNELS, TYPES, Data, Line
from schemas.state import Fact, Progress

START = 1_772_442_000_000
"""Every timeline begins on 2026-03-02 at 09:00 UTC, ms."""

KINDS = (
    "fires",
    "silent",
    "boundary",
    "once",
    "late",
    "averted",
    "retracted",
    "cancelled",
    "disorder",
    "twice",
    "beside",
)
_TIME = re.compile(r"(?:(?:(\d+)d)?(\d+):)?(\d+):(\d+(?:\.\d+)?)")
_BLOCK = re.compile(r"^```timeline([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_BEGUN = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[ \t]*timeline\b", re.MULTILINE | re.IGNORECASE)
_HEADING = re.compile(r"^###? +(.+)$", re.MULTILINE)


class Malformed(ValueError):
    """A timeline that cannot be read: the line, and what is wrong with it."""


class Entry(msgspec.Struct, frozen=True):
    """One line: what comes in, and what is claimed to be said then."""

    text: str
    customer: str
    record: Record
    claims: tuple[str, ...]


class Timeline(msgspec.Struct, frozen=True):
    """One scenario."""

    title: str
    kinds: tuple[str, ...]
    given: dict[str, str]
    entries: tuple[Entry, ...]


class Raised(RuntimeError):
    """A rule raised. The message says which, what, and in which line."""


class Said(msgspec.Struct, frozen=True):
    """One line as it was run: what was claimed, what was said."""

    entry: Entry
    alerts: tuple[Alert, ...]

    @property
    def spoken(self) -> tuple[str, ...]:
        """The alerts in the words of claims."""
        return tuple(spell(alert) for alert in self.alerts)


def spell(alert: Alert) -> str:
    """An alert as a claim says it: `firing H101 o1`, `firing H102 o1 jeopardy`, `resolved H101 o1 late`."""
    words = [alert.status, alert.rule, alert.subject.id.replace(" ", "_") or "-"]
    if alert.status == "resolved":
        words.append(str(alert.resolution))
    elif alert.phase == "jeopardy":
        words.append("jeopardy")
    return " ".join(words)


def read_page(text: str) -> tuple[Timeline, ...]:
    """All timelines of a page. Raises Malformed where one cannot be read, or looks like a timeline and is none."""
    blocks = list(_BLOCK.finditer(text))
    begun = len(_BEGUN.findall(text))
    if len(blocks) != begun:
        raise Malformed(f"{begun} timelines are begun and {len(blocks)} are whole")
    return tuple(_timeline(text, block) for block in blocks)


def _timeline(text: str, block: re.Match[str]) -> Timeline:
    headings = [m.group(1) for m in _HEADING.finditer(text, 0, block.start())]
    if not headings:
        raise Malformed("a timeline stands under no heading, which is its name")
    kinds = tuple(block.group(1).split())
    unknown = set(kinds) - set(KINDS)
    if unknown or not kinds:
        raise Malformed(f"{headings[-1]}: the kinds {sorted(unknown)} are unknown; one or more of {', '.join(KINDS)}")
    given: dict[str, str] = {}
    entries: list[Entry] = []
    for line in block.group(2).splitlines():
        if line.strip().startswith("given "):
            given |= _fields(line, line.split()[1:])
        elif line.strip() and not line.strip().startswith("#"):
            entries.append(_entry(line, len(entries)))
    return Timeline(headings[-1], kinds, given, tuple(_spoken(entries)))


def _spoken(entries: Sequence[Entry]) -> Iterator[Entry]:
    """Each tick also tells the greatest time at which its channels have spoken in the lines before it."""
    spoke: dict[str, int] = {}
    for entry in entries:
        record = entry.record
        if isinstance(record, Event):
            spoke[record.fact.channel] = max(record.fact.at, spoke.get(record.fact.channel, record.fact.at))
            yield entry
        else:
            progress = (msgspec.structs.replace(p, spoke=spoke.get(p.channel)) for p in record.progress)
            yield msgspec.structs.replace(entry, record=TickData(tuple(progress)))


def _entry(line: str, number: int) -> Entry:
    said, _, claimed = line.partition("#")
    claims = tuple(" ".join(claim.split()) for claim in claimed.split(";") if claim.strip())
    words = said.split()
    if len(words) < 2:
        raise Malformed(f"{line.strip()!r}: a time and `tick`, or a time, a channel and a type")
    at = START + moment(words[0])
    if words[1] == "tick":
        return Entry(line, "", _tick(at, words[2:]), claims)
    customer, fact = _fact(at, words[1:], number, line)
    return Entry(line, customer, Event(fact, (0, 0)), claims)


def _tick(at: int, channels: Sequence[str]) -> TickData:
    return TickData(tuple(Progress(c, c, 0, 1, at) for c in (channels or CHANNELS)))


def _fact(at: int, words: Sequence[str], number: int, line: str) -> tuple[str, Fact]:
    if len(words) < 2 or words[0] not in CHANNELS or words[1] not in TYPES:
        raise Malformed(f"{line.strip()!r}: a channel of {', '.join(CHANNELS)} and a type of the vocabulary")
    fields = _fields(line, words[2:])
    customer, event_id = fields.pop("customer", "c1"), fields.pop("id", f"e{number}")
    cls = TYPES[words[1]]
    try:
        data = cls(**{name: _value(cls, name, text) for name, text in fields.items()})
        msgspec.convert(msgspec.to_builtins(data), cls)
    except (TypeError, KeyError, ValueError) as error:  # a field too many or too few, or a value that is none of it
        raise Malformed(f"{line.strip()!r}: {error}") from None
    return customer, Fact(at, event_id, f"/{words[0]}", words[0], data)


def _fields(line: str, words: Sequence[str]) -> dict[str, str]:
    try:
        return dict(word.split("=", 1) for word in words)
    except ValueError:
        raise Malformed(f"{line.strip()!r}: fields are name=value") from None


def _value(cls: type[Data], name: str, text: str) -> Any:
    if name == "lines":
        return tuple(_line(part) for part in text.split(","))
    hint = get_type_hints(cls)[name]
    if any("datetime" in repr(t) for t in (hint, *get_args(hint))):
        return to_time(START + moment(text))
    return int(text) if int in get_args(hint) else text


def _line(text: str) -> Line:
    """`1:sku-a:2`: line 1, sku-a, two of it."""
    line_id, sku, quantity = (*text.split(":"), "", "")[:3]
    return Line(line_id, sku or None, float(quantity or 1))


def moment(text: str) -> int:
    """`m:ss`, `h:mm:ss` or `1d0:00:00`, seconds with a fraction if wanted → ms since the timeline's start."""
    match = _TIME.fullmatch(text)
    if match is None:
        raise Malformed(f"{text!r} is no time: m:ss, h:mm:ss or 1d0:00:00")
    days, hours, minutes, seconds = match.groups()
    whole = (int(days or 0) * 24 + int(hours or 0)) * 60 + int(minutes)
    return whole * 60_000 + round(float(seconds) * 1000)


def duration(text: str) -> int:
    """`10s`, `5m`, `2h`, `3d` → ms."""
    units = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
    if text[-1:] not in units or not text[:-1].isdigit():
        raise Malformed(f"{text!r} is no duration: a number and one of s, m, h, d")
    return int(text[:-1]) * units[text[-1]]


def build(timeline: Timeline, rules: Sequence[Rule]) -> Detector:
    """The detector that a timeline's givens ask for: `H101.within=5m`, `H105.channel.chat=1m`, `H101.location.s1=5m`,
    `pickup.patience=30m`, `pickup.lateness=1m`, `feeds=web,pickup`, `H108.subscribers=app,store`.
    """
    given = dict(timeline.given)
    names = given.pop("feeds", ",".join(CHANNELS)).split(",")
    feeds = {feed.channel: feed for feed in all_feeds() if feed.channel in names}
    settings: dict[str, RuleSettings] = {}
    for name, value in given.items():
        owner, _, key = name.partition(".")
        if owner in feeds and key in ("patience", "lateness"):
            feeds[owner] = msgspec.structs.replace(feeds[owner], **{f"{key}_ms": duration(value)})
        else:
            settings[owner] = _setting(settings.get(owner, RuleSettings()), key, value, name)
    return detector(rules, feeds.values(), settings)


def _setting(of: RuleSettings, key: str, value: str, name: str) -> RuleSettings:
    kind, _, which = key.partition(".")
    if key == "within":
        return msgspec.structs.replace(of, within=duration(value))
    if key == "subscribers":
        return msgspec.structs.replace(of, subscribers=tuple(value.split(",")))
    if kind == "channel":
        return msgspec.structs.replace(of, channels={**of.channels, which: duration(value)})
    if kind == "location":
        return msgspec.structs.replace(of, locations={**of.locations, which: duration(value)})
    raise Malformed(f"given {name}: unknown")


def run(timeline: Timeline, rules: Sequence[Rule], *, twice: bool = False, resumed: bool = False) -> tuple[Said, ...]:
    """Runs a timeline; every event delivered twice, or the state put away and taken up again after every record. Raises
    Raised where a rule does.
    """
    built, counts = build(timeline, rules), Counts()
    said = tuple(_run(timeline, built, counts, 2 if twice else 1, resumed))
    if counts.raised:
        raise Raised("; ".join(f"{rule} raised {fault}, and so said nothing" for rule, fault in counts.raised))
    return said


def _run(timeline: Timeline, built: Detector, counts: Counts, times: int, resumed: bool) -> Iterator[Said]:
    rows: dict[bytes, bytes] = {}
    partition = built.partition(0, rows.get, counts)
    for entry in timeline.entries:
        alerts: list[Alert] = []
        for _ in range(times):
            partition.feed(entry.customer, entry.record)
            work = partition.flush()
            alerts += work.alerts
            for key, row in work.rows.items():
                rows.pop(key, None) if row is None else rows.update({key: row})
        if resumed:
            partition = built.partition(0, rows.get, counts)
            partition.restore(rows.items())
        yield Said(entry, tuple(alerts))


def mismatches(said: Sequence[Said]) -> list[str]:
    """The lines whose claims and alerts differ, in words."""
    return [
        f"{line.entry.text.strip()!r}: said {'; '.join(line.spoken) or 'nothing'}, "
        f"claimed {'; '.join(line.entry.claims) or 'nothing'}"
        for line in said
        if sorted(line.spoken) != sorted(line.entry.claims)
    ]


def transcript(said: Sequence[Said]) -> str:
    """The timeline with the claims that would have been right."""
    lines = (
        f"{s.entry.text.partition('#')[0].rstrip():<78}{'# ' + '; '.join(s.spoken) if s.alerts else ''}" for s in said
    )
    return "\n".join(line.rstrip() for line in lines)
