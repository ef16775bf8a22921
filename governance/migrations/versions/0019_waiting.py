"""What waits for a person is found by status and moment: the index by status alone served no reader."""

from __future__ import annotations

from alembic import op

revision = "0019_waiting"
down_revision = "0018_in_force"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_assessments_waiting", "assessments", ["tenant", "model", "status", "as_of"])
    op.drop_index("ix_assessments_by_status", table_name="assessments")


def downgrade() -> None:
    op.create_index("ix_assessments_by_status", "assessments", ["status"])
    op.drop_index("ix_assessments_waiting", table_name="assessments")
