"""H401: what went out is not what was asked for."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import groupby

from app.core.order import lives
from app.core.patterns.agreement import Agreement, Disagreement
from app.core.rule import On, Rule, iso
from schemas.events import (
    FulfilmentCompleted,
    OrderCancelled,
    OrderChanged,
    OrderPlaced,
    ProductIssued,
    ProductRequested,
)
from schemas.state import Fact


def _skus(known: Sequence[Fact]) -> set[str] | None:
    """The skus of the order; none where it is not known whole. Placed again after it was cancelled, it is what it is
    placed with then.
    """
    begun = lives(known)
    lines: list[tuple[str, str | None]] = []
    for _, told in groupby(known, lambda fact: bisect_right(begun, fact.at)):
        life = list(told)
        placed = [fact.data.lines for fact in life if isinstance(fact.data, OrderPlaced)]
        lines = [(line.line_id, line.sku) for part in placed for line in part] or lines  # a header adds none
        for new in (line for fact in life if isinstance(fact.data, OrderChanged) for line in fact.data.lines):
            old = next((sku for line_id, sku in lines if line_id == new.line_id), None)
            lines = [line for line in lines if line[0] != new.line_id] + [(new.line_id, new.sku or old)]
    named = any(fact.data.lines for fact in known if isinstance(fact.data, OrderPlaced))
    whole = named and all(sku is not None for _, sku in lines)
    return {sku for _, sku in lines if sku is not None} if whole else None


def _not_ordered(sent: Fact, known: Sequence[Fact]) -> Iterator[Disagreement]:
    ordered = _skus(known)
    for line in sent.data.lines if ordered else ():
        if ordered and line.sku is not None and line.sku not in ordered:
            right = ", ".join(sorted(ordered))
            words = {"wrong": line.sku, "right": right, "instead": f"what is still missing of {right}"}
            words["of"] = f" (order {sent.data.order_id})"
            by = next(fact for fact in reversed(known) if not isinstance(fact.data, OrderCancelled))
            yield Disagreement(with_fact=by, episode=line.sku, words=words)


def _orders_it(_: Fact, found: Disagreement, later: Fact) -> bool:
    return any(line.sku == found.words["wrong"] for line in later.data.lines)


def _not_requested(issued: Fact, known: Sequence[Fact]) -> Iterator[Disagreement]:
    """An issue answers the request of its id; without ids, any open one for its product, else the latest."""
    product, request_id = issued.data.product, issued.data.request_id
    asked = [f for f in known if isinstance(f.data, ProductRequested) and _may_answer(request_id, f.data.request_id)]
    named = [f for f in asked if request_id is not None and f.data.request_id == request_id]
    given = [f for f in known if isinstance(f.data, ProductIssued) and f.data.product == product and f.at < issued.at]
    wanted = [f for f in asked if f.data.product == product]
    candidates = named or asked
    if not candidates or candidates[-1].data.product == product or (not named and len(wanted) > len(given)):
        return
    request = candidates[-1]
    words = {"wrong": product, "right": request.data.product, "instead": request.data.product}
    words["of"] = f" (request {request.data.request_id})" if request.data.request_id else ""
    yield Disagreement(with_fact=request, episode=request.data.request_id or iso(request.at), words=words)


def _may_answer(issue_id: str | None, request_id: str | None) -> bool:
    return None in (issue_id, request_id) or issue_id == request_id


def _issues_it(_: Fact, found: Disagreement, later: Fact) -> bool:
    asked = found.with_fact.data
    return bool(later.data.product == asked.product and _may_answer(later.data.request_id, asked.request_id))


RULE = Rule(
    id="H401",
    name="wrong-item",
    severity="critical",
    about="order",
    audience="fulfilment",
    pattern=Agreement(
        said=(On(FulfilmentCompleted),),
        known=(On(OrderPlaced), On(OrderChanged)),
        context=(On(OrderCancelled),),
        differs=_not_ordered,
        righted_by=(On(OrderPlaced), On(OrderChanged)),
        rights=_orders_it,
    ),
    also={
        "product": Agreement(
            said=(On(ProductIssued),),
            known=(On(ProductRequested), On(ProductIssued)),
            differs=_not_requested,
            righted_by=(On(ProductIssued),),
            rights=_issues_it,
        )
    },
    expected="{channel} gives out what {from_channel} asked for: {right}",
    summary="{channel} gave out {wrong}; {from_channel} had asked for {right}{of}",
    action="Stop {wrong} if it has not left, send {instead}, and arrange that {wrong} comes back",
)
