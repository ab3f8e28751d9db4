"""What may be said of a claim, by what is known of it and by how far its clock has come."""

from typing import Any

import pytest

from app.core.claim import Claim, next_look, verdict
from schemas.events import OrderVisible
from schemas.state import Fact

WARN, DEADLINE = 100, 200


def fact(at: int) -> Fact:
    return Fact(at, f"e{at}", "/pickup", "pickup", OrderVisible("o1", "s1"))


def said(mark: int, **fate: Any) -> list[str]:
    claim = Claim(episode="", trigger=fact(0), at=DEADLINE, warn_at=WARN, **fate)
    return [f"{stage.phase} {stage.resolution or 'firing'}" for stage in verdict(claim, mark)]


@pytest.mark.parametrize(
    ("mark", "stages"),
    [
        (WARN, []),
        (WARN + 1, ["jeopardy firing"]),
        (DEADLINE, ["jeopardy firing"]),
        (DEADLINE + 1, ["jeopardy firing", "breach firing"]),
    ],
)
def test_a_phase_begins_when_the_clock_is_beyond_its_moment(mark: int, stages: list[str]) -> None:
    assert said(mark) == stages


@pytest.mark.parametrize("fate", [{"met": fact(DEADLINE + 1)}, {"excused": fact(DEADLINE + 1)}])
def test_what_came_after_the_deadline_resolves_nothing_before_the_clock_is_beyond_it(fate: dict[str, Fact]) -> None:
    assert said(DEADLINE, **fate) == ["jeopardy firing"]
    assert said(DEADLINE + 1, **fate)[:2] == ["jeopardy firing", "breach firing"]
    assert len(said(DEADLINE + 1, **fate)) == 3


def test_an_answer_in_jeopardy_averts_the_breach_whatever_the_clock_says() -> None:
    for mark in (WARN + 1, DEADLINE, DEADLINE + 1):
        assert said(mark, met=fact(DEADLINE)) == ["jeopardy firing", "jeopardy averted"]


def test_a_claim_answered_too_late_is_looked_at_again_at_its_deadline() -> None:
    claim = Claim(episode="", trigger=fact(0), at=DEADLINE, warn_at=WARN, met=fact(DEADLINE + 1))
    assert [next_look(claim, mark) for mark in (WARN, WARN + 1, DEADLINE, DEADLINE + 1)] == [
        WARN,
        DEADLINE,
        DEADLINE,
        None,
    ]
