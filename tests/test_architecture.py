"""The architecture as a test: who may import whom, what is pure, how large things may be, what lies where."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import agents
import app
import app.house
import schemas
import schemas.generate

ROOT = Path(__file__).parent.parent
LAYERS = ("schemas", "app", "agents")
"""An import may only point left."""
LIVE = (
    "faust",
    "mode",
    "aiokafka",
    "confluent_kafka",
    "rocksdict",
    "redis",
    "prometheus_client",
    "uvloop",
    "structlog",
)
"""What is there only where the live part is installed."""
PURE = ("schemas", "app/core", "app/rules")
COMMANDS = {"schemas/generate.py"}
"""Writes files, and is started by itself."""
IMPURE_MODULES = {"time", "random", "os", "secrets", "socket", "subprocess", "shutil", "tempfile", "pathlib", "io"}
CLOCK_OR_CHANCE = re.compile(
    r"(?:date|datetime)\.(?:now|utcnow|today)|time\.time(?:_ns)?|(?:uuid\.)?uuid[14]|"
    r"os\.urandom|secrets\..*|random\.(?!Random$).*"
)
"""The time of day, and dice without a seed: `random.Random(seed)` has one."""
INPUT_OR_OUTPUT = re.compile(r"open|input|print|.*\.(?:open|read_text|read_bytes|write_text|write_bytes)")
TOP_LEVEL = {
    "pyproject.toml",
    "README.md",
    "CHANGELOG.md",
    "LICENSE",
    "Makefile",
    "app",
    "agents",
    "schemas",
    "tests",
    "deploy",
}
ENTRY_POINTS = {"app.__main__", "agents.__main__", "agents.cli"}
FOR_TESTS = {"app.timeline"}
"""The runner of the scenarios in the rules' pages, which are tests."""
LONGEST_FUNCTION, SHORT_FUNCTION, SHORT_SHARE, LONGEST_FILE = 40, 15, 0.85, 400


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    """`app/core/rule.py` → `app.core.rule`, `app/core/__init__.py` → `app.core`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imports(path: Path) -> Iterator[str]:
    """Whatever a file may import, anywhere in it: modules, and names in them that may be modules."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (str(node.module), *(f"{node.module}.{alias.name}" for alias in node.names))


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("no git checkout: nothing tells what belongs to the project")
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


files = pytest.mark.parametrize("path", sources(*LAYERS), ids=lambda path: str(path.relative_to(ROOT)))


@files
def test_an_import_points_left(path: Path) -> None:
    layer = LAYERS.index(path.relative_to(ROOT).parts[0])
    to_the_right = {*LAYERS[layer + 1 :], "tests", "deploy"}
    assert [name for name in imports(path) if name.partition(".")[0] in to_the_right] == []


@pytest.mark.parametrize("path", sources("schemas", "app"), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_left_of_the_agents_imports_the_live_part(path: Path) -> None:
    assert [name for name in imports(path) if name.partition(".")[0] in LIVE] == []


@pytest.mark.parametrize(
    "path",
    [path for path in sources(*PURE) if str(path.relative_to(ROOT)) not in COMMANDS],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_the_core_has_no_clock_no_chance_and_no_files(path: Path) -> None:
    assert [name for name in imports(path) if name.partition(".")[0] in IMPURE_MODULES] == []
    assert [name for name in called(path) if INPUT_OR_OUTPUT.fullmatch(name)] == []


@pytest.mark.parametrize("path", sources("schemas", "app"), ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_left_of_the_agents_asks_what_time_it_is_or_rolls_dice_without_a_seed(path: Path) -> None:
    assert [name for name in named(path) if CLOCK_OR_CHANCE.fullmatch(name)] == []
    assert {"random.Random()", "Random()"} & set(called_with_nothing(path)) == set()


def named(path: Path) -> Iterator[str]:
    """Every name that is used or imported, with all its dots."""
    yield from imports(path)
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Name | ast.Attribute):
            yield ast.unparse(node)


def called(path: Path) -> list[str]:
    return [ast.unparse(node.func) for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]


def called_with_nothing(path: Path) -> Iterator[str]:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and not node.args and not node.keywords:
            yield ast.unparse(node)


def functions() -> Iterator[tuple[str, int]]:
    """Every function with its length in lines, from `def` to its last line."""
    for path in sources(*LAYERS):
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", node.end_lineno - node.lineno + 1


def test_no_function_is_longer_than_forty_lines() -> None:
    assert [where for where, length in functions() if length > LONGEST_FUNCTION] == []


def test_most_functions_are_shorter_than_fifteen_lines() -> None:
    lengths = [length for _, length in functions()]
    assert sum(length < SHORT_FUNCTION for length in lengths) / len(lengths) >= SHORT_SHARE


@files
def test_a_file_can_be_read_in_one_sitting(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= LONGEST_FILE


@files
def test_a_module_says_what_it_is(path: Path) -> None:
    tree = tree_of(path)
    assert not tree.body or ast.get_docstring(tree)


def test_every_module_is_imported_by_another_or_is_an_entry_point() -> None:
    used: set[str] = ENTRY_POINTS | FOR_TESTS
    for path in sources(*LAYERS):
        used |= {name for name in imports(path) if name != name_of(path)} | words(path)
    orphans = [name_of(path) for path in sources(*LAYERS) if path.stem != "__init__" and name_of(path) not in used]
    assert orphans == []


def words(path: Path) -> set[str]:
    """Names of modules that stand in a file as text: what is imported only when it is called for."""
    return {
        node.value for node in ast.walk(tree_of(path)) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


def test_the_entry_points_that_users_call_are_there() -> None:
    project = (ROOT / "pyproject.toml").read_text()
    assert 'handoff = "agents.cli:main"' in project
    for name in ENTRY_POINTS:
        assert (ROOT / f"{name.replace('.', '/')}.py").is_file(), name


def test_generated_files_are_as_generated() -> None:
    assert app.house.stale() == [], "run `make docs`"


def test_no_package_lies_under_the_tests() -> None:
    """One there would take the place of ours: tests/agents/__init__.py would be `agents`."""
    assert list((ROOT / "tests").rglob("__init__.py")) == []


@pytest.mark.parametrize("package", [schemas, app, agents], ids=LAYERS)
def test_our_packages_are_ours(package: ModuleType) -> None:
    assert package.__file__ is not None
    assert Path(package.__file__).parent.parent == ROOT


def test_the_top_level_holds_what_it_should_and_nothing_else() -> None:
    top = {name.partition("/")[0] for name in tracked()}
    others = {
        name for name in top - TOP_LEVEL if not name.startswith(".") and not re.fullmatch(r"requirements.*\.lock", name)
    }
    assert others == set()
    assert top >= TOP_LEVEL


REGISTRY = re.compile(
    r"pypi\.org|pythonhosted\.org|repo1?\.maven|maven\.org|npmjs\.|docker\.io|gcr\.io|ghcr\.io|quay\.io|artifactory|"
    r"--index-url|--extra-index-url|--find-links"
)
MACHINE = re.compile(r"(?<![\w.<>})])/(?:work|root|home|Users)/\w")


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    found = []
    for name in tracked():
        text = (ROOT / name).read_bytes().decode(errors="replace")
        found += [f"{name}:{n}: {line.strip()}" for n, line in enumerate(text.splitlines(), 1) if pattern.search(line)]
    return found


def test_no_file_names_a_package_registry() -> None:
    own = str(Path(__file__).relative_to(ROOT))
    assert [line for line in lines_with(REGISTRY) if not line.startswith(own)] == []


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    assert lines_with(MACHINE) == []


WITHOUT_THE_LIVE_PART = f"""
import importlib, pkgutil, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {LIVE!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
import app, schemas
for package in (app, schemas):
    for found in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        if not found.name.endswith("__main__"):
            importlib.import_module(found.name)
from agents.cli import main
sys.argv = ["handoff", *sys.argv[1:]]
main()
"""


def without_the_live_part(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT_THE_LIVE_PART, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_replay_needs_nothing_of_the_live_part() -> None:
    result = without_the_live_part("replay", "--help")
    assert result.returncode == 0, result.stderr
    assert "FILE" in result.stdout


def test_a_command_that_needs_the_live_part_says_what_to_install() -> None:
    result = without_the_live_part("worker", "--help")
    assert result.returncode == 2
    assert "pip install 'handoff-detector[live]'" in result.stderr
    assert "Traceback" not in result.stderr


def test_no_view_of_tables_is_served(tmp_path: Path) -> None:
    """Faust's own web views show the content of tables to whoever asks."""
    from agents.runtime import RuntimeSettings, make_app

    conf = make_app(RuntimeSettings(app_id="looked-at", bootstrap_servers="127.0.0.1:1", data_dir=tmp_path)).conf
    views = ("web_enabled", "web_tables_enabled", "web_router_enabled", "web_graph_enabled", "web_stats_enabled")
    assert {name: getattr(conf, name) for name in views} == dict.fromkeys(views, False)
    assert conf.web_bind == "127.0.0.1"
