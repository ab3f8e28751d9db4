"""The player of a demo waits while the worker has much to read, and for nobody who does not answer."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest

from agents.demo.backlog import Backlog


class Worker:
    """One that has so many records left, in two topics; none: it does not answer."""

    def __init__(self, left: float | None) -> None:
        self.left = left

    async def metrics(self) -> Mapping[str, Sequence[float]]:
        if self.left is None:
            raise OSError("connection refused")
        return {"handoff_lag_records": [self.left / 2, self.left / 2], "handoff_lag": [1e9]}


async def goes_on(backlog: Backlog) -> bool:
    try:
        async with asyncio.timeout(0.5):
            await backlog.worked_off()
    except TimeoutError:
        return False
    return True


@pytest.mark.parametrize(("left", "after"), [(100.0, True), (101.0, False), (None, True)])
def test_it_is_waited_for_while_it_is_more_than_it_may_be(left: float | None, after: bool) -> None:
    async def scene() -> bool:
        backlog = Backlog(Worker(left).metrics, most=100)
        following = asyncio.create_task(backlog.follow())
        await asyncio.sleep(0)
        try:
            return await goes_on(backlog)
        finally:
            following.cancel()

    assert asyncio.run(scene()) is after


@pytest.mark.parametrize("then", [0.0, None])
def test_it_goes_on_once_the_worker_has_come_after_or_has_gone(then: float | None) -> None:
    async def scene() -> list[bool]:
        worker = Worker(1000.0)
        backlog = Backlog(worker.metrics, most=100)
        following = asyncio.create_task(backlog.follow())
        await asyncio.sleep(0)
        before = await goes_on(backlog)
        worker.left = then
        after = await goes_on(backlog)
        following.cancel()
        return [before, after]

    assert asyncio.run(scene()) == [False, True]
