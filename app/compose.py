"""The composition of the core: from rules and settings to the engine and the partitions that run it."""

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from app.core.clocks import Feed
from app.core.counts import Counts
from app.core.engine import Engine, Limits
from app.core.journeys import Reader
from app.core.partition import Partition
from app.core.room import CASES, Room
from app.core.rule import Rule, View, Window
from app.core.silence import Silence
from schemas.events import CHANNELS


class RuleSettings(msgspec.Struct, frozen=True):
    """What configuration says of one rule; what it leaves out stays as the rule has it. Windows in ms."""

    enabled: bool = True
    within: int | None = None
    channels: Mapping[str, int] = {}
    locations: Mapping[str, int] = {}
    subscribers: tuple[str, ...] | None = None


class Detector(msgspec.Struct, frozen=True):
    """All that partitions share."""

    engine: Engine
    feeds: tuple[Feed, ...]
    silence: Silence | None
    room: Room

    def partition(self, number: int, read: Reader, counts: Counts | None = None) -> Partition:
        """The detector of one events partition; partition 0 watches the feeds."""
        silence = self.silence if number == 0 else None
        return Partition(self.engine, self.feeds, read, room=self.room, silence=silence, counts=counts)


def all_feeds() -> tuple[Feed, ...]:
    """Every channel of the vocabulary, each with one feed of its own name, in order and never late."""
    return tuple(Feed(channel, (channel,)) for channel in CHANNELS)


def detector(
    rules: Sequence[Rule],
    feeds: Iterable[Feed],
    settings: Mapping[str, RuleSettings] | None = None,
    limits: Limits | None = None,
) -> Detector:
    """The detector of these rules over these feeds. Rules that are not enabled are left out."""
    feeds = tuple(feeds)
    views = views_of(rules, feeds, settings)
    enabled = [rule for rule in rules if rule.id in views]
    silent = next((rule for rule in enabled if rule.about == "channel"), None)
    cases = [rule for rule in enabled if rule.about != "channel"]
    engine = Engine(cases, views, limits or Limits())
    return Detector(engine, feeds, Silence(silent) if silent else None, Room(CASES))


def views_of(
    rules: Iterable[Rule], feeds: Iterable[Feed], settings: Mapping[str, RuleSettings] | None = None
) -> dict[str, View]:
    """What each rule that is enabled may know besides the facts, by its id."""
    names = frozenset(feed.channel for feed in feeds)
    of = [(rule, (settings or {}).get(rule.id, RuleSettings())) for rule in rules]
    return {rule.id: _view(rule, how, names) for rule, how in of if how.enabled}


def _view(rule: Rule, settings: RuleSettings, feeds: frozenset[str]) -> View:
    default = settings.within if settings.within is not None else (rule.within or 0)
    channels = {} if settings.within is not None else dict(rule.by_channel)
    window = Window(default, channels | dict(settings.channels), settings.locations)
    return View(window, feeds, settings.subscribers if settings.subscribers is not None else rule.subscribers)
