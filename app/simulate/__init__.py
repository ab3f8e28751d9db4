"""A retailer's day, made up from a seed: records of every channel, and the truth about what is broken in them."""

from app.simulate.day import Day, Sent
from app.simulate.noise import CANONICAL_LOG, LIVE, RECORDED, Style
from app.simulate.truth import Label, RuleScore, Score, Truth, check
from app.simulate.wire import tables

__all__ = [
    "CANONICAL_LOG",
    "LIVE",
    "RECORDED",
    "Day",
    "Label",
    "RuleScore",
    "Score",
    "Sent",
    "Style",
    "Truth",
    "check",
    "tables",
]
