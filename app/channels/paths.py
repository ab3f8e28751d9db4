"""Where a value stands in a row: paths, alternatives, templates. Compiled once into closures over (element, row)."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

Find = Callable[[Any, Any], Any]
"""Element and row → the value found, or None. The element is the row itself, outside of `each`."""
_HOLE = re.compile(r"\{([^{}]+)\}")
_CHOSEN = re.compile(r"(.+)\[([^\[\]=]+)=([^\[\]]*)\]")
Key = str | tuple[str, str]
"""A key or an index; or a key and the text that it must be, of those elements of a list that are meant."""
ROOT = "$."
AROUND = "^"
"""The key under which an element within an element has the one around it."""


class BadPath(ValueError):
    """A path that cannot be one. The message says what it was and what is allowed."""


def finder(path: str, *, flat: bool, absent: Sequence[str]) -> Find:
    r"""Finds what a path leads to. In flat rows (CSV) a path is a column's name, else keys and list indexes joined by
    dots, `\.` being a dot inside a key; `list[key=text]` leaves those elements of a list whose key is that. `$.` begins
    at the row where the element is a part of it. Raises BadPath.
    """
    if "{" in path:
        return _template(path, flat=flat, absent=absent)
    rooted = path.startswith(ROOT)
    inner = path.removeprefix(ROOT)
    keys: list[Key] = [inner] if flat else list(keys_of(inner))
    missing = frozenset(absent)

    def find(element: Any, row: Any) -> Any:
        value = row if rooted else element
        for key in keys:
            value = step(value, key)
        if isinstance(value, str):
            value = value.strip()
            return None if value in missing else value
        return value

    return find


def holes(text: str) -> list[str]:
    """The paths in a template."""
    return _HOLE.findall(text)


def of_row(find: Find) -> Find:
    """The same path, beginning at the row even where the element is a part of it."""
    return lambda _element, row: find(row, row)


def elements(row: Any, each: Sequence[Find]) -> Sequence[Any]:
    """The elements of a list in a row, and of a list in each of these …; of no list, the row."""
    found: Sequence[Any] = (row,)
    for find in each:
        found = [inner for outer in found for inner in _inside(outer, find(outer, row), row)]
    return found


def _inside(outer: Any, found: Any, row: Any) -> Iterator[Any]:
    """The elements of a list within an element, which each of them knows as the one around it."""
    for inner in found if isinstance(found, list) else () if found is None else (found,):
        yield {**inner, AROUND: outer} if outer is not row and isinstance(inner, dict) else inner


def constant(value: Any) -> Find:
    """The same for every row."""
    return lambda _element, _row: value


def keys_of(path: str) -> Iterator[Key]:
    """The steps of a path in a row that is not flat."""
    for key in path.replace("\\.", "\0").split("."):
        plain = key.replace("\0", ".")
        chosen = _CHOSEN.fullmatch(plain)
        if chosen is None:
            yield plain
        else:
            yield from (chosen[1], (chosen[2], chosen[3]))


def step(value: Any, key: Key) -> Any:
    """One step into a value; None where it leads nowhere."""
    if isinstance(value, dict):
        return value.get(key)
    if not isinstance(value, list):
        return None
    if isinstance(key, tuple):
        name, text = key
        return [one for one in value if isinstance(one, dict) and name in one and as_text(one[name]) == text]
    if key.lstrip("-").isdigit():
        index = int(key)
        return value[index] if -len(value) <= index < len(value) else None
    return None


def _template(text: str, *, flat: bool, absent: Sequence[str]) -> Find:
    """`{VBELN}-{POSNR}`: absent unless all its holes are filled."""
    if set(_HOLE.sub("", text)) & {"{", "}"}:
        # Taken as text it would be the same for every row: an id of that kind would make all events one.
        raise BadPath(f'{text!r} is no template: allowed is text with paths in braces, such as "{{plant}}-{{no}}"')
    filled = [finder(hole, flat=flat, absent=absent) for hole in holes(text)]
    parts = _HOLE.split(text)[::2]

    def find(element: Any, row: Any) -> Any:
        values = [hole(element, row) for hole in filled]
        if any(value is None for value in values):
            return None
        texts = [as_text(value) for value in values]
        return "".join(part + value for part, value in zip(parts, [*texts, ""], strict=True))

    return find


def first_of(finds: Sequence[Find]) -> Find:
    """The first value that is present."""
    if len(finds) == 1:
        return finds[0]

    def find(element: Any, row: Any) -> Any:
        for one in finds:
            value = one(element, row)
            if value is not None:
                return value
        return None

    return find


def as_text(value: Any) -> str:
    """A value as the text it would be in a CSV."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
