"""Coverage and Encounter -> the groups a patient belongs to in audits: kind of insurance, and site.

Coarse on purpose: five categories of insurance whatever the plan, and a site only where the tenant file names it. No
plan's, payer's or person's name and no number is read. What is not plainly said is not known; nobody without a
Coverage is taken for uninsured. Never raises for what is in a resource; goes into no model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, tzinfo
from typing import Any, Final

from ehr.audit_policy import AuditPolicy
from ehr.codes import CodeTable, code_table
from ehr.events import STAYED
from ehr.moments import Clock, NotUsed
from ehr.observations import WRONG
from ehr.units import keys_of, plain, texts

Resource = Mapping[str, Any]
TYPOLOGY: Final = code_table().system("urn:oid:2.16.840.1.113883.3.221.5")
MEDICARE, MEDICAID, BOTH, SEVERAL = "Medicare", "Medicaid", "Medicare and Medicaid", "several"
LAST: Final = 1_000_000  # in order, of a Coverage that says none


def insurance(rows: Iterable[Resource], moment: datetime, zone: tzinfo, policy: AuditPolicy) -> str:
    """The kind of insurance in force at `moment`; "several" where kinds differ and none comes first; "" not known."""
    found: list[tuple[int, str]] = []
    for row in rows:
        try:
            if row["resourceType"] == "Coverage" and row.get("status") == "active" and _in_force(row, moment, zone):
                order = row.get("order")
                kind = _kind(row.get("type") or {}, policy, code_table())
                found.append((order if isinstance(order, int) else LAST, kind))
        except WRONG:
            continue
    kinds = {kind for _, kind in found if kind}
    if {MEDICARE, MEDICAID} <= kinds:
        return BOTH
    if len(kinds) <= 1:
        return next(iter(kinds), "")
    first = min(order for order, kind in found if kind)
    primary = {kind for order, kind in found if kind and order == first}
    return primary.pop() if len(primary) == 1 else SEVERAL


def site(
    rows: Iterable[Resource], places: Mapping[str, Resource], moment: datetime, zone: tzinfo, policy: AuditPolicy
) -> str:
    """The site of the stay at `moment`, as the tenant file names it; "" where it names none, or two."""
    if not policy.sites:
        return ""
    clock, found = Clock(zone), set[str]()
    for row in rows:
        try:
            if row["resourceType"] == "Encounter" and row.get("status") in STAYED:
                start, end = clock.begin(row, "period")
                if start <= moment and (end is None or moment < end):
                    found |= _named([row.get("serviceProvider") or {}], {}, policy) or _named(
                        _there(row, moment, clock), places, policy
                    )
        except (NotUsed, *WRONG):
            continue
    return found.pop() if len(found) == 1 else ""


def _in_force(row: Resource, moment: datetime, zone: tzinfo) -> bool:
    """Whether a Coverage's period, in days here, holds the moment; without one it does."""
    period, today = row.get("period") or {}, moment.astimezone(zone).date()
    try:
        start, end = (None if text is None else _day(text, zone) for text in map(period.get, ("start", "end")))
    except ValueError:
        return False
    return (start is None or start <= today) and (end is None or today <= end)


def _day(text: str, zone: tzinfo) -> date:
    """A date, or the day of a time, here. Raises ValueError, also for a year or a month alone."""
    if len(text) <= len("2026-11-29"):
        return date.fromisoformat(text)
    moment = datetime.fromisoformat(text)
    return (moment.astimezone(zone) if moment.tzinfo else moment).date()


def _kind(concept: Resource, policy: AuditPolicy, table: CodeTable) -> str:
    """The category of one Coverage's type: the site's own map first, then codes; "" for none, or for two."""
    codings = [each for each in concept.get("coding") or () if isinstance(each, Mapping)]
    words = texts(concept.get("text"), *(each.get("display") for each in codings))
    own = {f"{each.get('system') or ''}|{each.get('code')}" for each in codings} | set(words)
    mapped = {policy.insurance[key] for key in map(plain, own) if key in policy.insurance}
    kinds = mapped or {kind for each in codings if (kind := _of_code(each, table))}
    return kinds.pop() if len(kinds) == 1 else ""


def _of_code(coding: Resource, table: CodeTable) -> str:
    system, code = table.system(coding.get("system") or ""), str(coding.get("code"))
    if system == TYPOLOGY:
        stems = (code[:length] for length in range(len(code), 0, -1))
        return next((table.insurance_stems[stem] for stem in stems if stem in table.insurance_stems), "")
    return table.insurance_codes.get((system, code), "")


def _there(row: Resource, moment: datetime, clock: Clock) -> Iterator[Resource]:
    """The places of an Encounter whose time holds the moment."""
    for entry in row.get("location") or ():
        period = entry.get("period") or {}
        start, end = (
            None if text is None else clock.moment(text, entry) for text in map(period.get, ("start", "end"))
        )
        if (start is None or start <= moment) and (end is None or moment < end):
            yield entry.get("location") or {}


def _named(references: Iterable[Resource], places: Mapping[str, Resource], policy: AuditPolicy) -> set[str]:
    found = set[str]()
    for one in references:
        here = places.get(str(one.get("reference"))) or {}
        known = (*texts(one.get("display"), here.get("name")), *keys_of(one, here))
        found |= {policy.sites[key] for key in map(plain, known) if key in policy.sites}
    return found
