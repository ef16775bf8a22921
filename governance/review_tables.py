"""The tables of the weekly review: what a week came to, what was decided, what that changes, and audits by group."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

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
    Column("redacted", String(64)),  # digest of the body since somebody was taken out of it; NULL: as it was made
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

# What a decision changes at the doors: it suspends a model ("" is all of them), or decides another threshold of a gate.
resolutions: Final = Table(
    "resolutions",
    metadata,
    identity(),
    Column("tenant", String(100), nullable=False),
    Column("kind", String(20), nullable=False),  # "suspend", "change-threshold"
    Column("model", String(60), nullable=False),
    Column("outcome", String(60), nullable=False),  # of the gate; "" where the whole model is meant
    Column("care_unit", String(60), nullable=False),
    Column("threshold", Float),  # NULL where none is decided
    Column("at", Instant, nullable=False),
    Column("week", String(10), nullable=False),
    Column("line", Integer, nullable=False),  # of the change log
    Column("people", Text, nullable=False),  # who signed, with their roles
    Column("roles", Text, nullable=False),  # the roles alone, for where nobody is named
    Column("sentence", Text, nullable=False),
    Index("ix_resolutions_by_kind", "tenant", "kind", "line"),
)

# A threshold that was decided and is now in the signed configuration; one that is not here is open, or was replaced.
resolutions_in_force: Final = Table(
    "resolutions_in_force",
    metadata,
    Column("resolution_id", String(36), ForeignKey("resolutions.id"), primary_key=True),
    Column("at", Instant, nullable=False),
)

# What codes and assays were mapped to at a site ("": as shipped), each time that changed; the first is where it began.
code_maps: Final = Table(
    "code_maps",
    metadata,
    identity(),
    Column("tenant", String(100), nullable=False),
    Column("number", Integer, nullable=False),  # counts up from 1
    Column("at", Instant, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("body", Text, nullable=False),  # entry -> what it stood for, as JSON
    Column("changed", Text, nullable=False),  # what came and went since the one before, as JSON
    UniqueConstraint("tenant", "number", name="uq_code_maps_changed_once"),
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
