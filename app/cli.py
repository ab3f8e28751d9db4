"""`handoff`: the commands that need no Kafka. The live ones are added by agents.cli."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

import app.rules
from app.channels import Channels
from app.config import ConfigError, Settings, load_settings, unready
from app.config.durations import format_duration
from app.config.files import write_toml
from app.core.rule import Rule
from app.house import docs
from app.house import rule as begin_rule
from app.memory import settle
from app.replay.command import Replaying, run
from app.replay.files import BadFile
from app.rules import RULES
from app.simulate.command import command as simulate

commands = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Finds broken handoffs between channels.",
)
ConfigOption = Annotated[Path | None, typer.Option("--config", help="handoff.toml; HANDOFF_* variables override it")]
ChannelsOption = Annotated[
    Path | None, typer.Option("--channels", help="channels.toml; else the one handoff.toml names")
]
_WIDE = 130
"""Columns of a table that goes to a file or a pipe."""


def console(columns: int = _WIDE, *, stderr: bool = False) -> Console:
    """A console that is so wide where it is no terminal, but a file or a pipe."""
    to = sys.stderr if stderr else sys.stdout
    return Console(stderr=stderr, width=None if to.isatty() else columns)


_out = console()
_err = console(stderr=True)


def fail(error: Exception | str) -> typer.Exit:
    """Says what is wrong on stderr; the exit code is 2."""
    sys.stderr.write(f"handoff: {error}\n")
    return typer.Exit(2)


@commands.command()
def replay(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Recordings, folders of them, or - for stdin")],
    *,
    channels: ChannelsOption = None,
    config: ConfigOption = None,
    mapped: Annotated[
        list[str] | None, typer.Option("--map", metavar="PATTERN=TOPIC", help="Which files are which topic's")
    ] = None,
    order: Annotated[
        Literal["time", "arrival"] | None,
        typer.Option(help="Sort all by time, or take all as it stands [default: by the kind of file]"),
    ] = None,
    rules: Annotated[str | None, typer.Option(help="Only these rules: H101,H107")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Stop at this moment, 2026-03-02T09:00:00Z")] = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Alerts as JSON lines [default: stdout]")] = None,
    summary: Annotated[Path | None, typer.Option(metavar="FILE", help="The summary as JSON")] = None,
    rejects: Annotated[Path | None, typer.Option(metavar="FILE", help="What could not be read, as JSON lines")] = None,
) -> None:
    """Runs the detector over recorded files: JSON lines, or JSON and CSV through a dialect of channels.toml."""
    try:
        settings, read = configured(config, channels)
        chosen = chosen_rules(rules)
        settle()
        run(Replaying(tuple(files), settings, read, mapped or [], order, chosen, until, out, summary, rejects), _err)
    except (ConfigError, BadFile) as error:
        raise fail(error) from None


def configured(config: Path | None, channels: Path | None) -> tuple[Settings, Channels | None]:
    """The settings, and the channels that are named or that stand where handoff.toml says. Raises ConfigError."""
    settings = load_settings(config)
    named = (config.parent if config is not None else Path()) / settings.channels
    said = "channels" in settings.model_fields_set
    if channels is None and (said or (config is not None and named.is_file())):
        channels = named
    if channels is None:
        return settings, None
    return settings, Channels.load(channels, settings.links.identities())


def configured_live(config: Path | None, channels: Path | None) -> tuple[Settings, Channels]:
    """The same for a worker, which needs its channels and whatever keeps them safe. Raises ConfigError."""
    settings, read = configured(config, channels)
    if read is None:
        raise ConfigError("which topics? Name a channels.toml with --channels, or in handoff.toml (`channels = ...`)")
    if problems := unready(settings, read.tables):
        raise ConfigError("\n".join(problems))
    return settings, read


def chosen_rules(names: str | None) -> tuple[Rule, ...]:
    """The rules of these ids or names, separated by commas; all where none is named. Raises ConfigError."""
    return RULES if names is None else tuple(_rule(name.strip()) for name in names.split(","))


def _rule(name: str) -> Rule:
    for rule in RULES:
        if name.lower() in (rule.id.lower(), rule.name):
            return rule
    raise ConfigError(f"{name!r} is no rule; there are {', '.join(rule.id for rule in RULES)}")


@commands.command("rules")
def list_rules(config: ConfigOption = None) -> None:
    """Lists the rules with the windows that are in force."""
    try:
        of = load_settings(config).rule_settings()
    except ConfigError as error:
        raise fail(error) from None
    table = Table("id", "name", "severity", "about", "within", "for", box=None, pad_edge=False)
    for rule in RULES:
        given = of.get(rule.id)
        table.add_row(rule.id, rule.name, rule.severity, rule.about, _window(rule, given), rule.audience)
    _out.print(table)


def _window(rule: Rule, given: Any) -> str:
    if given is not None and not given.enabled:
        return "off"
    own = {} if given is not None and given.within is not None else dict(rule.by_channel)
    within = given.within if given is not None and given.within is not None else rule.within
    special = {**own, **given.channels, **given.locations} if given is not None else own
    parts = [format_duration(within)] if within else []
    return ", ".join([*parts, *(f"{name} {format_duration(ms)}" for name, ms in special.items())])


@commands.command()
def explain(rule: Annotated[str, typer.Argument(help="Its id or name: H101, order-not-visible")]) -> None:
    """Shows a rule's page: what it detects, why it matters, its blind spots, what to do, and its scenarios."""
    try:
        name = _rule(rule).name
    except ConfigError as error:
        raise fail(error) from None
    page = (Path(app.rules.__file__).parent / f"{name.replace('-', '_')}.md").read_text(encoding="utf-8")
    if _out.is_terminal:
        _out.print(Markdown(page))
    else:
        sys.stdout.write(page)


@commands.command("config")
def show_config(config: ConfigOption = None, channels: ChannelsOption = None) -> None:
    """Prints the configuration in force as TOML, secrets masked."""
    try:
        settings, read = configured(config, channels)
    except ConfigError as error:
        raise fail(error) from None
    sys.stdout.write(write_toml(settings.model_dump(mode="json")))
    if read is not None:
        topics = {name: topic.model_dump(mode="json") for name, topic in read.tables.topics.items()}
        sys.stdout.write("\n" + write_toml({"topics": topics}))
        for problem in unready(settings, read.tables):
            sys.stderr.write(f"no worker may run on this, only a replay: {problem}\n")


commands.command("simulate")(simulate)
commands.command("rule", rich_help_panel="For this project itself")(begin_rule)
commands.command("docs", rich_help_panel="For this project itself")(docs)


def main() -> None:
    """The entry point of `python -m app`."""
    commands(prog_name="handoff")


__all__ = ["ChannelsOption", "ConfigOption", "chosen_rules", "commands", "configured_live", "fail", "main"]
