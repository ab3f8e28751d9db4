"""A record is taken once, whoever sends it again."""

from app.core.taken import Position, take


def test_what_stands_above_all_that_was_taken_is_taken_and_nothing_else() -> None:
    taken: dict[str, Position] = {}
    assert take(taken, ("orders", 0), (7, 0))
    assert not take(taken, ("orders", 0), (7, 0))
    assert not take(taken, ("orders", 0, 6), (6, 3))
    assert take(taken, ("orders", 0), (7, 1))
    assert take(taken, ("orders", 0), (9, 0))


def test_each_partition_of_each_topic_is_an_origin_of_its_own() -> None:
    taken: dict[str, Position] = {}
    assert all(take(taken, origin, (7, 0)) for origin in (("orders", 0), ("orders", 1), ("desk", 0)))


def test_what_has_no_origin_is_always_taken() -> None:
    assert all(take({}, None, (0, 0)) for _ in range(2))
