"""What became of the patients an answer was about: labelled outcomes, which only grow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010_outcomes"
down_revision = "0004_clarity"
branch_labels = None
depends_on = None

TABLE = "outcomes"
TRAITS = ("care_unit", "sex", "age_band", "race", "ethnicity", "language", "site", "insurance")


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("assessment_id", sa.String(36), nullable=False),
        sa.Column("outcome", sa.String(60), nullable=False),
        sa.Column("source", sa.String(20), nullable=False),
        sa.Column("label", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(100), nullable=False),
        sa.Column("happened_at", sa.DateTime(timezone=True)),
        sa.Column("known_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("value", sa.Float()),
        sa.Column("reviewer", sa.String(64), nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("pseudonym", sa.String(64), nullable=False),
        sa.Column("model", sa.String(60), nullable=False),
        sa.Column("version", sa.String(60), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.Column("probability", sa.Float()),
        *(sa.Column(name, sa.String(60), nullable=False) for name in TRAITS),
        sa.PrimaryKeyConstraint("id", name="pk_outcomes"),
        sa.ForeignKeyConstraint(["assessment_id"], ["assessments.id"], name="fk_outcomes_assessment_id"),
        sa.UniqueConstraint("assessment_id", "outcome", "source", name="uq_outcomes_settled_once"),
    )
    op.create_index("ix_outcomes_by_moment", TABLE, ["tenant", "model", "outcome", "as_of", "id"])
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
