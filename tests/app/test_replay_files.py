"""Files as they come: what is odd about them and can be read all the same, and what cannot be is told."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.channels import Channels
from app.config import parse_channels
from app.config.channels import DialectTable
from app.replay import Options, replay
from app.replay.files import BadFile, BadRow, Row, csv_rows, json_rows
from app.replay.sources import Rejection, Tally
from app.replay.summary import events_lines

EVENT = {"type": "parcel.accepted", "time": "at", "data": {"tracking_id": "no"}}


def rows(path: Path, content: str | bytes, **dialect: Any) -> Iterator[Row]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    table = DialectTable.model_validate({"format": "csv", "delimiter": ";", "events": [EVENT], **dialect})
    return csv_rows(path, table, lambda _: None, lambda _: None)


@pytest.fixture
def sheet(tmp_path: Path) -> Path:
    return tmp_path / "sheet.csv"


@pytest.mark.parametrize(
    "content",
    [
        "no;at\n1;x\n",
        "\n\n;;\nno;at\n1;x\n",
        "sep=;\r\nno;at\r\n1;x\r\n",
        "no;at\n1;x;;\n",
        gzip.compress(b"no;at\n1;x\n"),
    ],
    ids=[
        "plain",
        "blank lines first",
        "a spreadsheet's own line",
        "delimiters at the end",
        "packed under another name",
    ],
)
def test_what_is_odd_about_a_csv_and_no_matter(sheet: Path, content: str | bytes) -> None:
    assert list(rows(sheet, content)) == [(1, {"no": "1", "at": "x"})]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16-le", "utf-16"])
def test_the_mark_before_a_text_is_no_part_of_it(sheet: Path, encoding: str) -> None:
    content = "\ufeff" + '"no";at\n1;x\n'

    assert list(rows(sheet, content.encode(encoding.removesuffix("-sig")), encoding=encoding)) == [
        (1, {"no": "1", "at": "x"})
    ]


def test_columns_that_bear_one_name_are_no_matter_where_nothing_is_read_there(sheet: Path) -> None:
    ((number, row),) = rows(sheet, "no;at;note;note;;\n1;x;a;b;;\n")

    assert (number, row["no"], row["at"]) == (1, "1", "x")


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_an_empty_csv_has_no_rows(sheet: Path, content: str) -> None:
    assert list(rows(sheet, content)) == []


def test_a_quote_that_is_never_closed_is_told_at_the_row_that_opens_it(sheet: Path) -> None:
    first, last = rows(sheet, 'no;at\n1;x\n2;"x\n3;x\n4;x\n')

    assert first == (1, {"no": "1", "at": "x"})
    assert last[0] == 2
    assert isinstance(last[1], BadRow)
    assert "a quote is never closed" in str(last[1])


def test_quotes_are_what_the_dialect_says(sheet: Path) -> None:
    assert [row["at"] for _, row in rows(sheet, 'no;at\n1;"x\n2;x\n', quote="")] == ['"x', "x"]
    assert [row["at"] for _, row in rows(sheet, "no;at\n1;'x;y'\n", quote="'")] == ["x;y"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("no;at;no\n1;x;2\n", "two columns have the same name, 'no', and events.0.data.tracking_id of its dialect is"),
        (b"PK\x03\x04\0\0", "is a ZIP archive, as spreadsheets are too: what can be read is CSV and JSON, plain or"),
        ('<?xml version="1.0"?><log/>', "is XML: what can be read is CSV and JSON"),
        ("no;at\n1;x\n".encode("utf-16"), "is not in the `encoding` of its dialect, 'utf-8-sig': its header has zero"),
    ],
)
def test_a_header_that_cannot_be_right_is_an_error_that_says_why(sheet: Path, content: str | bytes, words: str) -> None:
    with pytest.raises(BadFile, match=words):
        list(rows(sheet, content))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('{"no": 1}\n\n{"no": 2}\n', [(1, '{"no": 1}\n'), (3, '{"no": 2}\n')]),
        ('\n \n{"no": 1}', [(3, '{"no": 1}')]),
        ('\n[\n{"no": 1},\n{"no": 2}\n]\n', [(1, '{"no":1}'), (2, '{"no":2}')]),
        ('{\n"value": [\n{"no": 1}\n]\n}\n', [(1, '{\n"value": [\n{"no": 1}\n]\n}')]),
        ('\ufeff{\n"no": 1\n}\n{\n"no": 2\n}\n', [(1, '{\n"no": 1\n}'), (2, '{\n"no": 2\n}')]),
        ('{"no": NaN}\n{"no": 2}\n', [(1, '{"no": NaN}\n'), (2, '{"no": 2}\n')]),
        ('[{"no": NaN}]', [(1, '{"no":null}')]),
        ('{"no": 1\n{"no": 2}\n', [(1, '{"no": 1\n'), (2, '{"no": 2}\n')]),
    ],
    ids=[
        "lines",
        "blank lines first",
        "an array",
        "one document",
        "indented objects",
        "NaN",
        "NaN in an array",
        "a bad line first",
    ],
)
def test_json_is_read_by_lines_or_as_documents(tmp_path: Path, content: str, expected: list[tuple[int, str]]) -> None:
    path = tmp_path / "day.json"
    path.write_text(content, encoding="utf-8")

    found = [(number, row.decode()) for number, row in json_rows(path, lambda _: None)]

    assert found == expected


def test_rows_in_the_list_of_a_document_stand_each_for_itself(tmp_path: Path) -> None:
    page = {"next": None, "value": [{"no": 1, "at": "2026-03-02T09:00:00Z"}, {"no": 2, "at": "soon"}]}
    (tmp_path / "pages.json").write_text(f'{json.dumps(page, indent=2)}\n{{"error": "none left"}}\n')
    table = {"format": "json", "rows": "value", "events": [EVENT]}
    topics = {"t": {"channel": "carrier", "dialect": "d", "files": "*"}}
    channels = Channels(parse_channels({"topics": topics, "dialects": {"d": table}}, "f"))
    refused: list[Rejection] = []

    report = replay(Options(paths=(tmp_path,), channels=channels), lambda _: None, refused.append)

    assert (report.events["rows"], report.events["read"]) == (3, 1)
    assert [(one.row, one.reason) for one in refused] == [
        (2, "time (at): 'soon' is no time; read as rfc3339, which must carry a zone"),
        (3, "`rows` of its dialect leads to no list"),
    ]


def test_paths_that_no_row_of_a_topic_has_are_told(tmp_path: Path) -> None:
    """In one of its files is enough; what is no row of JSON is told as such."""
    (tmp_path / "one.jsonl").write_text('{"no": 1, "at": "2026-03-02T09:00:00Z"}\n{"no": \n')
    (tmp_path / "two.json").write_text('[{"no": 2, "at": "2026-03-02T09:00:00Z", "parcel": "p"}]')
    event = EVENT | {"data": {"tracking_id": "no", "package_id": "parcel", "order_id": "order.no"}}
    topics = {"t": {"channel": "carrier", "dialect": "d", "files": "*"}}
    channels = Channels(
        parse_channels({"topics": topics, "dialects": {"d": {"format": "json", "events": [event]}}}, "f")
    )

    events = replay(Options(paths=(tmp_path,), channels=channels), lambda _: None).events

    words = "events.0.data.order_id names 'order.no', and no row has it; there are at, no"
    assert (events["read"], events["missing_paths"]) == (2, {"t": [words]})
    assert f"  t: {words}" in events_lines(events, 0)


def test_types_that_are_in_no_table_are_told_the_most_frequent_first(tmp_path: Path) -> None:
    seen = [name for number in range(8) for name in [f"code {number}"] * (9 - number)]
    rows = [{"no": 1, "at": "2026-03-02T09:00:00Z", "code": code} for code in ("IN", *seen)]
    (tmp_path / "scans.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    event = EVENT | {"type": {"path": "code", "table": {"IN": "parcel.accepted"}}}
    topics = {"t": {"channel": "carrier", "dialect": "d", "files": "*"}}
    channels = Channels(
        parse_channels({"topics": topics, "dialects": {"d": {"format": "json", "events": [event]}}}, "f")
    )

    events = replay(Options(paths=(tmp_path,), channels=channels), lambda _: None).events

    told = [f"its type, 'code {number}', is in no table" for number in range(8)]
    assert list(events["skipped_by_reason"].items()) == [(words, 9 - n) for n, words in enumerate(told)]
    shown = [f"  skipped {9 - number}: {told[number]}" for number in range(5)]
    assert [line for line in events_lines(events, 0) if line.startswith("  skipped")] == [
        *shown,
        "  skipped 9 for other reasons",
    ]


def test_of_very_many_reasons_not_each_is_counted_by_itself(tmp_path: Path) -> None:
    tally = Tally(lambda _: None)
    for number in range(3000):
        tally.skip(f"reason {number}")
    tally.skip("reason 7")

    assert (sum(tally.skipped.values()), tally.skipped["reason 7"], len(tally.skipped)) == (3001, 2, 1001)
