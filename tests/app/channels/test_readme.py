"""The worked examples of app/channels/README.md, run: the mapping, the rows, and the events they give."""

import re
import tomllib
from pathlib import Path

import msgspec
import pytest

import app.channels
from app.channels import Canonical, Channels
from app.config import parse_channels
from app.replay.sources import Tally, find_sources, outcomes
from schemas.codec import event_type, to_time

TEXT = (Path(app.channels.__file__).parent / "README.md").read_text()
EXAMPLES = TEXT.partition("## Worked examples")[2].split("\n### ")[1:]
BLOCK = re.compile(r"^```(\w+) (\S+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES, ids=[example.partition("\n")[0] for example in EXAMPLES])
def test_a_worked_example_gives_the_events_it_shows(example: str, tmp_path: Path) -> None:
    blocks = [(name, body) for _, name, body in BLOCK.findall(example)]
    tables, shown = blocks[0][1], blocks[-1][1]
    for name, body in blocks[1:-1]:
        (tmp_path / name).write_text(body)
    refused: list[object] = []
    channels = Channels(parse_channels(tomllib.loads(tables), "channels.toml"))

    paths = [tmp_path / name for name, _ in blocks[1:-1]]
    tally = Tally(refused.append)
    given = [
        spelled(found)
        for source in find_sources(paths, channels.tables, (), None)
        for _, found, _ in outcomes(source, channels, tally, lambda _: None)
    ]

    assert not refused
    assert given == shown.splitlines()


def spelled(found: Canonical) -> str:
    """An event as the examples show it: time, channel, type, and what it carries."""
    fact = found.event.fact
    data = msgspec.to_builtins(fact.data)
    data.pop("type")
    if "lines" in data:
        data["lines"] = ",".join(f"{x['line_id']}:{x.get('sku', '')}:{x.get('quantity', 1):g}" for x in data["lines"])
    words = {"customer": found.customer} if found.customer else {}
    return " ".join(
        [
            to_time(fact.at).isoformat().replace("+00:00", "Z"),
            fact.channel,
            event_type(fact),
            *(f"{name}={value}" for name, value in {**words, **data}.items()),
        ]
    )


def test_every_worked_example_has_a_mapping_rows_and_events() -> None:
    kinds = [[kind for kind, _, _ in BLOCK.findall(example)] for example in EXAMPLES]

    assert len(kinds) >= 4
    assert all(kind[0] == "toml" and kind[-1] == "text" and len(kind) >= 3 for kind in kinds)
