"""Records that no broker has seen."""

from typing import NamedTuple


class Fake(NamedTuple):
    topic: str
    partition: int
    offset: int
    timestamp: int = 0
    key: bytes | None = None
    value: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


class Latin(str):
    """A header's name in another encoding than Kafka's."""

    def encode(self, *_: object) -> bytes:
        return str(self).encode("latin-1")
