"""Figure `plain_faust`: the four rules of detect_4 as anybody would first write them in Faust, on the same records.

One event at a time, `faust.Record` models, tables in RocksDB with changelogs, at least once, Faust's own defaults. What
is awaited (H101: an order for pickup is shown at the desk within ten minutes; H107: a delivery is brought by half an
hour after its window) stands in a table that a timer looks through every second; what happened too often (H201, H203)
is told at once. No watermarks (a slow feed makes false alarms), no evidence, no corrections, no rejects.

python -m tests.bench.plain_faust worker    with BENCH_BOOTSTRAP and BENCH_FOLDER in the environment
"""

import os
from datetime import datetime
from typing import Any

import faust

_VISIBLE_S, _NO_SHOW_S, _TRANSFERS = 600.0, 1_800.0, 3
_SETTLES = {
    "order.visible": ("visible",),
    "delivery.completed": ("delivery",),
    "delivery.attempted": ("delivery",),
    "delivery.cancelled": ("delivery",),
    "order.cancelled": ("visible", "delivery"),
}
"""Type of event → what is no longer awaited of its order."""


class Event(faust.Record):
    id: str
    type: str
    time: str
    channel: str
    data: dict[str, Any]


class Order(faust.Record):
    wanted: dict[str, float]
    fulfilled: dict[str, float]


class Alert(faust.Record):
    rule: str
    customer: str
    subject: str


app = faust.App(
    "plain-faust",
    broker=f"kafka://{os.environ['BENCH_BOOTSTRAP']}",
    store="rocksdb://",
    datadir=os.environ["BENCH_FOLDER"],
    topic_partitions=4,
    consumer_auto_offset_reset="earliest",
    web_enabled=False,
)
events = app.topic("handoff.events", key_type=bytes, value_type=Event)
alerts = app.topic("plain-faust-alerts", key_type=str, value_type=Alert)
orders = app.Table("orders", value_type=Order)
awaited = app.Table("awaited", value_type=float)
"""What is awaited of which order → until when (s)."""
transfers = app.Table("transfers", default=int)
"""Contact → how often it was transferred."""
clock = {"now": 0.0}
told: set[str] = set()


def seconds(time: str) -> float:
    return datetime.fromisoformat(time).timestamp()


@app.agent(events)
async def detect(stream: faust.StreamT[Event]) -> None:
    async for key, event in stream.items():
        clock["now"] = max(clock["now"], seconds(event.time))
        if event.type.startswith("contact."):
            await contact(key.decode(), event)
        elif event.data.get("order_id"):
            await order(key.decode(), event, event.data["order_id"])


async def contact(customer: str, event: Event) -> None:
    case = event.data["case_id"]
    if event.type == "contact.transferred":
        transfers[case] += 1
        if transfers[case] == _TRANSFERS:
            await alerts.send(key=case, value=Alert("H203", customer, case))


async def order(customer: str, event: Event, name: str) -> None:
    for what in _SETTLES.get(event.type, ()):
        awaited.pop(f"{what} {name}", None)
    if event.type == "order.placed":
        orders[name] = Order({line["line_id"]: line.get("quantity", 1) for line in event.data.get("lines", ())}, {})
        if event.data["fulfilment"] != "delivery":
            awaited[f"visible {name}"] = seconds(event.time) + _VISIBLE_S
    elif event.type in ("delivery.scheduled", "delivery.rescheduled") and event.data.get("window_to"):
        awaited[f"delivery {name}"] = seconds(event.data["window_to"]) + _NO_SHOW_S
    elif event.type == "fulfilment.completed" and name in orders:
        await fulfilled(customer, name, event.data.get("lines", ()))


async def fulfilled(customer: str, name: str, lines: list[dict[str, Any]]) -> None:
    known = orders[name]
    for line in lines:
        number = line["line_id"]
        known.fulfilled[number] = known.fulfilled.get(number, 0) + line.get("quantity", 1)
        if number in known.wanted and known.fulfilled[number] > known.wanted[number]:
            await alerts.send(key=name, value=Alert("H201", customer, name))
    orders[name] = known


@app.timer(interval=1.0)  # type: ignore[untyped-decorator]
async def look() -> None:
    for what, until in list(awaited.items()):
        if clock["now"] > until and what not in told:
            told.add(what)
            rule = "H101" if what.startswith("visible") else "H107"
            await alerts.send(key=what, value=Alert(rule, "", what))


if __name__ == "__main__":
    app.main()
