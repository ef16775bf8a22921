"""The ledger's tables, as SQLAlchemy sees them; `migrations/` makes them, and a test holds the two together.

Everything but what is in CHANGING only ever grows: triggers in both databases refuse UPDATE and DELETE, but for what
names a patient who is in `erasures` (governance.erasure). What would name a patient or a user is a keyed pseudonym;
what follow-up and recall need is sealed (`governance.keys`).
Times are UTC with their zone, in both databases.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from governance.columns import Instant as Instant
from governance.columns import assessment as _assessment
from governance.columns import card as _card
from governance.columns import identity as _identity
from governance.columns import metadata as metadata
from governance.columns import pseudonym as _pseudonym
from governance.erasing_tables import erasures as erasures
from governance.review_tables import code_maps as code_maps
from governance.review_tables import decisions as decisions
from governance.review_tables import equity_audits as equity_audits
from governance.review_tables import resolutions as resolutions
from governance.review_tables import resolutions_in_force as resolutions_in_force
from governance.review_tables import reviews as reviews
from governance.unit_tables import forecasts as forecasts
from governance.unit_tables import measures as measures

# What outcomes are told apart by: coarse, and none of them names anybody.
TRAITS: Final = ("care_unit", "sex", "age_band", "race", "ethnicity", "language", "site", "insurance")

# One row an answer. Narrow, so that what governance asks by tenant, model and time is read quickly.
assessments = Table(
    "assessments",
    metadata,
    _identity(),
    Column("tenant", String(100), nullable=False),
    _pseudonym("pseudonym", nullable=False),
    Column("door", String(20), nullable=False),
    Column("hook", String(60), nullable=False),
    Column("hook_instance", String(200)),  # NULL when no hook asked: NULLs never collide
    _pseudonym("user_pseudonym", nullable=False),  # "" when nobody was named
    Column("model", String(60), nullable=False),
    Column("version", String(60), nullable=False),
    Column("state", String(20), nullable=False),  # what the model was allowed to do here, then
    Column("threshold", Float),  # the site's threshold, then
    Column("as_of", Instant, nullable=False),  # the chart's moment
    Column("made_at", Instant, nullable=False),  # when it was written here
    Column("shown_at", Instant),  # NULL: not put before a person
    Column("status", String(20), nullable=False),
    Column("reason", String(100), nullable=False),  # the phrase's code; "" when assessed
    Column("seed", BigInteger, nullable=False),
    Column("inputs_digest", String(64), nullable=False),
    Column("latency_ms", Float),
    UniqueConstraint("tenant", "hook_instance", "model", "pseudonym", name="uq_assessments_asked_once"),
    Index("ix_assessments_by_time", "tenant", "model", "made_at"),
    Index("ix_assessments_by_moment", "tenant", "model", "as_of"),
    Index("ix_assessments_by_patient", "tenant", "pseudonym", "model", "made_at"),
    Index("ix_assessments_waiting", "tenant", "model", "status", "as_of"),
)

predictions = Table(
    "predictions",
    metadata,
    _assessment(primary_key=True),
    Column("outcome", String(60), primary_key=True),
    Column("hours", Integer, nullable=False),
    Column("probability", Float),
    Column("low", Float),
    Column("high", Float),
    Column("value", Float),
    Column("value_low", Float),
    Column("value_high", Float),
    Column("unit", String(30), nullable=False),
    CheckConstraint("probability BETWEEN 0 AND 1", name="is_probability"),
    Index("ix_predictions_by_outcome", "outcome", "probability"),
)

# The whole assessment, sealed: what recall and paper show.
documents = Table(
    "documents", metadata, _assessment(primary_key=True), Column("body", LargeBinary, nullable=False)
)

# Who it was, sealed: what the outcome's search needs later.
follow_ups = Table(
    "follow_ups", metadata, _assessment(primary_key=True), Column("body", LargeBinary, nullable=False)
)

cards = Table(
    "cards",
    metadata,
    _identity(),
    Column("tenant", String(100), nullable=False),
    _assessment(index=True),  # NULL: a card about a model's state, without an answer
    Column("hook", String(60), nullable=False),
    Column("shown_at", Instant, nullable=False),
    Column("indicator", String(20), nullable=False),
    Column("summary_digest", String(64), nullable=False),
    Column("withheld", String(100), nullable=False),  # why it was not sent; "" when it was
    Index("ix_cards_by_time", "tenant", "shown_at"),
)

# A card that was not sent because it would have said nothing new, and the card that had said it.
repeats = Table(
    "repeats",
    metadata,
    _card("card_id", primary_key=True),
    _card("of_card", nullable=False, index=True),
    Column("reason", String(100), nullable=False),
    Column("moved", Float),  # how far the probability that moved most had moved, 0..1; NULL without one
)

# What a card offered to do. Whether it was taken stands in `feedback`.
suggestions = Table(
    "suggestions",
    metadata,
    _identity(),
    _card("card_id", nullable=False, index=True),
    Column("kind", String(60), nullable=False),
    Column("due", Instant),  # the moment it was offered for; NULL where none was computed
)

feedback = Table(
    "feedback",
    metadata,
    _identity(),
    Column("tenant", String(100), nullable=False),
    Column("card", String(200), nullable=False),  # as the client sent it: known here or not
    Column("service", String(100), nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("outcome_at", Instant, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("override_code", String(200), nullable=False),
    Column("override_system", String(400), nullable=False),
    Column("accepted", Text, nullable=False),  # the accepted suggestions' ids, as a JSON list
    Column("comment", LargeBinary),  # the user's words, sealed
    UniqueConstraint("tenant", "card", "outcome", "outcome_at", name="uq_feedback_said_once"),
    Index("ix_feedback_by_time", "tenant", "received_at"),
)

releases = Table(
    "releases",
    metadata,
    _identity(),
    _assessment(nullable=False),
    _pseudonym("user_pseudonym", nullable=False),
    Column("language", String(35), nullable=False),
    Column("released_at", Instant, nullable=False),
    UniqueConstraint("assessment_id", "language", "user_pseudonym", name="uq_releases_released_once"),
)

events = Table(
    "events",
    metadata,
    _identity(),
    Column("tenant", String(100), nullable=False),
    Column("kind", String(60), nullable=False),  # "viewed", "printed", "written", ...
    _assessment(index=True),
    _pseudonym(
        "pseudonym", nullable=False
    ),  # of the patient; "" when it was about none, or the assessment says
    _pseudonym("user_pseudonym", nullable=False),
    Column("at", Instant, nullable=False),
    Column("detail", LargeBinary),  # sealed
    Index("ix_events_by_time", "tenant", "kind", "at"),
)

# Who did what, when, and whether they were let: what an auditor reads (governance.audit).
audit = Table(
    "audit",
    metadata,
    _identity(),
    Column("tenant", String(100), nullable=False),  # "" where a caller proved to be nobody's
    Column("at", Instant, nullable=False),
    Column("kind", String(40), nullable=False),
    Column("door", String(60), nullable=False),
    Column("status", Integer, nullable=False),  # HTTP's, as answered
    Column("reason", String(100), nullable=False),  # a code; "" where nothing was refused
    _pseudonym("user_pseudonym", nullable=False),
    _pseudonym("pseudonym", nullable=False),
    _assessment(),
    Index("ix_audit_by_time", "at", "id"),
    Index("ix_audit_by_tenant", "tenant", "at"),
)

# What became of the patient an answer was about. What is asked of outcomes by the million is copied here from
# `assessments` and `predictions`, which never change: no reader has to join.
outcomes = Table(
    "outcomes",
    metadata,
    _identity(),
    _assessment(nullable=False),
    Column("outcome", String(60), nullable=False),
    Column("source", String(20), nullable=False),  # "rule" or "review"; a review outranks a rule
    Column("label", String(20), nullable=False),  # "yes", "no", "early", "unknown"
    Column("reason", String(100), nullable=False),  # a code: why it is unknown, or the rule that settled it
    Column("happened_at", Instant),
    Column("known_at", Instant, nullable=False),  # the last moment the hospital's record was complete to
    Column("recorded_at", Instant, nullable=False),
    Column("value", Float),  # of the next measurement, in the prediction's unit
    _pseudonym("reviewer", nullable=False),  # "" where a rule settled it
    Column("tenant", String(100), nullable=False),
    _pseudonym("pseudonym", nullable=False),
    Column("model", String(60), nullable=False),
    Column("version", String(60), nullable=False),
    Column("state", String(20), nullable=False),
    Column("status", String(20), nullable=False),
    Column("as_of", Instant, nullable=False),
    Column("hours", Integer, nullable=False),
    Column("probability", Float),
    *(Column(name, String(60), nullable=False) for name in TRAITS),  # "": not known
    UniqueConstraint("assessment_id", "outcome", "source", name="uq_outcomes_settled_once"),
    Index("ix_outcomes_by_moment", "tenant", "model", "outcome", "as_of", "id"),
    Index("ix_outcomes_by_record", "tenant", "model", "outcome", "version", "recorded_at"),
)

# What a rule could not settle of a prediction, and why: it waits for a person until a review stands in `outcomes`.
referrals = Table(
    "referrals",
    metadata,
    _assessment(primary_key=True),
    Column("outcome", String(60), primary_key=True),
    Column("reason", String(100), nullable=False),  # a code
    Column("referred_at", Instant, nullable=False),
)

# What waits now. A list, not a record: the database puts a row on it with the prediction that was doubted or the
# referral, and takes it off with what settles it (migration 0020), so that a page need not look through all that was.
waiting = Table(
    "waiting",
    metadata,
    _assessment(primary_key=True),
    Column("outcome", String(60), primary_key=True),
    Column("why", String(20), primary_key=True),  # "doubted" by the model, or "referred" by a rule
    Column("tenant", String(100), nullable=False),
    Column("model", String(60), nullable=False),
    Column("as_of", Instant, nullable=False),
    Index("ix_waiting_by_moment", "tenant", "as_of", "assessment_id"),
)

# The change log: every line names the one before by its digest, so that none can be changed, dropped or moved.
changes = Table(
    "changes",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", Instant, nullable=False),
    Column("tenant", String(100), nullable=False),  # "" for the whole installation
    Column("kind", String(40), nullable=False),
    Column("author", String(200), nullable=False),
    Column("modification", Text, nullable=False),  # the three headings of a change control plan
    Column("protocol", Text, nullable=False),
    Column("impact", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),
    Index("ix_changes_by_tenant", "tenant", "number"),
)

# What a gate came to, each time it was weighed. The last row is the state the doors go by.
readings = Table(
    "readings",
    metadata,
    _identity(),
    Column("tenant", String(100), nullable=False),
    Column("model", String(60), nullable=False),
    Column("outcome", String(60), nullable=False),
    Column("care_unit", String(60), nullable=False),  # "" for the whole site
    Column("version", String(60), nullable=False),
    Column("at", Instant, nullable=False),
    Column("state", String(20), nullable=False),
    Column("since", Instant, nullable=False),  # when that state began
    Column("gate", String(64), nullable=False),  # digest of the configured gate
    Column("body", Text, nullable=False),  # figures, what is missing, approvals and the trade-off, as JSON
    Index("ix_readings_by_gate", "tenant", "model", "outcome", "care_unit", "at"),
)

# How clear readers found the patient's page: of nobody in particular (governance.clarity).
clarity = Table(
    "clarity",
    metadata,
    _identity(),
    Column("tenant", String(100), nullable=False),
    Column("day", Date, nullable=False),  # and no time of day
    Column("model", String(60), nullable=False),
    Column("version", String(60), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("language", String(35), nullable=False),
    Column("edition", String(16), nullable=False),  # of the page's words
    Column("score", Integer, nullable=False),  # 1, not clear at all, to 5, very clear
    CheckConstraint("score BETWEEN 1 AND 5", name="is_score"),
    Index("ix_clarity_by_day", "tenant", "day"),
)

# One day of answers in narrow rows (governance.daily): what charts read. Nobody's row, and no single value.
daily = Table(
    "daily",
    metadata,
    Column("tenant", String(100), primary_key=True),
    Column("model", String(60), primary_key=True),
    Column("day", Date, primary_key=True),  # of the site's calendar
    Column("kind", String(40), primary_key=True),
    Column("subject", String(60), primary_key=True),  # an input's name, or ""
    Column("size", Integer, nullable=False),
    Column("events", Integer, nullable=False),
    Column("mean", Float, nullable=False),
    Column("squares", Float, nullable=False),
    Column("codes", Text, nullable=False),  # what the input came under that day, as a JSON list
)

# What a chart found, once: while an alarm is not answered, its chart raises no other.
alarms = Table(
    "alarms",
    metadata,
    _identity(),
    Column("tenant", String(100), nullable=False),
    Column("model", String(60), nullable=False),
    Column("outcome", String(60), nullable=False),
    Column("chart", String(40), nullable=False),
    Column("subject", String(60), nullable=False),
    Column("direction", Integer, nullable=False),  # +1 above, -1 below
    Column("crossed_on", Date, nullable=False),
    Column("found_at", Instant, nullable=False),
    Column("after", String(36), nullable=False),  # the answered alarm this one follows; "" for the first
    Column("detail", Text, nullable=False),  # figures and likely cause, as JSON
    UniqueConstraint(
        *("tenant", "model", "outcome", "chart", "subject", "direction", "after"),
        name="uq_alarms_raised_once",
    ),
    Index("ix_alarms_by_time", "tenant", "found_at"),
)

# An alarm that was delivered to the site's webhook; one that is not here is still owed.
alarm_notices = Table(
    "alarm_notices",
    metadata,
    Column("alarm_id", String(36), ForeignKey("alarms.id"), primary_key=True),
    Column("at", Instant, nullable=False),
)

# Whose turn it is to post an alarm (governance.alarm_claims): gone with the answer, or after its time.
alarm_claims = Table(
    "alarm_claims",
    metadata,
    Column("alarm_id", String(36), ForeignKey("alarms.id"), primary_key=True),
    Column("claimer", String(36), nullable=False),
    Column("until", Instant, nullable=False),
)

# What a person decided about an alarm: its chart begins anew on `from_day`.
alarm_answers = Table(
    "alarm_answers",
    metadata,
    Column("alarm_id", String(36), ForeignKey("alarms.id"), primary_key=True),
    Column("at", Instant, nullable=False),
    Column("from_day", Date, nullable=False),
    _pseudonym("user_pseudonym", nullable=False),
    Column("decision", String(100), nullable=False),  # a code
)

# Short-lived state of all workers (webapp.sessions): forgets by time.
ephemera = Table(
    "ephemera",
    metadata,
    Column("slot", String(64), primary_key=True),
    Column("body", LargeBinary),
    Column("expires_at", Instant, nullable=False),
    Column("tally", Integer),  # how often something was done until then
    Index("ix_ephemera_by_end", "expires_at"),
)

CHANGING: Final = ("ephemera", "waiting", "alarm_claims")
APPEND_ONLY: Final = tuple(name for name in metadata.tables if name not in CHANGING)
