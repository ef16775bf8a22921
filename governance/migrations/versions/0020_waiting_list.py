"""What waits for a person, as a list of its own: found by what waits, not by looking through all that once was doubted.

The database keeps it: a doubted prediction or a referral goes on it with its row, and what settles it takes it off.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0020_waiting_list"
down_revision = "0019_waiting"
branch_labels = None
depends_on = None

TABLE = "waiting"
INTO = "INSERT INTO waiting (assessment_id, outcome, why, tenant, model, as_of)"
DOUBTED = (
    "SELECT a.id, p.outcome, 'doubted', a.tenant, a.model, a.as_of FROM {told} p "
    "JOIN assessments a ON a.id = p.assessment_id WHERE a.status = 'indeterminate' AND p.probability IS NOT NULL"
)
REFERRED = (
    "SELECT a.id, r.outcome, 'referred', a.tenant, a.model, a.as_of FROM {told} r "
    "JOIN assessments a ON a.id = r.assessment_id WHERE NOT EXISTS (SELECT 1 FROM outcomes o WHERE "
    "o.assessment_id = r.assessment_id AND o.outcome = r.outcome AND o.source = 'review')"
)
UNSETTLED = "NOT EXISTS (SELECT 1 FROM outcomes o WHERE o.assessment_id = p.assessment_id AND o.outcome = p.outcome)"
# of SQLite's triggers: the row that was written, as a table of one
PREDICTED = "(SELECT NEW.assessment_id AS assessment_id, NEW.outcome AS outcome, NEW.probability AS probability)"
TOLD_OF = "(SELECT NEW.assessment_id AS assessment_id, NEW.outcome AS outcome)"
OFF = (
    "DELETE FROM waiting WHERE assessment_id = NEW.assessment_id AND outcome = NEW.outcome "
    "AND (why = 'doubted' OR NEW.source = 'review')"
)
# a row that somebody else takes off at this instant is left to them: nobody waits for another, in any order
ALL_OFF = (
    "DELETE FROM waiting w USING (SELECT x.assessment_id, x.outcome, x.why FROM waiting x JOIN told t "
    "ON t.assessment_id = x.assessment_id AND t.outcome = x.outcome WHERE x.why = 'doubted' OR t.source = 'review' "
    "FOR UPDATE OF x SKIP LOCKED) off "
    "WHERE w.assessment_id = off.assessment_id AND w.outcome = off.outcome AND w.why = off.why"
)


def upgrade() -> None:
    op.create_table(
        TABLE,
        sa.Column("assessment_id", sa.String(36), nullable=False),
        sa.Column("outcome", sa.String(60), nullable=False),
        sa.Column("why", sa.String(20), nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("model", sa.String(60), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["assessment_id"], ["assessments.id"], name="fk_waiting_assessment_id"),
        sa.PrimaryKeyConstraint("assessment_id", "outcome", "why", name="pk_waiting"),
    )
    op.create_index("ix_waiting_by_moment", TABLE, ["tenant", "as_of", "assessment_id"])
    op.execute(f"{INTO} {DOUBTED.format(told='predictions')} AND {UNSETTLED}")
    op.execute(f"{INTO} {REFERRED.format(told='referrals')}")
    if op.get_bind().dialect.name == "sqlite":
        for table, what in (
            ("predictions", f"{INTO} {DOUBTED.format(told=PREDICTED)}"),
            ("referrals", f"{INTO} {REFERRED.format(told=TOLD_OF)}"),
            ("outcomes", OFF),
        ):
            op.execute(f"CREATE TRIGGER {table}_keep_waiting AFTER INSERT ON {table} BEGIN {what}; END")
        return
    for table, what in (
        ("predictions", f"{INTO} {DOUBTED.format(told='told')}"),
        ("referrals", f"{INTO} {REFERRED.format(told='told')}"),
        ("outcomes", ALL_OFF),
    ):
        op.execute(
            f"CREATE FUNCTION ordertime_{table}_waiting() RETURNS trigger LANGUAGE plpgsql AS $$ "
            f"BEGIN {what}; RETURN NULL; END $$"
        )
        op.execute(
            f"CREATE TRIGGER {table}_keep_waiting AFTER INSERT ON {table} REFERENCING NEW TABLE AS told "
            f"FOR EACH STATEMENT EXECUTE FUNCTION ordertime_{table}_waiting()"
        )


def downgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table in ("predictions", "referrals", "outcomes"):
        op.execute(f"DROP TRIGGER {table}_keep_waiting" + ("" if sqlite else f" ON {table}"))
        if not sqlite:
            op.execute(f"DROP FUNCTION ordertime_{table}_waiting()")
    op.drop_table(TABLE)
