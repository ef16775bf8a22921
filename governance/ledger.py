"""The ledger: every answer, the cards and pages it was shown on, and what people did with it.

Append-only. An answer is on the disk before `record` returns; what cannot be kept raises LedgerUnavailable
and must then not be shown. Refuses to hand an assessment to another tenant or patient than its own, to keep
anybody's id in the clear, and to keep a time without a zone. Ids of people are the EHR's, bare: "123", not
"Patient/123".
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from sqlalchemy import ColumnElement, Connection, exists, insert, select

from governance import codec, remarks, rows, tables
from governance.cards import CardLedger
from governance.entries import CARD_LATE, DOORS, Entry, Event, FollowUp, Recent, Recorded, Release
from governance.errors import LedgerRefusal, UnknownAssessment
from governance.keys import Pseudonym, Pseudonyms, Seal
from governance.remarks import Remark
from governance.store import Store
from inference.assessment import Assessment, State

NOBODY: Final = Pseudonym("")
_ASKED_ONCE: Final = ("tenant", "hook_instance", "model", "pseudonym")
_RELEASED_ONCE: Final = ("assessment_id", "language", "user_pseudonym")
_KIND: Final = re.compile(r"[a-z][a-z0-9-]{0,59}")
_COMPRESSION: Final = 3  # of zlib: a tenth of the size for a few milliseconds


class Ledger(CardLedger):
    """The ledger in `store`, under keys derived from `key` (32 bytes or more); `clock` tells a zoned time."""

    def __init__(
        self,
        store: Store,
        key: bytes,
        *,
        clock: Callable[[], datetime],
        new_id: Callable[[], str] = lambda: str(uuid4()),
    ) -> None:
        self._store = store
        self._clock = clock
        self._new_id = new_id
        self._people = Pseudonyms(key, "ledger/pseudonym")
        self._digests = Pseudonyms(key, "ledger/card-summary")
        self._documents = Seal(key, "ledger/assessment")
        self._follow_ups = Seal(key, "ledger/follow-up")
        self._notes = Seal(key, "ledger/notes")

    # --- who

    def pseudonym(self, tenant: str, patient: str) -> Pseudonym:
        """The patient's name here: HMAC-SHA256, another at every tenant."""
        return self._people.of("patient", rows.said("tenant", tenant), rows.said("patient", patient))

    def user_pseudonym(self, tenant: str, user: str) -> Pseudonym:
        """The user's name here; "" for nobody."""
        return self._people.of("user", tenant, user) if user else NOBODY

    # --- answers

    def record(
        self,
        assessment: Assessment,
        *,
        tenant: str,
        patient: str,
        door: str,
        state: State,
        shown_at: datetime | None = None,
        hook: str = "",
        hook_instance: str = "",
        user: str = "",
        encounter: str = "",
        threshold: float | None = None,
        latency_ms: float | None = None,
    ) -> Recorded:
        """Keep one answer; see Entry for the arguments and `record_all` for what is promised."""
        entry = Entry(
            assessment=assessment,
            tenant=tenant,
            patient=patient,
            door=door,
            state=state,
            shown_at=shown_at,
            hook=hook,
            hook_instance=hook_instance,
            user=user,
            encounter=encounter,
            threshold=threshold,
            latency_ms=latency_ms,
        )
        return self.record_all((entry,))[0]

    def record_all(self, entries: Iterable[Entry]) -> tuple[Recorded, ...]:
        """Keep all of `entries`, or none; each is on the disk when this returns.

        Asked again by the same hook instance about the same patient and model, the first answer is returned
        (`again`), whoever came first of several at once. Raises LedgerUnavailable, LedgerRefusal, CodecError.
        """
        prepared = [(entry, self._row(entry), codec.dump(entry.assessment)) for entry in entries]
        told = [row for _, row, _ in prepared]
        with self._store.writing() as connection:
            new = frozenset(self._store.insert_new(connection, tables.assessments, told, _ASKED_ONCE, "id"))
            self._beside(connection, [each for each in prepared if each[1]["id"] in new])
            return tuple(
                rows.recorded(row, entry.assessment) if row["id"] in new else self._first(connection, row)
                for entry, row, _ in prepared
            )

    def answered(self, *, tenant: str, patient: str, hook_instance: str, model: str) -> Recorded | None:
        """What this hook instance was already told about this patient by this model."""
        wanted = (tenant, hook_instance, model, self.pseudonym(tenant, patient))
        with self._store.reading() as connection:
            return self._found(connection, rows.matching(_ASKED_ONCE, wanted))

    def recall(self, assessment_id: str, *, tenant: str, patient: str) -> Recorded | None:
        """The answer of that id as it was shown, if it is this tenant's and this patient's; else None.

        Raises Unreadable when the secret is not the one it was kept under.
        """
        if not rows.is_identifier(assessment_id):
            return None
        wanted = (assessment_id, tenant, self.pseudonym(tenant, patient))
        with self._store.reading() as connection:
            return self._found(connection, rows.matching(("id", "tenant", "pseudonym"), wanted))

    def reopened(self, assessment_id: str, *, tenant: str) -> Recorded | None:
        """The same for a review, which asks by the answer and not by the patient: None if it is another tenant's.

        Raises Unreadable.
        """
        wanted = (rows.identifier(assessment_id), tenant)
        with self._store.reading() as connection:
            return self._found(connection, rows.matching(("id", "tenant"), wanted))

    def recent(
        self, tenant: str, patient_pseudonym: Pseudonym, model: str, since: datetime, *, most: int = 100
    ) -> tuple[Recent, ...]:
        """Answers of `model` about the patient made at or after `since`, newest first, at most `most`."""
        a = tables.assessments.c
        query = (
            select(tables.assessments)
            .where(a.tenant == tenant, a.pseudonym == patient_pseudonym, a.model == model, a.made_at >= since)
            .order_by(a.made_at.desc(), a.id)
            .limit(most)
        )
        with self._store.reading() as connection:
            return rows.recent(connection, list(connection.execute(query).mappings()))

    def follow_up(self, assessment_id: str) -> FollowUp:
        """Whose answer it was, opened for the outcome's search. Raises UnknownAssessment, Unreadable."""
        f = tables.follow_ups.c
        with self._store.reading() as connection:
            body = connection.scalar(select(f.body).where(f.assessment_id == rows.identifier(assessment_id)))
        if body is None:
            raise UnknownAssessment("no assessment of that id is in the ledger")
        return FollowUp(**json.loads(self._follow_ups.open(body, place=assessment_id)))

    # --- pages, and who did what

    def release(self, assessment_id: str, user: str, language: str, at: datetime | None = None) -> Release:
        """Keep that `user` handed out the patient's page; twice is once. Raises UnknownAssessment."""
        rows.said("user", user)
        with self._store.writing() as connection:
            who = self.user_pseudonym(rows.tenant_of(connection, assessment_id), user)
            row = {
                "id": self._new_id(),
                "assessment_id": assessment_id,
                "user_pseudonym": who,
                "language": rows.said("language", language),
                "released_at": at or self._clock(),
            }
            self._store.insert_once(connection, tables.releases, row, _RELEASED_ONCE)
            there = rows.released(connection, assessment_id)
        return next(release for release in there if (release.user, release.language) == (who, language))

    def released(self, assessment_id: str) -> tuple[Release, ...]:
        """Who handed out the patient's page, in which language, when; oldest first, empty if nobody did."""
        with self._store.reading() as connection:
            return rows.released(connection, assessment_id)

    def viewed(self, assessment_id: str, *, user: str, where: str) -> None:
        """Keep that `user` looked at an answer ("result", "handout", ...). Raises UnknownAssessment."""
        self.event("viewed", assessment=assessment_id, user=user, detail={"where": where})

    def event(
        self,
        kind: str,
        *,
        tenant: str = "",
        assessment: str = "",
        patient: str = "",
        user: str = "",
        detail: Mapping[str, str] | None = None,
        at: datetime | None = None,
    ) -> str:
        """Keep an audit row, `detail` sealed; return its id. Without an assessment, `tenant` is needed."""
        if not _KIND.fullmatch(kind):
            raise LedgerRefusal("an event's kind is one word of small letters, digits and hyphens")
        key, moment = self._new_id(), at or self._clock()
        sealed = (
            self._notes.close(json.dumps(dict(detail)).encode(), place=key, at=moment) if detail else None
        )
        with self._store.writing() as connection:
            whose = rows.whose(connection, assessment or None, tenant)
            row = {
                "id": key,
                "tenant": whose,
                "kind": kind,
                "assessment_id": assessment or None,
                "pseudonym": self.pseudonym(whose, patient) if patient else NOBODY,
                "user_pseudonym": self.user_pseudonym(whose, user),
                "at": moment,
                "detail": sealed,
            }
            connection.execute(insert(tables.events).values(row))
        return key

    def history(self, assessment_id: str) -> tuple[Event, ...]:
        """What was done with an answer, oldest first. Raises Unreadable."""
        e = tables.events.c
        query = select(tables.events).where(e.assessment_id == assessment_id).order_by(e.at, e.id)
        with self._store.reading() as connection:
            found = list(connection.execute(query).mappings())
        return tuple(
            Event(
                row["kind"],
                row["at"],
                Pseudonym(row["user_pseudonym"]),
                self._detail(row["id"], row["detail"]),
            )
            for row in found
        )

    def told(self, kind: str, *, tenant: str, user: str, model: str, since: datetime) -> bool:
        """Whether an event of this kind happened to `user` at or after `since` with an answer of `model`.

        One whose card came too late (CARD_LATE) reached nobody and does not count.
        """
        e, a, late = tables.events.c, tables.assessments.c, tables.events.alias("late").c
        query = (
            select(e.id)
            .join(tables.assessments, e.assessment_id == a.id)
            .where(e.tenant == tenant, e.kind == kind, e.at >= since, a.model == model)
            .where(e.user_pseudonym == self.user_pseudonym(tenant, user))
            .where(~exists().where(late.assessment_id == e.assessment_id, late.kind == CARD_LATE))
        )
        with self._store.reading() as connection:
            return connection.execute(query.limit(1)).first() is not None

    def remarks(self, tenant: str, since: datetime, until: datetime) -> Iterator[Remark]:
        """What clinicians wrote of cards and answers, opened, oldest first. Raises Unreadable."""
        with self._store.reading() as connection:
            found = remarks.found(connection, tenant, since, until)
        for row in found:
            opened = json.loads(self._notes.open(row["body"], place=row["id"]))
            yield from remarks.told(row, opened)

    def counts(self) -> Mapping[str, int]:
        """How many rows of what, for /metrics: names in small letters, nothing about anybody."""
        with self._store.reading() as connection:
            return rows.counts(connection)

    # --- inside

    def _row(self, entry: Entry) -> dict[str, Any]:
        if entry.door not in DOORS:
            raise LedgerRefusal(f"'{entry.door}' is none of the doors {sorted(DOORS)}")
        answer, reason = entry.assessment, entry.assessment.reason
        return {
            "id": self._new_id(),
            "tenant": entry.tenant,
            "pseudonym": self.pseudonym(entry.tenant, entry.patient),
            "door": entry.door,
            "hook": rows.plain(entry.hook, 60),
            "hook_instance": rows.plain(entry.hook_instance, 200) or None,
            "user_pseudonym": self.user_pseudonym(entry.tenant, entry.user),
            "model": answer.model,
            "version": answer.version,
            "state": State(entry.state).value,
            "threshold": entry.threshold,
            "as_of": answer.as_of,
            "made_at": self._clock(),
            "shown_at": entry.shown_at,
            "status": answer.status.value,
            "reason": "" if reason is None else reason.code,
            "seed": answer.seed,
            "inputs_digest": answer.inputs_digest,
            "latency_ms": entry.latency_ms,
        }

    def _beside(self, connection: Connection, kept: Iterable[tuple[Entry, dict[str, Any], bytes]]) -> None:
        """What lies beside each answer, written together: row by row takes four times as long."""
        documents, follow_ups, predictions = [], [], []
        for entry, row, document in kept:
            key, at = row["id"], row["made_at"]
            body = self._documents.close(zlib.compress(document, _COMPRESSION), place=key, at=at)
            whose = json.dumps({"patient": entry.patient, "encounter": entry.encounter}).encode()
            sealed = self._follow_ups.close(whose, place=key, at=at)
            documents.append({"assessment_id": key, "body": body})
            follow_ups.append({"assessment_id": key, "body": sealed})
            predictions += rows.of_predictions(key, entry.assessment)
        gathered = ((tables.documents, documents), (tables.follow_ups, follow_ups), (tables.predictions, predictions))
        for table, told in gathered:
            if told:
                connection.execute(insert(table), told)

    def _first(self, connection: Connection, row: Mapping[str, Any]) -> Recorded:
        """The answer that was there before `row`, maybe of this very batch."""
        there = self._found(connection, rows.matching(_ASKED_ONCE, [row[name] for name in _ASKED_ONCE]), again=True)
        if there is None:
            raise LedgerRefusal("an answer was neither added nor found")
        return there

    def _found(
        self, connection: Connection, condition: ColumnElement[bool], *, again: bool = False
    ) -> Recorded | None:
        query = select(tables.assessments, tables.documents.c.body).join(tables.documents).where(condition)
        row = connection.execute(query).mappings().one_or_none()
        if row is None:
            return None
        document = zlib.decompress(self._documents.open(row["body"], place=row["id"]))
        return rows.recorded(row, codec.load(document), again=again)

    def _detail(self, key: str, sealed: bytes | None) -> Mapping[str, str]:
        detail: Mapping[str, str] = {} if sealed is None else json.loads(self._notes.open(sealed, place=key))
        return detail
