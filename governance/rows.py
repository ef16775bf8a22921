"""Entries as rows, rows as entries: the SQL the ledger speaks, and what a text must be to lie in a column."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, select

from governance.entries import Recent, Recorded, Release
from governance.errors import LedgerRefusal, UnknownAssessment
from governance.keys import Pseudonym
from governance.tables import assessments, cards, feedback, predictions, releases, suggestions
from inference.assessment import Assessment, State, Status

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def recorded(row: Mapping[str, Any] | RowMapping, assessment: Assessment, *, again: bool = False) -> Recorded:
    """A row of `assessments` with its opened document."""
    return Recorded(
        id=row["id"],
        assessment=assessment,
        tenant=row["tenant"],
        pseudonym=Pseudonym(row["pseudonym"]),
        door=row["door"],
        state=State(row["state"]),
        made_at=row["made_at"],
        shown_at=row["shown_at"],
        hook=row["hook"],
        hook_instance=row["hook_instance"] or "",
        threshold=row["threshold"],
        again=again,
    )


def of_predictions(key: str, assessment: Assessment) -> list[dict[str, Any]]:
    """The rows of `predictions` for one answer."""
    columns = ("outcome", "hours", "probability", "low", "high", "value", "value_low", "value_high", "unit")
    return [
        {"assessment_id": key, **{name: getattr(prediction, name) for name in columns}}
        for prediction in assessment.predictions
    ]


def recent(connection: Connection, found: list[RowMapping]) -> tuple[Recent, ...]:
    """Rows of `assessments` with their headlines and the last card really shown for each."""
    ids = [row["id"] for row in found]
    p, c = predictions.c, cards.c
    furthest = (
        select(predictions).where(p.assessment_id.in_(ids), p.probability.is_not(None)).order_by(p.hours)
    )
    shown = select(cards).where(c.assessment_id.in_(ids), c.withheld == "").order_by(c.shown_at)
    heads = {row["assessment_id"]: row for row in connection.execute(furthest).mappings()}
    last = {row["assessment_id"]: row for row in connection.execute(shown).mappings()}
    return tuple(_recent(row, heads.get(row["id"]), last.get(row["id"])) for row in found)


def _recent(row: RowMapping, head: RowMapping | None, card: RowMapping | None) -> Recent:
    return Recent(
        id=row["id"],
        made_at=row["made_at"],
        as_of=row["as_of"],
        version=row["version"],
        status=Status(row["status"]),
        reason=row["reason"],
        door=row["door"],
        state=State(row["state"]),
        shown_at=row["shown_at"],
        user=Pseudonym(row["user_pseudonym"]),
        outcome="" if head is None else head["outcome"],
        probability=None if head is None else head["probability"],
        card_at=None if card is None else card["shown_at"],
        indicator="" if card is None else card["indicator"],
    )


def released(connection: Connection, assessment_id: str) -> tuple[Release, ...]:
    """The releases of one answer, oldest first."""
    r = releases.c
    query = select(releases).where(r.assessment_id == assessment_id).order_by(r.released_at, r.id)
    return tuple(
        Release(row["assessment_id"], Pseudonym(row["user_pseudonym"]), row["language"], row["released_at"])
        for row in connection.execute(query).mappings()
    )


def tenant_of(connection: Connection, assessment_id: str) -> str:
    """Whose answer it is. Raises UnknownAssessment."""
    query = select(assessments.c.tenant).where(assessments.c.id == identifier(assessment_id))
    tenant: str | None = connection.scalar(query)
    if tenant is None:
        raise UnknownAssessment("no assessment of that id is in the ledger")
    return tenant


def whose(connection: Connection, assessment_id: str | None, tenant: str) -> str:
    """The tenant of a row about this assessment, or about none. Raises UnknownAssessment if another's."""
    if assessment_id is None:
        return said("tenant", tenant)
    found = tenant_of(connection, assessment_id)
    if tenant not in ("", found):
        raise UnknownAssessment("no assessment of that id is in this tenant's ledger")
    return found


def matching(names: Iterable[str], values: Iterable[Any]) -> ColumnElement[bool]:
    """`assessments` where each of the columns `names` has its value."""
    return and_(*(assessments.c[name] == value for name, value in zip(names, values, strict=True)))


def counts(connection: Connection) -> Mapping[str, int]:
    """How many rows of what."""
    statuses = _counted(connection, assessments.c.status)
    outcomes = _counted(connection, feedback.c.outcome)
    sent = _counted(connection, cards.c.withheld)
    return {
        "assessments": sum(statuses.values()),
        **{f"assessments_{status}": statuses.get(status, 0) for status in Status},
        "cards": sent.get("", 0),
        "cards_withheld": sum(sent.values()) - sent.get("", 0),
        "cards_repeated": sent.get("repeat", 0),
        "feedback": sum(outcomes.values()),
        "feedback_accepted": outcomes.get("accepted", 0),
        "feedback_overridden": outcomes.get("overridden", 0),
        "releases": connection.scalar(select(func.count()).select_from(releases)) or 0,
        "suggestions": connection.scalar(select(func.count()).select_from(suggestions)) or 0,
    }


def _counted(connection: Connection, column: Any) -> dict[str, int]:
    return {row[0]: row[1] for row in connection.execute(select(column, func.count()).group_by(column))}


def said(what: str, value: str) -> str:
    """`value`, refused when it is empty."""
    if not value:
        raise LedgerRefusal(f"a row without a {what} cannot be kept")
    return value


def is_identifier(value: str) -> bool:
    """Whether `value` is an id as the ledger writes them."""
    return _UUID.fullmatch(value) is not None


def identifier(value: str) -> str:
    """`value`, refused (UnknownAssessment) when it cannot be an id here."""
    if not is_identifier(value):
        raise UnknownAssessment("an id in the ledger is a UUID in small letters; this is not one")
    return value


def plain(value: str, most: int) -> str:
    """A hook's name or instance as the client sent it; refused when a column or a log could not hold it."""
    if len(value) > most or not (value.isascii() and value.isprintable()):
        raise LedgerRefusal(f"a hook's name and instance are at most {most} printable ASCII characters")
    return value


def clean(value: str, most: int) -> str:
    """A client's text as both databases can hold it: no NUL, no half character, no longer than the column."""
    return value.encode("utf-8", "replace").decode().replace("\x00", "\N{REPLACEMENT CHARACTER}")[:most]
