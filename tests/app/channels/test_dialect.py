"""Dialects: what each word of a mapping does to a row, and what is said of a mapping that is wrong."""

from typing import Any

import msgspec
import orjson
import pytest

from app.channels import Canonical, Channels, Refused, Skipped
from app.config import ConfigError, parse_channels
from schemas.codec import to_time

NOW = 4_000_000_000_000
PLACED: dict[str, Any] = {"type": "order.placed", "time": "at", "data": {"order_id": "no"}}


def compiled(event: dict[str, Any] | list[dict[str, Any]], **dialect: Any) -> Channels:
    events = event if isinstance(event, list) else [event]
    table = {"format": "json", "zone": "UTC", "events": events, **dialect}
    return Channels(
        parse_channels({"topics": {"t": {"channel": "web", "dialect": "d"}}, "dialects": {"d": table}}, "f")
    )


def outcomes(channels: Channels, **row: Any) -> list[Any]:
    return list(channels.translate("t", orjson.dumps(row), (), ("t", 0, 5), NOW))


def given(channels: Channels, **row: Any) -> dict[str, Any]:
    """The data of the one event of a row."""
    found = outcomes(channels, **{"no": "o1", "at": "2026-03-02T09:00:00Z", **row})
    assert len(found) == 1
    assert isinstance(found[0], Canonical), found
    return {k: v for k, v in msgspec.to_builtins(found[0].event.fact.data).items() if k not in ("type", "order_id")}


def moment(source: Any, **dialect: Any) -> str:
    """When the event of a row happened that says 2026-03-02 09:00."""
    found = outcomes(compiled({**PLACED, "time": source}, **dialect), no="o1", at="2026-03-02 09:00:00", day="20260302")
    assert isinstance(found[0], Canonical), found
    return to_time(found[0].at).isoformat()


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("place", "s1"),
        ("deep.list.1.name", "b"),
        (r"dotted\.key", "d"),
        ("{place}-{no}", "s1-o1"),
        ("{place}-{nowhere}", None),
        (["nowhere", "place"], "s1"),
        ({"value": "s9"}, "s9"),
        ({"path": "place", "table": {"s1": "store 1"}}, "store 1"),
        ({"path": "place", "table": {"s2": "store 2"}}, None),
        ({"path": "place", "table": {"s2": "store 2", "*": "other"}}, "other"),
        ({"path": "nowhere", "default": "s0"}, "s0"),
        ({"path": "text", "match": r"store (\w+)"}, "s7"),
        ({"path": "text", "match": r"shop (\w+)"}, None),
        ({"path": ["nowhere", "number"]}, "12"),
        ("empty", None),
        ("whole", "3"),
        ("yes", "true"),
    ],
)
def test_a_source_gives_the_value(source: Any, value: str | None) -> None:
    channels = compiled({**PLACED, "data": {"order_id": "no", "location_id": source}})
    row = {
        "place": " s1 ",
        "deep": {"list": [{"name": "a"}, {"name": "b"}]},
        "dotted.key": "d",
        "text": "to store s7!",
        "number": 12,
        "whole": 3.0,
        "empty": "",
        "yes": True,
    }

    assert given(channels, **row).get("location_id") == value


@pytest.mark.parametrize(
    ("source", "dialect", "expected"),
    [
        ("at", {}, "2026-03-02T09:00:00+00:00"),
        ("at", {"zone": "Europe/Berlin"}, "2026-03-02T08:00:00+00:00"),
        ({"path": "at", "zone": "America/New_York"}, {}, "2026-03-02T14:00:00+00:00"),
        ({"path": "at", "offset": "-1h30m"}, {}, "2026-03-02T07:30:00+00:00"),
        ({"path": "at", "offset": "+3d"}, {}, "2026-03-05T09:00:00+00:00"),
        ({"path": "at", "day": "start"}, {"zone": "Europe/Berlin"}, "2026-03-01T23:00:00+00:00"),
        ({"path": "at", "day": "end"}, {"zone": "Europe/Berlin"}, "2026-03-02T22:59:59.999000+00:00"),
        ({"path": "day", "format": "%Y%m%d"}, {}, "2026-03-02T00:00:00+00:00"),
        ("day", {"time": ["%d.%m.%Y", "%Y%m%d"]}, "2026-03-02T00:00:00+00:00"),
        ("{day} 10", {"time": "%Y%m%d %H"}, "2026-03-02T10:00:00+00:00"),
        ({"value": 1772442000, "format": "epoch-s"}, {}, "2026-03-02T09:00:00+00:00"),
        ({"value": "1772442000250", "format": "epoch-ms"}, {}, "2026-03-02T09:00:00.250000+00:00"),
    ],
)
def test_a_time_is_read_in_its_format_and_zone(source: Any, dialect: dict[str, Any], expected: str) -> None:
    assert moment(source, **dialect) == expected


def test_the_end_of_a_day_on_which_the_clocks_change_is_the_end_of_that_day() -> None:
    channels = compiled({**PLACED, "time": {"path": "at", "day": "end"}}, zone="Europe/Berlin", time="%Y-%m-%d")
    found = outcomes(channels, no="o1", at="2026-03-29")

    assert to_time(found[0].at).isoformat() == "2026-03-29T21:59:59.999000+00:00"


def test_a_time_is_shifted_first_and_its_day_is_that_which_it_comes_to() -> None:
    until = {"path": "at", "offset": "+2d", "day": "end"}
    channels = compiled({**PLACED, "time": until}, zone="Europe/Berlin", time="%Y-%m-%d %H:%M")
    found = outcomes(channels, no="o1", at="2026-10-24 09:00")  # the clocks go back in the night after

    assert to_time(found[0].at).isoformat() == "2026-10-26T22:59:59.999000+00:00"


def test_milliseconds_written_as_text_are_no_iso_time() -> None:
    channels = compiled(PLACED, time=["rfc3339", "epoch-ms"])
    found = outcomes(channels, no="o1", at="1772442000250")

    assert to_time(found[0].at).isoformat() == "2026-03-02T09:00:00.250000+00:00"


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"state": True}, True),
        ({"gone": True}, False),
        ({"gone": False}, True),
        ({"state": "new"}, True),
        ({"state": ["old", "new"]}, True),
        ({"state": "old"}, False),
        ({"state": {"not": ["old", "older"]}}, True),
        ({"state": {"not": "new"}}, False),
        ({"state": {"matches": "^n"}}, True),
        ({"count": {"above": 1, "below": 3}}, True),
        ({"count": {"above": 2}}, False),
        ({"state": {"above": 2}}, False),
        ({"paid": {"is": True}}, True),
        ({"paid": {"is": False}}, False),
        ({"open": True}, False),
        ({"open": False}, True),
        ({"open": {"present": True}}, True),
        ({"state": "new", "count": 3}, False),
        ([{"state": "old"}, {"count": 2}], True),
    ],
)
def test_a_condition_holds_or_does_not(condition: Any, holds: bool) -> None:
    channels = compiled({**PLACED, "when": condition})

    found = outcomes(channels, no="o1", at="2026-03-02T09:00:00Z", state="new", count=2, paid=True, open=False)

    assert isinstance(found[0], Canonical if holds else Skipped)


@pytest.mark.parametrize(("text", "holds"), [("2,000", True), ("0,000", False), ("1.500,5", True), ("none", False)])
def test_a_condition_reads_numbers_as_the_dialect_writes_them(text: str, holds: bool) -> None:
    channels = compiled({**PLACED, "when": {"count": {"above": 0.5, "below": 2000}}}, decimal=",")

    found = outcomes(channels, no="o1", at="2026-03-02T09:00:00Z", count=text)

    assert isinstance(found[0], Canonical if holds else Skipped)


def test_lists_within_lists_give_their_elements_and_each_knows_the_one_around_it() -> None:
    scan = {
        "type": "parcel.accepted",
        "each": ["shipments", "scans"],
        "when": {"kind": "in"},
        "time": "at",
        "data": {"order_id": "$.no", "tracking_id": "^.label"},
    }
    scans = [{"kind": "in", "at": "2026-03-02T09:00:00Z"}, {"kind": "out", "at": "2026-03-02T10:00:00Z"}]
    shipments = [{"label": "t1", "scans": scans}, {"label": "t2"}, {"label": "t3", "scans": scans[:1]}]

    found = outcomes(compiled(scan), no="o1", shipments=shipments)

    parcels = [(one.event.fact.data.order_id, one.event.fact.data.tracking_id) for one in found]
    assert parcels == [("o1", "t1"), ("o1", "t3")]


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [
        ("1234.5", ".", 1234.5),
        ("1,234.5", ".", 1234.5),
        ("12,34,567", ".", 1234567),
        ("1'234.50", ".", 1234.5),
        ("1.5", ".", 1.5),
        ("1.5", None, 1.5),
        ("1,234", None, None),
        ("1,5", ".", None),
        ("1,23.5", ".", None),
        ("1234,5", ",", 1234.5),
        ("1.234,5", ",", 1234.5),
        ("1.234.567", ",", 1234567),
        ("1\u202f234,50", ",", 1234.5),
        ("1.5", ",", None),
        ("1.23,5", ",", None),
        (1.5, ",", 1.5),
    ],
)
def test_what_parts_thousands_is_no_decimal_mark(text: Any, decimal: Any, value: float | None) -> None:
    event = {**PLACED, "data": {"order_id": "no", "lines": {"line_id": "pos", "quantity": "qty"}}}

    (found,) = outcomes(compiled(event, decimal=decimal), no="o1", at="2026-03-02T09:00:00Z", pos="1", qty=text)

    if value is None:
        assert isinstance(found, Refused)
        assert f"quantity (qty): {text!r} is no number, the" in found.reason
    else:
        assert found.event.fact.data.lines[0].quantity == value


def test_numbers_are_read_from_text_also_with_a_decimal_comma() -> None:
    event = {**PLACED, "data": {"order_id": "no", "lines": {"line_id": "pos", "quantity": "qty"}}}

    assert given(compiled(event), pos="1", qty="2.5")["lines"][0]["quantity"] == 2.5
    assert given(compiled(event, decimal=","), pos="1", qty="1.002,5")["lines"][0]["quantity"] == 1002.5


def test_an_event_whose_time_is_absent_has_not_happened() -> None:
    channels = compiled([PLACED, {**PLACED, "type": "order.ready", "time": "ready"}])

    found = outcomes(channels, no="o1", at="2026-03-02T09:00:00Z", ready="")

    assert [one.event.fact.data.order_id for one in found] == ["o1"]


def test_a_row_in_which_nothing_has_a_time_is_refused() -> None:
    assert outcomes(compiled(PLACED), no="o1") == [Refused("dialect", "time (at): missing")]


def test_a_row_with_one_bad_value_gives_no_event_at_all() -> None:
    channels = compiled([PLACED, {**PLACED, "type": "order.ready", "time": "ready"}])

    found = outcomes(channels, no="o1", at="2026-03-02T09:00:00Z", ready="soon")

    assert found == [Refused("dialect", "time (ready): 'soon' is no time; read as rfc3339")]


def test_a_time_without_a_zone_is_refused_where_none_is_configured() -> None:
    found = outcomes(compiled(PLACED, zone=None), no="o1", at="2026-03-02 09:00")

    assert "must carry a zone" in found[0].reason


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"no": None}, "order_id (no): missing, and order.placed needs it"),
        ({"no": {"a": 1}}, "order_id (no): {'a': 1} is no single value"),
        ({"how": "drone"}, "fulfilment (how): 'drone' is none of pickup, curbside, delivery"),
        ({"qty": "two"}, "quantity (qty): 'two' is no number, there being no `decimal`"),
        ({"qty": "nan"}, "quantity (qty): 'nan' is no number"),
        ({"qty": -1}, "$.data.lines[0].quantity"),
    ],
)
def test_a_value_that_does_not_fit_is_refused_and_named(row: dict[str, Any], words: str) -> None:
    event = {
        **PLACED,
        "data": {"order_id": "no", "fulfilment": "how", "lines": {"line_id": {"value": "1"}, "quantity": "qty"}},
    }

    found = outcomes(compiled(event), **{"no": "o1", "at": "2026-03-02T09:00:00Z", **row})

    assert isinstance(found[0], Refused)
    assert words in found[0].reason


def test_a_type_from_a_table_and_what_is_in_no_table_is_skipped() -> None:
    table = {"path": "kind", "table": {"N": "order.placed", "X": "order.cancelled"}}
    channels = compiled({"type": table, "time": "at", "data": {"order_id": "no", "fulfilment": {"value": "pickup"}}})
    row = {"no": "o1", "at": "2026-03-02T09:00:00Z"}

    assert outcomes(channels, **row, kind="X")[0].event.fact.data == _cancelled("o1")
    assert outcomes(channels, **row, kind="Z") == [Skipped("its type, 'Z', is in no table")]
    assert outcomes(channels, **row, kind="Z" * 99) == [Skipped(f"its type, '{'Z' * 60}', is in no table")]
    assert outcomes(channels, **row, kind="") == [Skipped("its type is absent")]


def _cancelled(order: str) -> Any:
    from schemas.events import OrderCancelled

    return OrderCancelled(order)


def test_a_channel_from_a_table_or_else_the_topics() -> None:
    event = {
        "type": "contact.opened",
        "time": "at",
        "channel": {"path": "medium", "table": {"tel": "phone"}},
        "data": {"case_id": "no"},
    }
    channels = compiled(event)
    row = {"no": "1", "at": "2026-03-02T09:00:00Z"}

    assert [outcomes(channels, **row, medium=m)[0].channel for m in ("tel", "letter")] == ["phone", "web"]
    assert channels.channels_of("t") == ("web", "phone")
    assert [feed.channel for feed in channels.feeds] == ["web", "phone"]


def test_ids_are_those_of_the_place_or_the_template_with_the_type_before_it() -> None:
    by_place = compiled([PLACED, {**PLACED, "type": "order.ready"}])
    by_name = compiled([{**PLACED, "id": "{no}"}, {**PLACED, "type": "order.ready", "id": "{no}"}])
    row = {"no": "o1", "at": "2026-03-02T09:00:00Z"}

    assert [one.event.fact.id for one in outcomes(by_place, **row)] == ["t/0/000000000005/000", "t/0/000000000005/001"]
    assert [one.event.fact.id for one in outcomes(by_name, **row)] == ["order.placed/o1", "order.ready/o1"]


def test_each_event_of_a_record_has_its_own_position() -> None:
    found = outcomes(compiled([PLACED, {**PLACED, "type": "order.ready"}]), no="o1", at="2026-03-02T09:00:00Z")

    assert [one.event.position for one in found] == [(5, 0), (5, 1)]


def test_one_line_of_csv_reads_by_the_names_of_its_columns() -> None:
    channels = compiled(PLACED, format="csv", columns=["no", "at"], delimiter=";")

    found = channels.translate("t", b'"o;1";2026-03-02T09:00:00Z', (), ("t", 0, 5), NOW)

    assert isinstance(found[0], Canonical)
    assert found[0].event.fact.data.order_id == "o;1"


@pytest.mark.parametrize("value", [b"", b"[]", b"{", b"7", b"\xff"])
def test_what_is_no_object_is_refused(value: bytes) -> None:
    found = compiled(PLACED).translate("t", value, (), ("t", 0, 5), NOW)

    assert [one.stage for one in found if isinstance(one, Refused)] == ["decode"]


@pytest.mark.parametrize(
    ("event", "dialect", "words"),
    [
        ({"type": "order.plased"}, {}, "events.0.type is 'order.plased': allowed are order.placed"),
        (
            {"data": {"order_id": "no", "lokation": "x"}},
            {},
            "events.0.data.lokation is not known; allowed here: fulfil",
        ),
        ({"data": {}}, {}, "events.0.data.order_id is missing: order.placed needs it"),
        ({"data": {"order_id": 7}}, {}, "events.0.data.order_id is 7: allowed is a path"),
        ({"data": {"order_id": {"pth": "no"}}}, {}, "data.order_id: pth is not known; allowed here: path"),
        ({"data": {"order_id": {"path": "no", "value": 1}}}, {}, "exactly one of path and value"),
        ({"data": {"order_id": {"path": "no", "match": "("}}}, {}, "data.order_id.match is '('"),
        ({"data": {"order_id": {"path": "no", "day": "end"}}}, {}, "belong to times"),
        (
            {"data": {"order_id": "no", "fulfilment": {"value": "deliver"}}},
            {},
            "data.fulfilment.value: 'deliver' is none of pickup, curbside, delivery",
        ),
        (
            {"data": {"order_id": "no", "fulfilment": {"path": "how", "table": {"new": "ship"}}}},
            {},
            "data.fulfilment.table.new: 'ship' is none of pickup",
        ),
        (
            {"data": {"order_id": "no", "lines": {"line_id": "no", "quantity": {"path": "q", "default": "one"}}}},
            {},
            "data.lines.quantity.default: 'one' is no number",
        ),
        ({"time": {"path": "at", "format": "%Q"}}, {}, "the time format is '%Q': allowed is"),
        (
            {"when": {"st": "new"}},
            {"format": "csv", "columns": ["no", "at"]},
            "names the column 'st', and there is none",
        ),
        ({"data": {"order_id": "no", "lines": "items"}}, {}, "data.lines is 'items': allowed is a table"),
        ({"data": {"order_id": "no", "lines": {"sku": "s"}}}, {}, "data.lines.line_id is missing"),
        ({"data": {"order_id": "no", "lines": {"line_id": "s", "qty": "q"}}}, {}, "data.lines.qty is not known"),
        ({"customer": {"mail": "m"}}, {}, "customer.mail is not known; allowed here: id, email"),
        ({"time": {"value": "yesterday"}}, {}, "events.0.time.value: 'yesterday' is no time"),
        ({"time": {"path": "at", "default": "02.03.2026"}}, {}, "events.0.time.default: '02.03.2026' is no time"),
        ({"time": {"path": "at", "format": "iso"}}, {}, "the time format is 'iso': allowed is \"rfc3339\""),
        ({"time": {"path": "at", "offset": "3"}}, {}, "events.0.time.offset is '3'"),
        ({"time": {"path": "at", "zone": "Berlin"}}, {}, "events.0.time.zone is 'Berlin'"),
        (
            {"when": {"a": {"is_not": 1}}},
            {},
            "events.0.when.a: is_not is not known; allowed here: present, is, not, matches",
        ),
        ({"id": "{no"}, {}, "events.0: '{no' is no template: allowed is text with paths in braces"),
        ({"source": "/s/{no}}"}, {}, "events.0: '/s/{no}}' is no template"),
        ({"channel": "fax"}, {}, "channel is 'fax'"),
        ({"each": "items"}, {"format": "csv"}, "rows of a CSV have no lists"),
        ({}, {"zone": "Mars"}, "zone is 'Mars': allowed is an IANA time zone"),
        ({}, {"format": "xml"}, "format is 'xml': allowed is 'json' or 'csv'"),
        ({}, {"encoding": "utf-99"}, "encoding is 'utf-99': allowed is a text encoding"),
        ({}, {"tyme": "x"}, "tyme is not known; allowed here: format, time, zone"),
    ],
)
def test_a_wrong_mapping_names_its_key_what_it_was_and_what_is_allowed(
    event: dict[str, Any], dialect: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigError) as error:
        compiled({**PLACED, **event}, **dialect)

    assert words in str(error.value)
