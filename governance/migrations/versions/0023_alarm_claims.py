"""Who is posting an alarm now, and until when it is theirs: of two runs at once one posts it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0023_alarm_claims"
down_revision = "0022_erasure"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "alarm_claims",
        sa.Column("alarm_id", sa.String(36), nullable=False),
        sa.Column("claimer", sa.String(36), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["alarm_id"], ["alarms.id"], name="fk_alarm_claims_alarm_id"),
        sa.PrimaryKeyConstraint("alarm_id", name="pk_alarm_claims"),
    )


def downgrade() -> None:
    op.drop_table("alarm_claims")
