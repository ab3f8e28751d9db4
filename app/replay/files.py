"""Recorded files as rows: JSON lines, a JSON array, or CSV; gzipped too; `-` is standard input."""

import csv
import gzip
import io
import itertools
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from app.channels.columns import named_by
from app.channels.documents import read_json, write_json
from app.channels.paths import Find
from app.channels.translate import csv_records, named
from app.config.channels import DialectTable

Row = tuple[int, Any]
"""Its number in the file (from 1; the header of a CSV is none), and its bytes, its columns by name, or a BadRow."""
Watch = Callable[[int], None]
"""Told how many bytes of the file have been read."""
_DELIMITERS = ",;\t|"
"""What parts columns nearly everywhere."""
_SPACE = re.compile(r"\s*")
_BOM, _GZIP = b"\xef\xbb\xbf", b"\x1f\x8b"

_OTHERS = {
    b"PK\x03\x04": "a ZIP archive, as spreadsheets are too",
    b"PAR1": "Parquet",
    b"BZh": "packed by bzip2",
    b"\xfd7zXZ": "packed by xz",
    b"\x28\xb5\x2f\xfd": "packed by zstd",
    b"SQLite format 3": "a database of SQLite",
    b"<?xml": "XML",
    _BOM + b"<?xml": "XML",
}
"""How files begin that somebody may take for a recording, and what they are."""
_LONGEST = max(map(len, _OTHERS))


class BadFile(ValueError):
    """A file that cannot be read at all. The message names it."""


class BadRow(ValueError):
    """A row that is none."""


def json_rows(path: Path, watch: Watch) -> Iterator[Row]:
    """One object a line; or, where the file begins with `[`, the elements of one array; or, where its first line is but
    the beginning of an object, objects over as many lines as they take. Raises BadFile.
    """
    with _opened(path, watch) as file:
        blank, first = _first_line(file)
        if first.startswith(b"["):
            yield from enumerate(_elements(path, first + file.read()), start=1)
        elif first.startswith(b"{") and not _is_whole(first):
            yield from _indented(first + file.read(), blank + 1)
        else:
            yield from _numbered(itertools.chain([first], file), blank + 1)


def _first_line(file: IO[bytes]) -> tuple[int, bytes]:
    """How many blank lines there are before it, and what it says."""
    for blank, line in enumerate(file):
        if text := line.removeprefix(_BOM).lstrip():
            return blank, text
    return 0, b""


def _numbered(lines: Iterable[bytes], start: int) -> Iterator[Row]:
    return ((number, line) for number, line in enumerate(lines, start) if line and not line.isspace())


def _is_whole(text: bytes) -> bool:
    try:
        read_json(text)
    except (ValueError, RecursionError):
        return False
    return True


def _indented(text: bytes, start: int) -> Iterator[Row]:
    """Objects one after the other; the lines, where they are none: then the first of them was merely a bad one."""
    try:
        return enumerate(list(_objects(text.decode())), start=1)
    except (ValueError, RecursionError):
        return _numbered(io.BytesIO(text), start)


def _objects(text: str) -> Iterator[bytes]:
    decoder, end = json.JSONDecoder(), 0
    while (begin := _SPACE.match(text, end).end()) < len(text):  # type: ignore[union-attr]
        _, end = decoder.raw_decode(text, begin)
        yield text[begin:end].encode()


def _elements(path: Path, text: bytes) -> Iterator[bytes]:
    try:
        elements = read_json(text)
    except (ValueError, RecursionError) as error:
        raise BadFile(f"{path}: begins with [ and is no JSON array: {error}") from None
    return map(write_json, elements)


def rows_within(documents: Iterable[Row], find: Find) -> Iterator[Row]:
    """The rows that documents hold in a list, numbered through all of them."""
    return enumerate((row for _, text in documents for row in _held(text, find)), start=1)


def _held(text: bytes, find: Find) -> Iterator[Any]:
    """The elements of the list in a document. What is no document is left to whoever reads it as a row."""
    try:
        document = read_json(text)
    except (ValueError, RecursionError):
        yield text
        return
    found = find(document, document)
    if isinstance(found, list):
        yield from map(write_json, found)
    else:
        yield BadRow("`rows` of its dialect leads to no list")


def csv_rows(path: Path, dialect: DialectTable, watch: Watch, on_columns: Callable[[list[str]], None]) -> Iterator[Row]:
    """Rows by the names of the header, or of the dialect's `columns` where the file has no header; whichever it is,
    `on_columns` is told. Raises BadFile.
    """
    with _opened(path, watch) as file:
        lines = _Lines(io.TextIOWrapper(file, encoding=dialect.encoding, errors="surrogateescape", newline=""))
        records = csv_records(lines, dialect)
        columns = list(dialect.columns) if dialect.columns is not None else _header(path, records, dialect)
        if columns:
            on_columns(columns)
            yield from enumerate((_row(columns, fields) for fields in _filled(path, records, lines)), start=1)


class _Lines:
    """The lines of a text, less the mark before it, which not every encoding takes away; asked for more than there are,
    they have ended.
    """

    def __init__(self, text: Iterator[str]) -> None:
        self._text = text
        self._mark = "\ufeff"
        self.ended = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._text, None)
        if line is None:
            self.ended = True
            raise StopIteration
        mark, self._mark = self._mark, ""
        return line.removeprefix(mark)


def _filled(path: Path, records: Iterator[list[str]], lines: _Lines) -> Iterator[Any]:
    """The fields of each row that is not empty. What only the end of the file ends has a quote that nothing closes, and
    whatever follows it is part of one field.
    """
    while (fields := _next(path, records)) is not None:
        if lines.ended and isinstance(fields, list):
            yield BadRow("a quote is never closed, up to the end of the file: `quote` of its dialect says what quotes")
        elif fields:
            yield fields


def _header(path: Path, records: Iterator[list[str]], dialect: DialectTable) -> list[str]:
    """The columns by name; none of a file that is empty."""
    found = _first(path, records)
    if isinstance(found, BadRow):
        raise BadFile(f"{path}: has no header; name the `columns` in its dialect")
    columns = [column.strip() for column in found]
    if any("\0" in column for column in columns):
        wrong = f"is not in the `encoding` of its dialect, {dialect.encoding!r}"
        raise BadFile(f"{path}: {wrong}: its header has zero bytes, as those of UTF-16 have")
    if len(columns) == 1 and any(mark in columns[0] for mark in _DELIMITERS):
        wrong = f"the `delimiter` of its dialect is {dialect.delimiter!r}, and the header is"
        raise BadFile(f"{path}: {wrong} one column, {columns[0]!r}")
    for column, key in named_by(dialect).items():
        if columns.count(column) > 1:
            raise BadFile(f"{path}: two columns have the same name, {column!r}, and {key} of its dialect is read there")
    return columns


def _first(path: Path, records: Iterator[list[str]]) -> Any:
    """The first row that is neither empty nor the line by which a spreadsheet tells its delimiter: `sep=;`."""
    for fields in iter(lambda: _next(path, records), None):
        if isinstance(fields, BadRow) or (any(fields) and not fields[0].startswith("sep=")):
            return fields
    return []


def _next(path: Path, records: Iterator[list[str]]) -> Any:
    try:
        return next(records, None)
    except UnicodeError as error:
        raise BadFile(f"{path}: is not in the `encoding` of its dialect: {error}") from None
    except csv.Error as error:
        return BadRow(f"no CSV: {error}")


def _row(columns: list[str], fields: Any) -> Any:
    if isinstance(fields, BadRow):
        return fields
    try:
        return named(columns, fields)
    except ValueError as error:
        return BadRow(str(error))


@contextmanager
def _opened(path: Path, watch: Watch) -> Iterator[IO[bytes]]:
    try:
        with _raw(path) as raw:
            watched: Any = _Watched(raw, watch)
            buffered = io.BufferedReader(watched, 1 << 18)
            begin = buffered.peek(_LONGEST)
            if (other := next((what for mark, what in _OTHERS.items() if begin.startswith(mark)), None)) is not None:
                raise BadFile(f"{path}: is {other}: what can be read is CSV and JSON, plain or gzipped")
            packed = path.suffix == ".gz" or begin.startswith(_GZIP)
            yield gzip.GzipFile(fileobj=buffered) if packed else buffered  # type: ignore[misc]
    except OSError as error:
        raise BadFile(f"{path}: cannot be read: {error.strerror or error}") from None
    except EOFError as error:
        raise BadFile(f"{path}: ends too early: {error}") from None


@contextmanager
def _raw(path: Path) -> Iterator[IO[bytes]]:
    if str(path) == "-":
        yield sys.stdin.buffer
        return
    with path.open("rb", buffering=0) as file:
        yield file


class _Watched(io.RawIOBase):
    """Tells how far a file has been read."""

    def __init__(self, inner: IO[bytes], watch: Watch) -> None:
        self._inner = inner
        self._watch = watch
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        chunk = self._inner.read(len(buffer))
        buffer[: len(chunk)] = chunk
        self._read += len(chunk)
        self._watch(self._read)
        return len(chunk)
