"""A worker that has nowhere to keep its state does not begin."""

from pathlib import Path

import pytest

from agents.runtime import RuntimeSettings, make_app, run, worker


class Ended(Exception):
    """Stands for the end of the process, with its reason."""


def test_a_directory_that_cannot_be_made_is_told_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def end(reason: str, _error: Exception) -> None:
        raise Ended(reason)

    monkeypatch.setattr(worker, "end_process", end)
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "state"
    app = make_app(RuntimeSettings(app_id="a", bootstrap_servers="127.0.0.1:1", data_dir=folder))
    with pytest.raises(Ended, match=f"local state cannot be kept in {folder}: Not a directory"):
        run(app)
