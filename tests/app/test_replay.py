"""Replay: recorded files in, alerts and a report out."""

import gzip
import json
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from app.channels import Channels
from app.config import parse_channels
from app.core.patterns.response import Response
from app.core.rule import On
from app.replay import Options, Report, replay
from app.replay.files import BadFile
from app.replay.sources import Rejection
from app.replay.summary import events_lines
from schemas.alerts import Alert
from schemas.codec import encode_alert, to_ms
from schemas.events import OrderPlaced

MORNING = datetime(2026, 3, 2, 9, tzinfo=UTC)


def event(minutes: float, channel: str, kind: str, *, customer: Any = "c1", **data: Any) -> bytes:
    who = {"id": customer} if isinstance(customer, str) else customer
    time = (MORNING + timedelta(minutes=minutes)).isoformat()
    name = f"{kind}@{minutes}"
    return json.dumps(
        {"specversion": "1.0", "id": name, "source": f"/{channel}", "type": kind, "time": time, "channel": channel}
        | {"data": {"customer": who, **data}}
    ).encode()


def placed(minutes: float, order: str = "o1", **given: Any) -> bytes:
    return event(minutes, "web", "order.placed", order_id=order, fulfilment="pickup", location_id="s1", **given)


def visible(minutes: float, order: str = "o1", **given: Any) -> bytes:
    return event(minutes, "pickup", "order.visible", order_id=order, location_id="s1", **given)


class Played:
    def __init__(self, options: Options) -> None:
        self.alerts: list[Alert] = []
        self.rejects: list[Rejection] = []
        self.report: Report = replay(options, self.alerts.append, self.rejects.append)

    @property
    def said(self) -> list[str]:
        return [" ".join(filter(None, (a.rule, a.subject.id, a.status, a.resolution))) for a in self.alerts]

    @property
    def bytes(self) -> bytes:
        return b"\n".join(map(encode_alert, self.alerts))


def play(path: Path, *records: bytes, **options: Any) -> Played:
    path.write_bytes(b"\n".join(records) + b"\n")
    return Played(Options(paths=(path,), **options))


def channels(text: str) -> Channels:
    return Channels(parse_channels(tomllib.loads(text), "channels.toml"))


@pytest.fixture
def day(tmp_path: Path) -> Path:
    return tmp_path / "day.jsonl"


def test_an_obligation_fires_once_another_event_shows_that_its_time_is_over(day: Path) -> None:
    played = play(day, placed(0), placed(30, "o2"))

    assert played.said == ["H101 o1 firing"]
    assert played.report.rules["H101"]["fired"] == played.report.rules["H101"]["firing"] == 1


def test_what_is_still_open_at_the_end_is_not_judged(day: Path) -> None:
    assert play(day, placed(0), placed(9, "o2")).said == []


def test_until_judges_up_to_a_later_moment(day: Path) -> None:
    until = to_ms(MORNING + timedelta(minutes=11))

    assert play(day, placed(0), until=until).said == ["H101 o1 firing"]


CANCELLED_AND_PACKED = (
    event(0, "web", "order.placed", order_id="o1"),
    event(1, "web", "order.cancelled", order_id="o1"),
    event(60, "warehouse", "fulfilment.completed", order_id="o1"),
)


def test_what_the_last_event_breaks_is_judged(day: Path) -> None:
    assert play(day, *CANCELLED_AND_PACKED).said == ["H303 o1 firing"]


def test_what_is_due_with_the_last_event_is_judged(day: Path) -> None:
    assert play(day, placed(0), placed(10, "o2")).said == ["H101 o1 firing"]


def test_at_the_end_nothing_more_is_waited_for_however_late_a_channel_may_be(day: Path) -> None:
    topics = ("web", "warehouse")
    late = channels("".join(f'topics.{name} = {{ channel = "{name}", lateness = "1h" }}\n' for name in topics))
    web, warehouse = day.with_name("web.jsonl"), day.with_name("warehouse.jsonl")
    web.write_bytes(b"\n".join(CANCELLED_AND_PACKED[:2]))
    warehouse.write_bytes(CANCELLED_AND_PACKED[2])

    assert Played(Options(paths=(web, warehouse), channels=late, order="arrival")).said == ["H303 o1 firing"]


def test_a_moment_that_is_asked_for_is_not_over(day: Path) -> None:
    until = to_ms(MORNING + timedelta(minutes=60))

    assert play(day, *CANCELLED_AND_PACKED, until=until).said == []


def test_until_leaves_out_what_is_after_it(day: Path) -> None:
    played = play(day, placed(0), visible(12), placed(20, "o2"), until=to_ms(MORNING + timedelta(minutes=11)))

    assert played.said == ["H101 o1 firing"]
    assert (played.report.events["read"], played.report.events["beyond_until"]) == (1, 2)
    assert played.report.end == "2026-03-02T09:11:00Z"


def test_the_same_input_gives_the_same_bytes(day: Path) -> None:
    records = [placed(n, f"o{n}") for n in range(40)]

    assert play(day, *records).bytes == play(day, *records).bytes != b""


def test_events_delivered_twice_give_the_same_alerts(day: Path) -> None:
    records = [placed(0), visible(12), placed(40, "o2")]

    twice = play(day, *(r for record in records for r in (record, record)))

    assert twice.bytes == play(day, *records).bytes
    assert twice.report.events["duplicates"] >= 3


def test_the_summary_counts_every_alert_once_by_its_end(day: Path) -> None:
    played = play(day, placed(0), placed(1, "o2"), visible(12), placed(40, "o3"))

    of = played.report.rules["H101"]
    assert (of["name"], of["fired"], of["resolved"]["late"], of["firing"]) == ("order-not-visible", 2, 1, 1)
    assert played.said == ["H101 o1 firing", "H101 o2 firing", "H101 o1 resolved late"]


def test_files_are_merged_by_time(tmp_path: Path) -> None:
    (tmp_path / "web.jsonl").write_bytes(b"\n".join([placed(0), placed(5, "o2"), placed(60, "o3")]))
    (tmp_path / "desk.jsonl").write_bytes(b"\n".join([visible(1), visible(6, "o2"), visible(61, "o3")]))

    played = Played(Options(paths=(tmp_path / "web.jsonl", tmp_path / "desk.jsonl")))

    assert played.said == []
    assert played.report.events["by_channel"] == {"pickup": 3, "web": 3}


def test_a_file_named_twice_is_taken_once(day: Path) -> None:
    day.write_bytes(placed(0))
    link = day.with_name("again.jsonl")
    link.symlink_to(day)

    assert Played(Options(paths=(day, day, link))).report.events["rows"] == 1


def test_in_order_of_arrival_what_comes_late_raises_an_alert_that_is_retracted(day: Path) -> None:
    played = play(day, placed(0), placed(30, "o2"), visible(5), visible(31, "o2"))

    assert played.said == ["H101 o1 firing", "H101 o1 resolved retracted"]
    assert played.report.events["late"] == 1


def test_in_order_of_time_it_raises_none(day: Path) -> None:
    assert play(day, placed(0), placed(30, "o2"), visible(5), visible(31, "o2"), order="time").said == []


def test_lateness_holds_the_verdict_back_until_late_records_have_come(day: Path) -> None:
    tables = channels('topics.web.channel = "web"\ntopics.desk = { channel = "pickup", lateness = "40m" }')

    assert play(day, placed(0), placed(30, "o2"), visible(5), visible(31, "o2"), channels=tables).said == []


def test_a_feed_silent_beyond_its_patience_gives_one_alert_and_its_debts_stay_open(day: Path) -> None:
    tables = channels('topics.web.channel = "web"\ntopics.desk = { channel = "pickup", patience = "30m" }')

    played = play(
        day,
        placed(-1, "o0"),
        visible(0, "o0"),
        placed(1),
        *(placed(n, f"o{n}") for n in range(35, 90)),
        channels=tables,
    )

    assert played.said == ["H501 pickup firing"]


def test_gzip_and_an_array_read_like_lines(tmp_path: Path) -> None:
    lines = [placed(0), placed(30, "o2")]
    packed, array = tmp_path / "a.jsonl.gz", tmp_path / "b.json"
    packed.write_bytes(gzip.compress(b"\n".join(lines)))
    array.write_bytes(b"\xef\xbb\xbf[" + b",\n".join(lines) + b"]")

    assert Played(Options(paths=(packed,))).bytes == Played(Options(paths=(array,))).bytes != b""


def test_what_cannot_be_read_is_rejected_with_its_row_and_reason_and_stops_nothing(day: Path) -> None:
    bad = [b"{nonsense", b"[]", placed(0).replace(b'"c1"', b"7"), event(1, "web", "order.placed"), b"\xff\xfe"]

    played = play(day, *bad, placed(0), placed(30, "o2"))

    assert played.said == ["H101 o1 firing"]
    assert [(r.row, r.stage) for r in played.rejects] == [
        (1, "decode"),
        (2, "schema"),
        (3, "schema"),
        (4, "schema"),
        (5, "decode"),
    ]
    assert "$.data.customer.id" in played.rejects[2].reason
    assert "order_id" in played.rejects[3].reason
    assert played.report.events["rejected"] == 5


def test_a_type_that_is_not_in_the_vocabulary_is_counted_and_skipped(day: Path) -> None:
    played = play(day, event(0, "web", "page.viewed"), event(1, "web", "page.viewed"), placed(2))

    assert (played.report.events["skipped"], played.report.events["read"], played.rejects) == (2, 1, [])


def test_an_event_that_names_no_customer_follows_its_order(day: Path) -> None:
    played = play(day, placed(0), visible(1, customer={}), placed(30, "o2"))

    assert played.said == []


def test_an_event_whose_order_is_not_known_yet_waits_for_it(day: Path) -> None:
    played = play(day, visible(0, customer={}), placed(1), placed(30, "o2"))

    assert played.said == []
    assert played.report.events["provisional"] == 0


def test_one_whose_order_never_becomes_known_goes_on_under_a_customer_of_its_own(day: Path) -> None:
    played = play(day, visible(0, customer={}), placed(40, "o2", customer="c2"), placed(80, "o3", customer="c2"))

    assert [a.customer for a in played.alerts if a.rule == "H305"] == ["provisional:order:o1"]
    assert played.report.events["provisional"] == 1


def test_a_parcel_follows_the_order_it_holds(day: Path) -> None:
    promise = {"window_to": (MORNING + timedelta(hours=2)).isoformat(), "order_id": "o1"}
    played = play(
        day,
        event(0, "web", "order.placed", order_id="o1", fulfilment="delivery"),
        event(1, "carrier", "delivery.scheduled", **promise),
        event(2, "warehouse", "fulfilment.completed", customer={}, order_id="o1", package_id="p", tracking_id="t"),
        event(3, "carrier", "parcel.accepted", customer={}, tracking_id="t"),
        event(60, "carrier", "delivery.completed", customer={}, tracking_id="t"),
        placed(300, "o2"),
    )

    assert played.said == []


def test_only_the_rules_that_were_chosen_speak(day: Path) -> None:
    from app.rules import RULES

    played = play(day, placed(0), placed(30, "o2"), rules=tuple(r for r in RULES if r.id == "H107"))

    assert (played.said, list(played.report.rules)) == ([], ["H107"])


def test_a_rule_that_raises_is_told_with_where_it_did(day: Path) -> None:
    from app.rules import RULES

    asked = On(OrderPlaced, where=lambda data: data.no_such_field)
    broken = msgspec.structs.replace(RULES[0], pattern=Response(trigger=(asked,), target=(), owed_by=("pickup",)))
    events = play(day, placed(0), placed(30, "o2"), rules=(broken,)).report.events

    ((fault, times),) = events["raised"].items()
    assert fault.startswith("H101 raised AttributeError at test_replay.py:")
    assert f"  {fault} {times} times: its alerts are incomplete" in events_lines(events, 1.0)
    assert play(day, placed(0)).report.events["raised"] == {}


CSV = """[topics."shop"]
channel = "web"
dialect = "shop"
files = "orders*.csv"
[dialects.shop]
format = "csv"
time = "%Y-%m-%d %H:%M"
zone = "UTC"
customer.id = "who"
[[dialects.shop.events]]
type = "order.placed"
time = "placed"
data.order_id = "no"
data.fulfilment = { value = "pickup" }
[[dialects.shop.events]]
type = "order.visible"
channel = "pickup"
time = "seen"
data.order_id = "no"
"""


def test_rows_of_a_csv_are_sorted_by_the_times_in_them(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(
        "no,who,note,placed,seen\n"
        '2,c,"two\nlines",2026-03-02 12:00,2026-03-02 12:05\n'
        "1,c,,2026-03-02 09:00,2026-03-02 09:20\n"
    )

    played = Played(Options(paths=(tmp_path,), channels=channels(CSV)))

    assert played.said == ["H101 1 firing", "H101 1 resolved late"]
    assert [(e.topic, e.partition, e.offset) for e in played.alerts[0].evidence] == [("shop", 0, 2)]


def test_sorted_files_are_merged_with_those_that_are_taken_as_they_stand(tmp_path: Path) -> None:
    rows = "3,c1,2026-03-02 12:00,\n2,c1,2026-03-02 11:00,\n1,c1,2026-03-02 10:00,\n"
    (tmp_path / "orders.csv").write_text("no,who,placed,seen\n" + rows)
    (tmp_path / "desk.jsonl").write_bytes(b"\n".join(visible(60 * n + 1, str(n)) for n in (1, 2, 3)))

    played = Played(Options(paths=(tmp_path / "orders.csv", tmp_path / "desk.jsonl"), channels=channels(CSV)))

    assert played.said == []
    assert (played.report.events["read"], played.report.events["repeated"]) == (6, 0)


def test_a_csv_of_another_encoding_is_a_bad_file(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("no,at\no1,2026-03-02T09:00:00Z\n")
    sheet = channels(
        """
        topics.sheet = { channel = "web", dialect = "sheet", files = "*.csv" }
        [dialects.sheet]
        format = "csv"
        encoding = "utf-16"
        events = [{ type = "parcel.accepted", time = "at", data = { tracking_id = "no" } }]
        """
    )

    with pytest.raises(BadFile, match=r"orders\.csv: is not in the `encoding` of its dialect: "):
        Played(Options(paths=(tmp_path / "orders.csv",), channels=sheet))


def test_a_csv_of_another_delimiter_is_a_bad_file(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("no;who;placed;seen\n1;c;2026-03-02 12:00;\n")

    with pytest.raises(BadFile, match=r"orders\.csv: the `delimiter` of its dialect is ',', and the header is one col"):
        Played(Options(paths=(tmp_path,), channels=channels(CSV)))


def test_bad_rows_of_a_csv_are_rejected_by_number(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_bytes(
        b"no,who,placed,seen\n1,c,2026-03-02 12:00,\n2,c\n3,c,soon,\n"
        b",c,2026-03-02 12:00,\n5,c,,\n\xff,c,2026-03-02 12:00,\n"
    )

    played = Played(Options(paths=(tmp_path,), channels=channels(CSV)))

    assert [(r.row, r.stage) for r in played.rejects] == [
        (2, "decode"),
        (3, "dialect"),
        (4, "dialect"),
        (5, "dialect"),
        (6, "dialect"),
    ]
    assert played.rejects[0].reason == "2 fields where the header has 4"
    assert played.rejects[1].reason == "time (placed): 'soon' is no time; read as %Y-%m-%d %H:%M"
    assert "order_id (no): missing" in played.rejects[2].reason
    assert "is not in the `encoding` of its dialect" in played.rejects[4].reason
    assert played.report.events["read"] == 1


def test_columns_that_a_dialect_names_and_a_file_has_not_are_told(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("no,customer,placed,seen\n1,c,2026-03-02 12:00,\n")

    events = Played(Options(paths=(tmp_path,), channels=channels(CSV))).report.events

    (missing,) = events["missing_columns"][str(tmp_path / "orders.csv")]
    assert missing == "customer.id names the column 'who', and there is none; there are no, customer, placed, seen"


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("orders.csv", "no,no\n1,2\n", "same name"),
        ("other.csv", "a\n1\n", "belongs to no topic"),
        ("day.json", "[{", "no JSON array"),
        ("day.jsonl.gz", "not packed", "cannot be read"),
    ],
)
def test_a_file_that_cannot_be_read_at_all_is_an_error_that_names_it(
    tmp_path: Path, name: str, content: str, words: str
) -> None:
    path = tmp_path / name
    path.write_text(content)

    with pytest.raises(BadFile, match=words) as error:
        Played(Options(paths=(path,), channels=channels(CSV)))
    assert name in str(error.value)


def test_a_pattern_given_by_hand_comes_before_those_of_the_topics(tmp_path: Path) -> None:
    path = tmp_path / "export.txt"
    path.write_text("no,who,placed,seen\n1,c,2026-03-02 12:00,\n")

    played = Played(Options(paths=(path,), channels=channels(CSV), mapped=(("*.txt", "shop"),)))

    assert played.report.events["read"] == 1
