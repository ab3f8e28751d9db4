"""A reject: the raw bytes of a record that could not be read, with the reason in headers named as Kafka Connect's.

The names are those of `DeadLetterQueueReporter` of Apache Kafka; values are UTF-8 text.
"""

from collections.abc import Iterable
from typing import Self

import msgspec

PREFIX = "__connect.errors."
_NAMES = {
    "topic": "topic",
    "partition": "partition",
    "offset": "offset",
    "stage": "stage",
    "kind": "exception.class.name",
    "reason": "exception.message",
}
TOO_LARGE = "TooLarge"
"""The kind of a reject that is kept without its bytes."""
HEADERS = tuple(PREFIX + name for name in _NAMES.values())


class Reject(msgspec.Struct, frozen=True):
    """Where a record came from, and why it was refused."""

    topic: str
    partition: int
    offset: int
    stage: str
    """What refused it: `decode`, `dialect`, `schema`, `time`, `size`, `link`, `detect`."""
    kind: str
    reason: str

    def to_headers(self) -> list[tuple[str, bytes]]:
        """The headers that go beside the record's own."""
        return [(PREFIX + name, str(getattr(self, field)).encode()) for field, name in _NAMES.items()]

    @classmethod
    def from_headers(cls, headers: Iterable[tuple[str, bytes | None]]) -> Self:
        """Reads headers of a record of the rejects' topic. Raises ValueError where they are none of a reject."""
        found = dict(headers)
        values = {field: (found.get(PREFIX + name) or b"").decode(errors="replace") for field, name in _NAMES.items()}
        try:
            return msgspec.convert(values, cls, strict=False)
        except msgspec.ValidationError as error:
            raise ValueError(f"these are no headers of a reject: {error}") from None


def own_headers(headers: Iterable[tuple[str, bytes | None]]) -> list[tuple[str, bytes | None]]:
    """The headers that the record had before it was refused."""
    return [(name, value) for name, value in headers if not name.startswith(PREFIX)]
