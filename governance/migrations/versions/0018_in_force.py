"""What signed decisions change at the doors, what codes were mapped to, and outcomes by when they were recorded."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018_in_force"
down_revision = "0016_board"
branch_labels = None
depends_on = None

TABLES = ("resolutions", "resolutions_in_force", "code_maps")


def upgrade() -> None:
    op.create_table(
        "resolutions",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("model", sa.String(60), nullable=False),
        sa.Column("outcome", sa.String(60), nullable=False),
        sa.Column("care_unit", sa.String(60), nullable=False),
        sa.Column("threshold", sa.Float(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("week", sa.String(10), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("people", sa.Text(), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.Column("sentence", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_resolutions"),
    )
    op.create_index("ix_resolutions_by_kind", "resolutions", ["tenant", "kind", "line"])
    op.create_table(
        "resolutions_in_force",
        sa.Column("resolution_id", sa.String(36), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["resolution_id"], ["resolutions.id"], name="fk_resolutions_in_force_resolution_id_resolutions"
        ),
        sa.PrimaryKeyConstraint("resolution_id", name="pk_resolutions_in_force"),
    )
    op.create_table(
        "code_maps",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("digest", sa.String(64), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("changed", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_code_maps"),
        sa.UniqueConstraint("tenant", "number", name="uq_code_maps_changed_once"),
    )
    op.create_index(
        "ix_outcomes_by_record", "outcomes", ["tenant", "model", "outcome", "version", "recorded_at"]
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
    op.drop_index("ix_outcomes_by_record", "outcomes")
    for table in ("resolutions_in_force", "resolutions", "code_maps"):
        op.drop_table(table)
