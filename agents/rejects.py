"""`handoff rejects`: looks at what could not be read, and sends it again once its cause is mended."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Hashable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import typer
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import BrokerResponseError, KafkaError
from aiokafka.structs import ConsumerRecord
from rich.table import Table
from rich.text import Text

from agents.connection import client
from app.channels import Stage
from app.cli import ConfigOption, console, fail
from app.config import ConfigError, load_settings
from schemas.rejects import TOO_LARGE, Reject, own_headers
from schemas.topics import REJECTS

WAIT_S = 20.0
_STRANGE = "Strange"
_FIRST = "handoff.rejects.first"
"""The header of a record that was sent again: where it stood first."""
_WIDE = 160
"""Columns of a table that goes to a file or a pipe."""


class Kept(msgspec.Struct, frozen=True):
    """One record of `handoff.rejects`. `id` is `partition-offset` there."""

    id: str
    reject: Reject
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int


class NotFound(LookupError):
    """No such reject. The message names it, and what there is."""


class NotKept(LookupError):
    """The record of a reject cannot be sent again: it is not there, or its topic is not. The message says which."""


class NotSent(RuntimeError):
    """The broker did not take a record. The message names it, and how many it took before."""


async def list_rejects(client: Mapping[str, Any], limit: int | None = None, stage: str | None = None) -> list[Kept]:
    """The newest rejects, oldest of them first. `client` holds aiokafka's connection arguments."""
    kept = [one async for one in _read(client) if stage is None or one.reject.stage == stage]
    kept = _each_once(sorted(kept, key=lambda one: (one.timestamp, one.id)))
    return kept if limit is None else kept[-limit:]


async def find_rejects(client: Mapping[str, Any], ids: Iterable[str]) -> list[Kept]:
    """The rejects of these ids, in their order. Raises NotFound."""
    found = {one.id: one async for one in _read(client)}
    missing = [name for name in ids if name not in found]
    if missing:
        raise NotFound(f"no reject {', '.join(missing)}; there are {len(found)}, `handoff rejects list` names them")
    return [found[name] for name in ids]


async def replay_rejects(
    client: Mapping[str, Any], kept: Iterable[Kept], leave_out: Callable[[str], None] | None = None
) -> int:
    """Sends the records as they were to the topics they came from, each once, and each with word of where it stood
    first; returns how many were acknowledged. What cannot be sent is left out where somebody is to be told why; else
    raises NotKept, before any is sent.
    """
    producer = AIOKafkaProducer(**client, enable_idempotence=True)
    try:
        await asyncio.wait_for(producer.start(), WAIT_S)
        there = (await asyncio.wait_for(producer.client.fetch_all_metadata(), WAIT_S)).topics()
        able = []
        for one in _each_once(kept):
            if (why := why_not(one, there)) is None:
                able.append(one)
            elif leave_out is None:
                raise NotKept(why)
            else:
                leave_out(why)
        return await _send(producer, able, leave_out)
    finally:
        await asyncio.wait_for(producer.stop(), WAIT_S)


async def _send(producer: AIOKafkaProducer, kept: Iterable[Kept], leave_out: Callable[[str], None] | None) -> int:
    sent = 0
    for one in kept:
        headers = [(name, value) for name, value in own_headers(one.headers) if name != _FIRST]
        headers.append((_FIRST, _first(one)))
        send = producer.send_and_wait(
            one.reject.topic, one.value, key=one.key, headers=headers, timestamp_ms=one.timestamp
        )
        try:
            await asyncio.wait_for(send, WAIT_S)
            sent += 1
        except (KafkaError, TimeoutError) as error:
            why = f"{one.reject.topic} has not taken {one.id}: {error!r}"
            if leave_out is None or not isinstance(error, BrokerResponseError):
                raise NotSent(f"{why}; sent again before it: {sent}") from None
            leave_out(why)
    return sent


def _each_once(kept: Iterable[Kept]) -> list[Kept]:
    """A record is one, however often it was refused: a worker that was killed reads again, and refuses again, what it
    had not committed, and one that was sent again may be refused again. Sent twice, an event that has no id of its own
    would be two. What was said last of it counts.
    """
    return list({_record(one): one for one in kept}.values())


def _record(one: Kept) -> Hashable:
    """What tells a record from others; its bytes too, for a topic that was made anew has the same offsets again."""
    return one.reject.topic, _first(one), one.key, one.value


def _first(one: Kept) -> bytes:
    """Where a record stood when it was refused for the first time: `partition@offset`."""
    return dict(one.headers).get(_FIRST) or f"{one.reject.partition}@{one.reject.offset}".encode()


def why_not(one: Kept, there: Collection[str]) -> str | None:
    """Why a reject cannot be sent again to one of the topics that are there, or none where it can."""
    reject = one.reject
    if reject.kind == TOO_LARGE:
        place = f"{reject.topic}, partition {reject.partition}, offset {reject.offset}"
        return f"the record of {one.id} was too large to be kept; it is in {place}"
    if reject.kind == _STRANGE:
        return f"{one.id} is no reject: {reject.reason}"
    if reject.topic not in there:
        return f"the topic of {one.id}, {reject.topic}, does not exist"
    return f"{one.id} has neither key nor value: there is nothing to send" if one.key is one.value is None else None


async def _read(client: Mapping[str, Any]) -> AsyncIterator[Kept]:
    async with _consumer(client) as consumer:
        ends = await asyncio.wait_for(consumer.end_offsets(list(consumer.assignment())), WAIT_S)
        open_ = {tp for tp, end in ends.items() if end > 0}
        heard = time.monotonic()
        while open_:
            batches = await asyncio.wait_for(consumer.getmany(timeout_ms=500), WAIT_S)
            for record in (record for batch in batches.values() for record in batch):
                yield _kept(record)
            left = {tp for tp in open_ if await consumer.position(tp) < ends[tp]}
            heard = time.monotonic() if batches or left != open_ else heard
            if time.monotonic() - heard > WAIT_S:
                raise TimeoutError(f"nothing more was heard for {WAIT_S:g} s")
            open_ = left


def _kept(record: "ConsumerRecord[bytes, bytes]") -> Kept:
    try:
        reject = Reject.from_headers(record.headers)
    except ValueError as error:  # not of our making
        reject = Reject(record.topic, record.partition, record.offset, "none", _STRANGE, str(error))
    return Kept(
        f"{record.partition}-{record.offset}",
        reject,
        record.key,
        record.value,
        tuple(record.headers),
        record.timestamp,
    )


@asynccontextmanager
async def _consumer(client: Mapping[str, Any]) -> AsyncIterator[AIOKafkaConsumer]:
    consumer = AIOKafkaConsumer(
        **client, auto_offset_reset="earliest", enable_auto_commit=False, isolation_level="read_committed"
    )
    try:
        await asyncio.wait_for(consumer.start(), WAIT_S)
        # All topics: who asks for one by name waits long for one that is not there, or makes some brokers create it.
        cluster = await asyncio.wait_for(consumer._client.fetch_all_metadata(), WAIT_S)  # noqa: SLF001
        partitions = cluster.partitions_for_topic(REJECTS.name) or set()
        if not partitions:
            raise NotFound(f"the topic {REJECTS.name} does not exist; `handoff topics` declares it")
        consumer.assign([TopicPartition(REJECTS.name, number) for number in sorted(partitions)])
        await consumer.seek_to_beginning()
        yield consumer
    finally:
        await asyncio.wait_for(consumer.stop(), WAIT_S)


commands = typer.Typer(add_completion=False, no_args_is_help=True, help="Looks at what could not be read.")
Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="As `list` shows them: partition-offset")]
T = TypeVar("T")
_Stage = Literal[Stage, "detect", "none"]
"""What `Reject.stage` may be; `none` is what is no reject."""


@commands.command("list")
def list_(
    config: ConfigOption = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest")] = 50,
    stage: Annotated[_Stage | None, typer.Option(help="Only those refused at this stage")] = None,
) -> None:
    """Lists rejects, the newest last: where each came from and why it was refused."""
    table = Table("id", "from", "stage", "reason", box=None, pad_edge=False)
    for one in _do(config, lambda of: list_rejects(of, limit, stage)):
        reject = one.reject
        place = f"{reject.topic}-{reject.partition}@{reject.offset}"
        table.add_row(*(Text(_shown(text)) for text in (one.id, place, reject.stage, reject.reason)))
    console(_WIDE).print(table)


@commands.command()
def show(ids: Ids, config: ConfigOption = None) -> None:
    """Shows rejects whole: the reason, the record's own headers, its key and its bytes."""
    for one in _do(config, lambda of: find_rejects(of, ids)):
        facts = {"id": one.id, **msgspec.structs.asdict(one.reject), "key": one.key}
        facts |= {f"header {name}": value for name, value in own_headers(one.headers)}
        for name, value in facts.items():
            sys.stdout.write(f"{_shown(name)}: {_shown(value)}\n")
        sys.stdout.write(f"\n{_shown(one.value)}\n\n")


def _shown(value: object) -> str:
    """As text that does nothing to a terminal: what cannot be printed is written as an escape."""
    text = value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


@commands.command()
def replay(
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID...]", help="As `list` shows them")] = None,
    config: ConfigOption = None,
    every: Annotated[bool, typer.Option("--all", help="All of them")] = False,
) -> None:
    """Sends rejects again to the topics they came from, once what refused them is mended."""
    if bool(ids) is every:
        raise fail("which rejects? Name their ids, or --all")
    kept = _do(config, lambda of: find_rejects(of, ids) if ids else list_rejects(of))
    leave_out = _left_out if every else None
    sys.stdout.write(f"sent again: {_do(config, lambda of: replay_rejects(of, kept, leave_out))}\n")


def _left_out(why: str) -> None:
    sys.stderr.write(f"left out: {why}\n")


def _do(config: Any, what: Callable[[Mapping[str, Any]], Coroutine[Any, Any, T]]) -> T:
    try:
        settings = load_settings(config)
        return asyncio.run(what(client(settings)))
    except (ConfigError, NotFound, NotKept, NotSent) as error:
        raise fail(error) from None
    except (KafkaError, OSError, TimeoutError) as error:
        raise fail(f"{settings.kafka.bootstrap} cannot be reached: {error!r}") from None
