"""What a rule can be about: for each kind of subject, which one an event belongs to.

A case gathers the facts of one subject of one customer. Kinds whose subjects belong to a customer (a profile field, not
an order) are marked: their id alone does not name them.
"""

from collections.abc import Callable
from typing import Any

import msgspec

from schemas.events import Data


class Kind(msgspec.Struct, frozen=True):
    """One kind of subject. `key` gives the subject's id, or none where an event is not about such a subject."""

    key: Callable[[Any], str | None]
    of_customer: bool = False


def _order(data: Any) -> str | None:
    return getattr(data, "order_id", None) or getattr(data, "about", None)


def _field(name: str) -> Callable[[Any], str | None]:
    return lambda data: getattr(data, name, None)


def _account(data: Any) -> str | None:
    return getattr(data, "what", None) or getattr(data, "about", None)


SUBJECTS: dict[str, Kind] = {
    "order": Kind(_order),
    "contact": Kind(_field("case_id")),
    "basket": Kind(lambda _: "", of_customer=True),
    "requests": Kind(lambda _: "", of_customer=True),
    "profile": Kind(_field("field"), of_customer=True),
    "product": Kind(lambda _: "", of_customer=True),
    "account": Kind(_account, of_customer=True),
    "cart": Kind(_field("cart_id"), of_customer=True),
    "channel": Kind(lambda _: None),
}
"""`basket`, `requests` and `product` gather all of a customer: ids within tell what belongs together."""


def subject_of(kind: str, data: Data) -> str | None:
    """The id of the subject of this kind that the event is about."""
    return SUBJECTS[kind].key(data)
