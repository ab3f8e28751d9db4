"""How a worker ends that cannot go on: with a reason, and with a stack only where nobody foresaw it."""

import logging
import os

import pytest
from aiokafka.errors import IllegalStateError, KafkaConnectionError, ProducerFenced, UnknownTopicOrPartitionError

from agents.runtime.fatal import EXIT_FAILED, end_process, in_words


class Ended(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def ending(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(status: int) -> None:
        assert status == EXIT_FAILED
        raise Ended

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(logging, "shutdown", lambda: None)


@pytest.mark.usefixtures("ending")
@pytest.mark.parametrize(
    ("error", "stack"),
    [
        (PermissionError(13, "Permission denied"), False),
        (TimeoutError(), False),
        (ProducerFenced(), False),
        (KafkaConnectionError("gone"), False),
        (UnknownTopicOrPartitionError(), False),
        (ExceptionGroup("of tasks", [TimeoutError()]), False),
        (ExceptionGroup("of tasks", [KeyError("of ours")]), True),
        (IllegalStateError("of ours"), True),
    ],
)
def test_a_stack_is_shown_of_what_is_a_mistake_and_not_of_what_befalls(
    error: Exception, stack: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(Ended):
        end_process("so it is", error)
    (line,) = caplog.records
    assert line.getMessage() == "worker ends: so it is"
    assert bool(line.exc_info) is stack


def test_a_limit_that_ran_out_is_told_in_words_from_wherever_it_comes() -> None:
    assert in_words(ExceptionGroup("of tasks", [TimeoutError()])) == in_words(TimeoutError())
    assert "slow to answer, or gone" in in_words(TimeoutError())
    assert in_words(TimeoutError("recovery stands still with 3 records left")) == (
        "TimeoutError('recovery stands still with 3 records left')"
    )
