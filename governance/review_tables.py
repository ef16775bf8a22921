"""The tables of the weekly review: what a week came to, what was decided about it, and audits by group."""

from __future__ import annotations

from typing import Final

from sqlalchemy import Column, Float, Index, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from governance.columns import Instant, identity, metadata

# A week as it was reviewed. Its body holds words and reasons about patients, and is sealed; `digest` is of the body
# in the clear, and is what a decision signs.
reviews: Final = Table(
    "reviews",
    metadata,
    identity(),
    Column("tenant", String(100), nullable=False),
    Column("week", String(10), nullable=False),  # "2026-W21"
    Column("at", Instant, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("ix_reviews_by_week", "tenant", "week", "at"),
)

# What named people decided about a week, once, with their signatures and keys, and the change log's line of it.
decisions: Final = Table(
    "decisions",
    metadata,
    identity(),
    Column("tenant", String(100), nullable=False),
    Column("week", String(10), nullable=False),
    Column("review", String(64), nullable=False),  # digest of what was reviewed
    Column("at", Instant, nullable=False),
    Column("line", Integer, nullable=False),  # of the change log
    Column("body", Text, nullable=False),  # decision, sentences, signatures, keys, as JSON
    UniqueConstraint("tenant", "week", name="uq_decisions_decided_once"),
)

# An audit by group of one version's settled predictions. Small cells are suppressed before they come here.
equity_audits: Final = Table(
    "equity_audits",
    metadata,
    identity(),
    Column("tenant", String(100), nullable=False),
    Column("model", String(60), nullable=False),
    Column("version", String(60), nullable=False),
    Column("outcome", String(60), nullable=False),
    Column("since", Instant, nullable=False),
    Column("until", Instant, nullable=False),
    Column("at", Instant, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_equity_audits_by_time", "tenant", "model", "version", "outcome", "at"),
)
