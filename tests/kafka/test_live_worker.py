"""`handoff worker` as it is run: on the wall clock, from its configuration, until it is told to stop."""

import json
import time

import pytest

from agents.demo.worker import SETTINGS
from app.core.rule import MINUTE
from schemas.codec import to_time
from tests.kafka.live import Live

pytestmark = pytest.mark.kafka


def contact(case: str, at: int) -> bytes:
    data = {"customer": {"id": f"customer-{case}"}, "case_id": case}
    attributes = {"specversion": "1.0", "id": f"e-{case}", "source": "/chat", "type": "contact.opened", "data": data}
    return json.dumps({**attributes, "time": to_time(at).isoformat()}).encode()


def test_it_finds_what_is_broken_now_logs_lines_without_customers_and_stops_when_told(live: Live) -> None:
    live.start("agents.cli", "worker", "--config", str(live.folder / SETTINGS))
    now = int(time.time() * 1000)
    live.send("chat.events", contact("forgotten", now - 10 * MINUTE))
    live.send("chat.events", contact("fresh", now))
    live.send("chat.events", b"{")
    live.wait(live.alerts)
    assert [(alert["rule"], alert["subject"]["id"]) for alert in live.alerts()] == [("H105", "forgotten")]

    assert live.stop() == 0
    lines = [json.loads(line) for line in live.log.splitlines()]
    assert all({"level", "timestamp", "message"} <= line.keys() for line in lines)
    assert not any(line["level"] in ("error", "critical") for line in lines)
    assert "customer-" not in live.log


def test_a_second_one_on_the_same_state_ends_and_says_so(live: Live) -> None:
    live.start()
    ended = live.handoff("worker")
    assert ended.returncode not in (0, 3)
    assert "in use" in ended.stderr
