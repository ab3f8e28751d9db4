"""The runner of scenarios: it fails whenever what is written is not what happens."""

import textwrap

import msgspec
import pytest

from app.core.patterns.response import Response
from app.core.rule import On
from app.rules import order_not_visible
from app.timeline import START, Malformed, Raised, Timeline, duration, mismatches, moment, read_page, run, transcript
from schemas.codec import Event, TickData
from schemas.events import Line, OrderPlaced

RULES = [order_not_visible.RULE]
PLACED = "0:00 web order.placed order_id=o1 fulfilment=pickup location_id=s1"


def one(*lines: str, kinds: str = "fires") -> Timeline:
    (timeline,) = read_page("### A story\n```timeline " + kinds + "\n" + "\n".join(lines) + "\n```\n")
    return timeline


def differences(*lines: str) -> list[str]:
    return mismatches(run(one(*lines), RULES))


def test_a_story_that_says_what_happens_passes() -> None:
    assert differences(PLACED, "10:00 tick", "10:01 tick  # firing H101 o1") == []


def test_an_alert_that_nobody_claims_fails() -> None:
    assert differences(PLACED, "10:01 tick") == ["'10:01 tick': said firing H101 o1, claimed nothing"]


def test_a_claim_that_is_not_met_fails() -> None:
    assert differences(PLACED, "10:00 tick  # firing H101 o1") == [
        "'10:00 tick  # firing H101 o1': said nothing, claimed firing H101 o1"
    ]


def test_a_rule_that_raises_fails_though_it_says_what_is_claimed() -> None:
    asked = On(OrderPlaced, where=lambda placed: placed.data.fulfilment == "pickup")
    broken = msgspec.structs.replace(
        RULES[0], id="H199", pattern=Response(trigger=(asked,), target=(), owed_by=("pickup",))
    )

    with pytest.raises(Raised, match=r"^H199 raised AttributeError at test_timeline\.py:\d+, and so said nothing$"):
        run(one(PLACED, "10:01 tick  # firing H101 o1"), [*RULES, broken])


@pytest.mark.parametrize(
    "claimed",
    [
        "firing H101 o2",
        "firing H102 o1",
        "firing H101 o1 jeopardy",
        "resolved H101 o1 late",
        "firing H101 o1; firing H101 o1",
    ],
)
def test_a_claim_of_something_else_fails(claimed: str) -> None:
    assert len(differences(PLACED, f"10:01 tick  # {claimed}")) == 1


def test_what_is_claimed_on_the_wrong_line_fails_on_both() -> None:
    assert len(differences(PLACED, "10:01 tick", "10:02 tick  # firing H101 o1")) == 2


def test_how_it_was_resolved_must_be_claimed_too() -> None:
    seen = "11:00 pickup order.visible order_id=o1 location_id=s1  # resolved H101 o1"
    assert differences(PLACED, "10:01 tick  # firing H101 o1", f"{seen} late") == []
    assert len(differences(PLACED, "10:01 tick  # firing H101 o1", f"{seen} retracted")) == 1


def test_the_transcript_is_the_story_as_it_should_have_been_claimed() -> None:
    wrong = one(PLACED, "10:00 tick  # firing H101 o1", "10:01 tick")

    corrected = transcript(run(wrong, RULES)).splitlines()

    assert corrected[:2] == [PLACED, "10:00 tick"]
    assert corrected[2].split() == ["10:01", "tick", "#", "firing", "H101", "o1"]
    assert mismatches(run(one(*corrected), RULES)) == []


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nonsense", "a time and `tick`, or a time, a channel and a type"),
        ("noon tick", "'noon' is no time"),
        ("0:00 web", "a channel of web, app"),
        ("0:00 fax order.placed order_id=o1", "a channel of web, app"),
        ("0:00 web order.lost order_id=o1", "a type of the vocabulary"),
        ("0:00 web order.placed o1", "fields are name=value"),
        ("0:00 web order.placed", "order_id"),
        ("0:00 web order.placed order_id=o1 colour=red", "colour"),
        ("0:00 web order.placed order_id=o1 fulfilment=pikup", "'pikup'"),
        ("0:00 web order.placed order_id=o1 promised_to=noon", "'noon' is no time"),
        ("0:00 web order.placed order_id=o1 lines=1:tea:many", "many"),
        ("0:00 web profile.updated field=email version=two", "two"),
        ("given pickup.patience", "fields are name=value"),
    ],
)
def test_a_line_that_cannot_be_read_is_named_with_the_reason(line: str, reason: str) -> None:
    with pytest.raises(Malformed) as refused:
        one(line)
    assert reason in str(refused.value)


@pytest.mark.parametrize("given", ["H101.patience=5m", "H101.within=soon", "pickup.patience=30"])
def test_a_given_that_means_nothing_is_refused(given: str) -> None:
    with pytest.raises(Malformed):
        run(one(f"given {given}", PLACED), RULES)


@pytest.mark.parametrize("kinds", ["", "firse", "fires sometimes"])
def test_a_block_without_a_known_kind_is_refused_under_its_heading(kinds: str) -> None:
    with pytest.raises(Malformed, match=r"A story: .* one or more of fires, silent"):
        one(PLACED, kinds=kinds)


def test_a_block_without_a_heading_is_refused() -> None:
    with pytest.raises(Malformed, match="under no heading"):
        read_page(f"```timeline fires\n{PLACED}\n```\n")


@pytest.mark.parametrize(
    "block",
    [
        "```timeline fires\n0:00 tick\n",
        "  ```timeline fires\n  0:00 tick\n  ```\n",
        "``` timeline fires\n0:00 tick\n```\n",
        "~~~timeline fires\n0:00 tick\n~~~\n",
        "````timeline fires\n0:00 tick\n````\n",
    ],
)
def test_a_block_that_looks_like_a_timeline_and_would_not_be_run_is_refused(block: str) -> None:
    with pytest.raises(Malformed, match="2 timelines are begun and 1 are whole"):
        read_page(f"### One\n```timeline fires\n0:00 tick\n```\n### Another\n{block}")


def test_every_block_of_a_page_is_read_with_its_heading_and_its_kinds() -> None:
    page = textwrap.dedent(
        """\
        # A page
        ## Scenarios
        ### First
        Words, and `timeline` among them.
        ```timeline fires late
        0:00 tick
        ```
        ### Second
        ```toml
        within = "1m"
        ```
        ```timeline silent
        0:00 tick
        ```
        """
    )
    assert [(timeline.title, timeline.kinds) for timeline in read_page(page)] == [
        ("First", ("fires", "late")),
        ("Second", ("silent",)),
    ]


def test_a_record_line_becomes_an_event() -> None:
    (entry,) = one(
        "1d2:03:04.005 web order.placed order_id=o1 customer=c9 id=e9 promised_to=1:00 lines=1:tea:2,2:milk"
    ).entries

    assert isinstance(entry.record, Event)
    fact = entry.record.fact
    assert (entry.customer, fact.id, fact.source, fact.channel) == ("c9", "e9", "/web", "web")
    assert fact.at == START + ((26 * 60 + 3) * 60 + 4) * 1000 + 5
    assert isinstance(fact.data, OrderPlaced)
    assert fact.data.lines == (Line("1", "tea", 2), Line("2", "milk", 1))
    assert f"{fact.data.promised_to}" == "2026-03-02 09:01:00+00:00"


def test_a_tick_tells_how_far_channels_were_heard_and_when_they_spoke() -> None:
    _, every, two = one("1:00 pickup order.visible order_id=o1", "2:00 tick", "3:00 tick web pickup").entries

    assert isinstance(every.record, TickData)
    assert isinstance(two.record, TickData)
    assert len(every.record.progress) == 12
    assert [(p.channel, p.heard - START, p.spoke and p.spoke - START) for p in two.record.progress] == [
        ("web", 180_000, None),
        ("pickup", 180_000, 60_000),
    ]


def test_a_remark_and_an_empty_line_are_no_records() -> None:
    assert len(one("# before the doors open", "", PLACED).entries) == 1


@pytest.mark.parametrize(
    ("text", "ms"), [("0:00", 0), ("10:00.001", 600_001), ("1:02:03", 3_723_000), ("2d0:00:00", 172_800_000)]
)
def test_a_moment_counts_from_the_start(text: str, ms: int) -> None:
    assert moment(text) == ms


@pytest.mark.parametrize(("text", "ms"), [("10s", 10_000), ("5m", 300_000), ("2h", 7_200_000), ("3d", 259_200_000)])
def test_a_duration_has_one_unit(text: str, ms: int) -> None:
    assert duration(text) == ms


def test_givens_set_windows_feeds_and_patience() -> None:
    assert differences("given H101.within=1m", PLACED, "1:01 tick  # firing H101 o1") == []
    assert differences("given H101.location.s1=20m H101.channel.web=1m", PLACED, "19:00 tick") == []
    assert differences("given feeds=web", PLACED, "30:00 tick web") == []
    assert differences("given pickup.lateness=5m", PLACED, "15:00 tick", "15:01 tick # firing H101 o1") == []
