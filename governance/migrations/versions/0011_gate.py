"""The change log and what the gates came to; both only grow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011_gate"
down_revision = "0010_outcomes"
branch_labels = None
depends_on = None

GROWING = ("changes", "readings")


def upgrade() -> None:
    op.create_table(
        "changes",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("author", sa.String(200), nullable=False),
        sa.Column("modification", sa.Text(), nullable=False),
        sa.Column("protocol", sa.Text(), nullable=False),
        sa.Column("impact", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_changes"),
        sa.UniqueConstraint("digest", name="uq_changes_digest"),
    )
    op.create_index("ix_changes_by_tenant", "changes", ["tenant", "number"])
    op.create_table(
        "readings",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("model", sa.String(60), nullable=False),
        sa.Column("outcome", sa.String(60), nullable=False),
        sa.Column("care_unit", sa.String(60), nullable=False),
        sa.Column("version", sa.String(60), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("gate", sa.String(64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_readings"),
    )
    op.create_index("ix_readings_by_gate", "readings", ["tenant", "model", "outcome", "care_unit", "at"])
    sqlite = op.get_bind().dialect.name == "sqlite"
    for name in GROWING:
        for change in ("UPDATE", "DELETE") if sqlite else ("UPDATE", "DELETE", "TRUNCATE"):
            what = (
                f"BEGIN SELECT RAISE(ABORT, 'the ledger only grows: {name}'); END"
                if sqlite
                else "FOR EACH STATEMENT EXECUTE FUNCTION ordertime_refuse_change()"
            )
            op.execute(f"CREATE TRIGGER {name}_refuses_{change.lower()} BEFORE {change} ON {name} {what}")


def downgrade() -> None:
    for name in reversed(GROWING):
        op.drop_table(name)
