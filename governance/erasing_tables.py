"""The table of erasures: under which name an erased patient's answers go on, and which line of the log says so."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table

from governance.columns import Instant, metadata, pseudonym

# A patient who was erased: whose answers, sealed words gone, go on under a name that was drawn, not made.
erasures: Final = Table(
    "erasures",
    metadata,
    pseudonym("name", primary_key=True),
    Column("tenant", String(100), nullable=False),
    Column("at", Instant, nullable=False),
    Column("line", Integer, ForeignKey("changes.number", name="fk_erasures_line_changes"), nullable=False),
    Column("why", String(20), nullable=False),  # "request" or "retention"
    Column("answers", Integer, nullable=False),
    Index("ix_erasures_by_time", "tenant", "at"),
)
