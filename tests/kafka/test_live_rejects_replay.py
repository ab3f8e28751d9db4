"""What could not be read is read once its cause is mended."""

import json
from itertools import count

import pytest

from app.core.rule import HOUR, MINUTE
from app.timeline import START
from schemas.rejects import Reject
from schemas.topics import REJECTS
from tests.kafka.live import SHOP, Live

pytestmark = pytest.mark.kafka
SCANS = SHOP.replace("[dialects.scans]\n", '[dialects.scans]\ncustomer = { id = "account" }\n')
"""A carrier that knows our customers."""


def scan(what: str, at: int, **other: object) -> bytes:
    """The carrier scans the parcel of order o1."""
    return json.dumps(
        {"event": f"e-{what}", "scan": what, "ts": at, "account": "c1", "booking": "o1", **other}
    ).encode()


def test_sent_again_once_its_cause_is_mended_a_reject_is_processed(live: Live) -> None:
    live.configure_channels(SCANS.replace('time = "epoch-ms"', 'time = "epoch-s"'))
    live.start()
    slot = {"from": START + HOUR, "to": START + 2 * HOUR}
    live.send("carrier.events", scan("SLOT_CONFIRMED", START, slot=slot), b"o1")
    live.come_to(START + MINUTE)
    (row,) = live.read(REJECTS.name)
    assert "is no time" in Reject.from_headers(row.headers.items()).reason
    assert live.stop() == 0

    live.configure_channels(SCANS)
    again = live.handoff("rejects", "replay", "--all")
    assert (again.returncode, again.stdout) == (0, "sent again: 1\n")
    live.start()
    live.come_to(START + MINUTE)
    live.send("carrier.events", scan("ACCEPTED", START + 4 * HOUR), b"o1")  # the feed goes on
    live.come_to(START + 4 * HOUR)
    moments = count(START + 4 * HOUR + MINUTE, MINUTE // 60)

    def told() -> bool:
        live.clock.set(next(moments))  # time goes on, as it does
        return {alert["rule"] for alert in live.alerts() if alert["subject"]["id"] == "o1"} == {"H107", "H305"}

    live.wait(told)
    assert len(live.read(REJECTS.name)) == 1


def test_a_record_that_was_refused_twice_is_listed_and_sent_again_once(live: Live) -> None:
    """A worker that was killed reads again what it had not committed, and refuses it again."""
    refused = Reject("carrier.events", 0, 7, "time", "Unreadable", "no time")
    for reject in (refused, refused, Reject("carrier.events", 0, 8, "time", "Unreadable", "no time")):
        live.send(REJECTS.name, scan("ACCEPTED", START), b"o1", reject.to_headers())
    listed = live.handoff("rejects", "list").stdout.splitlines()[1:]
    assert [line.split()[1] for line in listed] == ["carrier.events-0@7", "carrier.events-0@8"]
    assert len(live.handoff("rejects", "list", "--limit", "1").stdout.splitlines()) == 2
    again = live.handoff("rejects", "replay", "--all")
    assert (again.returncode, again.stdout) == (0, "sent again: 2\n")
    assert len(live.read("carrier.events")) == 2


def test_a_record_that_is_refused_again_after_it_was_sent_again_is_still_one(live: Live) -> None:
    """Its cause was not mended. Both times are in the topic, and the list tells of the last."""
    for reason in ("no time", "no time yet", "no time at all"):
        rows = live.read("carrier.events")
        headers = list(rows[-1].headers.items()) if rows else [("trace", b"7")]
        refused = Reject("carrier.events", 0, 7 + len(rows), "time", "Unreadable", reason)
        live.send(REJECTS.name, scan("ACCEPTED", START), b"o1", [*headers, *refused.to_headers()])
        (listed,) = live.handoff("rejects", "list").stdout.splitlines()[1:]
        assert listed.split()[1:] == [f"carrier.events-0@{7 + len(rows)}", "time", *reason.split()]
        assert live.handoff("rejects", "replay", "--all").stdout == "sent again: 1\n"
        assert live.read("carrier.events")[-1].headers == {"trace": b"7", "handoff.rejects.first": b"0@7"}


def test_what_came_from_a_topic_that_is_gone_keeps_no_other_from_being_sent_again(live: Live) -> None:
    for topic in ("gone.events", "carrier.events"):
        refused = Reject(topic, 0, 7, "time", "Unreadable", "no time")
        live.send(REJECTS.name, scan("ACCEPTED", START), b"o1", refused.to_headers())
    (gone,) = [line.split()[0] for line in live.handoff("rejects", "list").stdout.splitlines() if "gone" in line]

    one, every = live.handoff("rejects", "replay", gone), live.handoff("rejects", "replay", "--all")

    why = f"the topic of {gone}, gone.events, does not exist\n"
    assert (one.returncode, one.stdout, one.stderr) == (2, "", f"handoff: {why}")
    assert (every.returncode, every.stdout, every.stderr) == (0, "sent again: 1\n", f"left out: {why}")
