"""`handoff replay`: options in words, alerts out as JSON lines, progress and a summary for people."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Literal, NamedTuple

import msgspec
import orjson
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from app.channels import Channels
from app.config import ConfigError, Settings
from app.core.rule import Rule
from app.replay.files import BadFile
from app.replay.run import Options, Report, replay
from app.replay.sources import Rejection, find_sources
from app.replay.summary import events_lines, nothing_read, rules_table, unheard_lines
from schemas.alerts import Alert
from schemas.codec import encode_alert, to_ms

_SHOWN = 5
"""Rejects shown on stderr where no file for them was named."""


class Replaying(NamedTuple):
    """The command's options."""

    files: tuple[Path, ...]
    settings: Settings
    channels: Channels | None
    mapped: list[str]
    order: Literal["time", "arrival"] | None
    rules: tuple[Rule, ...]
    until: str | None
    out: Path | None
    summary: Path | None
    rejects: Path | None


def run(of: Replaying, console: Console) -> None:
    """Replays, writes what was asked for, and says on the console what it came to. Raises ConfigError and BadFile."""
    options = _options(of)
    _check_outputs(of, options)
    began = time.perf_counter()
    with _writing(of.out) as out, _writing(of.rejects) as rejects, _progress(console) as progress:
        watch = _Watch(progress)
        refusals = _Refusals(rejects if of.rejects is not None else None, console)

        def said(alert: Alert) -> None:
            out.write(encode_alert(alert) + b"\n")

        report = replay(options, said, refusals, watch.bytes, watch.events)
    _say(report, time.perf_counter() - began, console)
    refusals.end()
    if of.summary is not None:
        with _writing(of.summary) as file:
            file.write(orjson.dumps(msgspec.to_builtins(report), option=orjson.OPT_INDENT_2) + b"\n")
    if (why := nothing_read(report.events)) is not None:
        raise BadFile(why)


def _options(of: Replaying) -> Options:
    return Options(
        paths=of.files,
        channels=of.channels,
        mapped=tuple(_mapping(text) for text in of.mapped),
        order=of.order,
        settings=of.settings.rule_settings(),
        limits=of.settings.core_limits(),
        links=of.settings.links.core_limits(),
        rules=of.rules,
        until=_moment(of.until) if of.until is not None else None,
    )


def _mapping(text: str) -> tuple[str, str]:
    pattern, equals, topic = text.rpartition("=")
    if not (pattern and equals and topic):
        raise ConfigError(f"--map is {text!r}: allowed is PATTERN=TOPIC, such as 'orders*.csv=shop.orders'")
    return pattern, topic


def _moment(text: str) -> int:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise ConfigError(f"--until is {text!r}: allowed is a time with its zone, such as 2026-03-02T09:00:00Z")
    return to_ms(moment)


def _check_outputs(of: Replaying, options: Options) -> None:
    """Raises BadFile where a file to write is another one's, a recording above all, or where its folder is missing."""
    tables = of.channels.tables if of.channels is not None else None
    sources = find_sources(options.paths, tables, options.mapped, options.order)
    taken = {source.path.resolve(): "a recording" for source in sources}
    for option, path in (("--out", of.out), ("--summary", of.summary), ("--rejects", of.rejects)):
        if path is None or str(path) == "-":
            continue
        if not path.parent.is_dir():
            raise BadFile(f"{path}: cannot be written: there is no folder {path.parent}")
        if (other := taken.setdefault(path.resolve(), option)) != option:
            raise BadFile(f"{option} is {path}, which is {other}: allowed is a file of its own")


@contextmanager
def _writing(path: Path | None) -> Iterator[IO[bytes]]:
    if path is None or str(path) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        file = path.open("wb")
    except OSError as error:
        raise BadFile(f"{path}: cannot be written: {error.strerror}") from None
    with file:
        yield file


def _progress(console: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}"), TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)


class _Watch:
    """Shows how much has been read and played."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def bytes(self, count: int) -> None:
        self._show("reading", f"{count / 1e6:,.1f} MB")

    def events(self, count: int) -> None:
        self._show("detecting", f"{count:,} events")

    def _show(self, what: str, count: str) -> None:
        if what not in self._tasks:
            self._tasks[what] = self._progress.add_task(what, total=None, count=count)
        self._progress.update(self._tasks[what], count=count)


class _Refusals:
    """Writes rejects to their file, or shows the first few."""

    def __init__(self, file: IO[bytes] | None, console: Console) -> None:
        self._file = file
        self._console = console
        self._seen = 0
        self._first: list[Rejection] = []

    def __call__(self, rejection: Rejection) -> None:
        self._seen += 1
        if self._file is not None:
            self._file.write(orjson.dumps(rejection._asdict()) + b"\n")
        elif self._seen <= _SHOWN:
            self._first.append(rejection)

    def end(self) -> None:
        """Shows what there is to show."""
        for one in self._first:
            self._console.print(
                f"  {one.file} row {one.row}: {one.reason}", markup=False, highlight=False, soft_wrap=True
            )
        if self._file is None and self._seen > _SHOWN:
            self._console.print(f"  and {self._seen - _SHOWN:,} more: --rejects FILE writes all of them")


def _say(report: Report, seconds: float, console: Console) -> None:
    for line in events_lines(report.events, seconds):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if report.start is not None:
        console.print(f"from {report.start} to {report.end}", highlight=False)
    table = rules_table(report.rules)
    if table.row_count:
        console.print(table)
    else:
        console.print("no alerts")
    for line in unheard_lines(report.rules):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
