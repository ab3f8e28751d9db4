"""`handoff simulate`: writes a simulated day and the truth about it to files."""

import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Annotated, Literal

import msgspec
import typer

from app.simulate.day import Day, Sent
from app.simulate.noise import CANONICAL_LOG, RECORDED

Format = Literal["canonical", "topics"]


def command(
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to write; with --format topics, a folder")],
    customers: Annotated[int, typer.Option(min=1, help="How many customers the day has")] = 3000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same day, byte for byte")] = 1,
    labels: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The truth as JSON: every breach that was made")
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", help="One file of canonical events, or one for each channel's topic")
    ] = "canonical",
) -> None:
    """Makes up a day of a retailer: healthy journeys and broken ones, in the order in which the records are sent."""
    day = Day(customers, seed, CANONICAL_LOG if form == "canonical" else RECORDED)
    try:
        written = _write_log(day.records(), out) if form == "canonical" else _write_topics(day.records(), out)
        if labels is not None:
            labels.write_bytes(msgspec.json.encode(day.truth) + b"\n")
    except OSError as error:
        sys.stderr.write(f"handoff: {error.filename or out}: cannot be written: {error.strerror}\n")
        raise typer.Exit(2) from None
    sys.stderr.write(
        f"{written:,} records of {customers:,} customers in {out}: {day.truth.events:,} events, "
        f"{len(day.truth.labels):,} breaches, {sum(day.truth.rejects.values()):,} unreadable\n"
    )


def _write_log(records: Iterable[Sent], out: Path) -> int:
    """One record a line."""
    written = 0
    with out.open("wb") as file:
        for sent in records:
            file.write(sent.value + b"\n")
            written += 1
    return written


def _write_topics(records: Iterable[Sent], out: Path) -> int:
    """One record a line, in one file for each topic: what `files` in channels.toml names."""
    out.mkdir(parents=True, exist_ok=True)
    files: dict[str, IO[bytes]] = {}
    written = 0
    with ExitStack() as stack:
        for sent in records:
            if sent.topic not in files:
                files[sent.topic] = stack.enter_context((out / f"{sent.topic}.jsonl").open("wb"))
            files[sent.topic].write(sent.value + b"\n")
            written += 1
    return written
