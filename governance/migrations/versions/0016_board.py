"""What was forecast for a unit, and what a model came to at a site; both only grow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016_board"
down_revision = "0015_reviews"
branch_labels = None
depends_on = None

TABLES = ("forecasts", "measures")


def upgrade() -> None:
    op.create_table(
        "forecasts",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("unit", sa.String(60), nullable=False),
        sa.Column("model", sa.String(60), nullable=False),
        sa.Column("version", sa.String(60), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hours", sa.Float(), nullable=False),
        sa.Column("patients", sa.Integer(), nullable=False),
        sa.Column("unread", sa.Integer(), nullable=False),
        sa.Column("in_use", sa.Integer(), nullable=False),
        sa.Column("owned", sa.Integer(), nullable=True),
        sa.Column("mean", sa.Float(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("low80", "high80", "low95", "high95")),
        sa.Column("short", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_forecasts"),
        sa.UniqueConstraint("tenant", "unit", "made_at", "hours", name="uq_forecasts_made_once"),
    )
    op.create_index("ix_forecasts_by_due", "forecasts", ["tenant", "unit", "due_at"])
    op.create_table(
        "measures",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("model", sa.String(60), nullable=False),
        sa.Column("version", sa.String(60), nullable=False),
        sa.Column("outcome", sa.String(60), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_measures"),
    )
    op.create_index("ix_measures_by_model", "measures", ["tenant", "model", "version", "outcome", "at"])
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table in TABLES:
        for change in ("UPDATE", "DELETE") if sqlite else ("UPDATE", "DELETE", "TRUNCATE"):
            what = (
                f"BEGIN SELECT RAISE(ABORT, 'the ledger only grows: {table}'); END"
                if sqlite
                else "FOR EACH STATEMENT EXECUTE FUNCTION ordertime_refuse_change()"
            )
            op.execute(f"CREATE TRIGGER {table}_refuses_{change.lower()} BEFORE {change} ON {table} {what}")


def downgrade() -> None:
    for table in reversed(TABLES):
        op.drop_table(table)
