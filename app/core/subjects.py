"""What a rule can be about: for each kind of subject, which one an event belongs to.

A case gathers the facts of one subject of one customer: the id alone (of a profile field, of an order whose events came
before their link) does not name it.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Any

import msgspec

from schemas.events import Data

Key = Callable[[Any], str | None]
"""Data of an event → the id of the subject, or none where it names none."""


class Kind(msgspec.Struct, frozen=True):
    """One kind of subject."""

    named_by: tuple[str, ...] = ()
    """The fields, at most two, that may name the subject; the first that does, counts."""
    gathers: bool = False
    """Whether it gathers all of a customer: ids within tell what belongs together."""
    facts: int | None = None
    """Facts that are enough, of what only concerns each other within a short time; none: as many as a case may have.
    The row of a customer who comes often would be long, and is written anew whenever they come.
    """

    def key(self, data: type[Data]) -> Key | None:
        """What names the subject in events of this type; none where they are about no such subject."""
        if self.gathers:
            return lambda _: ""
        fields = [field for field in self.named_by if field in data.__struct_fields__]
        if len(fields) < 2:
            return attrgetter(fields[0]) if fields else None
        first, second = map(attrgetter, fields)
        return lambda event: first(event) or second(event)


SUBJECTS: dict[str, Kind] = {
    "order": Kind(("order_id", "about")),
    "contact": Kind(("case_id",)),
    "basket": Kind(gathers=True, facts=40),
    "requests": Kind(gathers=True),
    "profile": Kind(("field",)),
    "product": Kind(gathers=True),
    "account": Kind(("what", "about")),
    "cart": Kind(("cart_id",)),
    "channel": Kind(),
}


def subject_of(kind: str, data: Data) -> str | None:
    """The id of the subject of this kind that the event is about."""
    key = SUBJECTS[kind].key(type(data))
    return None if key is None else key(data)
