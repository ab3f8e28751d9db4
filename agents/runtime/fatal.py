"""The one way out when going on would be a guess: say why, and end the process.

Nothing is tidied up, because everything here survives kill -9: transactions abort, locks die with the process.
"""

import logging
import os
from typing import Final, NoReturn

from aiokafka.errors import BrokerResponseError, KafkaConnectionError, KafkaTimeoutError, ProducerFenced

EXIT_FAILED: Final = 70
"""Exit status of a worker that ended itself; it may be restarted."""

log = logging.getLogger(__name__)


_FORESEEN: Final = (OSError, BrokerResponseError, KafkaConnectionError, KafkaTimeoutError, ProducerFenced)
"""What comes of disks, networks and brokers (a TimeoutError is an OSError): its words tell as much as a stack."""


def end_process(reason: str, error: BaseException | None = None) -> NoReturn:
    """Logs the reason, with the stack of an error that nobody foresaw, and ends the process with EXIT_FAILED."""
    foreseen = error is None or isinstance(_cause(error), _FORESEEN)
    log.critical("worker ends: %s", reason, exc_info=None if foreseen else error)
    logging.shutdown()
    os._exit(EXIT_FAILED)


def in_words(error: BaseException) -> str:
    """What an error says; a limit that ran out says nothing of itself."""
    cause = _cause(error)
    if isinstance(cause, TimeoutError) and not cause.args:
        return "a step took longer than it may: the broker is slow to answer, or gone"
    return repr(cause)


def _cause(error: BaseException) -> BaseException:
    """The error; of those of tasks that ran together, the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
