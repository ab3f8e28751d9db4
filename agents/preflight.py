"""`handoff preflight`: what a worker checks before it takes work, for people to run before they deploy."""

import asyncio
import sys
from collections.abc import Iterator

import typer

from agents.connection import runtime_settings
from agents.runtime.preflight import ExpectedTopic, check_topics
from agents.topics import partitions_of
from app.cli import ChannelsOption, ConfigOption, configured_live, fail
from app.config import ChannelTables, ConfigError, Settings
from schemas.topics import CHANGELOGS, own_topics

_AROUND = 50_000
"""Bytes by which a batch may be larger than its records together."""


def problems(settings: Settings, tables: ChannelTables) -> list[str]:
    """What is wrong with the cluster's topics, in words, one line each; empty when a worker can take work.

    A cluster that cannot be reached is one such problem. Policies are checked only where the broker tells them.
    """
    return asyncio.run(check_topics(runtime_settings(settings), [*_own(settings), *_channels(tables)]))


def _own(settings: Settings) -> Iterator[ExpectedTopic]:
    runtime = runtime_settings(settings)
    for name, topic in own_topics(settings.worker.app_id).items():
        yield ExpectedTopic(
            name=name,
            partitions=partitions_of(settings, topic),
            cleanup_policy=topic.cleanup,
            replication=settings.kafka.replication,
            max_message_bytes=runtime.produce_max_bytes + _AROUND,
            deletions_ms=round(runtime.local_state_max_age_s * 1000) if topic in CHANGELOGS else None,
            made_by="`handoff topics --declare` makes it",
        )


def _channels(tables: ChannelTables) -> Iterator[ExpectedTopic]:
    """The channels' own topics are as their owners like them: they only have to be there."""
    for name in tables.topics:
        yield ExpectedTopic(name=name, made_by="it is a channel's, named in channels.toml, and made by its owner")


commands = typer.Typer(add_completion=False)


@commands.command()
def preflight(config: ConfigOption = None, channels: ChannelsOption = None) -> None:
    """Checks that the topics are as a worker needs them. The exit code is 1 where one is not."""
    try:
        settings, read = configured_live(config, channels)
        wrong = problems(settings, read.tables)
    except ConfigError as error:
        raise fail(error) from None
    for problem in wrong:
        sys.stdout.write(f"{problem}\n")
    if wrong:
        raise typer.Exit(1)
    own, theirs = len(own_topics(settings.worker.app_id)), len(read.tables.topics)
    sys.stdout.write(f"{settings.kafka.bootstrap} is ready: {own} topics of the detector's own, {theirs} of channels\n")
