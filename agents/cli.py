"""`handoff`: all commands. Those that need Kafka are imported when they are called, so the others work without it."""

import sys
from importlib import import_module

import typer

from app.cli import commands

LIVE = {
    "demo": ("agents.demo.command", "Runs real workers on an embedded broker, with a simulated day of a retailer."),
    "worker": ("agents.worker", "Runs one worker, or several: ingest, link and detect."),
    "topics": (
        "agents.topics",
        "Lists the detector's own topics as they must be, and declares those that are missing.",
    ),
    "preflight": ("agents.preflight", "Checks brokers, topics and settings before a worker takes work."),
    "rejects": ("agents.rejects", "Lists, shows and replays what could not be read."),
}
"""Command → the module whose `commands` (a Typer) it is, and what it does."""
_OF_THE_LIVE_PART = {"faust", "aiokafka", "confluent_kafka", "rocksdict", "cramjam", "uvloop", "structlog"}
_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


def _add(name: str, module: str, words: str) -> None:
    def call(ctx: typer.Context) -> None:
        _commands(name, module)(args=ctx.args, prog_name=f"handoff {name}")

    commands.command(name, help=words, context_settings=_PASSED_ON, rich_help_panel="Live")(call)


def _commands(name: str, module: str) -> typer.Typer:
    try:
        found: typer.Typer = import_module(module).commands
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _OF_THE_LIVE_PART and missing != "prometheus_client":
            raise
        sys.stderr.write(f"handoff {name} needs {missing}: pip install 'handoff-detector[live]'\n")
        raise typer.Exit(2) from None
    return found


for _name, (_module, _words) in LIVE.items():
    _add(_name, _module, _words)


def main() -> None:
    """The entry point of `handoff`."""
    commands(prog_name="handoff")


if __name__ == "__main__":
    main()
