"""What customers can make large stays within what a worker can keep."""

import json

import pytest

from app.core.rule import MINUTE, SECOND
from app.timeline import START
from schemas.codec import to_time
from tests.kafka.live import Live

pytestmark = pytest.mark.kafka
ORDERS, LINES = 40, 2_000


def order(number: int) -> bytes:
    """A large order of the one customer."""
    lines = [{"line_id": f"l{line}", "sku": f"sku-{number}-{line}", "quantity": 2} for line in range(LINES)]
    data = {"customer": {"id": "c1"}, "order_id": f"o{number}", "fulfilment": "delivery", "lines": lines}
    attributes = {"specversion": "1.0", "id": f"e{number}", "source": "/web", "type": "order.placed", "data": data}
    return json.dumps({**attributes, "time": to_time(START + number * SECOND).isoformat()}).encode()


def test_a_customer_with_many_large_orders_stops_no_worker(live: Live) -> None:
    live.start()
    for number in range(ORDERS):
        live.hand_over("web.events", order(number), b"c1")
    live.come_to(START + MINUTE)
    metrics = live.metrics()
    assert metrics["handoff_events_total"]['channel="web"'] == ORDERS
    assert metrics["handoff_evicted_total"]['what="facts"'] > 0
