"""What a long-running process asks of the collector."""

import gc
from collections.abc import Iterator

import pytest

from app.memory import settle


@pytest.fixture
def collector() -> Iterator[None]:
    """As Python begins, whoever was settled in this process before."""
    before = gc.get_threshold()
    gc.set_threshold(700, 10, 10)
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.usefixtures("collector")
def test_a_settled_process_is_seldom_looked_through_and_never_what_it_loaded() -> None:
    settle()
    assert gc.isenabled()
    assert gc.get_threshold()[0] > 700
    assert gc.get_freeze_count() > 0
