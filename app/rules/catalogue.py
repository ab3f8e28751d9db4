"""The catalogue: what is told of all rules at once, written from the rules and their pages.

Pure: pages come in as text, documents go out as text. `app.house` reads and writes the files.
"""

import re
from collections.abc import Iterator, Mapping, Sequence

from app.config.durations import format_duration
from app.core.rule import Rule

FAMILIES = {
    "H1": "Something owed did not come",
    "H2": "Something happened too often",
    "H3": "Something happened out of order",
    "H4": "Two channels disagree",
    "H5": "The feed itself",
}
"""How an id begins → what breaks in that way."""
HEADINGS = (
    "What it detects",
    "Why it matters",
    "When it fires",
    "Blind spots",
    "Settings",
    "Scenarios",
)
"""The sections of every page, in their order."""
BEGIN, END = "<!-- rules -->", "<!-- /rules -->"
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_SECTION = re.compile(r"^## +(.+)$", re.MULTILINE)
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_PATTERNS = "app.core.patterns."
_HEAD = """\
# The rules

Written by `make docs` from the rules and their pages: edit those, not this. `handoff explain H101` prints a page.
Windows are defaults; each can be set, by channel and by location, as the page's settings show.
"""


def stem(name: str) -> str:
    """The file name, without its ending, that a rule's name implies."""
    return name.replace("-", "_")


def sections(page: str) -> dict[str, str]:
    """The sections of a page by heading, in their order; `""` is what stands before the first. Code is no heading."""
    blank = _FENCED.sub(lambda fenced: re.sub(r"[^\n]", " ", fenced.group()), page)
    starts = [(match.group(1).strip(), match.start(), match.end()) for match in _SECTION.finditer(blank)]
    ends = [start for _, start, _ in starts[1:]] + [len(page)]
    found = {"": page[: starts[0][1]] if starts else page}
    return found | {name: page[end:until].strip() for (name, _, end), until in zip(starts, ends, strict=True)}


def summary(page: str) -> str:
    """The sentence under a page's title, on one line."""
    title, _, rest = sections(page)[""].strip().partition("\n")
    return " ".join(rest.split()) if title.startswith("# ") else ""


def window(rule: Rule) -> str:
    """The default windows: `10m`, or `1h; chat 2m, phone 5m`; a dash where the rule waits for nothing."""
    special = ", ".join(f"{channel} {format_duration(ms)}" for channel, ms in rule.by_channel.items())
    return "; ".join(part for part in (format_duration(rule.within) if rule.within else "", special) if part) or "-"


def pattern(rule: Rule) -> str:
    """The shape in which the handoff breaks: `response`, `at most`, … with a link to it."""
    kind = type(rule.pattern)
    if not kind.__module__.startswith(_PATTERNS):
        return "of its own"
    name = _CAPITAL.sub(" ", kind.__name__).lower()
    return f"[{name}](../core/patterns/{kind.__module__.removeprefix(_PATTERNS)}.py)"


def catalogue(rules: Sequence[Rule], pages: Mapping[str, str]) -> str:
    """The whole catalogue as Markdown. `pages` has the page of each rule by its id."""
    parts = [_HEAD, _table(rules, pages)]
    for family, words in FAMILIES.items():
        entries = [_entry(rule, pages[rule.id]) for rule in rules if rule.id.startswith(family)]
        parts += [f"## {family} {words}\n", *entries] if entries else []
    return "\n".join(parts)


def _table(rules: Sequence[Rule], pages: Mapping[str, str]) -> str:
    rows = (
        (rule.id, _link(rule), rule.severity, _about(rule), pattern(rule), window(rule), summary(pages[rule.id]))
        for rule in rules
    )
    return _markdown(("id", "name", "severity", "about", "pattern", "window", "what breaks"), rows)


def _entry(rule: Rule, page: str) -> str:
    told = sections(page)
    facts = f"{rule.severity} · about: {_about(rule)} · {pattern(rule)} · window: {window(rule)} · for: {rule.audience}"
    text = f"### {rule.id} {_link(rule)}\n\n{summary(page)}\n\n{facts}\n\n{told['What it detects']}\n"
    return f"{text}\n**Blind spots**\n\n{told['Blind spots']}\n"


def table(rules: Sequence[Rule], pages: Mapping[str, str]) -> str:
    """The short table of the project's README."""
    rows = ((rule.id, _link(rule, "app/rules/"), window(rule), summary(pages[rule.id])) for rule in rules)
    return _markdown(("id", "name", "within", "what breaks"), rows)


def _about(rule: Rule) -> str:
    return ", ".join(rule.patterns())


def _link(rule: Rule, folder: str = "") -> str:
    return f"[{rule.name}]({folder}{stem(rule.name)}.md)"


def _markdown(head: Sequence[str], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def placed(text: str, between: str) -> str:
    """The text with this between its two markers. Raises ValueError where they do not stand there once, in order."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end or BEGIN in rest:
        raise ValueError(f"README.md needs one {BEGIN} and one {END} behind it")
    return f"{head}{BEGIN}\n{between}{END}{tail}"
