"""What a long-running process asks of the collector."""

import gc
from collections.abc import Iterator

import pytest

from app.memory import settle


@pytest.fixture
def collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.usefixtures("collector")
def test_a_settled_process_is_seldom_looked_through_and_never_what_it_loaded() -> None:
    before = gc.get_threshold()[0]
    settle()
    assert gc.isenabled()
    assert gc.get_threshold()[0] > before
    assert gc.get_freeze_count() > 0
