"""What a report is made of: sections of sentences, lists, tables and answers to look at. Screen and paper are alike."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its caption, the heads of its columns, its rows; the first cell of a row is the row's head."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Example:
    """One answer to look at: a head, sentences, and the reasons it was given."""

    head: str
    lines: tuple[str, ...]
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a report. `place` is where a link finds it."""

    place: str
    title: str
    lines: tuple[str, ...] = ()
    items: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    examples: tuple[Example, ...] = ()
    after: tuple[str, ...] = ()
