"""How long, how often and how many at most: the bounds of a links partition."""

import msgspec

_DAY = 86_400_000


class LinkLimits(msgspec.Struct, frozen=True):
    """How long, how often and how many at most."""

    wait_ms: int = 15 * 60_000
    """How long an event waits for its link."""
    hold_ms: int = 60_000
    """How far beyond an event that waits all live channels must have been heard for its channel's clock to go on."""
    every_ms: int = 1
    """How far a channel must have moved before all are told of it."""
    retention_ms: int = 30 * _DAY
    """An identifier is forgotten this long after it was last used, or up to a day sooner."""
    customers: int = 3
    """To how many customers an identifier may lead."""
    orders: int = 12
    """To how many orders a parcel may lead: a business customer's holds several, and one of very many is none."""
    kin: int = 16
    """How many identifiers named beside it an identifier remembers."""
    parked_each: int = 100
    """How many events of one identifier may wait."""
    parked: int = 10_000
    """How many events of one partition may wait."""
