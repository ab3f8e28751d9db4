"""Where the alerts of an order are to be seen: staff work from those of their own location."""

import pytest

from app.rules import RULES
from app.timeline import read_page, run

PLACED = "0:00 web order.placed order_id=o1 location_id=s1 lines=1:a:1"
MOVED = "1:00 web order.changed order_id=o1 location_id=s2"


@pytest.mark.parametrize(
    ("rule", "place", "lines"),
    [
        ("H103", "s2", ["5:00 app customer.arrived order_id=o1"]),
        ("H107", "s2", ["5:00 carrier delivery.scheduled order_id=o1 window_to=1:00:00"]),
        ("H110", "s2", ["5:00 web order.cancelled order_id=o1 by=us"]),
        ("H111", "s1", []),
        ("H112", "w7", ["5:00 warehouse fulfilment.completed order_id=o1 package_id=p1 node=w7"]),
        ("H201", "s2", ["5:00 warehouse fulfilment.completed order_id=o1 lines=1:a:2"]),
        ("H303", "s2", ["5:00 web order.cancelled order_id=o1", "6:00 pickup order.collected order_id=o1"]),
        ("H401", "s2", ["5:00 warehouse fulfilment.completed order_id=o1 lines=1:b:1"]),
    ],
)
def test_an_alert_of_an_order_is_where_the_order_is(rule: str, place: str, lines: list[str]) -> None:
    told = "\n".join((PLACED, MOVED, *lines, "9d0:00:00 tick"))
    (timeline,) = read_page(f"### Told\n```timeline fires\n{told}\n```\n")
    alerts = [alert for said in run(timeline, RULES) for alert in said.alerts if alert.rule == rule]
    assert {alert.location for alert in alerts} == {place}
