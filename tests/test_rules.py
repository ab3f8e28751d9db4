"""Every rule's page, executed; and the laws that hold for all rules."""

import re
import tomllib
from collections import Counter
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

import app.rules
from app.config import load_settings
from app.core.patterns.response import Response
from app.core.rule import SECOND, Rule
from app.core.subjects import subject_of
from app.rules import RULES
from app.rules.catalogue import FAMILIES, HEADINGS, sections, stem, summary
from app.rules.scaffold import MARK
from app.timeline import KINDS, Entry, Timeline, duration, mismatches, read_page, run, transcript
from schemas.codec import Event, to_ms
from schemas.state import Fact

PAGES = Path(app.rules.__file__).parent
OF_ALL_RULES = {"__init__", "catalogue", "scaffold", "README"}
"""The files beside the rules that are no rule."""
DESIGN = {
    "H101": "order-not-visible",
    "H102": "order-not-ready",
    "H103": "curbside-wait",
    "H104": "request-not-fulfilled",
    "H105": "contact-unanswered",
    "H106": "dropped-transfer",
    "H107": "delivery-no-show",
    "H108": "profile-not-shared",
    "H109": "journey-not-resumed",
    "H110": "customer-not-told",
    "H111": "order-not-dispatched",
    "H112": "parcel-forgotten",
    "H201": "duplicate-fulfilment",
    "H202": "duplicate-order",
    "H203": "contact-bounced",
    "H301": "unannounced-change",
    "H302": "late-cancellation",
    "H303": "fulfilled-after-cancel",
    "H304": "stale-promise",
    "H305": "unknown-order",
    "H401": "wrong-item",
    "H402": "context-lost",
    "H403": "wrong-location",
    "H501": "channel-silent",
}
REQUIRED = {"fires", "silent", "boundary", "once", "disorder", "twice", "beside"}


def page(rule: Rule) -> str:
    return (PAGES / f"{stem(rule.name)}.md").read_text()


CASES = [
    pytest.param(rule, timeline, id=f"{rule.id} {timeline.title}")
    for rule in RULES
    for timeline in read_page(page(rule))
]
of_every_rule = pytest.mark.parametrize("rule", RULES, ids=[rule.id for rule in RULES])
of_every_timeline = pytest.mark.parametrize(("rule", "timeline"), CASES)


@of_every_timeline
@pytest.mark.parametrize("way", [{}, {"twice": True}, {"resumed": True}], ids=["once", "twice", "resumed"])
def test_a_timeline_says_what_it_claims(rule: Rule, timeline: Timeline, way: dict[str, bool]) -> None:
    said = run(timeline, [rule], **way)
    assert not mismatches(said), "\n" + transcript(said)


def test_no_rule_of_the_design_is_missing_or_has_changed_its_name() -> None:
    assert {rule.id: rule.name for rule in RULES if rule.id in DESIGN} == DESIGN


def test_the_list_is_in_the_order_of_ids_and_no_id_or_name_is_there_twice() -> None:
    ids = [rule.id for rule in RULES]
    assert ids == sorted(set(ids))
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_every_file_is_a_rule_in_the_list_or_its_page() -> None:
    stems = sorted(stem(rule.name) for rule in RULES)
    assert sorted(path.stem for path in PAGES.glob("*.py") if path.stem not in OF_ALL_RULES) == stems
    assert sorted(path.stem for path in PAGES.glob("*.md") if path.stem not in OF_ALL_RULES) == stems


@of_every_rule
def test_id_name_file_and_page_follow_from_one_another(rule: Rule) -> None:
    assert re.fullmatch(r"H[1-5]\d\d", rule.id)
    assert rule.id[:2] in FAMILIES
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", rule.name)
    module = (PAGES / f"{stem(rule.name)}.py").read_text()
    assert module.startswith(f'"""{rule.id}: ')
    assert page(rule).splitlines()[0] == f"# {rule.id} {rule.name}"


@of_every_rule
def test_a_page_has_its_headings_and_something_under_each(rule: Rule) -> None:
    told = sections(page(rule))
    assert tuple(told)[1:] == HEADINGS
    assert all(told.values())
    assert summary(page(rule)).endswith(".")


@of_every_rule
def test_nothing_is_left_to_be_written(rule: Rule) -> None:
    assert MARK not in page(rule)
    assert MARK not in (PAGES / f"{stem(rule.name)}.py").read_text()


@of_every_rule
def test_the_settings_of_a_page_are_settings(rule: Rule, tmp_path: Path) -> None:
    shown = "\n".join(re.findall(r"^```toml\n(.*?)^```", sections(page(rule))["Settings"], re.MULTILINE | re.DOTALL))
    assert list(tomllib.loads(shown)["rules"]) == [rule.id]
    (tmp_path / "handoff.toml").write_text(shown)
    assert rule.id in load_settings(tmp_path / "handoff.toml").rule_settings()


@of_every_rule
def test_every_timeline_that_is_written_is_read_and_each_has_a_heading_of_its_own(rule: Rule) -> None:
    read = read_page(page(rule))
    written = re.findall(r"^ *(?:```+|~~~+) *timeline", page(rule), re.MULTILINE)
    headings = re.findall(r"^### +(.+)$", sections(page(rule))["Scenarios"], re.MULTILINE)
    assert len(read) == len(written)
    assert [timeline.title for timeline in read] == headings
    assert len(set(headings)) == len(headings)
    assert all(timeline.entries for timeline in read)


def needed(rule: Rule) -> set[str]:
    """The kinds of scenario that a rule must have: of all rules, of its pattern, and all that can end its alerts."""
    kinds = set(REQUIRED)
    if isinstance(rule.pattern, Response):
        kinds |= {"late", "retracted"}
        kinds |= {"cancelled"} if rule.pattern.unless else set()
        kinds |= {"averted"} if rule.pattern.warn else set()
    claimed = {
        word for t in read_page(page(rule)) for e in t.entries for claim in e.claims for word in claim.split()[3:]
    }
    return kinds | (claimed & {"late", "averted", "retracted", "cancelled"})


@of_every_rule
def test_a_rule_has_every_kind_of_scenario_that_it_can_have(rule: Rule) -> None:
    assert needed(rule) - {kind for timeline in read_page(page(rule)) for kind in timeline.kinds} == set()


def claims(timeline: Timeline) -> list[str]:
    return [claim for entry in timeline.entries for claim in entry.claims]


def firing(timeline: Timeline) -> list[str]:
    return [claim for claim in claims(timeline) if claim.startswith("firing ")]


def resolved(timeline: Timeline) -> set[str]:
    return {claim.split()[-1] for claim in claims(timeline) if claim.startswith("resolved ")}


def told(timeline: Timeline) -> list[tuple[str, Fact]]:
    return [(entry.customer, entry.record.fact) for entry in timeline.entries if isinstance(entry.record, Event)]


def subjects(rule: Rule, timeline: Timeline) -> set[tuple[str, str, str]]:
    found = {(customer, kind, subject_of(kind, f.data)) for customer, f in told(timeline) for kind in rule.patterns()}
    if rule.about == "channel":
        return {("", "channel", fact.channel) for _, fact in told(timeline)}
    return {(customer, kind, subject) for customer, kind, subject in found if subject is not None}


def fires_once(timeline: Timeline) -> bool:
    """Whether something comes after a breach has fired that makes it fire no more."""
    fired = [any(claim.startswith("firing ") for claim in entry.claims) for entry in timeline.entries]
    return True in fired and any(not entry.claims for entry in timeline.entries[fired.index(True) :])


def heard(entry: Entry) -> list[int]:
    """The moments of a record, ms: when it happened, or how far it says that channels were heard."""
    if isinstance(entry.record, Event):
        return [entry.record.fact.at]
    return [progress.heard for progress in entry.record.progress]


def backwards(timeline: Timeline) -> bool:
    """Whether an event is timed before something that was heard earlier."""
    latest = 0
    for entry in timeline.entries:
        if isinstance(entry.record, Event) and entry.record.fact.at < latest:
            return True
        latest = max([latest, *heard(entry)])
    return False


def repeats_a_record(timeline: Timeline) -> bool:
    events = Counter((customer, fact.source, fact.id) for customer, fact in told(timeline))
    return max(events.values()) > 1


def moments(timeline: Timeline) -> tuple[list[int], list[int]]:
    """When its records are timed or heard of; and the moments that they speak of, ms."""
    fields = [value for _, fact in told(timeline) for value in msgspec.structs.asdict(fact.data).values()]
    return (
        [moment for entry in timeline.entries for moment in heard(entry)],
        [to_ms(field) for field in fields if isinstance(field, datetime)],
    )


def windows(rule: Rule, timeline: Timeline) -> set[int]:
    """The durations that the rule may wait for here, ms."""
    given = {duration(value) for value in timeline.given.values() if re.fullmatch(r"\d+[smhd]", value)}
    return given | {ms for ms in (rule.within, *rule.by_channel.values()) if ms}


def sides(rule: Rule, timeline: Timeline) -> set[str]:
    """On which sides of a limit something comes, within a second of it: of the end of a window, of a moment promised,
    and, for rules that judge the moment itself, of what it follows.
    """
    records, spoken = moments(timeline)
    waits = windows(rule, timeline)
    gaps = {abs(a - b) - wait for a in records for b in records + spoken for wait in waits if a != b}
    gaps |= {a - b for a in records for b in spoken}
    if not waits or not isinstance(rule.pattern, Response):
        gaps |= {a - b for a in records for b in records if a != b}
    return {"at" if gap == 0 else "before" if gap < 0 else "after" for gap in gaps if abs(gap) <= SECOND}


COHERENT = {
    "fires": lambda rule, t: bool(firing(t)),
    "silent": lambda rule, t: not claims(t),
    "boundary": lambda rule, t: bool(sides(rule, t)),
    "once": lambda rule, t: fires_once(t),
    "late": lambda rule, t: "late" in resolved(t),
    "averted": lambda rule, t: "averted" in resolved(t),
    "retracted": lambda rule, t: "retracted" in resolved(t),
    "cancelled": lambda rule, t: "cancelled" in resolved(t),
    "disorder": lambda rule, t: backwards(t),
    "twice": lambda rule, t: repeats_a_record(t),
    "beside": lambda rule, t: len(subjects(rule, t)) > 1,
}
"""Kind of scenario → what a timeline that says to be one must show."""


@of_every_timeline
def test_a_timeline_is_of_the_kinds_it_says(rule: Rule, timeline: Timeline) -> None:
    assert [kind for kind in timeline.kinds if not COHERENT[kind](rule, timeline)] == [], "\n" + transcript(
        run(timeline, [rule])
    )


@of_every_rule
def test_the_limit_of_a_rule_is_tried_before_at_and_after_it(rule: Rule) -> None:
    tried = [sides(rule, timeline) for timeline in read_page(page(rule)) if "boundary" in timeline.kinds]
    wanted = {"before", "at", "after"} if rule.within else {"before", "after"}
    assert wanted - set().union(*tried) == set()


def test_every_kind_of_scenario_has_a_meaning() -> None:
    assert set(COHERENT) == set(KINDS)
