"""Rows: the table as values, and the keys that tell rows apart."""

from hypothesis import given
from hypothesis import strategies as st

from app.core.alerting import Who
from app.core.journeys import journey_key
from app.core.room import Room
from app.core.rows import JOURNAL, Rows, piece_key, row_key, who_of
from schemas.codec import encode_row
from schemas.events import OrderCancelled
from schemas.state import Case, Closings, Fact, Journal, Journey

words = st.text(st.characters(), max_size=8) | st.sampled_from(("", "\0", "1:a", "a\0order\0", "0:"))
KEY = row_key("ann", "order", "o1")


class Table:
    """A table that notes what is read."""

    def __init__(self, rows: dict[bytes, bytes] | None = None) -> None:
        self.rows = rows or {}
        self.asked: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        self.asked.append(key)
        return self.rows.get(key)

    def flush(self, rows: Rows) -> None:
        self.rows |= {key: row for key, row in rows.take_writes().items() if row is not None}

    def read_for(self, rows: Rows, keys: list[bytes]) -> list[bytes]:
        """Which of these cases had to be read from here; none is changed."""
        self.asked.clear()
        for key in keys:
            assert rows.case(key) is not None
        return list(self.asked)


@given(st.tuples(words, st.sampled_from(("order", "contact")), words))
def test_a_key_tells_whose_row_it_is(who: tuple[str, str, str]) -> None:
    assert who_of(row_key(*who)) == Who(*who)


@given(words, words, words, words)
def test_no_choice_of_ids_makes_two_keys_the_same(one: str, its: str, other: str, others: str) -> None:
    same = (one, its) == (other, others)
    assert (row_key(one, "order", its) == row_key(other, "order", others)) == same
    assert row_key(one, "order", its) not in (JOURNAL, journey_key(other))


def test_a_row_is_read_once_and_written_once_for_a_batch() -> None:
    table = Table({KEY: encode_row(Case(touched=1))})
    rows = Rows(table.get, Room(10))
    for touched in (2, 3):
        case = rows.case(KEY)
        assert case is not None
        case.touched = touched
        rows.put(KEY, case)
    assert table.asked == [KEY]
    assert rows.take_writes() == {KEY: encode_row(Case(touched=3))}
    assert rows.take_writes() == {}


def test_what_a_journey_does_not_list_is_not_looked_for() -> None:
    listed = Journey(open=[("order", "o1")])
    table = Table({KEY: encode_row(Case(touched=1)), journey_key("ann"): encode_row(listed)})
    rows = Rows(table.get, Room(10))
    for subject in ("o2", "o3"):
        assert rows.open_case(row_key("ann", "order", subject), "ann", ("order", subject)) is None
    assert rows.open_case(KEY, "ann", ("order", "o1")) == Case(touched=1)
    assert table.asked == [journey_key("ann"), KEY]


def test_a_deleted_row_is_gone_before_it_is_written() -> None:
    rows = Rows({KEY: encode_row(Case())}.get, Room(10))
    rows.delete(KEY)
    assert rows.case(KEY) is None
    assert rows.take_writes() == {KEY: None}


def keys_of(number: int) -> list[bytes]:
    return [row_key("ann", "order", str(one)) for one in range(number)]


def waiting() -> Case:
    return Case(due={"H101": [("pickup", 5)]})


def test_a_case_that_takes_much_room_is_read_again_and_is_the_same() -> None:
    table, (small, large) = Table(), keys_of(2)
    rows = Rows(table.get, Room(10))
    said = [Fact(1, "e" * 9_000, "/web", "web", OrderCancelled("o1"))]
    rows.put(small, waiting())
    rows.put(large, Case(facts=said))
    table.flush(rows)
    assert table.read_for(rows, [small, large, small, large]) == [large, large]
    assert rows.case(large) == Case(facts=said)


def test_no_more_cases_are_kept_in_memory_than_asked_for() -> None:
    table, keys = Table(), keys_of(10)
    rows = Rows(table.get, Room(3))
    for key in keys:
        rows.put(key, waiting())
    table.flush(rows)
    assert len(table.rows) == 10
    assert table.read_for(rows, keys[7:]) == []
    assert table.read_for(rows, keys) == keys[:7]


def test_partitions_share_the_room_and_cases_that_changed_last_stay() -> None:
    room, table, keys = Room(6), Table(), keys_of(4)
    rows, _other = Rows(table.get, room), Rows({}.get, room)
    for key in keys:
        rows.put(key, waiting())
    table.flush(rows)
    assert table.read_for(rows, keys[1:]) == []
    rows.put(keys[1], waiting())
    rows.put(keys[0], waiting())
    table.flush(rows)
    assert table.read_for(rows, [keys[3], keys[1], keys[0], keys[2]]) == [keys[2]]


def test_cases_that_wait_for_nothing_leave_first_though_they_changed_last() -> None:
    table, keys = Table(), keys_of(4)
    rows = Rows(table.get, Room(3))
    for key in keys[:2]:
        rows.put(key, waiting())
    for key in keys[2:]:
        rows.put(key, Case())
    table.flush(rows)
    assert table.read_for(rows, [*keys[:2], keys[3], keys[2]]) == [keys[2]]


def test_a_case_that_waits_for_nothing_is_the_same_when_it_is_asked_for_again_and_gone_when_it_is_closed() -> None:
    table = Table()
    rows = Rows(table.get, Room(3))
    rows.put(KEY, Case(touched=1))
    table.flush(rows)
    case = rows.case(KEY)
    assert case is not None
    case.touched = 2
    rows.put(KEY, case)
    table.flush(rows)
    assert rows.case(KEY) == Case(touched=2)
    rows.delete(KEY)
    assert rows.case(KEY) is None
    assert rows.take_writes() == {KEY: None}
    assert table.asked == []


def test_rows_are_written_so_that_none_speaks_of_another_that_is_not_there_though_only_the_first_arrive() -> None:
    """Without transactions a worker may die between two batches of rows, and does all of it again."""
    rows = Rows({}.get, Room(9))
    rows.put_journal(Journal())
    rows.put_piece(1, None)
    rows.journeys.add("ann", ("order", "o1"))
    rows.put(KEY, Case())
    rows.put_piece(2, Closings(cases=[(7, KEY)]))
    assert list(rows.take_writes()) == [piece_key(2), KEY, journey_key("ann"), piece_key(1), JOURNAL]
