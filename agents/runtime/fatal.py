"""The one way out when going on would be a guess: say why, and end the process.

Nothing is tidied up, because everything here survives kill -9: transactions abort, locks die with the process.
"""

import logging
import os
from typing import Final, NoReturn

EXIT_FAILED: Final = 70
"""Exit status of a worker that ended itself; it may be restarted."""

log = logging.getLogger(__name__)


def end_process(reason: str, error: BaseException | None = None) -> NoReturn:
    """Logs the reason and ends the process with EXIT_FAILED."""
    log.critical("worker ends: %s", reason, exc_info=error)
    logging.shutdown()
    os._exit(EXIT_FAILED)
