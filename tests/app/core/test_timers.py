"""Timers: which row is to be looked at when."""

from app.core.timers import Timers


def test_rows_come_up_once_their_moment_has_passed_and_earliest_first() -> None:
    timers = Timers()
    for key, moment in ((b"late", 30), (b"early", 10), (b"middle", 20)):
        timers.move(key, "H1", [], [("web", moment)])
    assert list(timers.due("web", 10)) == []
    assert list(timers.due("web", 21)) == [b"early", b"middle"]
    assert list(timers.due("web", 99)) == [b"late"]
    assert list(timers.due("web", 99)) == []


def test_a_row_that_waits_no_longer_does_not_come_up() -> None:
    timers = Timers()
    timers.move(b"met", "H1", [], [("web", 10)])
    timers.move(b"met", "H1", [("web", 10)], [])
    assert timers.clocks() == []
    assert list(timers.due("web", 99)) == []


def test_a_row_that_is_moved_comes_up_at_its_new_moment_and_only_once() -> None:
    timers = Timers()
    for before, moment in ((0, 50), (50, 20), (20, 50)):
        timers.move(b"moved", "H1", [("web", before)] if before else [], [("web", moment)])
    assert list(timers.due("web", 30)) == []
    assert list(timers.due("web", 51)) == [b"moved"]


def test_a_row_that_comes_up_on_one_clock_still_waits_on_the_others() -> None:
    timers = Timers()
    timers.move(b"row", "H1", [], [("web", 10), ("pickup", 20)])
    assert list(timers.due("web", 11)) == [b"row"]
    assert timers.clocks() == ["pickup"]
    assert list(timers.due("pickup", 21)) == [b"row"]


def test_a_row_that_waits_for_one_moment_on_behalf_of_two_rules_still_waits_for_the_other() -> None:
    timers = Timers()
    for rule in ("H1", "H2"):
        timers.move(b"row", rule, [], [("web", 10)])
    timers.move(b"row", "H1", [("web", 10)], [])
    assert list(timers.due("web", 11)) == [b"row"]


def test_the_first_moment_is_that_of_a_row_which_still_waits() -> None:
    timers = Timers()
    assert timers.first() is None
    timers.move(b"gone", "H1", [], [("web", 10)])
    timers.move(b"stays", "H1", [], [("pickup", 20)])
    timers.move(b"gone", "H1", [("web", 10)], [])
    assert timers.first() == 20


def test_moments_that_no_longer_count_do_not_pile_up() -> None:
    timers = Timers()
    for moment in range(10_000):
        timers.move(b"restless", "H1", [("web", moment - 1)] if moment else [], [("web", moment)])
    assert timers.waiting("web") == 1
    assert len(timers._heaps["web"]) < 100
