"""What a replay says of rules that judge nothing, because of the channels that owe none is heard."""

from pathlib import Path
from typing import Any

import pytest

from app.channels import Channels
from app.replay.summary import unheard_lines
from tests.app.test_replay import channels, event, placed, play, visible

DELIVERY = {"order_id": "o1", "window_from": "2026-03-02T09:00:00Z", "window_to": "2026-03-02T11:00:00Z"}


def heard(*names: str) -> Channels:
    """The topics of these channels, all in one file's order."""
    return channels("".join(f'[topics.{name}]\nchannel = "{name}"\nfiles = "{name}.jsonl"\n' for name in names))


def unheard(path: Path, of: Channels, *records: bytes, **options: Any) -> dict[str, dict[str, int]]:
    topic = of.tables.topics and next(iter(of.tables.topics))
    played = play(path / f"{topic}.jsonl", *records, channels=of, **options)
    return {rule: told["unheard"] for rule, told in played.report.rules.items() if told["unheard"]}


def test_a_rule_that_asks_of_a_channel_without_a_topic_is_named_with_what_asked_it(tmp_path: Path) -> None:
    records = [placed(0), placed(1, "o2"), event(2, "web", "order.cancelled", order_id="o2", by="us")]

    assert unheard(tmp_path, heard("web"), *records) == {"H101": {"pickup": 2}, "H110": {"notification": 1}}


def test_where_a_channel_that_owes_is_heard_nothing_is_said(tmp_path: Path) -> None:
    assert unheard(tmp_path, heard("web", "pickup", "notification"), placed(0), placed(30, "o2")) == {}


def test_canonical_recordings_hear_every_channel(tmp_path: Path) -> None:
    played = play(tmp_path / "day.jsonl", placed(0), visible(5))

    assert not any(told["unheard"] for told in played.report.rules.values())


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("web",), {"H111": {"warehouse+store": 1}}),
        (("web", "store"), {}),
        (("web", "carrier"), {}),
    ],
)
def test_rules_that_fall_back_to_other_channels_judge_by_those(
    tmp_path: Path, names: tuple[str, ...], expected: dict[str, dict[str, int]]
) -> None:
    """H107 falls back to whoever confirmed the window, H111 to the carrier."""
    records = [
        event(0, "web", "order.placed", order_id="o1", fulfilment="delivery"),
        event(0, "web", "delivery.scheduled", **DELIVERY),
    ]

    assert unheard(tmp_path, heard(*names), *records) == expected


def test_each_channel_that_a_rule_asks_by_itself_is_told_by_itself(tmp_path: Path) -> None:
    records = [
        event(0, "web", "profile.updated", field="address", version=1),
        event(0, "web", "contact.opened", case_id="k1"),
        event(1, "web", "contact.transferred", case_id="k1", to_channel="chat"),
    ]

    assert unheard(tmp_path, heard("web", "app"), *records) == {
        "H106": {"chat": 1},
        "H108": {"phone": 1, "store": 1},
    }


def test_work_on_an_order_is_held_against_nobody_where_no_selling_channel_is_heard(tmp_path: Path) -> None:
    found = unheard(tmp_path, heard("pickup"), visible(0), visible(30, "o2"))

    assert found == {"H305": {"web+app+store+phone": 2}}


def test_what_is_left_out_is_not_told(tmp_path: Path) -> None:
    from app.rules import RULES

    only = tuple(rule for rule in RULES if rule.id == "H107")
    assert unheard(tmp_path, heard("web"), placed(0), rules=only) == {}
    assert unheard(tmp_path, heard("web"), placed(0), placed(30, "o2"), until=0) == {}


def test_the_words_for_people(tmp_path: Path) -> None:
    played = play(tmp_path / "web.jsonl", placed(0), placed(30, "o2"), channels=heard("web"))

    assert unheard_lines(played.report.rules) == [
        "H101 order-not-visible is not judged for 2 events: pickup owes it, and has no topic"
    ]
