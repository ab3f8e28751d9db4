"""`handoff topics` lists what is to be set: whole, whatever it is read on."""

import pytest
from typer.testing import CliRunner

from agents.topics import commands, policy
from app.config import load_settings
from schemas.topics import own_topics


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_every_name_and_every_value_is_listed_whole(columns: str) -> None:
    settings = load_settings(None, {})

    listed = CliRunner().invoke(commands, [], env={"COLUMNS": columns})

    assert listed.exit_code == 0
    for name, topic in own_topics(settings.worker.app_id).items():
        assert name in listed.stdout
        for key, value in policy(settings, topic).items():
            assert f"{key}={value}" in listed.stdout
