"""A broker that is away does not fill the disk with lines that say so."""

import logging

import pytest

from agents.seldom import Seldom


@pytest.fixture
def clock() -> list[float]:
    return [0.0]


@pytest.fixture
def seldom(clock: list[float]) -> Seldom:
    return Seldom(lambda: clock[0])


def line(text: str, *values: object, name: str = "aiokafka.cluster", error: bool = False) -> logging.LogRecord:
    failed = (ValueError, ValueError("why"), None) if error else None
    return logging.LogRecord(name, logging.ERROR, __file__, 1, text, values, failed)


def test_a_kind_of_line_is_said_once_in_ten_seconds_and_then_how_many_were_left_out(
    seldom: Seldom, clock: list[float]
) -> None:
    assert seldom.filter(line("no node %s: %s", 1, "refused"))
    for tenths in range(1, 100):
        clock[0] = tenths / 10
        assert not seldom.filter(line("no node %s: %s", tenths, "refused"))
    clock[0] = 10.0
    again = line("no node %s: %s", 1, "100% refused")
    assert seldom.filter(again)
    assert again.getMessage() == "no node 1: 100% refused (99 like it were left out)"


def test_lines_of_other_kinds_and_of_others_are_all_said(seldom: Seldom) -> None:
    assert seldom.filter(line("no node"))
    assert seldom.filter(line("no metadata"))
    assert seldom.filter(line("no node", name="aiokafka.client"))
    assert all(seldom.filter(line("worker ends", name="agents.runtime.fatal")) for _ in range(3))


def test_what_brings_an_exception_is_always_said(seldom: Seldom) -> None:
    assert all(seldom.filter(line("failed", error=True)) for _ in range(3))


def test_lines_that_are_each_worded_anew_take_no_room_for_ever(seldom: Seldom) -> None:
    for number in range(2_000):
        assert seldom.filter(line(f"no node {number}"))
    assert len(seldom._said) <= 500
