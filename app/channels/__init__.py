"""A channel's own dialect → canonical events, or a refusal. How to write one: README.md beside this."""

from app.channels.outcome import Canonical, Outcome, Refused, Skipped
from app.channels.translate import FUTURE_MS, NEVER_MIND, Channels, canonical, customer_in, unreadable

__all__ = [
    "FUTURE_MS",
    "NEVER_MIND",
    "Canonical",
    "Channels",
    "Outcome",
    "Refused",
    "Skipped",
    "canonical",
    "customer_in",
    "unreadable",
]
