"""A channel's own dialect → canonical events, or a refusal. How to write one: README.md beside this."""

from app.channels.outcome import STAGES, Canonical, Outcome, Refused, Skipped, Stage
from app.channels.translate import FUTURE_MS, NEVER_MIND, Channels, canonical, customer_in, unreadable

__all__ = [
    "FUTURE_MS",
    "NEVER_MIND",
    "STAGES",
    "Canonical",
    "Channels",
    "Outcome",
    "Refused",
    "Skipped",
    "Stage",
    "canonical",
    "customer_in",
    "unreadable",
]
