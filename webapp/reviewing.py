"""Weekly reviews and audits of this house: put together from its rooms, at its sites' thresholds, in their words.

What a scheduled job makes is what the pages and the command line show. Nothing is computed for a page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Final

from ehr.tenants import Tenant
from governance.alarms import Alarms
from governance.approvals import Approver, read_approvers
from governance.audits import Audits, KeptAudit
from governance.decisions import Decisions
from governance.equity import Auditing
from governance.review import Review, Reviews
from governance.traffic import Span, last_outcome, predicted
from governance.weekly import QUARTER, Asked, Books, Why, compiled
from governance.weeks import Week
from inference.assessment import Assessment
from webapp import reasons, words
from webapp.rooms import Rooms
from webapp.words import say

TOLD: Final = 3  # reasons each way
EVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
EVERYBODY: Final = "EVERYBODY_REVIEWS"  # of an app's configuration: nobody in its ledger is real (simulated_site)


def books(rooms: Rooms) -> Books:
    """What a review is put together from."""
    return Books(
        store=rooms.store,
        ledger=rooms.ledger,
        outcomes=rooms.outcomes,
        readings=rooms.readings,
        alarms=Alarms(rooms.store, clock=rooms.clock),
        clarity=rooms.clarity,
        audits=audits(rooms),
        reviews=reviews(rooms),
    )


def reviews(rooms: Rooms) -> Reviews:
    """The reviews that were kept."""
    return Reviews(rooms.store, rooms.settings.secret, clock=rooms.clock)


def audits(rooms: Rooms) -> Audits:
    """The audits that were kept."""
    return Audits(rooms.store, clock=rooms.clock)


def decisions(rooms: Rooms) -> Decisions:
    """What was decided about weeks."""
    return Decisions(rooms.store, rooms.changes, clock=rooms.clock)


def approvers(rooms: Rooms) -> Mapping[str, Approver]:
    """Who may sign, from the settings' file. Raises GateRefusal."""
    path = rooms.settings.approvers
    return read_approvers(path) if path.is_file() else {}


def made(rooms: Rooms, tenant: Tenant, week: Week) -> Review:
    """Put a week's review together and keep it. Raises ReviewRefusal, LedgerUnavailable."""
    asked = _asked(rooms, tenant, week)
    body = compiled(books(rooms), asked, now=rooms.clock(), why=why(asked.zone))
    return reviews(rooms).keep(tenant.id, week, body)


def latest(rooms: Rooms, tenant: Tenant) -> Week:
    """The last week that is over at this site."""
    return Week.of(rooms.clock().astimezone(words.zone_of(tenant.time_zone)).date()).before(1)


def audited(rooms: Rooms, tenant: Tenant) -> tuple[KeptAudit, ...]:
    """Audit each version that answered in the last thirteen weeks and is due: it is new, or its last audit is older
    than the last whole week. Raises LedgerUnavailable.
    """
    asked, kept = _asked(rooms, tenant, latest(rooms, tenant)), []
    begins = asked.week.before(QUARTER - 1).begins(asked.zone)
    now, book = rooms.clock(), audits(rooms)
    span = Span(tenant.id, begins, now)
    for model in asked.models:
        thresholds = dict(asked.gated.get(model, {}))
        with rooms.store.reading() as connection:
            thresholds.setdefault(last_outcome(connection, span, model), asked.cards[model])
            said = predicted(connection, span, model, {})
        for version, outcome in ((each["version"], each["outcome"]) for each in said):
            until = book.audited(tenant.id, model, version, outcome)
            if outcome not in thresholds or (until is not None and until >= asked.week.ends(asked.zone)):
                continue
            auditing = Auditing(asked.zone)
            for row in rooms.outcomes.labelled(tenant.id, model, outcome, since=begins, until=now, version=version):
                auditing.add(row)
            found = auditing.found(thresholds[outcome])
            if found.cells:
                kept.append(book.keep(tenant.id, model, version, outcome, begins, now, found))
    return tuple(kept)


def thresholds(rooms: Rooms, tenant: Tenant) -> Mapping[str, Mapping[str, float]]:
    """The operating thresholds by model and outcome: the gates', and the site's own for a model's last outcome."""
    found: dict[str, dict[str, float]] = {}
    for model, policy in tenant.models.items():
        found[model] = dict(_gated(rooms, tenant.id, model))
        with rooms.store.reading() as connection:
            last = last_outcome(connection, Span(tenant.id, EVER, rooms.clock()), model)
        if last:
            found[model].setdefault(last, policy.threshold)
    return found


def _asked(rooms: Rooms, tenant: Tenant, week: Week) -> Asked:
    models: Sequence[str] = tuple(tenant.models)
    return Asked(
        tenant=tenant.id,
        week=week,
        zone=words.zone_of(tenant.time_zone),
        models=models,
        gated={model: _gated(rooms, tenant.id, model) for model in models},
        cards={model: policy.threshold for model, policy in tenant.models.items()},
    )


def _gated(rooms: Rooms, tenant: str, model: str) -> Mapping[str, float]:
    """The thresholds of the whole site's gates, as last weighed."""
    last = {
        outcome: rooms.readings.last(tenant, model, outcome)
        for outcome, unit in rooms.readings.gates(tenant, model)
        if not unit
    }
    return {outcome: float(each.body["gate"]["threshold"]) for outcome, each in last.items() if each is not None}


def why(zone: tzinfo) -> Why:
    """The strongest reasons each way, as the page gave them; none where none were kept."""

    def told(found: Assessment) -> tuple[str, ...]:
        if found.explanation is None:
            return ()
        said = found.explanation.reasons
        return tuple(
            say("en", "review.reason", reason=words.capital(reasons.sentence(each, found.as_of, zone)), way=way)
            for upward, way in ((True, say("en", "review.raised")), (False, say("en", "review.lowered")))
            for each in reasons.named(said, upward, TOLD)
        )

    return told
