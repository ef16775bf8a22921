"""The pages as the doors render them: the same templates, with the address function the doors provide."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

ROOT = Path(__file__).resolve().parents[2]
SILENT_TAGS = frozenset({"script", "style", "title", "head"})
BLOCKS = frozenset(
    [
        *(
            "article",
            "aside",
            "blockquote",
            "br",
            "button",
            "caption",
            "dd",
            "details",
            "div",
            "dl",
            "dt",
            "footer",
            "form",
        ),
        *("h1", "h2", "h3", "h4", "header", "label", "li", "main", "nav", "ol", "option", "p", "section"),
        *("summary", "svg", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul"),
    ]
)


def environment() -> Environment:
    """Jinja as Flask sets it up here; a name the context does not hold is an error."""
    found = Environment(
        loader=FileSystemLoader(ROOT / "templates"),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.globals["url_for"] = lambda endpoint, filename: f"/{endpoint}/{filename}"
    return found


def render(template: str, **context: Any) -> str:
    """A page's HTML."""
    return environment().get_template(template).render(**context)


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[str] = [""]
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.hidden += tag in SILENT_TAGS
        if tag in BLOCKS:
            self.lines.append("")
        for name, value in attrs:
            if name == "aria-label" and value and tag == "svg":
                self.lines[-1] += f"[{value}]"

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in SILENT_TAGS
        if tag in BLOCKS:
            self.lines.append("")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.lines[-1] += data


def text(html: str) -> str:
    """What a page says, one block a line: what a golden file holds."""
    reader = _Text()
    reader.feed(html)
    lines = (" ".join(line.split()).replace("\u00a0", " ") for line in reader.lines)
    return "\n".join(line for line in lines if line) + "\n"
