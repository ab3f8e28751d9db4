"""What becomes of a record: canonical events, a refusal, or nothing."""

from typing import Any, Literal, get_args

import msgspec

from app.core.identity import Identifier
from schemas.codec import Event

Stage = Literal["decode", "dialect", "schema", "time", "size", "link"]
"""No JSON or CSV; a value does not fit its mapping; the event breaks its schema, is too far ahead, too large, or names
nobody."""
STAGES: tuple[Stage, ...] = get_args(Stage)


class Canonical(msgspec.Struct, frozen=True):
    """One canonical event, as bytes for the log and decoded for whoever runs in the same process."""

    customer: str | None
    """`data.customer.id`, where the channel knows it."""
    identifiers: tuple[Identifier, ...]
    """Whatever else leads to the customer, strongest first."""
    at: int
    """Event time, ms."""
    channel: str
    value: bytes
    """For the log: of the customer it holds no more than the id."""
    event: Event


class Refused(msgspec.Struct, frozen=True):
    """The record cannot be read. It gives no event at all, so that it can be sent again once the cause is mended."""

    stage: Stage
    reason: str


class Skipped(msgspec.Struct, frozen=True):
    """The record says nothing that the vocabulary has a word for."""

    reason: str


Outcome = Canonical | Refused | Skipped


class Unfit(ValueError):
    """A value that does not fit its mapping. The message names the field, the value and its place."""


def short(found: Any) -> str:
    """A value as a reason shows it."""
    text = repr(found)
    return text if len(text) <= 60 else text[:57] + "..."
