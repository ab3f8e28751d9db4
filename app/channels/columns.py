"""Which columns a dialect of CSV names: one that is misspelt is never found, and what is optional silently absent."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.channels.paths import ROOT, holes
from app.config.channels import DialectTable, EventTable


def named_by(table: DialectTable) -> Mapping[str, str]:
    """Column → the key, within the dialect, that names it first."""
    found: dict[str, str] = {}
    for key, spec in _sources(table):
        for path in paths_in(spec):
            found.setdefault(path.removeprefix(ROOT), key)
    return found


def unknown(table: DialectTable, header: Sequence[str]) -> list[str]:
    """What is to be said of columns that the dialect names and the header has not."""
    there = ", ".join(header)
    return [
        f"{key} names the column {column!r}, and there is none; there are {there}"
        for column, key in named_by(table).items()
        if column not in header
    ]


def _sources(table: DialectTable) -> Iterator[tuple[str, Any]]:
    yield from of_table("customer", table.customer)
    for number, event in enumerate(table.events):
        yield from of_event(f"events.{number}", event)


def of_event(where: str, event: EventTable) -> Iterator[tuple[str, Any]]:
    """Key → source, of all the sources of an event but its `each`."""
    yield from of_table(f"{where}.when", {path: path for table in event.when for path in table})
    for key, spec in (("type", event.type), ("channel", event.channel)):
        if isinstance(spec, dict):
            yield f"{where}.{key}", spec
    yield f"{where}.time", event.time
    for key, text in (("id", event.id), ("source", event.source)):
        if text is not None and (key == "id" or "{" in text):
            yield f"{where}.{key}", text
    yield from of_table(f"{where}.customer", event.customer or {})
    yield from of_table(f"{where}.data", event.data)


def of_table(where: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Key → source, of a table of sources."""
    for key, spec in table.items():
        if isinstance(spec, dict) and not {"path", "value"} & spec.keys():  # lines: a table of sources
            yield from of_table(f"{where}.{key}", spec)
        else:
            yield f"{where}.{key}", spec


def paths_in(spec: Any) -> Iterator[str]:
    """The paths, in templates too, that a source names."""
    if isinstance(spec, dict):
        spec = spec.get("path", ())
    for path in (spec,) if isinstance(spec, str) else spec if isinstance(spec, list | tuple) else ():
        yield from holes(path) if "{" in path else (path,)
