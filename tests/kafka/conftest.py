"""Detectors for tests of the live shell."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.brokers import Broker
from tests.kafka.live import Live, open_live


@pytest.fixture
def live(broker: Broker, tmp_path: Path) -> Iterator[Live]:
    """The simulated shop's detector, its worker not yet started."""
    with open_live(broker, tmp_path) as opened:
        yield opened
