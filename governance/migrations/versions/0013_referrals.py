"""Referrals: what a rule could not settle, and waits for a person."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013_referrals"
down_revision = "0012_watching"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "referrals",
        sa.Column("assessment_id", sa.String(36), nullable=False),
        sa.Column("outcome", sa.String(60), nullable=False),
        sa.Column("reason", sa.String(100), nullable=False),
        sa.Column("referred_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("assessment_id", "outcome", name="pk_referrals"),
        sa.ForeignKeyConstraint(["assessment_id"], ["assessments.id"], name="fk_referrals_assessment_id"),
    )
    sqlite = op.get_bind().dialect.name == "sqlite"
    for change in ("UPDATE", "DELETE") if sqlite else ("UPDATE", "DELETE", "TRUNCATE"):
        what = (
            "BEGIN SELECT RAISE(ABORT, 'the ledger only grows: referrals'); END"
            if sqlite
            else "FOR EACH STATEMENT EXECUTE FUNCTION ordertime_refuse_change()"
        )
        op.execute(f"CREATE TRIGGER referrals_refuses_{change.lower()} BEFORE {change} ON referrals {what}")


def downgrade() -> None:
    op.drop_table("referrals")
