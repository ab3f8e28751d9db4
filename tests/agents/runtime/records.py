"""Records that no broker has seen."""

from typing import NamedTuple


class Fake(NamedTuple):
    topic: str
    partition: int
    offset: int
    timestamp: int = 0
    key: bytes | None = None
