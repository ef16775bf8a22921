"""What the ledger's tables are made of: one set of names, moments with their zone, and columns many of them share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Column, DateTime, Dialect, ForeignKey, MetaData, String
from sqlalchemy.types import TypeDecorator

from governance.errors import LedgerRefusal

metadata: Final = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


class Instant(TypeDecorator[datetime]):
    """A moment: written as UTC, read as UTC with its zone. Refuses a time without a zone (LedgerRefusal)."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.utcoffset() is None:
            raise LedgerRefusal("a time without a zone cannot be kept")
        moment = value.astimezone(UTC)
        return moment.replace(tzinfo=None) if dialect.name == "sqlite" else moment

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def identity() -> Column[Any]:
    """The id of a row: a UUID."""
    return Column("id", String(36), primary_key=True)


def assessment(**options: Any) -> Column[Any]:
    """The answer a row is about."""
    return Column("assessment_id", String(36), ForeignKey("assessments.id"), **options)


def card(name: str, **options: Any) -> Column[Any]:
    """A card a row is about."""
    return Column(name, String(36), ForeignKey("cards.id"), **options)


def pseudonym(name: str, **options: Any) -> Column[Any]:
    """A patient or a user, by keyed pseudonym."""
    return Column(name, String(64), **options)
