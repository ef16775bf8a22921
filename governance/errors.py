"""Everything the memory can refuse, as one branch of the tree in `inference.errors`.

    OrdertimeError
    └── GovernanceError
        ├── SetupError          a database address or a secret that must not be used
        ├── LedgerUnavailable   the database is down, locked, full, read-only or not migrated: ask again
        ├── LedgerRefusal       something the ledger will not hold (an unknown door, a time without a zone)
        │   ├── UnknownAssessment   a release or an event about an assessment that is not there
        │   └── OutcomeRefusal      an outcome that cannot be what became of its prediction
        │       ├── UnknownPrediction   the answer predicted no such outcome
        │       ├── OutcomeBefore       it happened before the prediction was made
        │       ├── OutcomeOutside      after the prediction's hours, or settled before they were over
        │       ├── OutcomeSkewed       a clock is ahead of ours by more than is forgiven
        │       └── OutcomeDisputed     the same source said otherwise before
        ├── GateRefusal         a gate file, an approval or a key that must not be believed
        ├── ReviewRefusal       a week that is none, or a signature or decision that must not be believed
        ├── ExportRefusal       an exported folder that is not whole, or not as it was written
        ├── DemandRefusal       numbers from which no ventilators can be counted
        ├── Unreadable          sealed under another secret, moved to another row, or damaged
        └── CodecError          not an assessment, or not one of this version

A message says what was wrong and what would mend it; it never carries patient data, a statement or its
parameters.
"""

from __future__ import annotations

from inference.errors import OrdertimeError


class GovernanceError(OrdertimeError):
    """Root of the memory's refusals."""


class SetupError(GovernanceError):
    """The database address or the secret cannot be used."""


class LedgerUnavailable(GovernanceError):
    """Nothing was kept; the same request may be sent again. Doors answer 503."""


class LedgerRefusal(GovernanceError):
    """The ledger will not hold this."""


class UnknownAssessment(LedgerRefusal):
    """No assessment of that id is in the ledger."""


class OutcomeRefusal(LedgerRefusal):
    """What is told cannot be what became of this prediction. `code` names the refusal in counts and logs."""

    code = "refused"


class UnknownPrediction(OutcomeRefusal):
    """The answer has no prediction of this outcome."""

    code = "no-prediction"


class OutcomeBefore(OutcomeRefusal):
    """It happened before the prediction was made."""

    code = "before-prediction"


class OutcomeOutside(OutcomeRefusal):
    """It happened after the prediction's hours, or nothing happened and the hours are not over."""

    code = "outside-window"


class OutcomeSkewed(OutcomeRefusal):
    """A moment lies in our future by more than is forgiven: one of the clocks is wrong."""

    code = "clock-skew"


class OutcomeDisputed(OutcomeRefusal):
    """The same source settled this outcome before, and otherwise. The first stays; a person must look."""

    code = "disputed"


class GateRefusal(GovernanceError):
    """A gate file, an approval or a key that must not be believed: which one, and why."""


class ReviewRefusal(GovernanceError):
    """A week that is none, a review that is not there, a signature or a decision that must not be believed."""


class ExportRefusal(GovernanceError):
    """An exported folder that must not be used: what is missing of it, or which file is not as it was written."""


class DemandRefusal(GovernanceError):
    """What was given cannot be counted: which number, and what it must be."""


class Unreadable(GovernanceError):
    """What is sealed in the database does not open with this secret at this place."""


class CodecError(GovernanceError):
    """An assessment that cannot be written down without loss, or a document that is not an assessment."""
