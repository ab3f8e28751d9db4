"""The example of deploy/examples/olist on a real marketplace, against queries that know nothing of the detector.

The data is no part of the project: HANDOFF_DATA names the folder that holds `olist/`, else `../shared/data`.
"""

import csv
import json
import os
from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from statistics import mean
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from typer.testing import CliRunner

from app.cli import commands

ROOT = Path(__file__).parents[2]
DATA = Path(os.environ.get("HANDOFF_DATA", ROOT.parent / "shared" / "data")) / "olist"
EXAMPLE = ROOT / "deploy" / "examples" / "olist"
ZONE = ZoneInfo("America/Sao_Paulo")

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"{DATA} is missing: set HANDOFF_DATA to where olist/ is")


def rows(name: str) -> list[dict[str, str]]:
    with (DATA / f"olist_{name}_dataset.csv").open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def at(text: str) -> datetime:
    """A moment; all are local to the marketplace."""
    return datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=ZONE)


class Order:
    """An order as its row tells it."""

    def __init__(self, row: dict[str, str], limits: list[str]) -> None:
        self.id = row["order_id"]
        self.bought = at(row["order_purchase_timestamp"])
        self.paid = bool(row["order_approved_at"])
        self.cancelled = row["order_status"] in ("canceled", "unavailable")
        self.handed_over = at(row["order_delivered_carrier_date"]) if row["order_delivered_carrier_date"] else None
        self.delivered = at(row["order_delivered_customer_date"]) if row["order_delivered_customer_date"] else None
        self.promise_ends = at(row["order_estimated_delivery_date"]) + timedelta(days=1)
        self.sellers_limit = max(map(at, limits), default=None)
        """The last of its sellers' limits; items of most orders are not in the sample."""

    @property
    def limit(self) -> datetime:
        return self.sellers_limit or self.bought + timedelta(days=3)


@pytest.fixture(scope="module")
def orders() -> list[Order]:
    limits = defaultdict(list)
    for item in rows("order_items"):
        limits[item["order_id"]].append(item["shipping_limit_date"])
    return [Order(row, limits[row["order_id"]]) for row in rows("orders")]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The summary, and by rule the last revision of each alert that became a breach."""
    folder = tmp_path_factory.mktemp("olist")
    options = [
        "--config",
        str(EXAMPLE / "handoff.toml"),
        "--out",
        str(folder / "alerts"),
        "--summary",
        str(folder / "s"),
    ]
    result = CliRunner().invoke(commands, ["replay", str(DATA), *options])
    assert result.exit_code == 0, result.output
    alerts = {}
    for line in (folder / "alerts").read_text().splitlines():
        alert = json.loads(line)
        alerts[alert["id"]] = alert
    by_rule: dict[str, dict[str, Any]] = defaultdict(dict)
    for alert in alerts.values():
        if alert["phase"] == "breach":
            by_rule[alert["rule"]][alert["subject"]["id"]] = alert
    return {"summary": json.loads((folder / "s").read_text()), **by_rule}


def resolved(alerts: dict[str, Any], resolution: str | None) -> set[str]:
    """The orders whose alert ended so; None: still firing."""
    return {order for order, alert in alerts.items() if alert.get("resolution") == resolution}


def test_orders_paid_and_never_handed_over_are_still_firing(said: dict[str, Any], orders: list[Order]) -> None:
    expected = {o.id for o in orders if o.paid and not o.handed_over and not o.cancelled}

    assert len(expected) == 25
    assert resolved(said["H111"], None) == expected


def test_orders_handed_over_after_the_sellers_limit_are_late(said: dict[str, Any], orders: list[Order]) -> None:
    expected = {o.id for o in orders if o.sellers_limit and o.handed_over and o.handed_over > o.sellers_limit}
    known = {o.id for o in orders if o.sellers_limit}

    assert len(expected) == 14
    assert resolved(said["H111"], "late") & known == expected


def test_orders_without_a_known_limit_are_late_three_days_after_they_were_placed(
    said: dict[str, Any], orders: list[Order]
) -> None:
    expected = {o.id for o in orders if o.paid and o.handed_over and o.handed_over > o.limit}

    assert resolved(said["H111"], "late") == expected


def test_orders_promised_and_never_delivered_are_still_firing(said: dict[str, Any], orders: list[Order]) -> None:
    end = datetime.fromisoformat(said["summary"]["end"])
    expected = {o.id for o in orders if not o.delivered and not o.cancelled and o.promise_ends < end}

    assert len(expected) == 69
    assert resolved(said["H107"], None) == expected


def test_orders_delivered_after_the_promise_are_late(said: dict[str, Any], orders: list[Order]) -> None:
    late = {o.id for o in orders if o.delivered and o.delivered >= o.promise_ends}
    within_the_half_hour = {
        o.id for o in orders if o.id in late and o.delivered and o.delivered < o.promise_ends + timedelta(minutes=30)
    }
    cancelled = {o.id for o in orders if o.id in late and o.cancelled}

    assert (len(late), len(within_the_half_hour), len(cancelled)) == (274, 3, 1)
    assert resolved(said["H107"], "late") == late - within_the_half_hour - cancelled


def test_nothing_else_is_said_of_promises_and_handovers(said: dict[str, Any]) -> None:
    assert set(said) == {"summary", "H107", "H111", "H303", "H305"}
    for rule in ("H107", "H111"):
        assert said["summary"]["rules"][rule]["fired"] == sum(len(resolved(said[rule], end)) for end in ("late", None))


def test_the_order_that_was_cancelled_and_yet_delivered_is_found(said: dict[str, Any], orders: list[Order]) -> None:
    expected = {o.id for o in orders if o.cancelled and o.delivered}

    assert len(expected) == 1
    assert set(said["H303"]) == expected


def test_no_order_of_several_sellers_is_called_a_duplicate(said: dict[str, Any], orders: list[Order]) -> None:
    sellers = defaultdict(set)
    for item in rows("order_items"):
        sellers[item["order_id"]].add(item["seller_id"])
    several = [o for o in orders if len(sellers[o.id]) > 1]

    assert len(several) == 2
    assert said["summary"]["rules"]["H201"]["fired"] == said["summary"]["rules"]["H202"]["fired"] == 0


def test_orders_handed_over_before_they_were_bought_are_the_only_unknown_ones(
    said: dict[str, Any], orders: list[Order]
) -> None:
    before = {o.id for o in orders if o.handed_over and o.handed_over < o.bought}
    expected = {
        o.id for o in orders if o.id in before and o.handed_over and o.bought > o.handed_over + timedelta(minutes=15)
    }

    assert (len(before), len(expected)) == (8, 6)
    assert set(said["H305"]) == expected


def test_every_row_is_read_and_none_rejected(said: dict[str, Any], orders: list[Order]) -> None:
    events = said["summary"]["events"]

    assert events["rows"] == len(orders) + len(rows("order_items"))
    assert events["skipped"] == events["rejected"] == 0


def test_the_customers_own_reviews_bear_the_late_deliveries_out(said: dict[str, Any], orders: list[Order]) -> None:
    """An independent witness: who was left waiting says so."""
    scores = {row["order_id"]: int(row["review_score"]) for row in rows("order_reviews")}
    alerted = [scores[o.id] for o in orders if o.id in scores and o.id in said["H107"]]
    others = [scores[o.id] for o in orders if o.id in scores and o.id not in said["H107"]]

    assert len(alerted) >= 10
    assert mean(alerted) < mean(others) - 0.5
