"""Closing: when open cases are to be closed, in pieces of which few are in memory."""

from hypothesis import example, given
from hypothesis import strategies as st

from app.core.clocks import ALWAYS
from app.core.closing import PIECE, Closing
from app.core.room import Room
from app.core.rows import Rows, piece_number
from schemas.codec import decode_closings


class Queue:
    """A queue and the table behind it; each change is a batch of its own."""

    def __init__(self) -> None:
        self.table: dict[bytes, bytes] = {}
        self.counts: dict[bytes, int] = {}
        """Which moment of a row counts."""
        self.take_up()

    def take_up(self) -> None:
        """As another worker would."""
        self._rows = Rows(self.table.get, Room(10))
        self.closing = Closing(self._rows)
        numbers = [number for key in self.table if (number := piece_number(key)) is not None]
        self.closing.resume(numbers, min(self.counts.values(), default=ALWAYS))

    def append(self, moment: int, key: bytes) -> None:
        self.closing.append(moment, key)
        self.counts[key] = moment
        self.flush()

    def due(self, mark: int) -> list[bytes]:
        """The rows to be closed now."""
        due = [(moment, key) for moment, key in self.closing.due(mark) if self.counts.get(key) == moment]
        for _, key in due:
            self.counts.pop(key, None)
        self.flush()
        return [key for _, key in due]

    def flush(self) -> None:
        for key, row in self._rows.take_writes().items():
            self.table.pop(key, None) if row is None else self.table.update({key: row})

    def pieces(self) -> list[int]:
        """How many stand in each piece."""
        return [len(decode_closings(row).cases) for _, row in sorted(self.table.items())]


def queue(*moments: int) -> Queue:
    """One row for each moment, named after its place."""
    made = Queue()
    for place, moment in enumerate(moments):
        made.append(moment, b"%06d" % place)
    return made


def test_rows_come_earliest_first_once_and_not_before_their_moment_has_passed() -> None:
    made = queue(30, 10, 20)
    assert made.due(10) == []
    assert made.due(21) == [b"000001", b"000002"]
    assert made.closing.due(21) == []
    assert made.due(99) == [b"000000"]
    assert made.closing.due(99) == []


def test_a_piece_that_is_full_begins_another() -> None:
    assert queue(*range(PIECE)).pieces() == [PIECE]
    assert queue(*range(PIECE + 1)).pieces() == [PIECE, 1]


def test_in_which_piece_a_row_stands_makes_no_difference_to_when_it_comes() -> None:
    made = queue(*(n % 7 for n in range(3 * PIECE)))
    expected = sorted(range(3 * PIECE), key=lambda n: (n % 7, n))
    assert [int(key) for mark in range(9) for key in made.due(mark)] == expected
    assert [int(key) for key in queue(*(n % 7 for n in range(3 * PIECE))).due(9)] == expected


def test_a_piece_stays_as_it_is_until_all_of_it_has_passed_and_then_nothing_is_left() -> None:
    made = queue(*range(PIECE), PIECE)
    before = dict(made.table)
    assert len(made.due(PIECE - 1)) == PIECE - 1
    assert made.table == before
    assert made.due(PIECE + 1) == [b"%06d" % (PIECE - 1), b"%06d" % PIECE]
    assert made.table == {}


def test_a_moment_that_passed_long_ago_comes_with_the_next_tick_though_later_ones_have_come() -> None:
    made = queue(10, 50, 90)
    made.due(60)
    made.append(5, b"late")
    assert made.due(60) == [b"late"]


def test_a_case_that_ended_early_and_was_opened_again_comes_once_at_its_own_time() -> None:
    made = queue(10)
    made.append(20, b"000000")
    assert made.due(11) == []
    assert made.due(99) == [b"000000"]


def test_nothing_is_looked_at_again_because_the_worker_was_another() -> None:
    made = queue(10, 20, 30)
    made.due(15)
    made.take_up()
    assert made.closing.due(25) == [(20, b"000001")]


def test_the_first_moment_is_that_of_what_is_still_to_come() -> None:
    made = queue(*range(10, 10 + PIECE), 5)
    assert made.closing.first() == 5
    made.due(20)
    assert made.closing.first() == 20
    made.due(999)
    assert made.closing.first() is None


def test_what_is_in_memory_is_one_piece_and_one_moment_for_each_other() -> None:
    made = queue(*range(10_000))
    assert len(made.closing._heap) == 10_000 // PIECE == 39
    assert len(made.closing._last.cases) == 10_000 % PIECE


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans(), st.integers(1, 400)), max_size=12))
@example([(40, True, 300), (0, True, 200), (9, False, 1), (60, False, 1), (0, True, 1)])
@example([(20, True, 338), (4, True, 305), (25, False, 1), (30, False, 1), (18, True, 1)])
def test_a_queue_taken_up_anew_goes_on_as_it_would_have(happenings: list[tuple[int, bool, int]]) -> None:
    straight, resumed = Queue(), Queue()
    for at, opens, number in happenings:
        for one in (straight, resumed):
            for place in range(number if opens else 0):
                one.append(at + place % 9, b"%d" % place)
        assert opens or straight.due(at) == resumed.due(at)
        resumed.take_up()
        assert straight.table == resumed.table
    assert straight.due(99) == resumed.due(99)
    assert straight.table == resumed.table == {}
