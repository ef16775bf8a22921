"""The audit trail, which only grows, and tallies on the shelf of what is forgotten."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003_audit"
down_revision = "0002_cards"
branch_labels = None
depends_on = None

TABLE = "audit"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("door", sa.String(60), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(100), nullable=False),
        sa.Column("user_pseudonym", sa.String(64), nullable=False),
        sa.Column("pseudonym", sa.String(64), nullable=False),
        sa.Column("assessment_id", sa.String(36)),
        sa.PrimaryKeyConstraint("id", name="pk_audit"),
        sa.ForeignKeyConstraint(["assessment_id"], ["assessments.id"], name="fk_audit_assessment_id"),
    )
    op.create_index("ix_audit_by_time", TABLE, ["at", "id"])
    op.create_index("ix_audit_by_tenant", TABLE, ["tenant", "at"])
    op.add_column("ephemera", sa.Column("tally", sa.Integer()))
    sqlite = op.get_bind().dialect.name == "sqlite"
    for change in ("UPDATE", "DELETE") if sqlite else ("UPDATE", "DELETE", "TRUNCATE"):
        what = (
            f"BEGIN SELECT RAISE(ABORT, 'the ledger only grows: {TABLE}'); END"
            if sqlite
            else "FOR EACH STATEMENT EXECUTE FUNCTION ordertime_refuse_change()"
        )
        op.execute(f"CREATE TRIGGER {TABLE}_refuses_{change.lower()} BEFORE {change} ON {TABLE} {what}")


def downgrade() -> None:
    op.drop_column("ephemera", "tally")
    op.drop_table(TABLE)
