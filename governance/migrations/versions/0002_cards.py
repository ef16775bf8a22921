"""Cards that were held back as repeats, and what cards suggested; both only grow."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002_cards"
down_revision = "0001"
branch_labels = None
depends_on = None

GROWING = ("repeats", "suggestions")


def upgrade() -> None:
    op.create_table(
        "repeats",
        sa.Column("card_id", sa.String(36), nullable=False),
        sa.Column("of_card", sa.String(36), nullable=False),
        sa.Column("reason", sa.String(100), nullable=False),
        sa.Column("moved", sa.Float()),
        sa.PrimaryKeyConstraint("card_id", name="pk_repeats"),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name="fk_repeats_card_id"),
        sa.ForeignKeyConstraint(["of_card"], ["cards.id"], name="fk_repeats_of_card"),
    )
    op.create_index("ix_repeats_of_card", "repeats", ["of_card"])
    op.create_table(
        "suggestions",
        sa.Column("id", sa.String(36), nullable=False),
        sa.Column("card_id", sa.String(36), nullable=False),
        sa.Column("kind", sa.String(60), nullable=False),
        sa.Column("due", sa.DateTime(timezone=True)),
        sa.PrimaryKeyConstraint("id", name="pk_suggestions"),
        sa.ForeignKeyConstraint(["card_id"], ["cards.id"], name="fk_suggestions_card_id"),
    )
    op.create_index("ix_suggestions_card_id", "suggestions", ["card_id"])
    _grow_only()


def downgrade() -> None:
    for name in reversed(GROWING):
        op.drop_table(name)


def _grow_only() -> None:
    """The first migration's refusals, for these tables too."""
    for name in GROWING:
        if op.get_bind().dialect.name == "sqlite":
            for change in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {name}_refuses_{change.lower()} BEFORE {change} ON {name} "
                    f"BEGIN SELECT RAISE(ABORT, 'the ledger only grows: {name}'); END"
                )
            continue
        for change in ("UPDATE", "DELETE", "TRUNCATE"):
            op.execute(
                f"CREATE TRIGGER {name}_refuses_{change.lower()} BEFORE {change} ON {name} "
                "FOR EACH STATEMENT EXECUTE FUNCTION ordertime_refuse_change()"
            )
