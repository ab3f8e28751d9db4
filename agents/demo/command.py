"""`handoff demo`: a simulated day of a retailer through real workers, and how what they said agrees with the truth."""

import asyncio
import json
import signal
import sys
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from agents.connection import client
from agents.demo.backlog import Backlog
from agents.demo.player import Player
from agents.demo.stage import PARTITIONS, DemoError, Stage, stage
from agents.demo.summary import Summary, summarise
from agents.demo.watch import Watcher, tell
from agents.rejects import list_rejects
from app.simulate import Day
from schemas.alerts import Alert
from schemas.codec import to_time

SLICES_PER_SECOND = 20
SETTLE_TIMEOUT_S = 60.0
FASTEST = 20_000
"""Seconds of the day for each of the wall. Much faster, a slice of the day is longer than a feed may be silent."""

commands = typer.Typer(add_completion=False)


@commands.command()
def demo(
    *,
    customers: Annotated[int, typer.Option(min=50, max=20_000, help="How many customers the day has")] = 3000,
    seed: Annotated[int, typer.Option(help="Another seed, another day")] = 1,
    speed: Annotated[float, typer.Option(min=1, max=FASTEST, help="Seconds of the day for each of the wall")] = 2000,
    summary: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the summary as JSON")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running at the end, for a look around")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no alerts, only the summary")] = False,
) -> None:
    """Plays a simulated day of a retailer through real Faust workers on an embedded Kafka broker."""
    if summary is not None and (why := _unwritable(summary)):
        sys.stderr.write(f"handoff demo: {summary}: cannot be written: {why}\n")
        raise typer.Exit(2)
    try:
        found = asyncio.run(_until_told(_demo(Day(customers, seed), speed, keep, quiet)))
    except DemoError as error:
        sys.stderr.write(f"handoff demo: {error}\n")
        raise typer.Exit(1) from None
    except (asyncio.CancelledError, KeyboardInterrupt):
        sys.stderr.write("\nThe demo was ended; nothing is left running.\n")
        raise typer.Exit(130) from None
    if summary is not None:
        summary.write_text(json.dumps(found.as_json(), indent=2) + "\n", encoding="utf-8")
    if not found.perfect:
        raise typer.Exit(1)


def _unwritable(file: Path) -> str | None:
    """Why a file cannot be written, as far as that can be told before the day is played."""
    if not file.parent.is_dir():
        return f"there is no folder {file.parent}"
    return "it is a folder" if file.is_dir() else None


async def _until_told(demo: Coroutine[Any, Any, Summary]) -> Summary:
    """Runs the demo; a signal to end cancels it, so that it takes its worker and broker with it. SIGINT among them: a
    process that a script starts in the background ignores that one otherwise.
    """
    running = asyncio.ensure_future(demo)
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(sign, running.cancel)
    return await running


async def _demo(day: Day, speed: float, keep: bool, quiet: bool) -> Summary:
    console = Console()
    console.print("Starting an embedded Kafka broker and one worker (Faust, RocksDB) …")
    with stage(day.start_ms) as running:
        await running.ready()
        console.print(
            f"The worker is ready; metrics at {running.url}/metrics, its log in {running.folder}\n"
            f"Playing {to_time(day.start_ms):%A %H:%M} to {to_time(day.end_ms):%A %H:%M}, {speed:g} times as fast.\n"
        )
        found = await _played(running, day, speed, console, quiet)
        found.print(console)
        if keep:
            console.print(f"\nStill running: {running.url}/metrics. Ctrl-C ends it.")
            with suppress(asyncio.CancelledError):
                while True:
                    running.check()
                    await asyncio.sleep(1)
        return found


async def _played(running: Stage, day: Day, speed: float, console: Console, quiet: bool) -> Summary:
    bar = Progress(TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    columns = Progress(*bar.columns, console=console, transient=True)

    def show(alert: Alert) -> None:
        if not quiet:
            console.print(tell(alert), soft_wrap=True)

    watcher = Watcher(client(running.settings), PARTITIONS, show)
    backlog, slice_ms = Backlog(running.metrics), max(1000, round(speed * 1000 / SLICES_PER_SECOND))
    player = Player(client(running.settings), running.clock, speed, slice_ms, backlog.worked_off)
    await watcher.start()
    following = asyncio.gather(watcher.follow(), backlog.follow())
    try:
        with columns:
            task = columns.add_task("", total=day.end_ms - day.start_ms)

            def progress(moment: int) -> None:
                running.check()
                words = f"{to_time(moment):%a %H:%M}  {player.sent:,} records"
                columns.update(task, completed=moment - day.start_ms, description=words)

            await player.play(day.records(), day.end_ms, progress)
            columns.update(task, description="settling")
            await _settled(running)
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        while await watcher.read(500):
            pass
        await watcher.stop()
    rejects = [kept.reject for kept in await list_rejects(client(running.settings))]
    return summarise(day.truth, watcher.revisions, player.sent, rejects, await running.metrics())


async def _settled(running: Stage) -> None:
    """Waits until the worker has heard every channel up to now and has nothing left to read. Raises DemoError."""
    try:
        async with asyncio.timeout(SETTLE_TIMEOUT_S):
            while True:
                running.check()
                metrics = await running.metrics()
                behind = metrics.get("handoff_feed_behind_seconds", [])
                if (
                    len(behind) == len(running.tables.feeds())
                    and max(behind) <= 0
                    and not any(metrics.get("handoff_lag_records", []))
                ):
                    return
                await asyncio.sleep(0.2)
    except TimeoutError:
        raise DemoError(f"the worker did not catch up within {SETTLE_TIMEOUT_S:g} s of the day's end") from None
