"""What all tests share: the broker of the run, the line that says which it was, and that no test is a stopwatch."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.brokers import Broker, open_broker, wanted_broker

_BROKER = pytest.StashKey[str]()
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")  # by default an example that a busy machine takes 200 ms for has failed


def pytest_configure(config: pytest.Config) -> None:
    try:
        wanted_broker()
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None


def pytest_report_header(config: pytest.Config) -> str:
    return f"broker wanted: {wanted_broker()} (HANDOFF_TEST_BROKER)"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if used := config.stash.get(_BROKER, None):
        terminalreporter.write_line(f"broker: {used}")


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    """The broker that live tests of this run share. Tests make topics of their own with `Broker.new_topic`."""
    opened = open_broker(wanted_broker())
    request.config.stash[_BROKER] = opened.source
    yield opened
    opened.close()


@pytest.fixture
def transactional_broker(broker: Broker) -> Broker:
    """The broker, for tests of what only transactions can show; skips where they are not kept."""
    if not broker.transactions:
        pytest.skip(f"the {broker.kind} broker does not keep transactions")
    return broker
