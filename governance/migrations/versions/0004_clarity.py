"""How clear readers found the patient's page; it only grows."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_clarity"
down_revision = "0003_audit"
branch_labels = None
depends_on = None

TABLE = "clarity"


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("model", sa.String(60), nullable=False),
        sa.Column("version", sa.String(60), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("language", sa.String(35), nullable=False),
        sa.Column("edition", sa.String(16), nullable=False),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_clarity"),
        sa.CheckConstraint("score BETWEEN 1 AND 5", name="ck_clarity_is_score"),
    )
    op.create_index("ix_clarity_by_day", TABLE, ["tenant", "day"])
    sqlite = op.get_bind().dialect.name == "sqlite"
    for change in ("UPDATE", "DELETE") if sqlite else ("UPDATE", "DELETE", "TRUNCATE"):
        what = (
            f"BEGIN SELECT RAISE(ABORT, 'the ledger only grows: {TABLE}'); END"
            if sqlite
            else "FOR EACH STATEMENT EXECUTE FUNCTION ordertime_refuse_change()"
        )
        op.execute(f"CREATE TRIGGER {TABLE}_refuses_{change.lower()} BEFORE {change} ON {TABLE} {what}")


def downgrade() -> None:
    op.drop_table(TABLE)
