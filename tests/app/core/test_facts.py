"""The facts of a case: kept in order and by type as they come and go, and what follows from them worked out once."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from app.core.facts import Facts, by_time, facts_of
from schemas.codec import decode_case, encode_row
from schemas.events import Data, OrderCancelled, OrderPlaced, OrderReady
from schemas.state import Case, Fact

KINDS: tuple[type[Data], ...] = (OrderPlaced, OrderReady, OrderCancelled)


def fact(at: int, kind: type[Data] = OrderPlaced, name: str = "") -> Fact:
    return Fact(at, name or f"e{at}", "/web", "web", kind(order_id="o1"))  # type: ignore[call-arg]


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(KINDS)), max_size=12), st.integers(1, 12))
def test_facts_that_come_in_any_order_and_go_are_as_if_they_had_been_there_at_once(
    told: list[tuple[int, type[Data]]], cap: int
) -> None:
    all_of_them = [fact(at, kind, f"e{number}") for number, (at, kind) in enumerate(told)]
    facts, plain = Facts(), list[Fact]()
    for one in all_of_them:
        facts.add(one)
        plain = sorted([*plain, one], key=by_time)
        if len(facts) > cap:
            facts.drop_oldest()
            plain = plain[1:]
        assert facts == plain
        assert facts.of == Facts(plain).of


def test_what_follows_from_some_types_is_worked_out_anew_when_a_fact_of_them_comes_or_goes() -> None:
    asked: list[int] = []

    def how_many(facts: Sequence[Fact]) -> int:
        asked.append(len(facts))
        return len(facts)

    facts = Facts([fact(1)])
    for more in (None, fact(2, OrderReady), fact(3)):
        if more is not None:
            facts.add(more)
        facts.once(how_many, (OrderPlaced,))
    facts.drop_oldest()
    assert facts.once(how_many, (OrderPlaced,)) == 2
    assert asked == [1, 3, 2]


def test_a_case_keeps_its_facts_by_type_and_its_row_is_the_same() -> None:
    case = Case(facts=[fact(1), fact(2, OrderReady)])
    row = encode_row(case)
    assert facts_of(case) is facts_of(case)
    assert encode_row(case) == row
    assert decode_case(row) == case
