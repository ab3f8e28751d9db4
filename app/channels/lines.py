"""The lines of an order or a package: a list inside the row, or the row itself as the one line it is."""

from collections.abc import Sequence
from typing import Any

from app.channels.outcome import Unfit
from app.channels.paths import Find, finder
from app.channels.values import Field, fields_of, value
from app.config.channels import DialectTable
from app.config.errors import ConfigError
from schemas.events import Line

_FIELDS = {field: Field.of(Line, field) for field in fields_of(Line)}


def lines(spec: Any, dialect: DialectTable, where: str) -> Find:
    """Compiles `{ each = "items", line_id = "no", sku = "sku", quantity = "qty" }`; without `each`, the row (or the
    element) is a single line. Raises ConfigError.
    """
    if not isinstance(spec, dict):
        raise ConfigError(f'{where} is {spec!r}: allowed is a table such as {{ each = "items", line_id = "no" }}')
    spec = dict(spec)
    each = spec.pop("each", None)
    if each is not None and (dialect.format == "csv" or not isinstance(each, str)):
        raise ConfigError(f"{where}.each is {each!r}: allowed is the path of a list, and only in JSON")
    if unknown := sorted(spec.keys() - _FIELDS.keys()):
        raise ConfigError(f"{where}.{unknown[0]} is not known; allowed here: each, {', '.join(_FIELDS)}")
    if "line_id" not in spec:
        raise ConfigError(f"{where}.line_id is missing: every line needs one")
    fields = [(name, value(of, _FIELDS[name], dialect, f"{where}.{name}")) for name, of in spec.items()]
    if each is None:
        return lambda element, row: _one(fields, element, row)
    return _many(finder(each, flat=False, absent=dialect.absent), fields)


def _one(fields: Sequence[tuple[str, Find]], element: Any, row: Any) -> list[dict[str, Any]] | None:
    """A row whose line id is absent has no line."""
    line = {name: found for name, find in fields if (found := find(element, row)) is not None}
    return [line] if "line_id" in line else None


def _many(each: Find, fields: Sequence[tuple[str, Find]]) -> Find:
    def many(element: Any, row: Any) -> Any:
        parts = each(element, row)
        if parts is None:
            return None
        if not isinstance(parts, list):
            raise Unfit("lines: `each` leads to no list")
        found = [line for part in parts for line in _one(fields, part, row) or ()]
        if len(found) < len(parts):
            raise Unfit("lines: an element has no line_id")
        return found

    return many
