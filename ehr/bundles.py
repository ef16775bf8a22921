"""Bundles as servers send them: what is in them, whose it is, whether there is more,
how far back they reach.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Final

from ehr.moments import NotUsed, instant
from ehr.reader import refers_to

Resource = Mapping[str, Any]
ENOUGH: Final = timedelta(hours=72)  # rows that reach this far back miss nothing a model looks at


def resources_of(entries: Iterable[Any]) -> Iterator[Resource]:
    """The resources of a Bundle's entries; an entry without one, or with something else, is passed over."""
    for entry in entries:
        resource = entry.get("resource") if isinstance(entry, Mapping) else None
        if isinstance(resource, Mapping):
            yield resource


def issue_codes(outcome: Resource) -> list[str]:
    """The codes of an OperationOutcome's issues: never its text, which may name a patient."""
    issues = outcome.get("issue")
    rows = [row for row in issues if isinstance(row, Mapping)] if isinstance(issues, list) else []
    return [
        code for row in rows if isinstance(code := row.get("code"), str) and code.isascii() and len(code) < 40
    ]


def has_more(bundle: Resource) -> bool:
    """Whether the server says that there are further rows: a next page, or a total above what came."""
    entries = bundle.get("entry")
    return _goes_on(bundle) or more_than(bundle, len(entries) if isinstance(entries, list) else 0)


def more_than(bundle: Resource, read: int) -> bool:
    """Whether the server counts more rows than the `read` ones, or speaks of a next page without saying where."""
    total = bundle.get("total")
    if isinstance(total, int) and not isinstance(total, bool):
        return total > read
    return _goes_on(bundle)


def _goes_on(bundle: Resource) -> bool:
    links = bundle.get("link")
    rows = links if isinstance(links, list) else []
    return any(isinstance(row, Mapping) and row.get("relation") == "next" for row in rows)


def reaches_far(rows: Sequence[Resource], as_of: datetime | None = None) -> bool:
    """Whether these rows are newest first, as asked, and go back so far (from `as_of` too) that older ones
    do not matter.

    A server that does not sort is found out by any step upwards: its first page says nothing of the newest.
    """
    times: list[datetime] = []
    for row in rows:
        period = row.get("effectivePeriod")
        text = row.get("effectiveDateTime") or (period.get("end") if isinstance(period, Mapping) else None)
        try:
            times.append(instant(text))
        except NotUsed:
            continue
    newest_first = all(earlier <= later for later, earlier in pairwise(times))
    if not times or not newest_first:
        return False
    return times[0] - times[-1] >= ENOUGH and (as_of is None or as_of - times[-1] >= ENOUGH)


def belongs(row: Resource, patient: str, base: str) -> bool:
    """Whether a row is this patient's, or a thing without a subject."""
    if row.get("resourceType") == "Patient":
        return row.get("id") == patient
    if row.get("resourceType") in ("Device", "Location"):
        return True  # things without a subject; a device is used only where a row of this patient names it
    subject = row.get("beneficiary" if row.get("resourceType") == "Coverage" else "subject")
    reference = subject.get("reference") if isinstance(subject, Mapping) else None
    return isinstance(reference, str) and refers_to(reference, patient, base)
