"""Paths of a dialect that no row of a recording has."""

from typing import Any

import pytest

from app.channels.nowhere import Nowhere
from app.config.channels import DialectTable

ROW = {
    "no": 1,
    "at": "2026-03-02T09:00:00Z",
    "who": {"ref": "c1", "mail": None},
    "parcels": [
        {"id": "p1", "items": [{"pos": 1, "sku": "tv"}], "scans": [{"at": "2026-03-02T10:00:00Z"}]},
        {"id": "p2", "items": [], "scans": [], "note": "x"},
    ],
    "returns": [],
}
PLACED = {"type": "order.placed", "time": "at", "data": {"order_id": "no"}}
PACKED = {"type": "fulfilment.completed", "each": "parcels", "time": "$.at", "data": {"order_id": "$.no"}}
SCANNED = {"type": "parcel.accepted", "each": ["parcels", "scans"], "time": "at", "data": {"package_id": "^.id"}}


def said(*rows: Any, customer: dict[str, Any] | None = None, **event: Any) -> list[str]:
    of = {"format": "json", "customer": customer or {}, "events": [event or PLACED]}
    nowhere = Nowhere(DialectTable.model_validate(of))
    for row in rows:
        nowhere.look(row)
    return nowhere.said


@pytest.mark.parametrize(
    "event",
    [
        PLACED,
        PLACED | {"data": {"order_id": "{no}-{who.ref}", "location_id": {"path": ["who.mail", "at"]}}},
        PACKED | {"data": {"order_id": "$.no", "package_id": "id", "node": "note"}},
        PACKED | {"data": {"order_id": "$.no", "lines": {"each": "items", "line_id": "pos", "sku": "sku"}}},
        PLACED | {"data": {"order_id": "no", "lines": {"each": "parcels", "line_id": "id"}}},
        PLACED | {"data": {"order_id": "no", "location_id": "parcels[id=p2].0.note"}},
        PLACED | {"type": {"path": "who.ref", "table": {"c1": "order.placed"}}, "when": {"who.mail": False}},
        SCANNED,
    ],
)
def test_what_some_row_has_somewhere_is_found_be_it_null(event: dict[str, Any]) -> None:
    assert said({}, ROW, **event) == []


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (
            PLACED | {"data": {"order_id": "no", "location_id": "who.store"}},
            "events.0.data.location_id names 'who.store', and no row has it; there are mail, ref",
        ),
        (
            PLACED | {"id": "{no}-{version}"},
            "events.0.id names 'version', and no row has it; there are at, no, parcels, returns, who",
        ),
        (
            PLACED | {"when": {"state": "new"}},
            "events.0.when.state names 'state', and no row has it; there are at, no, parcels, returns, who",
        ),
        (
            PACKED | {"each": "packages"},
            "events.0.each names 'packages', and no row has it; there are at, no, parcels, returns, who",
        ),
        (
            PACKED | {"data": {"order_id": "$.no", "lines": {"each": "items", "line_id": "pos", "sku": "article"}}},
            "events.0.data.lines.sku names 'article', and no row has it; there are pos, sku",
        ),
        (
            PACKED | {"data": {"order_id": "no"}},
            "events.0.data.order_id names 'no', and no row has it; there are id, items, scans",
        ),
        (
            SCANNED | {"data": {"package_id": "^.number"}},
            "events.0.data.package_id names '^.number', and no row has it; there are id, items, scans",
        ),
    ],
)
def test_what_no_row_has_is_told_with_what_there_is(event: dict[str, Any], words: str) -> None:
    assert said(ROW, ROW, **event) == [words]


def test_identifiers_of_the_dialect_begin_at_the_row() -> None:
    assert said(ROW, customer={"id": "who.ref", "email": "who.email"}, **PACKED) == [
        "customer.email names 'who.email', and no row has it; there are mail, ref"
    ]


@pytest.mark.parametrize("path", ["returns", "returns.0.why", "who.mail.domain", "no.text"])
def test_what_is_empty_may_hold_it_at_another_time(path: str) -> None:
    assert said(ROW, **PLACED | {"data": {"order_id": "no", "location_id": path}}) == []


def test_without_rows_there_is_nothing_to_say() -> None:
    assert said() == []
