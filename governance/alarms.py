"""Alarms: each raised once, delivered once, answered once by a person; then its chart begins anew.

While an alarm stands unanswered, its chart raises no other: a webhook that repeats itself is a webhook that is
muted. What could not be delivered stays owed and is tried again with the next run. Of several runs at once one posts
an alarm (`governance.alarm_claims`). A hook that took it and broke before it said so, or whose answer nobody was left
to write down, hears it again, under the same id.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import Connection, Select, exists, select

from governance import tables
from governance.alarm_claims import Claims
from governance.causes import Finding
from governance.errors import LedgerRefusal
from governance.keys import Pseudonym
from governance.store import Store

_ONCE: Final = ("tenant", "model", "outcome", "chart", "subject", "direction", "after")
_DAYS: Final = ("crossed_on", "began_on", "caused_on")
CODE: Final = 100  # characters of a decision

Notice = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm as it is kept. `answered_at` is None while it stands; `delivered_at` while it is owed."""

    id: str
    tenant: str
    model: str
    outcome: str
    finding: Finding
    found_at: datetime
    delivered_at: datetime | None = None
    answered_at: datetime | None = None
    decision: str = ""
    from_day: date | None = None


class Alarms:
    """The alarms in `store`; `clock` tells a zoned time."""

    def __init__(
        self,
        store: Store,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._store, self._clock, self._new_id = store, clock, new_id
        self._claims = Claims(store, clock=clock, new_id=new_id)

    def raise_all(
        self, tenant: str, model: str, outcome: str, findings: Iterable[Finding]
    ) -> tuple[Alarm, ...]:
        """Keep those of `findings` whose chart has no standing alarm; return the new ones."""
        whose = {"tenant": tenant, "model": model, "outcome": outcome}
        with self._store.writing() as connection:
            kept = [self._keep(connection, whose, finding) for finding in findings]
        return tuple(each for each in kept if each)

    def listed(self, tenant: str, *, since: datetime | None = None) -> tuple[Alarm, ...]:
        """The site's alarms for the review page, newest first, answered or not."""
        a = tables.alarms.c
        query = _joined().where(a.tenant == tenant, *([a.found_at >= since] if since else []))
        with self._store.reading() as connection:
            rows = connection.execute(query.order_by(a.found_at.desc(), a.id)).mappings().all()
        return tuple(_alarm(row) for row in rows)

    def begins(self, tenant: str, model: str, outcome: str) -> Mapping[tuple[str, str], date]:
        """The day each answered chart begins anew: the latest that was decided."""
        a, d = tables.alarms.c, tables.alarm_answers.c
        query = (
            select(a.chart, a.subject, d.from_day)
            .join(tables.alarm_answers)
            .where(a.tenant == tenant, a.model == model, a.outcome == outcome)
            .order_by(d.from_day)
        )
        with self._store.reading() as connection:
            return {(chart, subject): day for chart, subject, day in connection.execute(query)}

    def deliver(self, tenant: str, post: Callable[[Notice], bool]) -> int:
        """Hand what is owed to `post`, oldest first, until one is not taken; how many were.

        What another run is posting at this moment is left to it.
        """
        owed = [each for each in reversed(self.listed(tenant)) if each.delivered_at is None]
        taken = 0
        for alarm in owed:
            with self._claims.held(alarm.id) as ours:
                if not ours:
                    continue
                if not post(notice(alarm)):
                    break
                self._delivered(alarm.id)
                taken += 1
        return taken

    def answer(self, tenant: str, alarm_id: str, *, user: Pseudonym, decision: str, from_day: date) -> bool:
        """Keep what a person decided; False if it was answered before. Raises LedgerRefusal.

        The alarm's chart begins a new baseline on `from_day`.
        """
        if not user or not decision or len(decision) > CODE:
            raise LedgerRefusal("an alarm is answered by somebody, with a decision of at most 100 characters")
        a = tables.alarms.c
        with self._store.writing() as connection:
            if connection.scalar(select(a.id).where(a.id == alarm_id, a.tenant == tenant)) is None:
                raise LedgerRefusal("no alarm of that id is this site's")
            row = {
                "alarm_id": alarm_id,
                "at": self._clock(),
                "from_day": from_day,
                "user_pseudonym": user,
                "decision": decision,
            }
            return self._store.insert_once(connection, tables.alarm_answers, row, ("alarm_id",))

    def _delivered(self, alarm_id: str) -> None:
        row = {"alarm_id": alarm_id, "at": self._clock()}
        with self._store.writing() as connection:
            self._store.insert_once(connection, tables.alarm_notices, row, ("alarm_id",))

    def _keep(self, connection: Connection, whose: dict[str, str], finding: Finding) -> Alarm | None:
        last = self._last(connection, whose, finding)
        if last and not last["answered"]:
            return None
        row = {
            "id": self._new_id(),
            **whose,
            **{name: getattr(finding, name) for name in ("chart", "subject", "direction", "crossed_on")},
            "found_at": self._clock(),
            "after": last["id"] if last else "",
            "detail": json.dumps(asdict(finding), default=date.isoformat),
        }
        if not self._store.insert_once(connection, tables.alarms, row, _ONCE):
            return None
        return Alarm(row["id"], whose["tenant"], whose["model"], whose["outcome"], finding, row["found_at"])

    def _last(self, connection: Connection, whose: dict[str, str], finding: Finding) -> Any:
        """The newest alarm of the same chart, and whether it was answered."""
        a, d = tables.alarms.c, tables.alarm_answers.c
        answered = exists().where(d.alarm_id == a.id).label("answered")
        same = [a[name] == value for name, value in whose.items()]
        query = select(a.id, answered).where(*same, a.chart == finding.chart, a.subject == finding.subject)
        newest = query.order_by(answered, a.found_at.desc(), a.id.desc()).limit(1)  # a standing one first
        return connection.execute(newest).mappings().one_or_none()


def notice(alarm: Alarm) -> Notice:
    """What goes to the webhook: figures and codes, nobody's name, no pseudonym."""
    return {
        "id": alarm.id,
        "tenant": alarm.tenant,
        "model": alarm.model,
        "outcome": alarm.outcome,
        "found_at": alarm.found_at.isoformat(),
        **json.loads(json.dumps(asdict(alarm.finding), default=date.isoformat)),
    }


def _joined() -> Select[Any]:
    n, d = tables.alarm_notices, tables.alarm_answers
    return (
        select(
            tables.alarms,
            n.c.at.label("delivered_at"),
            d.c.at.label("answered_at"),
            d.c.decision,
            d.c.from_day,
        )
        .outerjoin(n, n.c.alarm_id == tables.alarms.c.id)
        .outerjoin(d, d.c.alarm_id == tables.alarms.c.id)
    )


def _alarm(row: Any) -> Alarm:
    told = json.loads(row["detail"])
    days = {name: date.fromisoformat(told[name]) for name in _DAYS if told[name]}
    finding = Finding(**told | days | {name: tuple(told[name]) for name in ("gone", "new")})
    return Alarm(
        row["id"], row["tenant"], row["model"], row["outcome"], finding, row["found_at"],
        row["delivered_at"], row["answered_at"], row["decision"] or "", row["from_day"],
    )  # fmt: skip
