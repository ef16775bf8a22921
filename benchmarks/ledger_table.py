"""The figures of `benchmarks.ledger` as the table of a page, between two marks, made anew from their file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

BEGIN: Final = "<!-- the ledger's table begins -->"
END: Final = "<!-- the ledger's table ends -->"
NAMES: Final = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
KINDS: Final = {"page": "page", "job": "scheduled job", "command": "command"}


def tabled(figures: Path, page: Path) -> None:
    """Put the tables of `figures` into `page`. Raises ValueError where it has no marks."""
    told = json.loads(figures.read_text())
    said = page.read_text()
    head, tail = said.index(BEGIN) + len(BEGIN), said.index(END)
    page.write_text(f"{said[:head]}\n{chr(10).join(_lines(told))}\n{said[tail:]}")


def _lines(told: dict[str, Any]) -> Iterator[str]:
    stores = [kind for kind in NAMES if kind in told]
    sized = " and ".join(f"{told[kind]['size']['megabytes'] / 1000:.1f} GB in {NAMES[kind]}" for kind in stores)
    many = f"{told[stores[0]]['size']['assessments']:,}"
    yield f"{many} answers, {sized}; {told['date']}, {told['machine']}."
    for kind, title in KINDS.items():
        names = [name for name in told[stores[0]]["parts"] if name.startswith(f"{kind}: ")]
        yield ""
        yield f"| {title} | " + " | ".join(_heads(kind, stores)) + " |"
        yield "|---" * (1 + len(_heads(kind, stores))) + "|"
        for name in names:
            cells = [cell for store in stores for cell in _cells(kind, told[store]["parts"].get(name))]
            yield f"| {name.partition(': ')[2]} | {' | '.join(cells)} |"


def _heads(kind: str, stores: list[str]) -> list[str]:
    last = "rows read" if kind == "page" else "MB, before and at most"
    heads = ("clock (load)", "processor", "floor", last)
    return [f"{NAMES[store]}: {head}" for store in stores for head in heads]


def _cells(kind: str, one: dict[str, Any] | None) -> tuple[str, ...]:
    """Seconds; of a page those of its first time and its second."""
    if one is None:
        return ("", "", "", "")
    spent = [one["first"], *([one["second"]] if one["second"] else [])]
    clock = ", ".join(f"{each['seconds']:.2f}" for each in spent)
    worked = ", ".join(f"{each['cpu'] + each['server']:.2f}" for each in spent)
    last = f"{one['rows']:,}" if kind == "page" else f"{one['before']:.0f}, {one['peak']:.0f}"
    return f"{clock} ({one['load']:.1f})", worked, f"{one['floor']['cpu'] + one['floor']['server']:.2f}", last
