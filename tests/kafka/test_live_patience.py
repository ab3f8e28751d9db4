"""A feed that is dead is one problem, whatever hangs on it."""

import json
from collections import Counter

import pytest

from app.core.rule import HOUR, MINUTE, SECOND
from app.timeline import START
from schemas.codec import to_time
from tests.kafka.live import SHOP, Live

pytestmark = pytest.mark.kafka
ORDERS = 300
PATIENT_DESK = SHOP.replace('patience = "90m"\n', "").replace('lateness = "1m"\npatience = "1h"', "")
"""Only pickup has a patience, of one hour."""


def order(number: int, at: int) -> bytes:
    data = {"customer": {"id": f"c{number}"}, "order_id": f"o{number}", "fulfilment": "pickup", "location_id": "s1"}
    attributes = {"specversion": "1.0", "id": f"e{number}", "source": "/web", "type": "order.placed", "data": data}
    return json.dumps({**attributes, "time": to_time(at).isoformat()}).encode()


def entry(number: int, what: str, at: int) -> bytes:
    """An entry of the pickup desk."""
    when = f"{to_time(at + HOUR):%d.%m.%Y %H:%M:%S}.000"  # in the time of the house
    row = {"no": f"{what}{number}", "what": what, "when": when, "order": f"o{number}", "house": "s1"}
    return json.dumps(row).encode()


def said(live: Live) -> Counter[tuple[str, str]]:
    """Rule and how the alert stands → alerts."""
    last = {alert["id"]: alert for alert in live.alerts()}
    return Counter((alert["rule"], alert.get("resolution", "firing")) for alert in last.values())


def watch(live: Live) -> None:
    """Starts a worker, to which web and the desk speak once."""
    live.configure_channels(PATIENT_DESK)
    live.start()
    live.send("web.events", order(0, START), b"c0")
    live.send("pickup.events", entry(0, "LISTED", START), b"o0")
    live.come_to(START + SECOND)


def test_a_dead_feed_on_which_hundreds_wait_is_one_alert_until_it_speaks_again(live: Live) -> None:
    """The desk is to show an order within ten minutes."""
    watch(live)
    for number in range(1, ORDERS + 1):
        live.hand_over("web.events", order(number, START + number * SECOND), b"c%d" % number)
    live.come_to(START + 10 * MINUTE)
    live.come_to(START + 3 * HOUR)
    live.wait(live.alerts)
    assert said(live) == {("H501", "firing"): 1}

    back, third = START + 3 * HOUR, ORDERS // 3
    for number in range(third):  # these had been shown in time; the word of it was stuck
        live.hand_over("pickup.events", entry(number + 1, "LISTED", START + 5 * MINUTE), b"o%d" % number)
    live.come_to(back)
    assert said(live) == {("H501", "firing"): 1}, "old words end no silence"
    for number in range(third, 2 * third):
        live.hand_over("pickup.events", entry(number + 1, "LISTED", back), b"o%d" % number)
    live.come_to(back)
    live.come_to(back + MINUTE)  # what was heard before the feed spoke again proved nothing
    late, firing = ("H101", "late"), ("H101", "firing")
    live.wait(lambda: said(live)[firing] == third)
    assert said(live) == {("H501", "late"): 1, late: third, firing: third}


def test_a_worker_that_is_given_a_longer_patience_for_a_silent_feed_takes_the_alert_back(live: Live) -> None:
    watch(live)
    live.come_to(START + 3 * HOUR)
    live.wait(lambda: said(live) == {("H501", "firing"): 1})

    live.stop()
    live.configure_channels(PATIENT_DESK.replace('patience = "1h"', 'patience = "6h"'))
    live.start()
    live.come_to(START + 4 * HOUR)
    live.wait(lambda: said(live) == {("H501", "retracted"): 1})
    assert not sum(live.metrics()["handoff_firing"].values())
