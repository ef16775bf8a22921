"""What goes into the ledger and what comes out: frozen data, no behaviour."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from governance.keys import Pseudonym
from inference.assessment import Assessment, State, Status

DOORS: Final = frozenset({"hook", "launch", "batch"})
OUTCOMES: Final = frozenset({"accepted", "overridden"})
SUSPENSION_SAID: Final = "suspension-said"  # kind of event: a user was told on a card that a model is suspended
CARD_LATE: Final = "card-late"  # kind of event: the card of an answer was ready too late and was not sent


@dataclass(frozen=True, slots=True)
class Entry:
    """One answer on its way into the ledger. `patient`, `user`, `encounter` are the EHR's ids.

    `shown_at` is when it was put before a person, None when it was recorded silently. `hook_instance` is ""
    when no hook asked; with one, the same question is answered once. `threshold` is the site's, 0..1, then.
    """

    assessment: Assessment = field(repr=False)
    tenant: str
    patient: str = field(repr=False)
    door: str  # one of DOORS
    state: State
    shown_at: datetime | None = None
    hook: str = ""
    hook_instance: str = ""
    user: str = field(default="", repr=False)
    encounter: str = field(default="", repr=False)
    threshold: float | None = None
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Recorded:
    """One answer as the ledger holds it. `again`: it was there before this call."""

    id: str
    assessment: Assessment = field(repr=False)
    tenant: str
    pseudonym: Pseudonym
    door: str
    state: State
    made_at: datetime
    shown_at: datetime | None
    hook: str = ""
    hook_instance: str = ""
    threshold: float | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class Recent:
    """An earlier answer about the same patient, without its document. `probability` is the headline's.

    `card_at` and `indicator` are of the last card really shown for it.
    """

    id: str
    made_at: datetime
    as_of: datetime
    version: str
    status: Status
    reason: str
    door: str
    state: State
    shown_at: datetime | None
    user: Pseudonym
    outcome: str
    probability: float | None
    card_at: datetime | None = None
    indicator: str = ""


@dataclass(frozen=True, slots=True)
class FollowUp:
    """Whose answer it was: opened only to look for the outcome."""

    patient: str = field(repr=False)
    encounter: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Card:
    """A card that was shown, or was not and why (`withheld`). Its summary is kept as a digest only."""

    id: str
    assessment_id: str | None
    hook: str
    shown_at: datetime
    indicator: str
    withheld: str = ""


@dataclass(frozen=True, slots=True)
class LastCard:
    """The last card really shown to one user about one patient by one model, and the answer it was about."""

    id: str
    assessment: Assessment = field(repr=False)
    state: State
    indicator: str
    shown_at: datetime


@dataclass(frozen=True, slots=True)
class Repeat:
    """Why a card is not sent: it says what the last one said. `moved` is 0..1, None without a probability."""

    reason: str
    moved: float | None = None


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One thing a card offers to do: the id the client accepts it by, its kind, and when it is for."""

    id: str
    kind: str
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a clinician did with a card, as the CDS client told it; `card` may be one we never sent."""

    card: str
    outcome: str  # one of OUTCOMES
    at: datetime
    override_code: str = ""
    override_system: str = ""
    comment: str = field(default="", repr=False)
    accepted: tuple[str, ...] = ()  # ids of the suggestions taken


@dataclass(frozen=True, slots=True)
class Release:
    """A patient's page handed out: by whom (a pseudonym), in which language, when."""

    assessment_id: str
    user: Pseudonym
    language: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Event:
    """What was done with an answer, by whom (a pseudonym), when: "viewed", "printed", "written", ..."""

    kind: str
    at: datetime
    user: Pseudonym
    detail: Mapping[str, str]
