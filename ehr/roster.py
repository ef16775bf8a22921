"""Who lies in a unit, by the hospital's Group, and each one's chart: one reading of everybody, by backend services.

Every member is answered for: with a chart, or with the error that left none (by its name, nothing of the patient). A
hospital that asks for patience gets it, for a while. Refuses to go on (raises) without the Group itself, and when the
hospital no longer lets us read at all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, TypeVar

from ehr.bulk import PATIENT
from ehr.errors import EhrError, MalformedAnswer, MalformedRequest, Throttled, Unauthorised
from ehr.moments import NotUsed, instant
from ehr.records import FHIR_ID, Reading
from ehr.transport import FhirHttp

TRIES: Final = 4  # of one reading that the hospital asks to wait with
USUAL_WAIT: Final = 5.0  # seconds, where it does not say how long
LONGEST_WAIT: Final = 120.0
MOST_MEMBERS: Final = 1000
Done = TypeVar("Done")


@dataclass(frozen=True, slots=True)
class Roster:
    """The patients (bare ids) of a Group, each once; `others` are members that are no patients of this server."""

    patients: tuple[str, ...] = field(repr=False)
    others: int = 0


@dataclass(frozen=True, slots=True)
class Charted:
    """One patient's chart as read; None with the name of the error that left none."""

    patient: str = field(repr=False)
    reading: Reading | None = field(repr=False)
    fault: str = ""


def roster(http: FhirHttp, group: str, *, now: datetime) -> Roster:
    """Who is in the Group `group` (a bare id) now. Raises EhrError."""
    if not FHIR_ID.fullmatch(group) or group in (".", ".."):
        raise MalformedRequest("is no FHIR id", "group")
    row = http.get(f"Group/{group}")
    members = row.get("member", [])
    if row.get("resourceType") != "Group" or not isinstance(members, list):
        raise MalformedAnswer("the answer is no Group", "Group")
    if len(members) > MOST_MEMBERS:
        raise MalformedAnswer(f"the Group has more than {MOST_MEMBERS} members; name a unit's own", "Group")
    found = [_member(each, http.base) for each in members if _present(each, now)]
    patients = dict.fromkeys(one for one in found if one)
    return Roster(tuple(patients), found.count(""))


def charts(
    patients: Iterable[str], read: Callable[[str], Reading], *, wait: Callable[[float], None]
) -> Iterator[Charted]:
    """Each patient's chart, in order, as soon as it is read. Raises Unauthorised."""
    for patient in patients:
        try:
            yield Charted(patient, patiently(lambda one=patient: read(one), wait))  # type: ignore[misc]
        except Unauthorised:
            raise
        except EhrError as error:
            yield Charted(patient, None, type(error).__name__)


def patiently(ask: Callable[[], Done], wait: Callable[[float], None]) -> Done:
    """What `ask` gives; a hospital that is busy is asked again after the time it names. Raises EhrError."""
    for left in range(TRIES - 1, -1, -1):
        try:
            return ask()
        except Throttled as busy:
            if not left:
                raise
            wait(min(busy.retry_after or USUAL_WAIT, LONGEST_WAIT))
    raise AssertionError("unreachable")


def _present(member: Any, now: datetime) -> bool:
    """Whether a member is one still: neither inactive nor gone. An end that cannot be read ends nothing."""
    if not isinstance(member, Mapping) or member.get("inactive") is True:
        return False
    period = member.get("period")
    end = period.get("end") if isinstance(period, Mapping) else None
    if not isinstance(end, str):
        return True
    try:
        return instant(end) > now
    except NotUsed:
        return True


def _member(member: Mapping[str, Any], base: str) -> str:
    """The bare id of a patient of this server; "" for anybody and anything else."""
    entity = member.get("entity")
    reference = entity.get("reference") if isinstance(entity, Mapping) else None
    if not isinstance(reference, str):
        return ""
    found = PATIENT.search(reference.removeprefix(f"{base}/"))
    return found[1] if found and found.start() == 0 else ""
