"""Recorded files as rows: JSON lines, a JSON array, or CSV; gzipped too; `-` is standard input."""

import csv
import gzip
import io
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import orjson

from app.channels.translate import named
from app.config.channels import DialectTable

Row = tuple[int, Any]
"""Its number in the file (from 1; the header of a CSV is none), and its bytes, its columns by name, or a BadRow."""
Watch = Callable[[int], None]
"""Told how many bytes of the file have been read."""
_DELIMITERS = ",;\t|"
"""What parts columns nearly everywhere."""
_BOM = b"\xef\xbb\xbf"


class BadFile(ValueError):
    """A file that cannot be read at all. The message names it."""


class BadRow(ValueError):
    """A row that is none."""


def json_rows(path: Path, watch: Watch) -> Iterator[Row]:
    """One object a line; or, where the file begins with `[`, the elements of one array. Raises BadFile."""
    with _opened(path, watch) as file:
        first = _first_line(file)
        if first.lstrip()[:1] == b"[":
            yield from enumerate(_elements(path, first + file.read()), start=1)
            return
        for number, line in enumerate(_lines(first, file), start=1):
            if line and not line.isspace():
                yield number, line


def _first_line(file: IO[bytes]) -> bytes:
    return file.readline().removeprefix(_BOM)


def _lines(first: bytes, rest: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _elements(path: Path, text: bytes) -> Iterator[bytes]:
    try:
        elements = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise BadFile(f"{path}: begins with [ and is no JSON array: {error}") from None
    return (orjson.dumps(element) for element in elements)


def csv_rows(path: Path, dialect: DialectTable, watch: Watch, on_columns: Callable[[list[str]], None]) -> Iterator[Row]:
    """Rows by the names of the header, or of the dialect's `columns` where the file has no header; whichever it is,
    `on_columns` is told. Raises BadFile.
    """
    csv.field_size_limit(1 << 24)
    with _opened(path, watch) as file:
        text = io.TextIOWrapper(file, encoding=dialect.encoding, errors="surrogateescape", newline="")
        records = csv.reader(text, delimiter=dialect.delimiter)
        columns = list(dialect.columns) if dialect.columns is not None else _header(path, records, dialect)
        on_columns(columns)
        number = 0
        while (fields := _next(path, records)) is not None:
            if fields:
                number += 1
                yield number, _row(columns, fields)


def _header(path: Path, records: Iterator[list[str]], dialect: DialectTable) -> list[str]:
    columns = _next(path, records)
    if not columns or isinstance(columns, BadRow):
        raise BadFile(f"{path}: has no header; name the `columns` in its dialect")
    if len(columns) == 1 and any(mark in columns[0] for mark in _DELIMITERS):
        wrong = f"the `delimiter` of its dialect is {dialect.delimiter!r}, and the header is"
        raise BadFile(f"{path}: {wrong} one column, {columns[0]!r}")
    if len(set(columns)) < len(columns):
        raise BadFile(f"{path}: two columns have the same name: {', '.join(columns)}")
    return [column.strip() for column in columns]


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
            yield gzip.GzipFile(fileobj=buffered) if path.suffix == ".gz" else buffered  # type: ignore[misc]
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
