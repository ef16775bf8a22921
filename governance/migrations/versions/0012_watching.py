"""Watching: a day of answers in narrow rows, alarms, their delivery and their answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012_watching"
down_revision = "0011_gate"
branch_labels = None
depends_on = None

TABLES = ("daily", "alarms", "alarm_notices", "alarm_answers")


def upgrade() -> None:
    op.create_table(
        "daily",
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("model", sa.String(60), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("kind", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(60), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("mean", sa.Float(), nullable=False),
        sa.Column("squares", sa.Float(), nullable=False),
        sa.Column("codes", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("tenant", "model", "day", "kind", "subject", name="pk_daily"),
    )
    op.create_table(
        "alarms",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("model", sa.String(60), nullable=False),
        sa.Column("outcome", sa.String(60), nullable=False),
        sa.Column("chart", sa.String(40), nullable=False),
        sa.Column("subject", sa.String(60), nullable=False),
        sa.Column("direction", sa.Integer(), nullable=False),
        sa.Column("crossed_on", sa.Date(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("after", sa.String(36), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alarms"),
        sa.UniqueConstraint(
            "tenant", "model", "outcome", "chart", "subject", "direction", "after", name="uq_alarms_raised_once"
        ),
    )
    op.create_index("ix_alarms_by_time", "alarms", ["tenant", "found_at"])
    op.create_table(
        "alarm_notices",
        sa.Column("alarm_id", sa.String(36), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("alarm_id", name="pk_alarm_notices"),
        sa.ForeignKeyConstraint(["alarm_id"], ["alarms.id"], name="fk_alarm_notices_alarm_id"),
    )
    op.create_table(
        "alarm_answers",
        sa.Column("alarm_id", sa.String(36), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("from_day", sa.Date(), nullable=False),
        sa.Column("user_pseudonym", sa.String(64), nullable=False),
        sa.Column("decision", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("alarm_id", name="pk_alarm_answers"),
        sa.ForeignKeyConstraint(["alarm_id"], ["alarms.id"], name="fk_alarm_answers_alarm_id"),
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
