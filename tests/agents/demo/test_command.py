"""`handoff demo` refuses what would only fail at the end of the day, or in the midst of it."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from agents.demo.command import commands


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--summary", "nowhere/summary.json", "there is no folder"),
        ("--summary", ".", "it is a folder"),
        ("--speed", "inf", "Invalid value for '--speed'"),
        ("--speed", "nan", "Invalid value for '--speed'"),
        ("--speed", "0.5", "Invalid value for '--speed'"),
        ("--customers", "1", "Invalid value for '--customers'"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_starts(
    option: str, value: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("agents.demo.command.stage", None)

    refused = CliRunner().invoke(commands, [option, value])

    assert refused.exit_code == 2
    assert words in refused.stderr
