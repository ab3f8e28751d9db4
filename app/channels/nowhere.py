"""Which paths of a dialect of JSON lead nowhere in all of a recording: one that is misspelt is as good as absent, and
what is optional silently so.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from app.channels.columns import of_event, of_table, paths_in
from app.channels.paths import AROUND, ROOT, Find, Key, elements, finder, keys_of, step
from app.config.channels import DialectTable, EventTable

_SHOWN = 20


class _Sought(NamedTuple):
    """A path, not found yet: the key that names it, and the lists whose elements it begins at."""

    key: str
    path: str
    each: Sequence[Find]
    steps: Sequence[Key]


class Nowhere:
    """Looks for what a dialect names in row after row. A path into a list that is empty may still be right."""

    def __init__(self, table: DialectTable) -> None:
        self.sought = [
            _Sought(
                key,
                path,
                () if path.startswith(ROOT) else [finder(one, flat=False, absent=table.absent) for one in lists],
                list(keys_of(path.removeprefix(ROOT))),
            )
            for key, path, lists in dict.fromkeys(_paths(table))
        ]
        self._there: dict[tuple[str, str], Collection[str]] = {}

    def look(self, row: Any) -> None:
        """Of a row, as JSON reads it."""
        self.sought = [one for one in self.sought if not self._is_in(one, row)]

    def _is_in(self, one: _Sought, row: Any) -> bool:
        for element in elements(row, one.each):
            found, there = _followed(element, one.steps)
            if found:
                return True
            if there:
                self._there.setdefault((one.key, one.path), there)
        return False

    @property
    def said(self) -> list[str]:
        """What is to be said of paths that no row has."""
        found = ((one.key, one.path, self._there.get((one.key, one.path))) for one in self.sought)
        return [
            f"{key} names {path!r}, and no row has it; there are {', '.join(sorted(there)[:_SHOWN])}"
            for key, path, there in found
            if there
        ]


def _paths(table: DialectTable) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    for key, spec in of_table("customer", table.customer):
        yield from ((key, path, ()) for path in paths_in(spec))
    for number, event in enumerate(table.events):
        where = f"events.{number}"
        for depth, path in enumerate(event.each):
            yield f"{where}.each", path, event.each[:depth]
        for key, spec in of_event(where, event):
            yield from ((key, path, event.each + _lines(event, where, key)) for path in paths_in(spec))


def _lines(event: EventTable, where: str, key: str) -> tuple[str, ...]:
    """The list of lines whose elements a source of a line begins at."""
    lines = event.data.get("lines")
    of_line = key.startswith(f"{where}.data.lines.") and key != f"{where}.data.lines.each"
    return (lines["each"],) if of_line and isinstance(lines, Mapping) and "each" in lines else ()


def _followed(value: Any, steps: Sequence[Key]) -> tuple[bool, Collection[str]]:
    """Whether the path is there to its end, be that null; else the keys that are where it leads no further."""
    for key in steps:
        if isinstance(value, dict):
            if key not in value:
                return False, value.keys() - {AROUND}
            value = value[key]
        else:
            value = step(value, key)
            if value is None:
                return False, ()
    return True, ()
