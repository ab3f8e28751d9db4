"""`handoff rule` and `handoff docs`: what is begun, what is refused, and what is written again."""

import ast
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import app.house
import schemas.generate
from app.cli import commands
from app.core.rule import Rule
from app.rules import RULES
from app.rules.catalogue import BEGIN, END, HEADINGS, placed, sections, stem, summary, window
from app.rules.scaffold import MARK, BadRule, Begun, begin
from app.timeline import mismatches, read_page, run

IDS = [rule.id for rule in RULES]
FILES = {stem(rule.name) for rule in RULES}
REGISTRY = (app.house.ROOT / "app/rules/__init__.py").read_text()
REQUIRED = {"fires", "silent", "boundary", "once", "disorder", "twice", "beside"}
FAMILIES = ["H1", "H2", "H3", "H4"]


def begun(name: str = "never-heard-of", family: str = "H1") -> Begun:
    return begin(name, family, IDS, FILES, REGISTRY)


def declared(source: str) -> Rule:
    module: dict[str, Rule] = {}
    exec(source, module)
    return module["RULE"]


@pytest.mark.parametrize(("family", "rule_id"), [("H1", "H113"), ("H2", "H204"), ("H3", "H306"), ("H4", "H401")])
def test_a_rule_takes_the_next_id_of_its_family(family: str, rule_id: str) -> None:
    rule = begin("never-heard-of", family, ["H101", "H112", "H203", "H305", "H501"], (), REGISTRY)

    assert rule.id == rule_id
    assert declared(rule.files["never_heard_of.py"]).id == rule_id
    assert rule.files["never_heard_of.md"].startswith(f"# {rule_id} never-heard-of\n")


@pytest.mark.parametrize("family", FAMILIES)
def test_it_stands_in_the_list_by_its_id_and_among_the_imports_by_its_name(family: str) -> None:
    rule = begun("a-thing", family)
    body = ast.parse(rule.files["__init__.py"]).body
    imported = next(node for node in body if isinstance(node, ast.ImportFrom) and node.module == "app.rules")
    listed = next(node for node in body if isinstance(node, ast.AnnAssign)).value

    names = [alias.name for alias in imported.names]
    assert names == sorted({*FILES, "a_thing"})
    assert isinstance(listed, ast.Tuple)
    stems = [
        item.value.id for item in listed.elts if isinstance(item, ast.Attribute) and isinstance(item.value, ast.Name)
    ]
    ids = {stem(known.name): known.id for known in RULES} | {"a_thing": rule.id}
    assert [ids[name] for name in stems] == sorted([*IDS, rule.id])


@pytest.mark.parametrize("family", FAMILIES)
def test_its_page_has_every_heading_and_a_scenario_of_every_required_kind(family: str) -> None:
    page = begun(family=family).files["never_heard_of.md"]

    assert tuple(sections(page))[1:] == HEADINGS
    assert {kind for timeline in read_page(page) for kind in timeline.kinds} >= REQUIRED


@pytest.mark.parametrize("family", FAMILIES)
def test_it_fails_until_it_is_written(family: str) -> None:
    files = begun(family=family).files
    rule = declared(files["never_heard_of.py"])

    failing = [t for t in read_page(files["never_heard_of.md"]) if mismatches(run(t, [rule]))]

    assert {kind for timeline in failing for kind in timeline.kinds} >= {"fires", "once", "twice", "beside"}
    assert MARK in files["never_heard_of.md"]
    assert MARK in files["never_heard_of.py"]


def test_the_scenarios_it_begins_with_pass_once_something_like_them_is_declared() -> None:
    files = begun().files
    source = files["never_heard_of.py"].replace("import MINUTE, Rule", "import MINUTE, On, Rule")
    source = source.replace("trigger=()", "trigger=(On(OrderPlaced),)").replace(
        "target=()", "target=(On(OrderVisible),)"
    )
    rule = declared(f"from schemas.events import OrderPlaced, OrderVisible\n{source}")

    for timeline in read_page(files["never_heard_of.md"]):
        assert mismatches(run(timeline, [rule])) == [], timeline.title


def test_a_name_may_be_written_as_a_file_is() -> None:
    assert begun("never_heard_of") == begun("never-heard-of")


@pytest.mark.parametrize(
    ("name", "family", "reason"),
    [
        ("Late-Refund", "H1", "small letters, digits and hyphens, as in late-refund"),
        ("late refund", "H1", "is no name of a rule"),
        ("../late", "H1", "is no name of a rule"),
        ("late-", "H1", "is no name of a rule"),
        ("", "H1", "is no name of a rule"),
        ("9-lives", "H1", "is no name of a rule"),
        ("late-" * 9 + "refund", "H1", "40 characters at the most"),
        ("import", "H1", "it is a word of Python"),
        ("order-not-visible", "H1", "app/rules/order_not_visible exists already"),
        ("never-heard-of", "H5", "'H5' is no family in which a rule can begin: H1 (something owed did not come), H2"),
        ("never-heard-of", "113", "is no family"),
    ],
)
def test_what_cannot_be_a_rule_is_refused_with_a_sentence(name: str, family: str, reason: str) -> None:
    with pytest.raises(BadRule) as refused:
        begun(name, family)
    assert reason in str(refused.value)


def test_a_full_family_says_so() -> None:
    with pytest.raises(BadRule, match="H1 is full"):
        begin("never-heard-of", "H1", ["H199"], (), REGISTRY)


def handoff(*arguments: str) -> Result:
    return CliRunner().invoke(commands, arguments)


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the commands touch, to be changed."""
    for name in ("app/rules", "schemas/json"):
        shutil.copytree(app.house.ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(app.house.ROOT / name, tmp_path / name)
    monkeypatch.setattr(app.house, "ROOT", tmp_path)
    monkeypatch.setattr(schemas.generate, "ROOT", tmp_path)
    return tmp_path


def test_the_command_writes_the_files_and_says_what_comes_next(checkout: Path) -> None:
    result = handoff("rule", "never_heard_of", "--family", "H4")

    rules = checkout / "app/rules"
    assert result.exit_code == 0
    rule = declared((rules / "never_heard_of.py").read_text())
    assert (rules / "never_heard_of.md").read_text().startswith(f"# {rule.id} never-heard-of")
    assert rule.id.startswith("H4")
    assert rule.id not in IDS
    assert "never_heard_of.RULE" in (rules / "__init__.py").read_text()
    for words in (
        f"{rule.id} never-heard-of begins in app/rules/never_heard_of.py and .md",
        "make test",
        "make docs",
        MARK,
    ):
        assert words in result.stdout.replace("app/rules/never_heard_of.md", ".md")


def test_the_command_changes_nothing_where_the_name_is_taken(checkout: Path) -> None:
    handoff("rule", "never-heard-of")
    before = {path: path.read_bytes() for path in (checkout / "app/rules").iterdir()}

    result = handoff("rule", "never-heard-of")

    assert result.exit_code == 2
    assert result.stderr == (
        "handoff: app/rules/never_heard_of exists already: choose another name, or go on with that one\n"
    )
    assert {path: path.read_bytes() for path in (checkout / "app/rules").iterdir()} == before


@pytest.mark.parametrize("command", [("rule", "never-heard-of"), ("docs",)])
def test_outside_a_checkout_the_commands_refuse(checkout: Path, command: tuple[str, ...]) -> None:
    (checkout / "pyproject.toml").unlink()

    result = handoff(*command)

    assert result.exit_code == 2
    assert "run it in a checkout of the project" in result.stderr


def test_docs_says_what_is_stale_and_then_writes_it(checkout: Path) -> None:
    handoff("docs")
    (checkout / "app/rules/README.md").write_text("old")

    checked = handoff("docs", "--check")
    assert (checked.exit_code, checked.stderr) == (
        2,
        "handoff: app/rules/README.md: not as generated; run `make docs`\n",
    )
    assert (checkout / "app/rules/README.md").read_text() == "old"

    assert handoff("docs").stdout == "written: app/rules/README.md\n"
    assert handoff("docs", "--check").stdout == "all generated files are as they should be\n"


def test_a_readme_without_its_markers_is_said_to_lack_them(checkout: Path) -> None:
    (checkout / "README.md").write_text("no table here")

    result = handoff("docs")

    assert result.exit_code == 2
    assert f"README.md needs one {BEGIN} and one {END} behind it" in result.stderr


def test_a_table_takes_the_place_of_the_one_before() -> None:
    text = f"above\n{BEGIN}\nold\n{END}\nbelow\n"
    assert placed(text, "new\n") == f"above\n{BEGIN}\nnew\n{END}\nbelow\n"
    assert placed(placed(text, "new\n"), "new\n") == placed(text, "new\n")


@pytest.mark.parametrize("text", [f"{END} {BEGIN}", BEGIN, END, f"{BEGIN} {BEGIN} {END}"])
def test_markers_that_do_not_enclose_anything_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"README\.md needs"):
        placed(text, "new")


def test_headings_in_code_are_no_sections() -> None:
    page = "# H1 x\n\nA line\nand more.\n\n## One\n```toml\n## no heading\n```\n## Two\nwords\n"
    assert sections(page) == {
        "": "# H1 x\n\nA line\nand more.\n\n",
        "One": "```toml\n## no heading\n```",
        "Two": "words",
    }
    assert summary(page) == "A line and more."


def test_windows_are_told_with_those_of_channels() -> None:
    told = {rule.id: window(rule) for rule in RULES}
    assert told["H101"] == "10m"
    assert told["H105"] == "1h; chat 2m, phone 5m, social 1h, email 4h"
    assert told["H201"] == "-"
