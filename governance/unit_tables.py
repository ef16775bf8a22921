"""The tables of what is counted for a unit or a site rather than said of a patient; nobody is in them."""

from __future__ import annotations

from sqlalchemy import Column, Float, Index, Integer, String, Table, Text, UniqueConstraint

from governance.columns import Instant, metadata

# What was forecast for a unit, at one horizon, and what was in use when it was made: a later row's truth.
forecasts = Table(
    "forecasts",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("tenant", String(100), nullable=False),
    Column("unit", String(60), nullable=False),
    Column("model", String(60), nullable=False),
    Column("version", String(60), nullable=False),
    Column("state", String(20), nullable=False),  # what the model was allowed to do there, then
    Column("made_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("hours", Float, nullable=False),
    Column("patients", Integer, nullable=False),
    Column("unread", Integer, nullable=False),  # members whose chart could not be read
    Column("in_use", Integer, nullable=False),  # ventilators, when it was made
    Column("owned", Integer),
    Column("mean", Float, nullable=False),
    Column("low80", Integer, nullable=False),
    Column("high80", Integer, nullable=False),
    Column("low95", Integer, nullable=False),
    Column("high95", Integer, nullable=False),
    Column("short", Float),  # probability that more are needed than are owned
    UniqueConstraint("tenant", "unit", "made_at", "hours", name="uq_forecasts_made_once"),
    Index("ix_forecasts_by_due", "tenant", "unit", "due_at"),
)

# What a model came to at a site over some days, as its card says it: figures, calibration and groups, as JSON.
measures = Table(
    "measures",
    metadata,
    Column("id", String(36), primary_key=True),
    Column("tenant", String(100), nullable=False),
    Column("model", String(60), nullable=False),
    Column("version", String(60), nullable=False),
    Column("outcome", String(60), nullable=False),
    Column("at", Instant, nullable=False),
    Column("body", Text, nullable=False),
    Index("ix_measures_by_model", "tenant", "model", "version", "outcome", "at"),
)
