"""What outlives the process: the cases of a journey and the clocks of a partition, as msgpack rows of one table.

Row keys are bytes: `length:customer NUL kind NUL id` for a case, `NUL journey NUL customer` for the list of the open
cases of a customer, `NUL page NUL number customer` for a page of it that was put by, `NUL closing NUL number` for a
piece of the queue of cases to be closed, and `NUL name` for what belongs to the partition itself.
"""

import msgspec

from schemas.alerts import Alert
from schemas.events import Payload

VERSION = 1

Due = tuple[str, int]
"""A clock (see `app.core.clocks`) and the moment on it (ms) that a case waits for."""


class Fact(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An event as a case remembers it: without the customer's identifiers. Facts order by time, then by id."""

    at: int
    """Event time, milliseconds since the epoch."""
    id: str
    source: str
    channel: str
    data: Payload
    origin: tuple[str, int, int] | None = None
    """Topic, partition and offset of the channel's own record."""


class Case(msgspec.Struct, array_like=True, gc=False):
    """All that is known of one subject of one customer. Only the engine changes it."""

    version: int = VERSION
    due: dict[str, list[Due]] = {}
    """Rule id → the moments at which it must look again, though nothing happens."""
    touched: int = 0
    """The greatest event time, ms, from which retention counts."""
    closing: int = -1
    """When all has been heard up to here (ms) the case is closed, unless it is to be kept for longer by then; negative
    before that was set."""
    facts: list[Fact] = []
    alerts: dict[str, Alert] = {}
    """Rule id and episode → the last revision emitted."""
    evicted: int = 0
    """How many facts the caps have taken."""
    forgotten: int = 0
    """Where any were taken: what is timed up to here (ms) has been given up, and is not taken in again."""
    heavy: bool = False
    """Whether any of its facts was of a size that makes it necessary to weigh them, and not only to count."""


class Closings(msgspec.Struct, array_like=True, gc=False):
    """A piece of the queue of cases to be closed."""

    version: int = VERSION
    cases: list[tuple[int, bytes]] = []
    """The moment (ms) and the row key of each, in the order in which they were put there."""


class Journey(msgspec.Struct, array_like=True, gc=False):
    """What is open of one customer, or a page of it: the kind and id of each case, in the order in which they were
    opened.
    """

    version: int = VERSION
    open: list[tuple[str, str]] = []
    number: int = 0
    """The number of the customer's last page, whose row this is."""
    older: list[int] = []
    """The numbers of the pages before it that are left."""


class Progress(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How far one partition of a channel's topic has been heard, as a tick says it and a partition remembers it."""

    channel: str
    topic: str
    partition: int
    partitions: int
    """How many partitions the topic has: a channel is heard as far as the least of them."""
    heard: int
    """Everything timed up to here (ms), less the channel's lateness, has been sent before this tick."""
    spoke: int | None = None
    """The greatest event time (ms) sent; none where no event was heard yet."""
    trusted: int = -1
    """How far what was heard counts for a channel with a patience, ms: whoever hears a tick reckons it, and the links
    pass on what they have reckoned."""


class Reached(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """How far a channel has come, ms. None of it ever goes back, whatever becomes of its topics and its lateness."""

    read_to: int = -1
    heard: int = -1
    trusted: int = -1
    mark: int = -1
    """Its watermark."""


class Journal(msgspec.Struct, array_like=True):
    """What an events partition knows besides its journeys."""

    version: int = VERSION
    progress: list[Progress] = []
    spoke: dict[str, int] = {}
    """Channel → when it last spoke, ms."""
    taken: dict[str, tuple[int, int]] = {}
    """Origin (`topic/partition`) → offset and index of the last record taken from it."""
    reached: dict[str, Reached] = {}
    """Channel → how far it has come."""
