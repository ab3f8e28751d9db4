"""The composition root of the live shell: settings in, a worker out. The `faust.App` of Faust's idiom is made here."""

import logging
import sys
from collections.abc import Callable
from typing import Annotated, Any
from weakref import WeakValueDictionary

import structlog
import typer

from agents import detect, ingest, link
from agents.clock import Now
from agents.connection import runtime_settings
from agents.detect import Detect
from agents.ingest import Ingest
from agents.link import Linker
from agents.metrics import HandoffCollector
from agents.oversize import too_large
from agents.preflight import problems
from agents.processes import environment_of, run_all
from agents.runtime import RuntimeApp, RuntimeSettings, make_app, run, stateful, stateless, wall_clock_ms
from agents.runtime.task import Reader, TaskFactory
from agents.seldom import Seldom
from agents.ticker import Ticker
from app.channels import Channels
from app.cli import ChannelsOption, ConfigOption, configured_live, fail
from app.compose import detector
from app.config import ChannelTables, ConfigError, Settings
from app.core.counts import Counts, LinkCounts
from app.core.links import LinksPartition, with_links
from app.core.room import IDENTITIES, Room
from app.memory import settle
from app.rules import RULES
from schemas.topics import EVENTS, LINKS

EXIT_UNREADY = 3
"""The process ended because the topics are not as they must be."""


def build(settings: Settings, tables: ChannelTables, runtime: RuntimeSettings, now: Now = wall_clock_ms) -> RuntimeApp:
    """A worker of these settings, not yet running."""
    app = make_app(runtime, now)
    stage = ingest_stage(settings, tables, now)
    stateless(app, ingest.NAME, list(tables.topics), stage, oversize=too_large)
    linked = LinkCounts()
    stateful(app, link.NAME, LINKS.name, link.TABLE, linkers(settings, tables, linked), oversize=too_large)
    counts = Counts()
    detecting = detector(RULES, with_links(tables.feeds()), settings.rule_settings(), settings.core_limits())
    tasks: WeakValueDictionary[int, Detect] = WeakValueDictionary()

    def task(partition: int, read: Reader) -> Detect:
        tasks[partition] = made = Detect(partition, read, detecting, counts)
        return made

    stateful(app, detect.NAME, EVENTS.name, detect.TABLE, task, oversize=too_large)
    app.metrics.register(HandoffCollector(counts, lambda: list(tasks.values()), stage, linked, tables=tables, now=now))
    return app


def ingest_stage(settings: Settings, tables: ChannelTables, now: Now) -> Ingest:
    """The stage over all channel topics."""
    channels_of = {name: tables.channels_of(name) for name in tables.topics}
    ticker = Ticker(channels_of, settings.worker.partitions, now)
    return Ingest(Channels(tables, settings.links.identities()), ticker, now)


def linkers(settings: Settings, tables: ChannelTables, counts: LinkCounts) -> TaskFactory:
    """What makes the tasks of the links partitions."""
    partitions, feeds, limits = settings.worker.partitions, tables.feeds(), settings.links.core_limits()
    room = Room(IDENTITIES)

    def make(partition: int, read: Reader) -> LinksPartition:
        return LinksPartition(partition, partitions, feeds, read, limits=limits, counts=counts, room=room)

    return lambda partition, read: Linker(partition, read, make, {EVENTS.name: partitions, LINKS.name: partitions})


def work(
    settings: Settings,
    tables: ChannelTables,
    *,
    now: Now = wall_clock_ms,
    adjust: Callable[[RuntimeSettings], RuntimeSettings] = lambda runtime: runtime,
) -> int:
    """Checks the topics, then runs a worker in this process until it is told to stop; returns its exit code."""
    log_lines()
    wrong = problems(settings, tables)
    if wrong:
        for problem in wrong:
            sys.stderr.write(f"{problem}\n")
        sys.stderr.write("The worker takes no work until this is mended.\n")
        return EXIT_UNREADY
    built = build(settings, tables, adjust(runtime_settings(settings)), now)
    settle()
    return run(built)


def log_lines() -> None:
    """One JSON object on standard error for each thing that happens, never with a customer's data."""
    shared: list[Any] = [structlog.stdlib.add_log_level, structlog.processors.TimeStamper(fmt="iso", utc=True)]
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.EventRenamer("message"),
                structlog.processors.JSONRenderer(),
            ],
            foreign_pre_chain=[*shared, structlog.stdlib.add_logger_name, structlog.processors.format_exc_info],
        )
    )
    handler.addFilter(Seldom())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in ("faust", "mode", "aiokafka"):
        logging.getLogger(name).setLevel(logging.WARNING)


commands = typer.Typer(add_completion=False)


@commands.command()
def worker(
    config: ConfigOption = None,
    channels: ChannelsOption = None,
    processes: Annotated[
        int, typer.Option(min=1, help="How many workers, each a process that uses one core; they share the partitions")
    ] = 1,
) -> None:
    """Runs one worker, or several: ingest, link and detect."""
    try:
        settings, read = configured_live(config, channels)
        if processes == 1:
            raise typer.Exit(work(settings, read.tables))
    except ConfigError as error:
        raise fail(error) from None
    given = {"--config": config, "--channels": channels}
    options = [word for name, path in given.items() if path is not None for word in (name, str(path))]
    raise typer.Exit(
        run_all(
            [sys.executable, "-m", "agents.cli", "worker", *options],
            [environment_of(settings, number) for number in range(processes)],
        )
    )
