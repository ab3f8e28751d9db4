"""What cannot be read stops nothing, is kept as it was with the reason, and can be sent again."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from app.core.rule import HOUR
from app.timeline import START
from schemas.codec import to_time
from schemas.rejects import PREFIX, TOO_LARGE, Reject
from schemas.topics import EVENTS, REJECTS
from tests.brokers import Broker
from tests.kafka.live import Live, Row, open_live

pytestmark = pytest.mark.kafka
CODECS = ["gzip", "snappy", "lz4", "zstd"]
NESTED = b"[" * 100_000 + b"]" * 100_000


class Sent(NamedTuple):
    """A record that gives no event."""

    topic: str
    stage: str
    value: bytes | None
    key: bytes | None = None
    headers: tuple[tuple[str, bytes | None], ...] = ()


def contact(case: str, **other: Any) -> bytes:
    """Somebody asks on the chat; nobody will answer."""
    attributes = {"specversion": "1.0", "id": f"e-{case}", "source": "/chat", "type": "contact.opened"}
    data = {"customer": {"id": f"c-{case}"}, "case_id": case}
    return json.dumps({**attributes, "time": to_time(START).isoformat(), "data": data, **other}).encode()


def scan(what: str, at: int, **other: Any) -> bytes:
    row = {"event": "e1", "scan": what, "ts": at, "booking": "o1"}
    return json.dumps(row | other).encode()


UNREADABLE = (
    Sent("chat.events", "decode", bytes(range(256)), b"random bytes"),
    Sent("chat.events", "decode", contact("k")[:70], b"half an event"),
    Sent("chat.events", "decode", None, b"a tombstone"),
    Sent("chat.events", "decode", NESTED, b"nesting"),
    Sent("chat.events", "decode", contact("k")[:-2] + b',"x":' + NESTED + b"}}", b"nesting inside"),
    Sent("chat.events", "schema", contact("k", id=17), b"a number for an id"),
    Sent("chat.events", "schema", contact("k", time="9999-12-31T23:59:59-14:00"), b"beyond all years"),
    Sent("chat.events", "time", contact("k", time=to_time(START + HOUR).isoformat()), b"ahead of now"),
    Sent("chat.events", "decode", b"?", None),
    Sent("chat.events", "decode", b"?", b"nul \x00 nul"),
    Sent("chat.events", "decode", b"?", b"surrogate \xed\xa0\x80"),
    Sent("chat.events", "decode", b"?", b"a key without end" * 10_000),
    Sent("chat.events", "decode", b"\x1b[2J[/bold] [red]", b"\x1b[2J", (("trace", b"7"), ("empty", None))),
    Sent("carrier.events", "decode", b'{"event":', b"half a row"),
    Sent("carrier.events", "decode", scan("DELIVERED", START)[:-1] + b',"x":' + NESTED + b"}", b"nesting in a row"),
    Sent("carrier.events", "dialect", scan("DELIVERED", START, ts="yesterday"), b"no time"),
    Sent("carrier.events", "dialect", scan("DELIVERED", START, booking=["o1"]), b"a list for a name"),
    Sent("chat.events", "decode", b"x" * 800_000, b"large"),
    Sent(EVENTS.name, "detect", b"?", b"straight to the events"),
)
LARGE = {
    "bytes that cannot be read": b"\xff" * 950_000,
    "an event that can": contact("k", note="n" * 950_000),
}


class Reading(NamedTuple):
    """A worker that has read everything above and something good after it, and what it made of it."""

    live: Live
    rejects: list[Row]
    broken: set[str]
    """The subjects of the alerts that fire."""


@pytest.fixture(scope="module")
def reading(broker: Broker, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reading]:
    with open_live(broker, tmp_path_factory.mktemp("rejects")) as live:
        live.start()
        for sent in UNREADABLE:
            live.send(sent.topic, sent.value, sent.key, sent.headers)
        for value in LARGE.values():
            live.send("chat.events", value)
        for codec in CODECS:
            live.send("chat.events", contact(codec), compression=codec)
        binary = {"ce_specversion": "1.0", "ce_id": "b1", "ce_source": "/chat", "ce_type": "contact.opened"}
        headers = {**binary, "ce_time": to_time(START).isoformat(), "content-type": "application/json"}
        data = b'{"customer":{"id":"c-binary"},"case_id":"binary"}'
        live.send("chat.events", data, headers=[(name, text.encode()) for name, text in headers.items()])
        live.come_to(START)
        live.come_to(START + 2 * HOUR)
        live.wait(lambda: len(live.alerts()) >= len(CODECS) + 1)
        yield Reading(live, live.read(REJECTS.name), {alert["subject"]["id"] for alert in live.alerts()})


def reject_of(row: Row) -> Reject:
    return Reject.from_headers(row.headers.items())


@pytest.mark.parametrize("sent", UNREADABLE, ids=lambda sent: f"{sent.topic} {(sent.key or b'')[:20]!r}")
def test_a_record_that_cannot_be_read_is_kept_as_it_was_with_its_place_and_the_reason(
    reading: Reading, sent: Sent
) -> None:
    (row,) = [row for row in reading.rejects if (row.key, row.value) == (sent.key, sent.value)]
    reject = reject_of(row)
    assert (reject.topic, reject.stage) == (sent.topic, sent.stage)
    assert 0 < len(reject.reason) < 300
    assert {name: value for name, value in row.headers.items() if not name.startswith(PREFIX)} == dict(sent.headers)
    (original,) = [
        r for r in reading.live.read(sent.topic) if (r.partition, r.offset) == (reject.partition, reject.offset)
    ]
    assert (original.key, original.value) == (sent.key, sent.value)


def test_a_record_too_large_to_be_sent_on_leaves_word_of_where_it_is(reading: Reading) -> None:
    said = [reject_of(row) for row in reading.rejects if row.value is None and row.key is None]
    assert [reject.kind for reject in said] == [TOO_LARGE] * len(LARGE)
    there = {(row.partition, row.offset): row.value for row in reading.live.read("chat.events")}
    assert {there[reject.partition, reject.offset] for reject in said} == set(LARGE.values())


def test_nothing_else_is_rejected_and_all_of_it_is_counted(reading: Reading) -> None:
    assert len(reading.rejects) == len(UNREADABLE) + len(LARGE)
    by_ingest = [sent for sent in UNREADABLE if sent.stage != "detect"]
    counted = reading.live.metrics()["handoff_rejects_total"]
    assert sum(counted.values()) >= len(by_ingest)


@pytest.mark.parametrize("case", [*CODECS, "binary"])
def test_what_can_be_read_goes_on_however_it_is_packed(reading: Reading, case: str) -> None:
    assert case in reading.broken


def test_the_list_names_each_with_its_place_stage_and_reason(reading: Reading) -> None:
    listed = reading.live.handoff("rejects", "list")
    assert (listed.returncode, listed.stderr) == (0, "")
    assert len(listed.stdout.splitlines()) >= 1 + len(reading.rejects)
    assert "no JSON object" in listed.stdout
    only = reading.live.handoff("rejects", "list", "--stage", "time", "--limit", "5").stdout.splitlines()
    assert len(only) == 2
    assert "3600 s ahead of now" in only[1]


def test_one_is_shown_whole_and_does_nothing_to_the_terminal(reading: Reading) -> None:
    (row,) = [row for row in reading.rejects if row.key == b"\x1b[2J"]
    shown = reading.live.handoff("rejects", "show", f"{row.partition}-{row.offset}")
    assert shown.returncode == 0
    assert "\x1b" not in shown.stdout
    assert "\\x1b[2J[/bold] [red]" in shown.stdout
    assert "header trace: 7" in shown.stdout


def test_a_reject_that_is_not_there_is_named(reading: Reading) -> None:
    shown = reading.live.handoff("rejects", "show", "0-999999")
    assert shown.returncode == 2
    assert "no reject 0-999999" in shown.stderr


def test_one_too_large_to_be_kept_cannot_be_sent_again_and_the_place_of_its_record_is_named(reading: Reading) -> None:
    row = next(row for row in reading.rejects if row.value is None and row.key is None)
    again = reading.live.handoff("rejects", "replay", f"{row.partition}-{row.offset}")
    assert again.returncode == 2
    assert f"it is in chat.events, partition {reject_of(row).partition}" in again.stderr
