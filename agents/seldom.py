"""Log lines that would be said hundreds of times a second: the Kafka client's, while a broker is away."""

import logging
import time
from collections.abc import Callable
from typing import Final

_EVERY_S: Final = 10.0
_MOST: Final = 500
"""Kinds of lines that are told apart; they are few, unless a library words each line anew."""
_CLIENT: Final = "aiokafka"


class Seldom(logging.Filter):
    """Lets each kind of line of the client's through once in ten seconds, with the number that were left out since.

    What makes a kind is its text before anything is filled in. What brings an exception is always let through.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._now = now
        self._said: dict[tuple[str, str], tuple[float, int]] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name.partition(".")[0] != _CLIENT or record.exc_info:
            return True
        kind, now = (record.name, str(record.msg)), self._now()
        at, left_out = self._said.get(kind, (now - _EVERY_S, 0))
        if now - at < _EVERY_S:
            self._said[kind] = at, left_out + 1
            return False
        if len(self._said) >= _MOST:
            self._said.clear()
        self._said[kind] = now, 0
        if left_out:
            record.msg, record.args = f"{record.getMessage()} ({left_out:,} like it were left out)", None
        return True
