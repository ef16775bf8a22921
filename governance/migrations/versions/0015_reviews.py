"""The weekly review: weeks as they were reviewed, decisions about them, audits by group."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0015_reviews"
down_revision = "0013_referrals"
branch_labels = None
depends_on = None

TABLES = ("reviews", "decisions", "equity_audits")


def upgrade() -> None:
    op.create_table(
        "reviews",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("week", sa.String(10), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_reviews"),
    )
    op.create_index("ix_reviews_by_week", "reviews", ["tenant", "week", "at"])
    op.create_table(
        "decisions",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("week", sa.String(10), nullable=False),
        sa.Column("review", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_decisions"),
        sa.UniqueConstraint("tenant", "week", name="uq_decisions_decided_once"),
    )
    op.create_table(
        "equity_audits",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("model", sa.String(60), nullable=False),
        sa.Column("version", sa.String(60), nullable=False),
        sa.Column("outcome", sa.String(60), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_equity_audits"),
    )
    op.create_index(
        "ix_equity_audits_by_time", "equity_audits", ["tenant", "model", "version", "outcome", "at"]
    )
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
