"""The beginning of a new rule: a declaration that finds nothing yet, and a page whose scenarios fail until it does.

Pure: gives texts. `app.house` reads the list of rules and writes the files. Whatever is still to be written is marked
`WRITE:`, and a law over all rules fails as long as one such mark is left.
"""

import keyword
import re
from collections.abc import Collection, Iterable

import msgspec

from app.rules.catalogue import FAMILIES, stem

MARK = "WRITE:"
_NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_LONGEST = 40


class BadRule(ValueError):
    """A name or a family with which no rule can begin; the message says why."""


class Begun(msgspec.Struct, frozen=True):
    """A rule as it begins: its id and name, and the text of each file in app/rules."""

    id: str
    name: str
    files: dict[str, str]


def begin(name: str, family: str, ids: Collection[str], taken: Collection[str], registry: str) -> Begun:
    """A new rule of this family, `late-refund` or `late_refund`, and the list of rules with it.

    `ids` are those in use, `taken` the stems of the files there are, `registry` the text of `app/rules/__init__.py`.
    Raises BadRule.
    """
    name = _checked(name.replace("_", "-"), taken)
    rule_id = _next_id(family, ids)
    words = {**_words(family), "id": rule_id, "name": name, "mark": MARK}
    files = {
        f"{stem(name)}.py": _filled(_DECLARATION, words),
        f"{stem(name)}.md": _filled(_PAGE + (_OWED if family == "H1" else _SAID), words),
        "__init__.py": registered(registry, stem(name), rule_id, ids),
    }
    return Begun(rule_id, name, files)


def _words(family: str) -> dict[str, str]:
    """What differs between the families; a pattern's text has marks of its own, so it comes first."""
    window = {"within": "    within=10 * MINUTE,\n", "setting": 'within = "10m"\n', "imports": "MINUTE, Rule"}
    none = {"within": "", "setting": "", "imports": "Rule"}
    return msgspec.structs.asdict(_PATTERNS[family]) | (window if family == "H1" else none)


def _checked(name: str, taken: Collection[str]) -> str:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise BadRule(
            f"{name!r} is no name of a rule: small letters, digits and hyphens, as in late-refund; "
            f"{_LONGEST} characters at the most"
        )
    if keyword.iskeyword(stem(name)):
        raise BadRule(f"{name!r} cannot be a rule's name: it is a word of Python")
    if stem(name) in taken:
        raise BadRule(f"app/rules/{stem(name)} exists already: choose another name, or go on with that one")
    return name


def _next_id(family: str, ids: Collection[str]) -> str:
    if family not in _PATTERNS:
        known = ", ".join(f"{name} ({words.lower()})" for name, words in FAMILIES.items() if name in _PATTERNS)
        raise BadRule(f"{family!r} is no family in which a rule can begin: {known}")
    number = max((int(i[1:]) for i in ids if i.startswith(family)), default=int(f"{family[1:]}00")) + 1
    if not f"H{number}".startswith(family):
        raise BadRule(f"{family} is full: 99 rules have its ids")
    return f"H{number}"


def registered(registry: str, name: str, rule_id: str, ids: Iterable[str]) -> str:
    """The text of `app/rules/__init__.py` with the rule in its place: by name among the imports, by id in the list."""
    head, opening, rest = registry.partition("from app.rules import (\n")
    imports, closing, tail = rest.partition(")\n")
    imports = "".join(sorted([*imports.splitlines(keepends=True), f"    {name},\n"]))
    before, begun, listed = tail.partition("RULES: tuple[Rule, ...] = (\n")
    lines, end, after = listed.partition(")\n")
    rules = lines.splitlines(keepends=True)
    rules.insert(sum(known < rule_id for known in ids), f"    {name}.RULE,\n")
    return "".join([head, opening, imports, closing, before, begun, *rules, end, after])


def next_steps(begun: Begun) -> str:
    """What to tell who has just begun a rule."""
    file = f"app/rules/{stem(begun.name)}"
    return (
        f"{begun.id} {begun.name} begins in {file}.py and {file}.md, and is in the list in app/rules/__init__.py.\n"
        f"It finds nothing yet, and `make test` fails until it does:\n"
        f"  1. Tell the story in {file}.md, and give its scenarios real records. A scenario that fails prints\n"
        f"     what was said on each line.\n"
        f"  2. Declare in {file}.py what begins it, what answers it, and who owes that.\n"
        f"  3. Leave no {MARK} behind. Try it: .venv/bin/pytest tests/test_rules.py -k {begun.id}\n"
        f"  4. If you like, break it in the simulated day too (app/simulate/owed.py, wrong.py): the demo plays it.\n"
        f"  5. make docs   (the catalogue)\n"
        f"  6. make check  (lint, types, all tests)"
    )


def _filled(text: str, words: dict[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(f"<{word}>", value)
    return text


class _Pattern(msgspec.Struct, frozen=True):
    """How a rule of a family is declared at first, and two records of which the second may be a breach."""

    module: str
    shape: str
    pattern: str
    known: str = ""
    breach: str = ""


_PATTERNS = {
    "H1": _Pattern(
        "response",
        "Response",
        """\
        trigger=(),  # <mark> what begins it, as in (On(OrderPlaced, where=lambda data: ...),)
        target=(),  # <mark> what answers it, as in (On(OrderVisible, channels=("pickup",)),)
        owed_by=("pickup",),  # <mark> the channels that owe the answer: their clock judges
""",
    ),
    "H2": _Pattern(
        "at_most_once",
        "AtMost",
        """\
        counted=(),  # <mark> what is counted, as in (On(OrderCollected),)
        excesses=lambda *_: iter(()),  # <mark> a function that gives an Excess for each one too many
""",
        "store order.collected order_id=o1",
        "pickup order.collected order_id=o1",
    ),
    "H3": _Pattern(
        "precedence",
        "NotAfter",
        """\
        first=(),  # <mark> since when it must not happen, as in (On(OrderCancelled),); see also Precedence
        then=(),  # <mark> what must not happen then, as in (On(OrderReady),)
        forbids=lambda *_: None,  # <mark> a function that gives a Ban, or none
""",
        "web order.cancelled order_id=o1",
        "pickup order.ready order_id=o1",
    ),
    "H4": _Pattern(
        "agreement",
        "Agreement",
        """\
        said=(),  # <mark> what is held against what is known, as in (On(OrderReady),)
        known=(),  # <mark> what it must agree with, as in (On(OrderPlaced),)
        differs=lambda *_: (),  # <mark> a function that gives a Disagreement for each difference
""",
        "web order.placed order_id=o1 location_id=s1",
        "pickup order.ready order_id=o1 location_id=s2",
    ),
}

_DECLARATION = '''\
"""<id>: <mark> one sentence, what has broken for the customer."""

from app.core.patterns.<module> import <shape>
from app.core.rule import <imports>

RULE = Rule(
    id="<id>",
    name="<name>",
    severity="warning",
    about="order",
<within>    audience="<mark> who should act",
    pattern=<shape>(
<pattern>    ),
    expected="<mark> what was expected of whom: {to_channel} does it with order {order_id} by {due}",
    summary="<mark> what has broken, in plain words: order {order_id}",
    action="<mark> what to do now",
)
'''

_PAGE = """\
# <id> <name>

<mark> one sentence, what has broken for the customer.

## What it detects
<mark> which events begin it, which end it, who owes what by when, and by whose clock it is judged.

## Why it matters
<mark> a story: who stands where, and what they are told.

## When it fires
1. <mark> what to look at first.
2. <mark> how to save it while it can be saved.

## Blind spots
- <mark> what it cannot see. Known gaps are better than unknown ones.

## Settings
```toml
[rules.<id>]
enabled = true
<setting>```

## Scenarios
"""

_OWED = """
### It never comes
<mark> why this is the plain case.
```timeline fires
 0:00      web order.placed order_id=o1 location_id=s1
10:01      tick                                               # firing <id> o1
```

### It comes in time
<mark> a handoff that works makes no sound.
```timeline silent
 0:00      web order.placed order_id=o1 location_id=s1
 2:00      pickup order.visible order_id=o1 location_id=s1
30:00      tick
```

### A millisecond before the deadline
<mark> in time.
```timeline boundary silent
 0:00      web order.placed order_id=o1 location_id=s1
 9:59.999  pickup order.visible order_id=o1 location_id=s1
30:00      tick
```

### Exactly at the deadline
<mark> in time: a deadline is broken once the clock is beyond it.
```timeline boundary silent
 0:00      web order.placed order_id=o1 location_id=s1
10:00      tick
10:00      pickup order.visible order_id=o1 location_id=s1
30:00      tick
```

### A millisecond after the deadline
<mark> too late, and said so.
```timeline boundary late
 0:00      web order.placed order_id=o1 location_id=s1
10:00.001  tick                                               # firing <id> o1
10:00.001  pickup order.visible order_id=o1 location_id=s1    # resolved <id> o1 late
```

### It fires once
<mark> what else happens that must not fire it again.
```timeline once
 0:00      web order.placed order_id=o1 location_id=s1
10:01      tick                                               # firing <id> o1
20:00      tick
```

### The answer was only slow to arrive
<mark> evidence from before the deadline takes the alert back.
```timeline retracted
 0:00      web order.placed order_id=o1 location_id=s1
10:01      tick                                               # firing <id> o1
 2:00      pickup order.visible order_id=o1 location_id=s1    # resolved <id> o1 retracted
```

### The answer arrives first
<mark> whatever the order of arrival, the verdict is the same.
```timeline disorder silent
 2:00      pickup order.visible order_id=o1 location_id=s1
 0:00      web order.placed order_id=o1 location_id=s1
30:00      tick
```

### The same record twice
<mark> delivered again, it changes nothing.
```timeline twice fires
 0:00      web order.placed order_id=o1 location_id=s1 id=e1
 0:00      web order.placed order_id=o1 location_id=s1 id=e1
10:01      tick                                               # firing <id> o1
```

### Beside it, another is well
<mark> another order, or another customer, is not concerned.
```timeline beside fires
 0:00      web order.placed order_id=o1 location_id=s1
 0:00      web order.placed order_id=o2 location_id=s1 customer=c2
 2:00      pickup order.visible order_id=o2 location_id=s1 customer=c2
10:01      tick                                               # firing <id> o1
```
"""

_SAID = """
### It happens
<mark> why this is the plain case.
```timeline fires
 0:00      <known>
 5:00      <breach>
 5:01      tick                                               # firing <id> o1
```

### All is well
<mark> a handoff that works makes no sound.
```timeline silent
 0:00      <known>
30:00      tick
```

### Exactly at the limit
<mark> the last moment at which nothing is said, and the first at which it is.
```timeline boundary fires
 0:00      <known>
 5:00      <breach>
 5:00      tick
 5:00.001  tick                                               # firing <id> o1
```

### It fires once
<mark> what else happens that must not fire it again.
```timeline once
 0:00      <known>
 5:00      <breach>
 5:01      tick                                               # firing <id> o1
30:00      tick
```

### They arrive backwards
<mark> whatever the order of arrival, the verdict is the same.
```timeline disorder fires
 5:00      <breach>
 0:00      <known>
 5:01      tick                                               # firing <id> o1
```

### The same record twice
<mark> delivered again, it changes nothing.
```timeline twice fires
 0:00      <known>
 5:00      <breach> id=e1
 5:00      <breach> id=e1
 5:01      tick                                               # firing <id> o1
```

### Beside it, another is well
<mark> another order, or another customer, is not concerned.
```timeline beside fires
 0:00      <known>
 0:00      <known> customer=c2
 5:00      <breach>
 5:01      tick                                               # firing <id> o1
```
"""
