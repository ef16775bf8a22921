"""Erasure by policy or on request: what names somebody may go, and nothing else; each time with a line of the log.

Where a patient's name here is replaced by one that `erasures` holds, with the line of the change log it stands under,
the database lets what was sealed about that patient be deleted. Every other change it refuses as before.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022_erasure"
down_revision = "0020_waiting_list"
branch_labels = None
depends_on = None

REFUSED = "the ledger only grows: "
NAMED = "NEW.pseudonym IN (SELECT e.name FROM erasures e WHERE e.tenant = OLD.tenant)"
ITS = (
    "EXISTS (SELECT 1 FROM assessments a JOIN erasures e ON e.name = a.pseudonym AND e.tenant = a.tenant "
    "WHERE a.id = OLD.assessment_id)"
)
ITS_CARD = (
    "EXISTS (SELECT 1 FROM cards c JOIN assessments a ON a.id = c.assessment_id "
    "JOIN erasures e ON e.name = a.pseudonym AND e.tenant = a.tenant WHERE c.id = OLD.card)"
)
SOME = "EXISTS (SELECT 1 FROM erasures e WHERE e.tenant = OLD.tenant)"
# by table: the columns that may change, and when
CHANGED = {
    "assessments": (("pseudonym", "hook_instance"), f"{NAMED} AND NEW.hook_instance IS NULL"),
    "outcomes": (("pseudonym",), NAMED),
    "audit": (("pseudonym",), NAMED),
    "events": (("pseudonym", "detail"), f"NEW.detail IS NULL AND ({NAMED} OR (NEW.pseudonym = OLD.pseudonym AND {ITS}))"),
    "feedback": (("comment",), f"NEW.comment IS NULL AND {ITS_CARD}"),
    "reviews": (("body", "redacted"), f"NEW.redacted IS NOT NULL AND {SOME}"),
}
GONE = ("documents", "follow_ups")  # rows that may be deleted


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("tenant", sa.String(100), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("why", sa.String(20), nullable=False),
        sa.Column("answers", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["line"], ["changes.number"], name="fk_erasures_line_changes"),
        sa.PrimaryKeyConstraint("name", name="pk_erasures"),
    )
    op.create_index("ix_erasures_by_time", "erasures", ["tenant", "at"])
    op.add_column("reviews", sa.Column("redacted", sa.String(64)))
    sqlite = op.get_bind().dialect.name == "sqlite"
    for change in ("UPDATE", "DELETE") if sqlite else ("UPDATE", "DELETE", "TRUNCATE"):
        _refuse("erasures", change, change, sqlite)
    for table, (columns, when) in CHANGED.items():
        _drop(table, "update", sqlite)
        others = [column["name"] for column in sa.inspect(op.get_bind()).get_columns(table)]
        closed = ", ".join(f'"{name}"' for name in others if name not in columns)
        _refuse(table, "UPDATE", f"UPDATE OF {closed}", sqlite)
        _refuse_unless(table, "erasing", f"UPDATE OF {', '.join(columns)}", when, "NEW", sqlite)
    for table in GONE:
        _drop(table, "delete", sqlite)
        _refuse_unless(table, "erasing", "DELETE", ITS, "OLD", sqlite)


def downgrade() -> None:
    sqlite = op.get_bind().dialect.name == "sqlite"
    for table in (*CHANGED, *GONE):
        _drop(table, "erasing", sqlite)
        if not sqlite:
            op.execute(f"DROP FUNCTION ordertime_{table}_erasing()")
    for table in CHANGED:
        _drop(table, "update", sqlite)
        _refuse(table, "UPDATE", "UPDATE", sqlite)
    for table in GONE:
        _refuse(table, "DELETE", "DELETE", sqlite)
    op.drop_column("reviews", "redacted")
    op.drop_table("erasures")


def _drop(table: str, what: str, sqlite: bool) -> None:
    op.execute(f"DROP TRIGGER {table}_refuses_{what}" + ("" if sqlite else f" ON {table}"))


def _refuse(table: str, what: str, change: str, sqlite: bool) -> None:
    then = (
        f"BEGIN SELECT RAISE(ABORT, '{REFUSED}{table}'); END"
        if sqlite
        else "FOR EACH STATEMENT EXECUTE FUNCTION ordertime_refuse_change()"
    )
    op.execute(f"CREATE TRIGGER {table}_refuses_{what.lower()} BEFORE {change} ON {table} {then}")


def _refuse_unless(table: str, what: str, change: str, when: str, row: str, sqlite: bool) -> None:
    if sqlite:
        then = f"WHEN ({when}) IS NOT TRUE BEGIN SELECT RAISE(ABORT, '{REFUSED}{table}'); END"
    else:
        op.execute(
            f"CREATE FUNCTION ordertime_{table}_erasing() RETURNS trigger LANGUAGE plpgsql AS $$ "
            f"BEGIN IF ({when}) IS TRUE THEN RETURN {row}; END IF; RAISE EXCEPTION '{REFUSED}%', TG_TABLE_NAME "
            "USING ERRCODE = 'integrity_constraint_violation'; END $$"
        )
        then = f"FOR EACH ROW EXECUTE FUNCTION ordertime_{table}_erasing()"
    op.execute(f"CREATE TRIGGER {table}_refuses_{what} BEFORE {change} ON {table} {then}")
