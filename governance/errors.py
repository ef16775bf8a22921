"""Everything the memory can refuse, as one branch of the tree in `inference.errors`.

    OrdertimeError
    └── GovernanceError
        ├── SetupError          a database address or a secret that must not be used
        ├── LedgerUnavailable   the database is down, locked, full, read-only or not migrated: ask again
        ├── LedgerRefusal       something the ledger will not hold (an unknown door, a time without a zone)
        │   └── UnknownAssessment   a release or an event about an assessment that is not there
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


class DemandRefusal(GovernanceError):
    """What was given cannot be counted: which number, and what it must be."""


class Unreadable(GovernanceError):
    """What is sealed in the database does not open with this secret at this place."""


class CodecError(GovernanceError):
    """An assessment that cannot be written down without loss, or a document that is not an assessment."""
