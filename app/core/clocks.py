"""How far each channel has been heard. Only event time, as ticks report it, moves these clocks; none ever goes back.

A channel's *watermark* is the moment up to which nothing more is expected of it: the least progress over its
partitions, less its lateness. A channel with a *patience* is trusted only as far as it has spoken: quiet up to its
patience is normal, and what it owes is judged when it speaks again; quiet for longer is a silent feed, and what it owes
stays inconclusive. A channel without a patience may be quiet for ever, and its watermark follows its readers.

Topics change. What is no topic of a channel (any more) moves no clock. A topic has as many partitions as the most that
any of them tells of, and all are waited for: a reader may not have noticed yet that it grew. Partitions are gone once
all before them tell that the topic ends there, and have been heard well beyond them. And as no clock goes back, what is
new in a topic, or a lateness that is raised, leaves the clock where it stands until it has come as far.

A clock is named by the channels that must all have passed a moment: `pickup`, `app+web`, `pickup@web` (the watermark of
pickup, and web *heard* that far too), `*` (every live channel heard). The empty name is a clock that has passed
everything.

What `*` passes is closed for good, so it waits for every channel that has a feed to be heard once: in a first backfill
the events of the slower ones are still to come. A channel that nobody reads stops all closing; state that grows until
somebody reads it is the lesser evil, and what waits for its link waits for that channel as well.
"""

from collections.abc import Collection, Iterable, Mapping

import msgspec

from schemas.state import Progress, Reached

NEVER = -1
ALWAYS = 1 << 62
NOW = ""
ALL = "*"
GONE_MS = 600_000
"""How far beyond partitions that are gone the others must have been heard: a reader knows of a new one sooner."""
_Part = tuple[str, str, int]
"""Channel, topic, partition."""


class Feed(msgspec.Struct, frozen=True):
    """What is known of a channel's feed before it is heard."""

    channel: str
    topics: tuple[str, ...]
    lateness_ms: int = 0
    patience_ms: int | None = None
    detour: str | None = None
    """The one of its topics that is no source of it, but a second way that its events may take: it tells nothing of
    whether the feed is alive."""


class Clocks:
    """The watermarks of one events partition."""

    def __init__(self, feeds: Iterable[Feed]) -> None:
        self.feeds: Mapping[str, Feed] = {feed.channel: feed for feed in feeds}
        self.heard: dict[str, int] = {}
        self.read_to: dict[str, int] = {}
        """How far its own topics have been read, ms, whatever is still on a detour."""
        self.spoke: dict[str, int] = {}
        self.trusted: dict[str, int] = {}
        """How far what was heard counts, before the lateness."""
        self.marks: dict[str, int] = {}
        self._progress: dict[_Part, Progress] = {}
        self._parts: dict[str, list[_Part]] = {}
        """Channel → what has been heard of it."""
        self._resized: set[str] = set()
        """Channels whose partitions may tell of different sizes: only there can any be gone."""
        self._read: dict[str, int] = {}

    def hear(self, progress: Iterable[Progress]) -> None:
        """Takes the progress of some partitions; what would go back is ignored."""
        before = dict(self.spoke)
        moved = {p.channel for p in progress if self._concerns(p) and self._take(p, before.get(p.channel, NEVER))}
        for channel, feed in self.feeds.items():
            if channel in moved:
                self._advance(feed)
        if moved:
            self._read.clear()

    def _concerns(self, progress: Progress) -> bool:
        feed = self.feeds.get(progress.channel)
        return feed is not None and progress.topic in feed.topics

    def _take(self, new: Progress, spoke_before: int) -> bool:
        """A partition is trusted as far as it spoke itself; and, where its reader has now found nothing newer, as far
        as its channel had spoken before: to have found nothing while the whole feed was down means nothing, then or
        later. The links say themselves how far they are to be trusted.
        """
        old = self._progress.get((new.channel, new.topic, new.partition))
        if old is None or old.partitions != new.partitions:
            self._resized.add(new.channel)
        said, found = new.trusted, new.heard
        if old is not None:
            spoke = max((s for s in (old.spoke, new.spoke) if s is not None), default=None)
            heard, trusted = max(old.heard, new.heard), max(old.trusted, said)
            found = heard if heard > old.heard else NEVER
            new = msgspec.structs.replace(new, heard=heard, spoke=spoke, trusted=trusted)
            if new == old:
                return False
        if said == NEVER:
            own = min(new.heard, new.spoke) if new.spoke is not None else NEVER
            new = msgspec.structs.replace(new, trusted=max(new.trusted, own, min(found, spoke_before)))
        self._keep(new)
        return True

    def _keep(self, progress: Progress) -> None:
        key = (progress.channel, progress.topic, progress.partition)
        if key not in self._progress:
            self._parts.setdefault(progress.channel, []).append(key)
        self._progress[key] = progress

    def _advance(self, feed: Feed) -> None:
        channel, parts = feed.channel, self._present(feed.channel)
        _rise(self.spoke, channel, max((p.spoke for p in parts if p.spoke is not None), default=NEVER))
        own = [p for p in parts if p.topic != feed.detour]
        if _are_all([topic for topic in feed.topics if topic != feed.detour], own):
            _rise(self.read_to, channel, min(p.heard for p in own))
        if not _are_all(feed.topics, parts):
            return
        first = min(p.heard for p in parts)
        self.heard[channel] = max(first, self.heard.get(channel, NEVER))
        self.spoke.setdefault(channel, first)
        trusted = first if feed.patience_ms is None else min(p.trusted for p in parts)
        self.trusted[channel] = max(trusted, self.trusted.get(channel, NEVER))
        self.marks[channel] = max(trusted - feed.lateness_ms, self.marks.get(channel, NEVER))

    def _present(self, channel: str) -> list[Progress]:
        """What was heard of the partitions that the channel's topics have. Those that are gone are forgotten."""
        keys = self._parts.get(channel, [])
        parts = [self._progress[key] for key in keys]
        if channel not in self._resized:
            return parts
        if _agree(parts):
            self._resized.remove(channel)
            return parts
        for part in _gone(parts):
            key = (channel, part.topic, part.partition)
            keys.remove(key)
            del self._progress[key]
        return [self._progress[key] for key in keys]

    def read(self, clock: str) -> int:
        """The moment (ms) up to which this clock has passed; NEVER where a channel was not heard yet."""
        mark = self._read.get(clock)
        if mark is None:
            mark = self._read[clock] = self._compute(clock)
        return mark

    def _compute(self, clock: str) -> int:
        if clock == NOW:
            return ALWAYS
        if clock == ALL:
            silent = self.silent()
            return min((self.heard.get(c, NEVER) for c in self.feeds if c not in silent), default=NEVER)
        owing, _, raised_by = clock.partition("@")
        mark = min((self.marks.get(c, NEVER) for c in owing.split("+") if c in self.feeds), default=NEVER)
        return min(mark, self.heard.get(raised_by, NEVER)) if raised_by in self.feeds else mark

    def silent(self) -> dict[str, int]:
        """The channels that are silent beyond their patience → the moment (ms) at which that ran out."""
        return {channel: limit for channel, limit in self._limits().items() if self.read_to[channel] > limit}

    def limits(self) -> list[int]:
        """The moments (ms) at which the channels that are not silent yet will have been so for their patience."""
        return [limit for channel, limit in self._limits().items() if self.read_to[channel] <= limit]

    def _limits(self) -> dict[str, int]:
        return {c: self.spoke[c] + f.patience_ms for c, f in self.feeds.items() if f.patience_ms and c in self.heard}

    def now(self) -> int:
        """The latest moment heard of any channel, ms: for measuring delay, never for judging."""
        return max(self.heard.values(), default=NEVER)

    def snapshot(self) -> tuple[list[Progress], dict[str, int], dict[str, Reached]]:
        """What `resume` needs to be where this is."""
        maps = (self.read_to, self.heard, self.trusted, self.marks)
        reached = {channel: Reached(*(one.get(channel, NEVER) for one in maps)) for channel in self.read_to}
        return list(self._progress.values()), dict(self.spoke), reached

    def resume(self, progress: Iterable[Progress], spoke: Mapping[str, int], reached: Mapping[str, Reached]) -> None:
        """Is from now on where the clocks of a snapshot were, and no clock before that, though the feeds be others."""
        self._progress, self._parts, self._resized = {}, {}, set(self.feeds)
        for one in progress:
            if self._concerns(one):
                self._keep(one)
        self.spoke = {channel: at for channel, at in spoke.items() if channel in self.feeds}
        for channel, come in reached.items():
            if channel in self.feeds:
                self._come(channel, come)
        for feed in self.feeds.values():
            self._advance(feed)
        self._read.clear()

    def _come(self, channel: str, reached: Reached) -> None:
        self.read_to[channel] = reached.read_to
        if reached.heard != NEVER:
            self.heard[channel], self.trusted[channel] = reached.heard, reached.trusted
            self.marks[channel] = reached.mark


def _rise(clock: dict[str, int], channel: str, at: int) -> None:
    if at > clock.get(channel, NEVER):
        clock[channel] = at


def _are_all(topics: Collection[str], parts: Collection[Progress]) -> bool:
    """Whether these are all partitions of these topics."""
    sizes: dict[str, int] = {}
    for p in parts:
        size = p.partitions if p.partition < p.partitions else p.partition + 1
        if size > sizes.get(p.topic, 0):
            sizes[p.topic] = size
    return sizes.keys() == set(topics) and len(parts) == sum(sizes.values()) > 0


def _agree(parts: Collection[Progress]) -> bool:
    """Whether all partitions of a topic tell of the same size."""
    return len({(p.topic, p.partitions) for p in parts}) == len({p.topic for p in parts})


def _gone(parts: Collection[Progress]) -> list[Progress]:
    """The partitions that their topics do not have any more."""
    topics = dict.fromkeys(p.topic for p in parts)
    return [part for topic in topics for part in _beyond_the_end([p for p in parts if p.topic == topic])]


def _beyond_the_end(parts: Collection[Progress]) -> list[Progress]:
    """Those of one topic that stand beyond the least size told, if all that stand before it tell of the same."""
    end = min(p.partitions for p in parts)
    before = [p for p in parts if p.partition < end]
    if len(before) < end or any(p.partitions > end for p in before):
        return []
    passed = min(p.heard for p in before) - GONE_MS
    return [p for p in parts if p.partition >= end and p.heard < passed]
