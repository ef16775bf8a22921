"""The ledger's first tables, the triggers that let them only grow, and the shelf for short-lived state."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

GROWING = ("assessments", "predictions", "documents", "follow_ups", "cards", "feedback", "releases", "events")


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "assessments",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("pseudonym", sa.String(64), nullable=False),
        sa.Column("door", sa.String(20), nullable=False),
        sa.Column("hook", sa.String(60), nullable=False),
        sa.Column("hook_instance", sa.String(200)),
        sa.Column("user_pseudonym", sa.String(64), nullable=False),
        sa.Column("model", sa.String(60), nullable=False),
        sa.Column("version", sa.String(60), nullable=False),
        sa.Column("state", sa.String(20), nullable=False),
        sa.Column("threshold", sa.Float()),
        sa.Column("as_of", moment, nullable=False),
        sa.Column("made_at", moment, nullable=False),
        sa.Column("shown_at", moment),
        sa.Column("status", sa.String(20), nullable=False),
        sa.Column("reason", sa.String(100), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("inputs_digest", sa.String(64), nullable=False),
        sa.Column("latency_ms", sa.Float()),
        sa.PrimaryKeyConstraint("id", name="pk_assessments"),
        sa.UniqueConstraint("tenant", "hook_instance", "model", "pseudonym", name="uq_assessments_asked_once"),
    )
    op.create_index("ix_assessments_by_time", "assessments", ["tenant", "model", "made_at"])
    op.create_index("ix_assessments_by_moment", "assessments", ["tenant", "model", "as_of"])
    op.create_index("ix_assessments_by_patient", "assessments", ["tenant", "pseudonym", "model", "made_at"])
    op.create_index("ix_assessments_by_status", "assessments", ["status"])
    op.create_table(
        "predictions",
        sa.Column("assessment_id", sa.String(36), nullable=False),
        sa.Column("outcome", sa.String(60), nullable=False),
        sa.Column("hours", sa.Integer(), nullable=False),
        sa.Column("probability", sa.Float()),
        sa.Column("low", sa.Float()),
        sa.Column("high", sa.Float()),
        sa.Column("value", sa.Float()),
        sa.Column("value_low", sa.Float()),
        sa.Column("value_high", sa.Float()),
        sa.Column("unit", sa.String(30), nullable=False),
        sa.PrimaryKeyConstraint("assessment_id", "outcome", name="pk_predictions"),
        sa.ForeignKeyConstraint(["assessment_id"], ["assessments.id"], name="fk_predictions_assessment_id"),
        sa.CheckConstraint("probability BETWEEN 0 AND 1", name="is_probability"),
    )
    op.create_index("ix_predictions_by_outcome", "predictions", ["outcome", "probability"])
    for name in ("documents", "follow_ups"):
        op.create_table(
            name,
            sa.Column("assessment_id", sa.String(36), nullable=False),
            sa.Column("body", sa.LargeBinary(), nullable=False),
            sa.PrimaryKeyConstraint("assessment_id", name=f"pk_{name}"),
            sa.ForeignKeyConstraint(["assessment_id"], ["assessments.id"], name=f"fk_{name}_assessment_id"),
        )
    op.create_table(
        "cards",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("assessment_id", sa.String(36)),
        sa.Column("hook", sa.String(60), nullable=False),
        sa.Column("shown_at", moment, nullable=False),
        sa.Column("indicator", sa.String(20), nullable=False),
        sa.Column("summary_digest", sa.String(64), nullable=False),
        sa.Column("withheld", sa.String(100), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_cards"),
        sa.ForeignKeyConstraint(["assessment_id"], ["assessments.id"], name="fk_cards_assessment_id"),
    )
    op.create_index("ix_cards_assessment_id", "cards", ["assessment_id"])
    op.create_index("ix_cards_by_time", "cards", ["tenant", "shown_at"])
    op.create_table(
        "feedback",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("card", sa.String(200), nullable=False),
        sa.Column("service", sa.String(100), nullable=False),
        sa.Column("outcome", sa.String(20), nullable=False),
        sa.Column("outcome_at", moment, nullable=False),
        sa.Column("received_at", moment, nullable=False),
        sa.Column("override_code", sa.String(200), nullable=False),
        sa.Column("override_system", sa.String(400), nullable=False),
        sa.Column("accepted", sa.Text(), nullable=False),
        sa.Column("comment", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name="pk_feedback"),
        sa.UniqueConstraint("tenant", "card", "outcome", "outcome_at", name="uq_feedback_said_once"),
    )
    op.create_index("ix_feedback_by_time", "feedback", ["tenant", "received_at"])
    op.create_table(
        "releases",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("assessment_id", sa.String(36), nullable=False),
        sa.Column("user_pseudonym", sa.String(64), nullable=False),
        sa.Column("language", sa.String(35), nullable=False),
        sa.Column("released_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_releases"),
        sa.ForeignKeyConstraint(["assessment_id"], ["assessments.id"], name="fk_releases_assessment_id"),
        sa.UniqueConstraint("assessment_id", "language", "user_pseudonym", name="uq_releases_released_once"),
    )
    op.create_table(
        "events",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("kind", sa.String(60), nullable=False),
        sa.Column("assessment_id", sa.String(36)),
        sa.Column("pseudonym", sa.String(64), nullable=False),
        sa.Column("user_pseudonym", sa.String(64), nullable=False),
        sa.Column("at", moment, nullable=False),
        sa.Column("detail", sa.LargeBinary()),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sa.ForeignKeyConstraint(["assessment_id"], ["assessments.id"], name="fk_events_assessment_id"),
    )
    op.create_index("ix_events_assessment_id", "events", ["assessment_id"])
    op.create_index("ix_events_by_time", "events", ["tenant", "kind", "at"])
    op.create_table(
        "ephemera",
        sa.Column("slot", sa.String(64), nullable=False),
        sa.Column("body", sa.LargeBinary()),
        sa.Column("expires_at", moment, nullable=False),
        sa.PrimaryKeyConstraint("slot", name="pk_ephemera"),
    )
    op.create_index("ix_ephemera_by_end", "ephemera", ["expires_at"])
    _grow_only()


def downgrade() -> None:
    for name in ("ephemera", *reversed(GROWING)):
        op.drop_table(name)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION ordertime_refuse_change()")


def _grow_only() -> None:
    """Refuse UPDATE and DELETE (and TRUNCATE, where there is one) in the database itself."""
    if op.get_bind().dialect.name == "sqlite":
        for name in GROWING:
            for change in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {name}_refuses_{change.lower()} BEFORE {change} ON {name} "
                    f"BEGIN SELECT RAISE(ABORT, 'the ledger only grows: {name}'); END"
                )
        return
    op.execute(
        "CREATE FUNCTION ordertime_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$ "
        "BEGIN RAISE EXCEPTION 'the ledger only grows: %', TG_TABLE_NAME "
        "USING ERRCODE = 'integrity_constraint_violation'; END $$"
    )
    for name in GROWING:
        for change in ("UPDATE", "DELETE", "TRUNCATE"):
            op.execute(
                f"CREATE TRIGGER {name}_refuses_{change.lower()} BEFORE {change} ON {name} "
                "FOR EACH STATEMENT EXECUTE FUNCTION ordertime_refuse_change()"
            )
