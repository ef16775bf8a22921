"""What else a year leaves in a ledger: labels, who looked, what was offered, a second model, and a committee's books.

`furnish` writes what comes with answers, in bulk. `remember` writes what jobs left on earlier days: daily summaries,
weighings, reviews with their decisions, audits, measures and alarms, each a copy of what the job came to today.
"""

from __future__ import annotations

import json
import random
import uuid
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from sqlalchemy import insert, select, text

from benchmarks.ledger_fill import (
    AT_ONCE,
    DAYS,
    SECRET,
    SEED,
    TENANT,
    Row,
    key_of,
    moment_of,
    patient_of,
    written,
)
from ehr.tenants import Tenant
from governance import tables
from governance.alarms import Alarms
from governance.causes import Finding
from governance.changes import Change, Changes
from governance.daily import Answered, Daily, summaries
from governance.decisions import CONTINUE, Decision, Decisions, read, sign, verified
from governance.keys import Pseudonyms, Seal
from governance.review import Review, Reviews
from governance.simulated import INPUTS, OUTCOME, RISE, RISE_THRESHOLD, VERSION
from governance.simulated_gates import APPROVERS, ROLES
from governance.simulated_gates import key_of as signer
from governance.spoken import Spoken
from governance.store import Store
from governance.weeks import Week
from inference.assessment import TROPONIN, VENTILATION
from webapp import reviewing
from webapp.rooms import Rooms

LOOKED, NOTED, OPINION, HANDED, CLEAR = 5, 10, 1000, 200, 2000  # one answer in so many
LABELLED: Final = 0.8  # of what waits for a person, and is older than
BEHIND: Final = timedelta(days=14)
SECOND: Final = 2_000  # answers of the second model, all of them settled: as many as a page measures by itself
LINES: Final = 2_000  # of the change log
WEEKS: Final = 50
SENTENCE: Final = "Invented: nothing of this week asks for a change."


def furnish(store: Store, count: int, ends: datetime, *, first: int = 0, labelled: float = LABELLED) -> None:
    """What comes with answers, from the answer `first` on; nothing where it is there already."""
    with store.reading() as connection:
        if connection.execute(select(tables.audit.c.id).limit(1)).first() is not None:
            return
    for name, rows in _beside(count, first):
        with store.writing() as connection:
            written(connection, tables.metadata.tables[name], rows)
    with store.writing() as connection:
        some = "FROM cards WHERE substr(id, 8, 1) < '8'"
        offered = f"SELECT id, id, 'review', NULL {some}"
        connection.execute(text(f"INSERT INTO suggestions (id, card_id, kind, due) {offered}"))
        again = "SELECT id, id, 'said-before', NULL FROM cards WHERE substr(id, 8, 1) = '0'"
        connection.execute(text(f"INSERT INTO repeats (card_id, of_card, reason, moved) {again}"))
        written(connection, tables.outcomes, _labels(connection, ends, labelled))
    _second_model(store, ends)


def _beside(count: int, first: int) -> Iterator[tuple[str, list[Row]]]:
    people, notes = Pseudonyms(SECRET, "ledger/pseudonym"), Seal(SECRET, "ledger/notes")
    for start in range(first, count, AT_ONCE * LOOKED):
        made: dict[str, list[Row]] = {name: [] for name in ("audit", "events", "releases", "clarity")}
        for number in range(start, min(start + AT_ONCE * LOOKED, count), LOOKED):
            at, whose = moment_of(number, count), people.of("patient", TENANT, patient_of(number))
            about: Row = {"tenant": TENANT, "pseudonym": whose, "user_pseudonym": "", "at": at}
            about["assessment_id"] = key_of(number)
            door = {"id": key_of(number, 1), "kind": "viewed", "door": "/result", "status": 200, "reason": ""}
            made["audit"].append(about | door)
            if number % NOTED == 0:
                key, opinion = key_of(number, 2), number % OPINION == 0
                said = json.dumps({"opinion": "disagree", "comment": "Invented: already on high flow."}).encode()
                detail = notes.close(said, place=key, at=at) if opinion else None
                made["events"].append(about | {"id": key, "kind": "opinion" if opinion else "viewed", "detail": detail})
            if number % HANDED == 0:
                handed = {"user_pseudonym": "", "language": "en", "released_at": at}
                made["releases"].append(handed | {"id": key_of(number, 3), "assessment_id": key_of(number)})
            if number % CLEAR == 0:
                made["clarity"].append({
                    "id": key_of(number, 4), "tenant": TENANT, "day": at.date(), "model": VENTILATION,
                    "version": VERSION, "kind": "result", "language": "en", "edition": "invented",
                    "score": 1 + number // CLEAR % 5,
                })  # fmt: skip
        yield from made.items()


def _labels(connection: Any, ends: datetime, share: float) -> list[Row]:
    """What persons found of what rules could not settle: four in five of what waits a fortnight."""
    a, p, r, rng = tables.assessments.c, tables.predictions.c, tables.referrals.c, random.Random(SEED + 1)
    said = (a.tenant, a.pseudonym, a.model, a.version, a.state, a.status, a.as_of)
    query = (
        select(r.assessment_id, r.outcome, p.hours, p.probability, *said)
        .join_from(tables.referrals, tables.assessments, a.id == r.assessment_id)
        .join(tables.predictions, (p.assessment_id == r.assessment_id) & (p.outcome == r.outcome))
        .where(a.as_of < ends - BEHIND)
    )
    found = []
    for row in connection.execute(query).mappings():
        if rng.random() < share:
            happened = rng.random() < row["probability"]
            found.append(_settled(row, "review", happened, key_of(int(row["assessment_id"][:8], 16), 5)))
    return found


def _settled(said: Any, source: str, happened: bool, key: str) -> Row:
    at: datetime = said["as_of"]
    return {
        **dict.fromkeys(tables.TRAITS, ""), **said, "id": key, "source": source, "label": "yes" if happened else "no",
        "reason": "", "happened_at": at + timedelta(hours=8) if happened else None, "value": None,
        "known_at": at + timedelta(hours=30), "recorded_at": at + timedelta(hours=30),
        "reviewer": "ab" * 32 if source == "review" else "",
    }  # fmt: skip


def _second_model(store: Store, ends: datetime) -> None:
    """A model that has answered seldom, so that its live card is measured when somebody opens it."""
    people, rng = Pseudonyms(SECRET, "ledger/pseudonym"), random.Random(SEED + 2)
    made: dict[str, list[Row]] = {name: [] for name in ("assessments", "predictions", "outcomes")}
    for number in range(SECOND):
        key, at = key_of(number, 6), ends - timedelta(days=85) + timedelta(days=80) * number / SECOND
        whose = people.of("patient", TENANT, f"p{number // 5}")
        said: Row = {"tenant": TENANT, "pseudonym": whose, "model": TROPONIN}
        said |= {"version": VERSION, "state": "silent", "status": "assessed", "as_of": at}
        probability = min(0.99, rng.expovariate(4))
        made["assessments"].append(said | {
            "id": key, "door": "hook", "hook": "patient-view", "hook_instance": key, "user_pseudonym": "",
            "threshold": RISE_THRESHOLD, "made_at": at, "shown_at": None, "reason": "", "seed": 0, "inputs_digest": "",
            "latency_ms": 60.0,
        })  # fmt: skip
        made["predictions"].append({
            "assessment_id": key, "outcome": RISE, "hours": 24, "probability": probability, "low": probability / 2,
            "high": min(1.0, probability * 1.5), "value": None, "value_low": None, "value_high": None, "unit": "",
        })  # fmt: skip
        traits = {"sex": rng.choice(("female", "male")), "age_band": rng.choice(("40-64", "65-79", "80+"))}
        told = said | {"assessment_id": key, "outcome": RISE, "hours": 24, "probability": probability}
        made["outcomes"].append(_settled(told, "rule", rng.random() < probability, key) | traits)
    with store.writing() as connection:
        for name, rows in made.items():
            written(connection, tables.metadata.tables[name], rows)


def remember_days(rooms: Rooms, tenant: Tenant) -> None:
    """Every day of the year but the last is told to the charts, each like one of them."""
    now, daily = rooms.clock(), Daily(rooms.store)
    if daily.last(tenant.id, VENTILATION) is not None:
        return
    day = (now - timedelta(days=40)).date()
    since = datetime.combine(day, datetime.min.time(), now.tzinfo)
    said = Spoken(rooms.store, rooms.settings.secret).between(tenant.id, VENTILATION, since, since + timedelta(days=1))
    answers = [Answered(each.assessment, OUTCOME, each.threshold, each.latency_ms) for each in islice(said, 2_000)
               if each.assessment is not None]  # fmt: skip
    told = summaries(day, answers, INPUTS, ["accepted", "overridden"] * 20)
    for number in range(2, DAYS):
        then = (now - timedelta(days=number)).date()
        daily.keep(tenant.id, VENTILATION, [replace(each, day=then) for each in told])


def remember(rooms: Rooms, tenant: Tenant, week: Week) -> None:
    """What the jobs left on earlier days; nothing where it is there already. `week` is the one that was reviewed."""
    review = reviewing.reviews(rooms).last(tenant.id, week)
    if review is None or len(reviewing.reviews(rooms).weeks(tenant.id)) > WEEKS // 2:
        return
    for table, step, count in (("readings", 1, DAYS), ("equity_audits", 7, WEEKS), ("measures", 7, WEEKS)):
        _copied(rooms.store, table, timedelta(days=step), count)
    for number in range(1, WEEKS):
        _reviewed(rooms, tenant, review, week.before(number))
    _alarmed(rooms, tenant)
    _logged(rooms)


def _copied(store: Store, name: str, step: timedelta, count: int) -> None:
    """Each row of a table that a job wrote, as it would have written it `count` times before."""
    table = tables.metadata.tables[name]
    moments = [column.name for column in table.columns if column.name in ("at", "since", "until")]
    with store.writing() as connection:
        rows = [dict(row) for row in connection.execute(select(table)).mappings()]
        for number in range(1, count):
            earlier = [
                row | {"id": str(uuid.uuid4())} | {moment: row[moment] - number * step for moment in moments}
                for row in rows
            ]
            if earlier:
                connection.execute(insert(table), earlier)


def _reviewed(rooms: Rooms, tenant: Tenant, like: Review, week: Week) -> None:
    """One earlier week's review, decided by both who sign."""
    then = like.at - (like.week.monday - week.monday)
    kept = Reviews(rooms.store, rooms.settings.secret, clock=lambda: then)
    review = kept.keep(tenant.id, week, dict(like.body) | {"week": week.name})
    decision = Decision(tenant.id, week.name, review.digest, CONTINUE, SENTENCE)
    signed = read(sign(decision, name, then, signer(name)) for name, _ in APPROVERS)
    found, signatures = verified(signed, review, reviewing.approvers(rooms), then)
    clock = lambda: then  # noqa: E731
    Decisions(rooms.store, Changes(rooms.store, clock=clock), clock=clock).record(found, signatures, ROLES)


def _alarmed(rooms: Rooms, tenant: Tenant) -> None:
    """Alarms of the year, all but the last of them delivered and answered."""
    day = rooms.clock().date()
    for number in range(60):
        then = rooms.clock() - timedelta(days=6 * (60 - number))
        alarms = Alarms(rooms.store, clock=lambda then=then: then)  # type: ignore[misc]
        crossed = day - timedelta(days=6 * (60 - number))
        chart, subject = (("latency", ""), ("alert-rate", ""), ("missing", INPUTS[number % len(INPUTS)]))[number % 3]
        finding = Finding(chart, subject, 1, crossed, crossed - timedelta(days=5), 5.0, 4.0, 180.0)
        for alarm in alarms.raise_all(tenant.id, VENTILATION, OUTCOME, [finding]):
            alarms.deliver(tenant.id, lambda _: True)
            if number < 57:
                user = rooms.ledger.user_pseudonym(tenant.id, "invented")
                alarms.answer(tenant.id, alarm.id, user=user, decision="accepted", from_day=crossed + timedelta(days=1))


def _logged(rooms: Rooms) -> None:
    with rooms.store.writing() as connection:
        for number in range(LINES):
            told = f"invented gate {number % 3}: weighed, nothing changed."
            line = Change(TENANT, "state", "gate weigh", told, "Invented.", "Nothing changes.")
            rooms.changes.append(connection, line)
