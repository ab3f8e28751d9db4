"""Which cases of a customer are open: found again after a restart, and no more written of them than what changed."""

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from app.core.journeys import PAGE, Journeys, Subject, journey_key, page_key
from app.core.room import Room
from schemas.codec import decode_journey

HEAD = journey_key("ann")


def subjects(first: int, last: int) -> list[Subject]:
    return [("order", f"o{number}") for number in range(first, last)]


class Table:
    """Rows, what was asked of them, and what a batch wrote."""

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.asked: list[bytes] = []

    def get(self, key: bytes) -> bytes | None:
        self.asked.append(key)
        return self.rows.get(key)

    def write(self, journeys: Journeys) -> list[bytes]:
        """Ends a batch; returns the keys in the order in which they were written."""
        writes = list(chain(journeys.written_first(), journeys.written_last()))
        for key, row in writes:
            self.rows.pop(key, None) if row is None else self.rows.update({key: row})
        journeys.settle()
        return [key for key, _ in writes]


def opened(table: Table, count: int) -> Journeys:
    journeys = Journeys(table.get, Room(10))
    for subject in subjects(0, count):
        journeys.add("ann", subject)
    table.write(journeys)
    return journeys


def test_what_was_opened_is_open_in_its_order_before_and_after_a_restart() -> None:
    table = Table()
    before = opened(table, 3 * PAGE + 5)
    after = Journeys(table.get, Room(10))
    for journeys in (before, after):
        assert list(journeys.of("ann")) == subjects(0, 3 * PAGE + 5)
        assert len(journeys.of("ann")) == 3 * PAGE + 5
        assert ("order", "o0") in journeys.of("ann")
        assert ("order", "o999") not in journeys.of("ann")
        assert not journeys.of("bob")


def test_a_case_opened_writes_the_last_page_alone() -> None:
    table = Table()
    journeys = opened(table, 2 * PAGE)
    journeys.add("ann", ("cart", "k1"))
    assert table.write(journeys) == [page_key("ann", 1), HEAD], "the page that is full now is put by"
    journeys.add("ann", ("cart", "k2"))
    assert table.write(journeys) == [HEAD]
    assert decode_journey(table.rows[HEAD]).open == [("cart", "k1"), ("cart", "k2")]


def test_a_case_closed_writes_its_page_alone() -> None:
    table = Table()
    journeys = opened(table, PAGE + 2)
    journeys.remove("ann", ("order", "o0"))
    assert table.write(journeys) == [page_key("ann", 0)]
    journeys.remove("ann", ("order", f"o{PAGE}"))
    assert table.write(journeys) == [HEAD]
    assert list(Journeys(table.get, Room(10)).of("ann")) == [*subjects(1, PAGE), *subjects(PAGE + 1, PAGE + 2)]


def test_a_page_without_cases_goes_after_nothing_tells_of_it() -> None:
    table = Table()
    journeys = opened(table, PAGE + 1)
    for subject in subjects(0, PAGE):
        journeys.remove("ann", subject)
    assert table.write(journeys) == [HEAD, page_key("ann", 0)]
    assert table.rows.keys() == {HEAD}


def test_a_customer_without_open_cases_has_no_row() -> None:
    table = Table()
    journeys = opened(table, PAGE + 1)
    for subject in subjects(0, PAGE + 1):
        journeys.remove("ann", subject)
    table.write(journeys)
    assert table.rows == {}


def test_what_is_not_open_is_closed_without_a_word() -> None:
    table = Table()
    journeys = opened(table, PAGE + 1)
    journeys.remove("ann", ("order", "never"))
    journeys.remove("bob", ("order", "o1"))
    assert table.write(journeys) == []


def test_a_page_that_is_missing_holds_nothing() -> None:
    table = Table()
    opened(table, PAGE + 1)
    del table.rows[page_key("ann", 0)]
    assert list(Journeys(table.get, Room(10)).of("ann")) == subjects(PAGE, PAGE + 1)


def test_twice_as_many_customers_are_kept_in_memory_as_there_is_room_for_cases() -> None:
    table, customers = Table(), [f"c{number}" for number in range(10)]
    journeys = Journeys(table.get, Room(3))
    for customer in customers:
        journeys.add(customer, ("order", "o1"))
    table.write(journeys)
    table.asked.clear()
    assert all(list(journeys.of(customer)) == [("order", "o1")] for customer in reversed(customers))
    assert table.asked == [journey_key(customer) for customer in reversed(customers[:4])]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 300), st.sampled_from(("go on", "write", "restart")))))
def test_whatever_is_opened_and_closed_the_open_ones_are_known_in_their_order(
    steps: list[tuple[bool, int, str]],
) -> None:
    table, expected = Table(), dict.fromkeys(subjects(1000, 1000 + 2 * PAGE))
    journeys = Journeys(table.get, Room(10))
    for subject in expected:
        journeys.add("ann", subject)
    for opens, number, then in steps:
        if opens and ("order", f"o{number}") not in expected:
            journeys.add("ann", ("order", f"o{number}"))
            expected["order", f"o{number}"] = None
        elif not opens and expected:
            subject = list(expected)[number % len(expected)]
            journeys.remove("ann", subject)
            del expected[subject]
        if then != "go on":
            table.write(journeys)
        if then == "restart":
            journeys = Journeys(table.get, Room(10))
        assert list(journeys.of("ann")) == list(expected)
    table.write(journeys)
    assert sum(len(decode_journey(row).open) for row in table.rows.values()) == len(expected)
