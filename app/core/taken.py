"""What was taken of the channels' own records: whatever sends one again, it has its effect once."""

from collections.abc import MutableMapping

Position = tuple[int, int]
"""Offset in the origin partition, and index among the events of that one record."""
_NOTHING = (-1, -1)


def take(
    taken: MutableMapping[str, Position], origin: tuple[str, int] | tuple[str, int, int] | None, position: Position
) -> bool:
    """Whether it stands above all that was taken of its origin (topic and partition), as it does from now on; without
    an origin, always.
    """
    if origin is None:
        return True
    name = f"{origin[0]}/{origin[1]}"
    if position <= taken.get(name, _NOTHING):
        return False
    taken[name] = position
    return True
