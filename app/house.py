"""`handoff docs` and `handoff rule`: commands for those who work on this project, in a checkout of it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

import app.rules
import schemas.generate
from app.rules import RULES
from app.rules.catalogue import catalogue, placed, stem, table
from app.rules.scaffold import BadRule, begin, next_steps

ROOT = Path(app.rules.__file__).parents[2]
_RULES = Path("app", "rules")


def documents() -> dict[Path, str]:
    """Every generated file and what it should hold: schemas, topics, the catalogue, the table in the README."""
    folder, readme = ROOT / _RULES, ROOT / "README.md"
    pages = {known.id: (folder / f"{stem(known.name)}.md").read_text(encoding="utf-8") for known in RULES}
    return schemas.generate.documents() | {
        folder / "README.md": catalogue(RULES, pages),
        readme: placed(readme.read_text(encoding="utf-8"), table(RULES, pages)),
    }


def stale() -> list[str]:
    """The generated files that do not hold what they should, as paths within the checkout."""
    return [
        str(path.relative_to(ROOT))
        for path, text in documents().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]


def docs(
    *, check: Annotated[bool, typer.Option("--check", help="Write nothing, only say what is stale")] = False
) -> None:
    """Writes the generated files again: JSON schemas, AsyncAPI, topics, the rule catalogue."""
    _in_a_checkout()
    try:
        old = stale()
        if not check:
            for path, text in documents().items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
    except ValueError as error:
        raise _refused(str(error)) from None
    if check and old:
        raise _refused(f"{', '.join(old)}: not as generated; run `make docs`")
    typer.echo(f"written: {', '.join(old)}" if old else "all generated files are as they should be")


def rule(
    name: Annotated[str, typer.Argument(help="The broken thing: late-refund, order-not-packed")],
    family: Annotated[str, typer.Option(help="H1 owed, H2 too often, H3 out of order, H4 disagreement")] = "H1",
) -> None:
    """Begins a new rule: writes its declaration and its page, and adds it to the list."""
    _in_a_checkout()
    folder = ROOT / _RULES
    registry = (folder / "__init__.py").read_text(encoding="utf-8")
    try:
        begun = begin(name, family, [known.id for known in RULES], {p.stem for p in folder.iterdir()}, registry)
    except BadRule as error:
        raise _refused(str(error)) from None
    for file, text in begun.files.items():
        (folder / file).write_text(text, encoding="utf-8")
    typer.echo(next_steps(begun))


def _in_a_checkout() -> None:
    if not (ROOT / "pyproject.toml").is_file():
        raise _refused("this command changes the project's own files: run it in a checkout of the project")


def _refused(why: str) -> typer.Exit:
    sys.stderr.write(f"handoff: {why}\n")
    return typer.Exit(2)
