"""One replay from files to report."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from app.channels import Channels
from app.compose import RuleSettings, all_feeds, detector, views_of
from app.core.clocks import Feed
from app.core.engine import Limits
from app.core.link_limits import LinkLimits
from app.core.linking import Linking
from app.core.rule import Rule
from app.replay.files import Watch
from app.replay.player import Play, Player, arriving_plays, forever, sorted_plays
from app.replay.sources import Order, Rejection, Source, Tally, find_sources, read_all
from app.replay.summary import Outcomes
from app.replay.unheard import Unheard
from app.rules import RULES
from schemas.alerts import Alert
from schemas.codec import to_time


def _ignore(_: Any) -> None:
    pass


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What to replay, and how. Times and durations in ms."""

    paths: tuple[Path, ...]
    channels: Channels | None = None
    """None: canonical events, of channels that all keep up."""
    mapped: tuple[tuple[str, str], ...] = ()
    """Pattern of file names → topic; these come before what channels.toml says."""
    order: Order | None = None
    """None: each file in the order of its kind."""
    settings: dict[str, RuleSettings] = {}
    limits: Limits = Limits()
    links: LinkLimits = LinkLimits()
    rules: tuple[Rule, ...] = RULES
    until: int | None = None


class Report(msgspec.Struct, frozen=True):
    """What a replay came to."""

    events: dict[str, Any]
    rules: dict[str, dict[str, Any]]
    start: str | None
    """The first and the last moment played, RFC 3339."""
    end: str | None


def replay(
    options: Options,
    on_alert: Callable[[Alert], None],
    on_reject: Callable[[Rejection], None] = _ignore,
    on_bytes: Callable[[int], None] = _ignore,
    on_events: Callable[[int], None] = _ignore,
) -> Report:
    """Plays recorded files through all of the detector. Alerts come in a fixed order: the same input, the same alerts.

    `on_bytes` is told how far the file now being read has been read, `on_events` how many events have been played.
    Raises BadFile.
    """
    tables = options.channels.tables if options.channels is not None else None
    sources = find_sources(options.paths, tables, options.mapped, options.order)
    outcomes, tally = Outcomes(options.rules), Tally(on_reject)
    timed = all(source.order == "time" for source in sources)
    links = forever() if timed else Linking(options.links)

    def said(alert: Alert) -> None:
        outcomes.said(alert)
        on_alert(alert)

    feeds = _feeds(options, timed=timed)
    unheard = Unheard(options.rules, views_of(options.rules, feeds, options.settings))
    core = detector(options.rules, feeds, options.settings, options.limits)
    player = Player(core, said, links.held, unheard.note)
    player.play(_plays(sources, options, tally, links, on_bytes, timed=timed), options.until, on_events)
    events = _events(player, tally, links)
    return Report(events, outcomes.by_rule(unheard.asked), _moment(player.first), _moment(player.last))


def _plays(sources: list[Source], options: Options, tally: Tally, links: Linking, watch: Watch, *, timed: bool) -> Any:
    reads = read_all(sources, options.channels, tally, watch)
    return sorted_plays(list(reads), links) if timed else arriving_plays(reads, links)


def _feeds(options: Options, *, timed: bool) -> tuple[Feed, ...]:
    """One feed for each channel, read by one reader. What was sorted by time is never late."""
    if options.channels is None:
        return all_feeds()
    return tuple(
        Feed(feed.channel, (feed.channel,), 0 if timed else feed.lateness_ms, feed.patience_ms)
        for feed in options.channels.feeds
    )


def _events(player: Player, tally: Tally, links: Linking) -> dict[str, Any]:
    counts = player.partition.counts
    return {
        "rows": tally.rows,
        "read": player.played,
        "skipped": sum(tally.skipped.values()),
        "rejected": sum(tally.rejected.values()),
        "duplicates": counts.duplicates,
        "repeated": counts.repeated,
        "late": player.late,
        "provisional": links.counts.provisional,
        "beyond_until": player.beyond,
        "evicted": sum(counts.evicted.values()),
        "raised": {f"{rule} raised {fault}": times for (rule, fault), times in sorted(counts.raised.items())},
        "by_channel": dict(sorted(counts.events.items())),
        "skipped_by_reason": _most(tally.skipped),
        "rejected_by_stage": dict(sorted(tally.rejected.items())),
        "rejected_by_reason": _most(tally.reasons),
        "missing_columns": tally.missing,
        "missing_paths": {topic: nowhere.said for topic, nowhere in tally.nowhere.items() if nowhere.said},
    }


def _most(counts: Mapping[str, int]) -> dict[str, int]:
    """The most frequent reasons."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:20])


def _moment(ms: int | None) -> str | None:
    return None if ms is None else to_time(ms).isoformat().replace("+00:00", "Z")


__all__ = ["Options", "Play", "Report", "replay"]
