"""The audit trail: who did what with whose answer, when, and whether they were let.

Append-only, beside the ledger and under its pseudonyms, so that the two can be joined and neither names anybody.
Holds no address, no text and no value: only words of KINDS, a door, a status and a reason's code.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import uuid4

from sqlalchemy import RowMapping, insert, literal, select, tuple_

from governance import rows
from governance.errors import LedgerRefusal
from governance.keys import Pseudonym
from governance.ledger import NOBODY, Ledger
from governance.store import Store
from governance.tables import Instant, audit

KINDS: Final = frozenset(
    {
        "launched",
        "viewed",
        "printed",
        "released",
        "written",
        "opinion",
        "labelled",
        "closed",
        "hook",
        "feedback",
        "board",
        "refused",
    }
)
CODE: Final = re.compile(r"[A-Za-z0-9_./<>:\- ]{0,100}")
PAGE: Final = 1000  # rows read at a time


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One row. `user` and `patient` are pseudonyms, "" for nobody; `status` is the HTTP status answered."""

    id: str
    tenant: str
    at: datetime
    kind: str
    door: str
    status: int
    reason: str
    user: Pseudonym
    patient: Pseudonym
    assessment: str | None


class AuditTrail:
    """The trail in `store`; people are named as `ledger` names them."""

    def __init__(
        self,
        store: Store,
        ledger: Ledger,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._store, self._ledger, self._clock, self._new_id = store, ledger, clock, new_id

    def note(
        self,
        kind: str,
        *,
        door: str,
        tenant: str = "",
        user: str = "",
        patient: str = "",
        assessment: str = "",
        status: int = 200,
        reason: str = "",
    ) -> str:
        """Keep one row; its id. `user` and `patient` are the EHR's ids. Raises LedgerRefusal, LedgerUnavailable.

        A `tenant` of "" is a caller that proved to be nobody's: it then has no user and no patient either.
        """
        (key,) = self.note_all(
            kind, [patient], door=door, tenant=tenant, user=user, assessment=assessment, status=status, reason=reason
        )
        return key

    def note_all(
        self,
        kind: str,
        patients: Sequence[str],
        *,
        door: str,
        tenant: str = "",
        user: str = "",
        assessment: str = "",
        status: int = 200,
        reason: str = "",
    ) -> list[str]:
        """Keep a row for each of `patients` ("" for none), in one transaction; their ids. As `note`."""
        if kind not in KINDS or not CODE.fullmatch(door) or not CODE.fullmatch(reason):
            raise LedgerRefusal("the audit trail holds kinds, doors and reasons by their codes alone")
        kept = {
            "tenant": tenant,
            "at": self._clock(),
            "kind": kind,
            "door": door[:60],
            "status": status,
            "reason": reason,
            "user_pseudonym": self._ledger.user_pseudonym(tenant, user) if tenant else NOBODY,
            "assessment_id": rows.identifier(assessment) if assessment else None,
        }
        made = [
            kept
            | {"id": self._new_id(), "pseudonym": self._ledger.pseudonym(tenant, one) if tenant and one else NOBODY}
            for one in patients
        ]
        with self._store.writing() as connection:
            connection.execute(insert(audit), made)
        return [str(row["id"]) for row in made]

    def read(
        self, *, tenant: str = "", since: datetime | None = None, until: datetime | None = None
    ) -> Iterator[AuditEntry]:
        """The rows at and after `since` and before `until`, oldest first; of one tenant or of all."""
        a = audit.c
        last: AuditEntry | None = None
        wanted = [a.tenant == tenant] if tenant else []
        wanted += [a.at >= since] if since else []
        wanted += [a.at < until] if until else []
        while True:
            place = None if last is None else tuple_(literal(last.at, Instant), literal(last.id))
            after = [] if place is None else [tuple_(a.at, a.id) > place]  # a row of an index, which OR is not
            query = select(audit).where(*wanted, *after).order_by(a.at, a.id).limit(PAGE)
            with self._store.reading() as connection:
                found = [_entry(row) for row in connection.execute(query).mappings()]
            yield from found
            if len(found) < PAGE:
                return
            last = found[-1]


def _entry(row: RowMapping) -> AuditEntry:
    return AuditEntry(
        id=row["id"],
        tenant=row["tenant"],
        at=row["at"],
        kind=row["kind"],
        door=row["door"],
        status=row["status"],
        reason=row["reason"],
        user=Pseudonym(row["user_pseudonym"]),
        patient=Pseudonym(row["pseudonym"]),
        assessment=row["assessment_id"],
    )
