"""Being caught up is claimed as of the moment of asking, and only for what a fetch really proved."""

import asyncio
from types import SimpleNamespace
from typing import Any

from aiokafka.protocol.fetch import FetchRequest
from faust.types import TP

from agents.runtime.heard import Asked, Heard

AT = TP("web", 0)


def request(offset: int) -> FetchRequest:
    return FetchRequest(100, 1, 1000, 1, [("web", [(0, offset, 1000)])])


def response(highwater: int, error: int = 0) -> Any:
    return SimpleNamespace(topics=[("web", [(0, error, highwater, None, None, b"")])])


class Clock:
    def __init__(self) -> None:
        self.now = 1_000

    def __call__(self) -> int:
        return self.now


def test_a_fetch_that_finds_nothing_proves_its_moment_of_asking_however_late_the_answer_comes() -> None:
    clock = Clock()
    heard = Heard(clock)

    async def send(_node: int, _request: Any) -> Any:
        clock.now = 90_000  # frozen for long between question and answer
        return response(highwater=7)

    asyncio.run(heard.listening(send)(1, request(7)))  # type: ignore[arg-type]
    assert heard.caught_up[AT] == Asked(at_ms=1_000, after=0)


def test_a_claim_reaches_to_the_last_record_given_out_not_to_the_markers_after_it() -> None:
    heard = Heard(Clock())
    heard.gave_out(AT, 5)
    heard.note(2_000, request(7), response(highwater=7))
    assert heard.caught_up[AT] == Asked(at_ms=2_000, after=5)


def test_a_fetch_that_finds_more_or_fails_proves_nothing() -> None:
    heard = Heard(Clock())
    heard.note(2_000, request(7), response(highwater=9))
    heard.note(2_000, request(7), response(highwater=7, error=6))
    assert heard.caught_up == {}


def test_a_fetch_asked_for_before_a_rebalance_proves_nothing_after_it() -> None:
    heard = Heard(Clock())

    async def send(_node: int, _request: Any) -> Any:
        heard.forget()
        return response(highwater=7)

    asyncio.run(heard.listening(send)(1, request(7)))  # type: ignore[arg-type]
    assert heard.caught_up == {}


def test_other_requests_pass_through_unheard() -> None:
    heard = Heard(Clock())

    async def send(_node: int, asked: Any) -> Any:
        return asked

    assert asyncio.run(heard.listening(send)(1, "metadata")) == "metadata"  # type: ignore[arg-type]
    assert heard.caught_up == {}
