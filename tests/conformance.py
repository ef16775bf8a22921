"""docs/conformance.md, written from the tests: each item, and what holds it (`python -m tests.conformance`).

A citation is a comment `# CONFORMANCE 4` or `# CONFORMANCE 4, 36`, perhaps with words after a colon. It belongs to
the test function it stands in, its decorators included, or directly above which it stands. Tests of the stand-in
hospital show what a peer does; they are listed, and hold nothing by themselves. A citation elsewhere, an unknown
item, an item without test or deviation, and one with both are faults.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
SENTENCES: Final = ROOT / "docs" / "conformance.toml"
TABLE: Final = ROOT / "docs" / "conformance.md"
WORD: Final = "CONFORM" + "ANCE"
FORM: Final = re.compile(rf"# {WORD} (\d+(?:, \d+)*)(?:: .+)?")
HEAD: Final = """# Conformance

Written by `make conformance` from `docs/conformance.toml` and from the tests that cite each item; not by hand.
N: a specification demands it. R: a specification recommends it. L: our own rule.
"""


@dataclass(frozen=True, slots=True)
class Item:
    """One promise. `deviation` is why it is not held, or not by a test; "" where tests hold it.

    `apart` is what of the checklist's item is left out, and why, where tests hold all the rest.
    """

    number: int
    section: str
    strength: str
    sentence: str
    deviation: str = ""
    apart: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Citation:
    """An item cited by a test. `test` is "" where the comment belongs to none."""

    file: str
    test: str
    item: int
    line: int = field(compare=False)

    @property
    def ours(self) -> bool:
        """Whether the test is of the product: one of the stand-in hospital alone shows nothing about us."""
        return not self.file.split("/")[1].startswith("demo")


class Malformed(Exception):
    """A file that cannot be read as what it should be; the message says where."""


def items(path: Path = SENTENCES) -> tuple[Item, ...]:
    """The items in file order. Raises Malformed for one without a strength or a sentence."""
    found = []
    for section, rows in tomllib.loads(path.read_text(encoding="utf-8")).items():
        for number, row in rows.items():
            if not number.isdecimal() or not row.get("strength") or not row.get("sentence"):
                raise Malformed(f"{path.name}, item {number}: give a strength and a sentence")
            found.append(Item(int(number), section, **row))
    return tuple(found)


def citations(folder: Path = ROOT / "tests", root: Path = ROOT) -> tuple[Citation, ...]:
    """Every citation below `folder`, in order of files. Raises Malformed for a comment of another form."""
    found: list[Citation] = []
    for path in sorted(folder.rglob("*.py")):
        found += _cited(path.read_text(encoding="utf-8"), str(path.relative_to(root)))
    return tuple(found)


def _cited(text: str, file: str) -> Iterator[Citation]:
    if WORD not in text:
        return
    spans = list(_spans(text)) if Path(file).name.startswith("test_") else []
    for line, comment in _comments(text):
        if f"{WORD} " not in comment:
            continue
        form = FORM.fullmatch(comment)
        if form is None:
            raise Malformed(f"{file}:{line}: write `# {WORD} 4, 36` or `# {WORD} 4: words`, not `{comment}`")
        test = next((name for first, last, name in spans if first <= line <= last), "")
        for number in form[1].split(", "):
            yield Citation(file, test, int(number), line)


def _comments(text: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def _spans(text: str) -> Iterator[tuple[int, int, str]]:
    """First and last line of each test function: its decorators and the comment lines above it are its own."""
    lines = text.splitlines()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            while first > 1 and lines[first - 2].lstrip().startswith("#"):
                first -= 1
            yield first, node.end_lineno or node.lineno, node.name


def faults(promised: Iterable[Item], cited: Iterable[Citation]) -> list[str]:
    """What does not fit, each with its place and remedy; nothing when the table can be believed."""
    known = {item.number: item for item in promised}
    cited = list(cited)
    told = [f"{c.file}:{c.line}: item {c.item} is unknown" for c in cited if c.item not in known]
    told += [
        f"{c.file}:{c.line}: belongs to no test; put the comment into a test function or directly above it"
        for c in cited
        if not c.test
    ]
    held = {c.item for c in cited if c.test and c.ours}
    told += [
        f"item {number} has neither a test nor a deviation"
        for number, item in known.items()
        if number not in held and not item.deviation
    ]
    told += [
        f"item {number} has a deviation and a test; keep one"
        for number, item in known.items()
        if number in held and item.deviation
    ]
    told += [
        f"item {number} has a deviation and a part left out; keep one"
        for number, item in known.items()
        if item.apart and item.deviation
    ]
    return told


def table(promised: Iterable[Item], cited: Iterable[Citation]) -> str:
    """The whole document."""
    tests: dict[int, list[str]] = {}
    for each in sorted(set(cited), key=lambda c: (not c.ours, c)):
        tests.setdefault(each.item, []).append(f"`{each.file}::{each.test}`")
    rows, section = [HEAD], ""
    for item in promised:
        if item.section != section:
            section = item.section
            rows.append(f"## {section}\n\n| item | | what is promised | what holds it |\n|---|---|---|---|")
        last = f"*Deviation:* {item.deviation}" if item.deviation else "<br>".join(tests.get(item.number, []))
        last += f"<br>*Apart from:* {item.apart}" if item.apart else ""
        rows.append(f"| {item.number} | {item.strength} | {item.sentence} | {last} |")
    return _spaced("\n".join(rows)) + "\n"


def _spaced(text: str) -> str:
    """A blank line before each heading but the first."""
    return re.sub(r"(?<!\n)\n## ", "\n\n## ", text)


def main() -> int:
    """Write the table; 1, and what does not fit on standard error, when it cannot be believed."""
    try:
        promised, cited = items(), citations()
    except Malformed as error:
        print(error, file=sys.stderr)
        return 1
    told = faults(promised, cited)
    for fault in told:
        print(fault, file=sys.stderr)
    if told:
        return 1
    TABLE.write_text(table(promised, cited), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
