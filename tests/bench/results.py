"""Where benchmarks leave their figures (`.bench/results.json`, one key for each figure), and how they print them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

RESULTS = Path(".bench/results.json")


def record(figure: str, values: Mapping[str, object]) -> None:
    """Puts a figure beside those of other benchmarks."""
    RESULTS.parent.mkdir(exist_ok=True)
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    RESULTS.write_text(json.dumps({**known, figure: values}, indent=2, sort_keys=True) + "\n")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns, aligned to the right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in (head, *rows)
    )
