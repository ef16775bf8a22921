"""A card's Markdown as an EHR may show it: text, lists, tables and web links; never the sender's own HTML.

HTML in the text is escaped, images are left out, links other than http and https stay words, and what is
linked opens outside the chart without telling where it came from.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markupsafe import Markup


def render(text: str) -> Markup:
    """HTML for a card's GitHub-flavoured Markdown."""
    return Markup(_PARSER.render(text))  # noqa: S704 - html is off: everything of the sender's is escaped


def _web_address(url: str) -> bool:
    return urlsplit(url.strip()).scheme.casefold() in ("http", "https")


def _link_open(self: Any, tokens: Any, index: int, options: Any, env: Any) -> str:
    tokens[index].attrSet("target", "_blank")
    tokens[index].attrSet("rel", "noopener noreferrer")
    return str(self.renderToken(tokens, index, options, env))


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"]).disable("image")
    parser.validateLink = _web_address  # type: ignore[method-assign]
    parser.add_render_rule("link_open", _link_open)
    return parser


_PARSER = _parser()
