"""Faust made fast and safe; knows nothing of handoffs. See README.md."""

from agents.runtime.app import RuntimeApp, make_app, wall_clock_ms
from agents.runtime.fatal import EXIT_FAILED
from agents.runtime.partition import partition_for
from agents.runtime.sending import OversizeError
from agents.runtime.settings import RuntimeSettings, changelog_topic
from agents.runtime.stateful import stateful
from agents.runtime.stateless import stateless
from agents.runtime.task import Header, Origin, Out, Reader, Record, Stage, Task, TaskFactory, Work
from agents.runtime.worker import run

__all__ = [
    "EXIT_FAILED",
    "Header",
    "Origin",
    "Out",
    "OversizeError",
    "Reader",
    "Record",
    "RuntimeApp",
    "RuntimeSettings",
    "Stage",
    "Task",
    "TaskFactory",
    "Work",
    "changelog_topic",
    "make_app",
    "partition_for",
    "run",
    "stateful",
    "stateless",
    "wall_clock_ms",
]
