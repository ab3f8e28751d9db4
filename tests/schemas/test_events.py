"""The vocabulary: nothing that an event says is without bound."""

import json
from collections.abc import Iterator
from typing import Any, get_args, get_origin, get_type_hints

import msgspec
import pytest

from schemas.codec import Unreadable, decode_record, encode_event
from schemas.events import TYPES, Customer, Data, Line, OrderPlaced
from schemas.state import Fact

STRUCTS = (Customer, Line, *TYPES.values())


def hints_in(hint: Any) -> Iterator[Any]:
    """A hint and those within it; annotated ones are whole."""
    yield hint
    if get_origin(hint) is not None and not hasattr(hint, "__metadata__"):
        for inner in get_args(hint):
            yield from hints_in(inner)


def event(**changes: Any) -> bytes:
    """An order placed, some of its data replaced."""
    fact = Fact(1_772_442_000_123, "e1", "/web", "web", OrderPlaced("o1"))
    value = json.loads(encode_event(fact, {"id": "c1"}))
    return json.dumps({**value, "data": {**value["data"], **changes}}).encode()


@pytest.mark.parametrize("cls", STRUCTS)
def test_every_text_and_every_list_of_an_event_has_a_greatest_length(cls: type[Data]) -> None:
    hints = [inner for hint in get_type_hints(cls, include_extras=True).values() for inner in hints_in(hint)]
    assert str not in hints
    assert not [hint for hint in hints if get_origin(hint) is tuple]
    bounded = [hint for hint in hints if hasattr(hint, "__metadata__") and hint.__origin__ in (str, tuple)]
    assert all(any(meta.max_length for meta in hint.__metadata__ if isinstance(meta, msgspec.Meta)) for hint in bounded)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"location_id": "s" * 201}, "length <= 200 - at `$.data.location_id`"),
        ({"lines": [{"line_id": "1", "sku": "s" * 201}]}, "length <= 200 - at `$.data.lines[0].sku`"),
        ({"lines": [{"line_id": str(n)} for n in range(2001)]}, "length <= 2000 - at `$.data.lines`"),
    ],
)
def test_what_is_longer_cannot_be_read_and_the_reason_names_the_field(change: dict[str, Any], why: str) -> None:
    with pytest.raises(Unreadable) as raised:
        decode_record(event(**change))
    assert why in str(raised.value)


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-12:00"])
def test_a_promise_beyond_all_years_cannot_be_read_for_no_row_could_hold_it(moment: str) -> None:
    with pytest.raises(Unreadable, match="data"):
        decode_record(event(promised_to=moment))


@pytest.mark.parametrize("version", [2**64, -(2**63) - 1, 10**30])
def test_a_number_that_no_row_could_hold_cannot_be_read(version: int) -> None:
    value = json.loads(event())
    changed = {**value, "type": "profile.updated", "data": {"field": "name", "version": version}}
    with pytest.raises(Unreadable, match="data"):
        decode_record(json.dumps(changed).encode())
