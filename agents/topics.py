"""`handoff topics`: the detector's own topics, as they must be, and declares those that are missing.

A worker never makes a topic as it runs; `agents.preflight` says what is wrong before it takes work.
"""

import asyncio
import sys
from collections.abc import Mapping
from typing import Annotated

import msgspec
import typer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError, for_code
from rich.table import Table

from agents.connection import client
from app.cli import ConfigOption, console, fail
from app.config import ConfigError, Settings, load_settings
from schemas.topics import Topic, own_topics

TIMEOUT_S = 30.0
_WIDE = 160
"""Columns of a table that goes to a file or a pipe."""


class DeclareError(RuntimeError):
    """The broker refused a topic. The message names it and the reason."""


def partitions_of(settings: Settings, topic: Topic) -> int:
    """How many partitions a topic of ours must have."""
    return settings.worker.partitions if topic.partitioned else 1


def policy(settings: Settings, topic: Topic) -> dict[str, str]:
    """The topic's configuration, in Kafka's names."""
    config = {key: str(value) for key, value in topic.config().items()}
    if settings.kafka.replication > 1:
        config["min.insync.replicas"] = str(settings.kafka.replication - 1)
    return config


async def declare(settings: Settings) -> list[str]:
    """Makes the topics that are missing and returns their names. Raises DeclareError."""
    admin = AIOKafkaAdminClient(**client(settings))
    await asyncio.wait_for(admin.start(), TIMEOUT_S)
    try:
        existing = set(await asyncio.wait_for(admin.list_topics(), TIMEOUT_S))
        missing = {name: topic for name, topic in own_topics(settings.worker.app_id).items() if name not in existing}
        if missing:
            await _create(admin, settings, missing)
    finally:
        await admin.close()
    return list(missing)


async def _create(admin: AIOKafkaAdminClient, settings: Settings, missing: Mapping[str, Topic]) -> None:
    wanted = [
        NewTopic(
            name,
            partitions_of(settings, topic),
            settings.kafka.replication,
            topic_configs=policy(settings, topic),
        )
        for name, topic in missing.items()
    ]
    answer = await asyncio.wait_for(admin.create_topics(wanted), TIMEOUT_S)
    for name, code, *reason in answer.topic_errors:
        if code:
            why = reason[0] if reason and reason[0] else for_code(code).__name__
            raise DeclareError(f"the broker refuses {name}: {why}")


class Row(msgspec.Struct, frozen=True):
    """One topic as `handoff topics` lists it."""

    name: str
    partitions: int
    key: str
    value: str
    policy: str


def rows(settings: Settings) -> list[Row]:
    """Every topic of ours."""
    return [
        Row(
            name,
            partitions_of(settings, topic),
            topic.key,
            topic.value,
            "\n".join(f"{k}={v}" for k, v in policy(settings, topic).items()),
        )
        for name, topic in own_topics(settings.worker.app_id).items()
    ]


commands = typer.Typer(add_completion=False)


@commands.command()
def topics(
    config: ConfigOption = None,
    declare_missing: Annotated[bool, typer.Option("--declare", help="Make those that are missing")] = False,
) -> None:
    """Lists the detector's own topics as they must be, and declares those that are missing."""
    try:
        settings = load_settings(config)
        made = asyncio.run(declare(settings)) if declare_missing else []
    except (ConfigError, DeclareError) as error:
        raise fail(error) from None
    except (KafkaError, OSError, TimeoutError) as error:
        raise fail(f"{settings.kafka.bootstrap} cannot be reached: {error!r}") from None
    _list(settings)
    if declare_missing:
        sys.stdout.write(f"declared: {', '.join(made) or 'nothing was missing'}\n")


def _list(settings: Settings) -> None:
    """Whole names and values, however narrow the terminal: they are there to be set."""
    table = Table(box=None, pad_edge=False)
    for name in ("topic", "partitions", "key", "value", "policy"):
        table.add_column(name, overflow="fold")
    for row in rows(settings):
        table.add_row(row.name, str(row.partitions), row.key, row.value, row.policy)
    console(_WIDE).print(table)
