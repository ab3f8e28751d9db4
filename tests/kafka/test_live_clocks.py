"""No alert is false because somebody is behind: a partition, a reader, a worker, or all of them in a backfill.

Every revision that was ever said counts, not only the last of each alert; and each time something is truly broken.
"""

import json
import signal
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from app.core.rule import DAY, HOUR, MINUTE, SECOND
from app.simulate import Label, check
from app.timeline import START
from schemas import events as e
from schemas.alerts import Alert
from schemas.codec import TickData, decode_alert, decode_record, encode_event
from schemas.events import Channel
from schemas.state import Fact
from schemas.topics import ALERTS, EVENTS, LINKS
from tests.brokers import Broker
from tests.faults.fleet import Fleet
from tests.faults.verdict import compare
from tests.kafka.live import PARTITIONS, Live, open_live
from tests.kafka.recorded_day import Recording, replayed
from tests.kafka.test_live_is_replay import of_the_log, values

pytestmark = [pytest.mark.kafka, pytest.mark.slow]
SLACK = 5 * SECOND
DUE = 10 * MINUTE
"""An order is to be visible to the desk within this time (H101)."""
THREE_TOPICS = """
[topics."web.events"]
channel = "web"
lateness = "5s"

[topics."pickup.events"]
channel = "pickup"
lateness = "5s"

[topics."chat.events"]
channel = "chat"
lateness = "5s"
"""
"""Nobody has a patience: all may be quiet for ever. On chat nobody ever says a word."""
ORDERS = 40
Revisions = list[tuple[str, str | None]]
"""Status and resolution of each."""
FIRED: Revisions = [("firing", None)]
FIRED_AND_CAME_LATE: Revisions = [*FIRED, ("resolved", "late")]


@pytest.fixture
def shop(broker: Broker, tmp_path: Path) -> Iterator[Live]:
    """A detector of three channels, its worker not yet started."""
    with open_live(broker, tmp_path, channels=THREE_TOPICS) as opened:
        yield opened


def event(channel: Channel, at: int, data: e.OrderPlaced | e.OrderVisible) -> bytes:
    """Only who takes an order knows whose it is."""
    customer = {"id": f"c-{data.order_id}"} if isinstance(data, e.OrderPlaced) else {}
    return encode_event(Fact(at, f"{channel}-{data.order_id}", f"/{channel}", channel, data), customer)


def placed(number: int, at: int) -> bytes:
    return event("web", at, e.OrderPlaced(f"o{number}", "pickup", "s1"))


def shown(number: int, at: int) -> bytes:
    return event("pickup", at, e.OrderVisible(f"o{number}", "s1"))


def place(live: Live, number: int, at: int) -> None:
    """Orders come by all partitions in turn."""
    live.hand_over("web.events", placed(number, at), b"", number % PARTITIONS)


def show(live: Live, number: int, at: int) -> None:
    """By the partition of `desk_of`."""
    live.hand_over("pickup.events", shown(number, at), b"", desk_of(number))


def desk_of(number: int) -> int:
    """By which partition the desk speaks of an order: any of them, whichever the order itself came by."""
    return number // PARTITIONS % PARTITIONS


def said(live: Live) -> dict[str, Revisions]:
    """Rule and order → every revision ever said. Where the broker keeps no transactions, what was under way when a
    worker failed may be said again in the same words, and counts once.
    """
    lines = [row.value or b"" for row in live.read(ALERTS.name)]
    found: dict[str, Revisions] = defaultdict(list)
    for line in lines if live.broker.transactions else dict.fromkeys(lines):
        alert = json.loads(line)
        found[f"{alert['rule']} {alert['subject']['id']}"].append((alert["status"], alert.get("resolution")))
    return dict(found)


def heard(live: Live) -> dict[tuple[str, int], int]:
    """Channel topic and partition → how far its readers have vouched for it, ms."""
    found: dict[tuple[str, int], int] = {}
    for record in (decode_record(row.value or b"") for row in live.read(EVENTS.name)):
        for p in record.progress if isinstance(record, TickData) else ():
            if p.topic != LINKS.name:
                found[p.topic, p.partition] = max(p.heard, found.get((p.topic, p.partition), 0))
    return found


def may_be_spared(alert: Alert) -> bool:
    """An alarm that a replay takes back, and the silence of a feed that was over before anybody read of it."""
    return alert.resolution == "retracted" or (alert.rule == "H501" and alert.status == "resolved")


def test_a_day_read_at_full_speed_long_after_it_gives_the_alerts_of_a_replay(live: Live) -> None:
    # given: all of the day lies there, and it is a day later; every feed with a patience has been silent since
    recording = Recording()
    live.play(recording.records, recording.end_ms, slice_ms=2 * DAY, settle=False)
    recording.end_ms += DAY
    silent = [Label("H501", "channel", feed.channel, "", "firing") for feed in live.tables.feeds() if feed.patience_ms]
    # when
    live.clock.set(recording.end_ms)
    live.start()
    live.wait(live.settled)
    assert live.stop() == 0
    # then
    spoken, oracle = values(live, ALERTS.name), replayed(live, recording)
    verdict = compare(spoken, of_the_log(live), oracle)
    assert set(verdict.missing) <= {alert.id for alert in map(decode_alert, oracle) if may_be_spared(alert)}
    assert (verdict.extra, verdict.doubled) == ([], [])
    score = check([*recording.truth.labels, *silent], map(decode_alert, spoken))
    assert (score.false, [label for label in score.missed if label.rule != "H501"]) == ((), [])
    assert score.found > 100


def test_a_partition_that_sends_an_hour_later_than_the_others_raises_no_false_alarm(shop: Live) -> None:
    """As its topic's lateness says that it may: to a reader it looks like one on which nothing happens."""
    # given
    head, pickup, tail = THREE_TOPICS.partition('channel = "pickup"\nlateness = ')
    shop.configure_channels(head + pickup + tail.replace('"5s"', '"1h"', 1))
    sent: list[tuple[int, Callable[[Live, int, int], None], int, int]] = []
    """When, what, of which order, and at which moment it happened."""
    for number in range(ORDERS):
        at = START + number * MINUTE
        sent.append((at, place, number, at))
        answer = at + (2 * DUE if number % 5 == 1 else DUE)  # late, or at the last moment
        if number % 5:
            sent.append((answer + desk_of(number) * (HOUR - SECOND), show, number, answer))
    # when
    shop.start()
    for moment, tell, number, at in sorted(sent, key=lambda one: one[0]):
        shop.come_to(moment, settle=number % 10 == 0)
        tell(shop, number, at)
    shop.come_to(START + 3 * HOUR)
    # then
    assert said(shop) == {
        f"H101 o{number}": FIRED_AND_CAME_LATE if number % 5 else FIRED for number in range(ORDERS) if number % 5 < 2
    }


def test_what_is_written_in_a_partition_and_cannot_be_read_yet_raises_no_false_alarm(
    transactional_broker: Broker, tmp_path: Path
) -> None:
    """A transaction that stays open holds its partition's readers, and only them, for as long."""
    with open_live(transactional_broker, tmp_path, channels=THREE_TOPICS) as shop:
        # given
        shop.start()
        desk = Producer({"bootstrap.servers": shop.broker.bootstrap, "transactional.id": "desk", "log_level": 0})
        desk.init_transactions(30)
        desk.begin_transaction()
        for number in range(ORDERS):
            place(shop, number, START)
            if number % 5 and desk_of(number):
                desk.produce("pickup.events", shown(number, START + MINUTE), partition=1)
            elif number % 5:
                show(shop, number, START + MINUTE)
        assert desk.flush(30) == 0
        now = START + HOUR
        # when
        shop.come_to(now, settle=False)
        shop.wait(lambda: behind(shop, "web") == 0 == behind(shop, "chat"))
        # then
        assert heard(shop)["pickup.events", 0] == now
        assert behind(shop, "pickup") >= (HOUR - MINUTE) / SECOND
        assert said(shop) == {}
        # when
        desk.commit_transaction(30)
        shop.come_to(now)
        shop.wait(lambda: said(shop))
        # then
        assert said(shop) == {f"H101 o{number}": FIRED for number in range(0, ORDERS, 5)}


def behind(live: Live, channel: str) -> float:
    """How far the hearing of a channel is behind now, s; without end where it was never heard."""
    found = live.metrics().get("handoff_feed_behind_seconds", {})
    return found.get(f'channel="{channel}"', float("inf"))


def test_a_deadline_passes_with_no_further_event_of_anybody(shop: Live) -> None:
    # given
    shop.start()
    # when: the only record there ever was
    place(shop, 1, START)
    shop.come_to(START + DUE + SLACK)
    # then
    assert said(shop) == {}
    # when
    shop.come_to(START + DUE + SLACK + 1)
    shop.wait(lambda: said(shop))
    # then
    assert said(shop) == {"H101 o1": FIRED}


def test_channels_that_were_quiet_for_hours_hold_nothing_back(shop: Live) -> None:
    # given
    shop.start()
    place(shop, 1, START)
    show(shop, 1, START + MINUTE)
    shop.come_to(START + 5 * HOUR)
    # when
    place(shop, 2, START + 5 * HOUR)
    shop.come_to(START + 5 * HOUR + DUE + SLACK + 1)
    shop.wait(lambda: said(shop))
    # then
    assert said(shop) == {"H101 o2": FIRED}
    # when
    shop.come_to(START + 6 * HOUR)
    show(shop, 2, START + 6 * HOUR)
    shop.come_to(START + 6 * HOUR + 1)
    shop.wait(lambda: len(said(shop)["H101 o2"]) > 1)
    # then
    assert said(shop) == {"H101 o2": FIRED_AND_CAME_LATE}


@pytest.mark.parametrize("harm", ["frozen for a moment", "frozen until it is replaced", "killed"])
def test_while_nobody_reads_a_partition_nothing_that_hangs_on_it_is_called_broken(shop: Live, harm: str) -> None:
    fleet = Fleet(shop)
    try:
        # given
        one, victim = fleet.add(), fleet.add()
        one.start()
        victim.start()
        fleet.wait(fleet.settled)
        for number in range(ORDERS):
            place(shop, number, START)
        shop.come_to(START + MINUTE, settle=False)
        fleet.wait(fleet.settled)
        # when
        if harm == "killed":
            victim.end(signal.SIGKILL)
            fleet.remove(victim)
        else:
            victim.freeze()
        for number in range(ORDERS):
            if number % 5:
                show(shop, number, START + 2 * MINUTE)
        now = START + HOUR
        shop.come_to(now, settle=False)
        fleet.wait(lambda: now in heard(shop).values())
        # then
        unread = {topic for (topic, _), moment in heard(shop).items() if moment < now}
        assert unread == set(shop.tables.topics), "each topic has a partition that nobody reads"
        assert said(shop) == {}
        # when
        if harm == "frozen until it is replaced":
            fleet.wait(fleet.settled)
        if harm != "killed":
            victim.thaw()
        fleet.wait(fleet.settled)
        # then
        expected = {f"H101 o{number}": FIRED for number in range(0, ORDERS, 5)}
        fleet.wait(lambda: len(said(shop)) >= len(expected))
        shop.come_to(now + HOUR, settle=False)
        fleet.wait(fleet.settled)
        assert said(shop) == expected
    finally:
        fleet.close()
