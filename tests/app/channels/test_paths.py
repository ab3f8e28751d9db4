"""Paths: where a value stands in a row."""

from typing import Any

import pytest

from app.channels.paths import finder

ROW = {
    "links": [
        {"to": "p1", "as": "parcel"},
        {"to": "o1", "as": "order"},
        {"to": "p2", "as": "parcel"},
        "stray",
        {"as": None},
    ],
    "fields": [{"id": 17, "value": {"name": "x"}}, {"id": "a.b", "value": "dotted"}],
    "odd[key]": "y",
}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("links[as=order].0.to", "o1"),
        ("links[as=parcel].-1.to", "p2"),
        ("links[as=parcel]", [ROW["links"][0], ROW["links"][2]]),
        ("links[as=nothing].0.to", None),
        ("fields[id=17].0.value.name", "x"),
        (r"fields[id=a\.b].0.value", "dotted"),
        ("nowhere[as=order].0.to", None),
        ("odd[key]", "y"),
        ("{links[as=order].0.to}/{links[as=parcel].0.to}", "o1/p1"),
    ],
)
def test_elements_of_a_list_are_chosen_by_what_they_say(path: str, expected: Any) -> None:
    assert finder(path, flat=False, absent=[""])(ROW, ROW) == expected


def test_brackets_in_the_name_of_a_column_are_part_of_it() -> None:
    row = {"links[as=order]": "o1"}

    assert finder("links[as=order]", flat=True, absent=[""])(row, row) == "o1"
