"""The facts of a case as rules ask for them: in order of time, and by the type of their data."""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, TypeVar

from schemas.codec import size_of
from schemas.events import TYPES, Data
from schemas.state import Case, Fact

T = TypeVar("T")


def by_time(fact: Fact) -> tuple[int, str, str]:
    """The order of facts."""
    return (fact.at, fact.id, fact.source)


_BIT: dict[type[Data], int] = {data: 1 << number for number, data in enumerate(TYPES.values())}


def bits(types: Iterable[type[Data]]) -> int:
    """A set of event types as one number, a bit for each: quick to look things up by."""
    return sum(_BIT[data] for data in types)


class Facts(list[Fact]):
    """Facts in order of time, and by type: most questions are about one type.

    A case in memory keeps this in place of its plain list (`facts_of`), so that an event costs what it adds, not what
    was there before. Only `add`, `add_newest` and `drop_oldest` change it.
    """

    __slots__ = ("_asked_of", "_weight", "_worked_out", "of", "types")

    def __init__(self, facts: Iterable[Fact] = ()) -> None:
        super().__init__(facts)
        self.of: dict[type[Data], list[Fact]] = {}
        self.types = 0
        """The types of its facts, as bits."""
        for fact in self:
            self.of.setdefault(type(fact.data), []).append(fact)
            self.types |= _BIT[type(fact.data)]
        self._weight: int | None = None
        self._worked_out: dict[Callable[..., Any], tuple[Collection[type[Data]], Any]] = {}
        self._asked_of: frozenset[type[Data]] = frozenset()
        """The types that anything was worked out from."""

    @property
    def weight(self) -> int:
        """The bytes that they take in a row: known from the first time it is asked for."""
        if self._weight is None:
            self._weight = sum(map(size_of, self))
        return self._weight

    def holds(self, fact: Fact) -> bool:
        """Whether a fact of the same id and source is among them."""
        name, source = fact.id, fact.source
        return any([known.id == name and known.source == source for known in self])

    def add(self, fact: Fact) -> None:
        """Takes a fact in, where it belongs."""
        self.add_newest(fact)
        self.sort(key=by_time)
        self.of[type(fact.data)].sort(key=by_time)

    def add_newest(self, fact: Fact) -> None:
        """Takes in a fact that is later than all others."""
        kind = type(fact.data)
        self.append(fact)
        if kind in self.of:
            self.of[kind].append(fact)
        else:
            self.of[kind] = [fact]
            self.types |= _BIT[kind]
        if self._weight is not None:
            self._weight += size_of(fact)
        if kind in self._asked_of:
            self._forget(kind)

    def drop_oldest(self) -> None:
        """Lets the first fact go."""
        oldest = self.pop(0)
        kind = type(oldest.data)
        if self._weight is not None:
            self._weight -= size_of(oldest)
        if len(self.of[kind]) > 1:
            self.of[kind].pop(0)
        else:
            del self.of[kind]
            self.types ^= _BIT[kind]
        self._forget(kind)

    def once(self, work_out: "Callable[[Facts], T]", kinds: Collection[type[Data]]) -> T:
        """What follows from the facts of these types alone: worked out for the first that asks, and anew when a fact of
        them comes or goes.
        """
        entry = self._worked_out.get(work_out)
        if entry is None:
            entry = self._worked_out[work_out] = (kinds, work_out(self))
            self._asked_of = self._asked_of.union(kinds)
        found: T = entry[1]
        return found

    def settle(self) -> None:
        """Nothing is asked of it for a while: what was worked out goes, and takes no room."""
        self._worked_out.clear()
        self._asked_of = frozenset()

    def _forget(self, kind: type[Data]) -> None:
        for work_out in [ask for ask, (kinds, _) in self._worked_out.items() if kind in kinds]:
            del self._worked_out[work_out]


def facts_of(case: Case) -> Facts:
    """The facts of a case, sorted by type once for as long as the case is in memory."""
    facts = case.facts
    if not isinstance(facts, Facts):
        facts = case.facts = Facts(facts)
    return facts


def said_once(facts: Iterable[Fact]) -> Iterator[Fact]:
    """Without those that say of a moment what was said of it before under another id, as rows of two exports do."""
    seen: set[tuple[int, str, Data]] = set()
    for fact in facts:
        said = (fact.at, fact.channel, fact.data)
        if said not in seen:
            seen.add(said)
            yield fact
