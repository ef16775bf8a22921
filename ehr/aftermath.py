"""What came after, in the hospital's own rows -> a `Course`: the record, what in it cannot be used, and the stays.

`reader` reads the rows as everywhere; here stands what an outcome needs beside them: a procedure that was taken back,
a device use with a day and no time, a troponin that could not be read, how a stay ended. What patients are told
apart by in audits (age band, sex, language, race, ethnicity, site and kind of insurance, where known) goes into no
model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Final

from ehr import groups
from ehr.audit_policy import AuditPolicy
from ehr.codes import code_table
from ehr.events import BEGUN, IN_USE, STAYED
from ehr.laboratory import TROPONINS, completed
from ehr.lexicon import Lexicon, lexicon
from ehr.moments import DATE_ONLY, Clock, NotUsed, instant
from ehr.observations import WRONG
from ehr.reader import read_record
from ehr.site import Tenant
from inference.chart import Record
from inference.sequel import Course, Doubt, Spell

Resource = Mapping[str, Any]
DAY: Final = timedelta(days=1)
TAKEN_BACK: Final = "entered-in-error"
NEVER_DRAWN: Final = frozenset({"cancelled"})
RACE: Final = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-race"
ETHNICITY: Final = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-ethnicity"
BANDS: Final = ((18, ""), (40, "18-39"), (65, "40-64"), (80, "65-79"), (1000, "80+"))


def course(
    tenant: Tenant, patient: str, resources: Iterable[Resource], *, zone: tzinfo, truncated: bool
) -> Course:
    """What became of `patient` (a bare id), as far as these rows tell. Never raises for what is in a row."""
    rows = [row for row in resources if isinstance(row.get("id"), str)]
    record = read_record(
        patient,
        rows,
        local_codes=tenant.local_codes,
        care_units=tenant.care_units,
        zone=zone,
        base=tenant.issuer,
        truncated=truncated,
    )
    words = lexicon(tenant.local_codes)
    unread = {row.resource for row in record.refused}
    return Course(
        completed(record, tenant.assays), tuple(_doubts(rows, words, zone, unread)), _spells(rows, words, zone)
    )


def traits(
    record: Record, resources: Iterable[Resource], moment: datetime, zone: tzinfo, policy: AuditPolicy
) -> dict[str, str]:
    """What the patient is told apart by in audits, at `moment`; what is not known is left out."""
    chart, resources = record.at(moment), tuple(resources)
    places = {f"Location/{row.get('id')}": row for row in resources if row.get("resourceType") == "Location"}
    person = next((row for row in resources if row.get("resourceType") == "Patient"), {})
    table, age = code_table(), chart.age_years
    told = {
        "care_unit": chart.person.care_unit,
        "sex": "" if chart.person.sex == "unknown" else chart.person.sex,
        "age_band": "" if age is None else next(band for limit, band in BANDS if age < limit),
        "language": chart.person.language,
        "race": _category(person, RACE, table.races),
        "ethnicity": _category(person, ETHNICITY, table.ethnicities),
        "site": groups.site(resources, places, moment, zone, policy),
        "insurance": groups.insurance(resources, moment, zone, policy),
    }
    return {name: value for name, value in told.items() if value}


def _category(person: Resource, url: str, names: Mapping[tuple[str, str], str]) -> str:
    """The one category of an US Core extension; "" for none, or for several."""
    try:
        codings = [
            part["valueCoding"]
            for extension in person.get("extension") or ()
            if extension.get("url") == url
            for part in extension.get("extension") or ()
            if part.get("url") == "ombCategory"
        ]
        found = {names.get((each.get("system"), each.get("code")), "") for each in codings}
    except WRONG:
        return ""
    return found.pop() if len(found) == 1 else ""


# --- what cannot be used


def _doubts(rows: list[Resource], words: Lexicon, zone: tzinfo, unread: set[str]) -> Iterator[Doubt]:
    devices = {f"Device/{row['id']}": row for row in rows if row.get("resourceType") == "Device"}
    for row in rows:
        where = f"{row.get('resourceType')}/{row['id']}"
        try:
            if row["resourceType"] in ("Procedure", "DeviceUseStatement"):
                yield from _of_support(row, where, words, devices, zone)
            elif row["resourceType"] == "Observation":
                yield from _of_observation(row, where, words, zone, unread)
        except WRONG:
            continue  # malformed: the reader has refused it by name


def _of_support(
    row: Resource, where: str, words: Lexicon, devices: Mapping[str, Resource], zone: tzinfo
) -> Iterator[Doubt]:
    """A procedure or a device in use: taken back, or without a time of day."""
    if row["resourceType"] == "Procedure":
        concepts = [row.get("code") or {}, row.get("category") or {}]
        names: tuple[str, ...] = ("performedPeriod", "performedDateTime")
        begun = BEGUN
    else:
        held = {f"#{one['id']}": one for one in row.get("contained") or () if "id" in one}
        reference = str((row.get("device") or {}).get("reference"))
        concepts = [(held.get(reference) or devices.get(reference) or {}).get("type") or {}]
        names, begun = ("timingPeriod", "timingDateTime", "recordedOn"), IN_USE
    if next((kind for each in concepts if (kind := words.event(each))), "") != "ventilation":
        return
    reason, first, last = _when(row, names, zone)
    if row.get("status") == TAKEN_BACK:
        yield Doubt("ventilation", TAKEN_BACK, where, first, last)
    elif reason and row.get("status") in begun:
        yield Doubt("ventilation", reason, where, first, last)


def _of_observation(
    row: Resource, where: str, words: Lexicon, zone: tzinfo, unread: set[str]
) -> Iterator[Doubt]:
    """A ventilator's row or a troponin: taken back, unreadable, or without a time of day."""
    entry = words.entry(row.get("code") or {})
    troponin = entry.variable is not None and entry.variable.name in TROPONINS
    ventilator = entry.meaning is not None and entry.meaning.kind in ("mode", "tidal")
    device = entry.variable is not None and entry.variable.name == "oxygen_device"
    if not (troponin or ventilator or device) or row.get("status") in NEVER_DRAWN:
        return
    kind = "troponin" if troponin else "ventilation"
    reason, first, last = _when(row, ("effectiveDateTime", "effectiveInstant", "effectivePeriod", "issued"), zone)
    if row.get("status") == TAKEN_BACK and not device:
        yield Doubt(kind, TAKEN_BACK, where, first, last)
    elif reason:
        yield Doubt(kind, reason, where, first, last)
    elif troponin and where in unread:
        yield Doubt(kind, "draw-not-read", where, first, last)


def _when(row: Resource, names: Iterable[str], zone: tzinfo) -> tuple[str, datetime | None, datetime | None]:
    """Why the moment is not known ("" where it is), and between which moments it lies."""
    for name in names:
        sent = row.get(name)
        text = sent.get("start") if isinstance(sent, Mapping) else sent
        if text is None:
            continue
        try:
            if isinstance(text, str) and len(text) == DATE_ONLY:
                start = datetime.combine(date.fromisoformat(text), time.min, zone).astimezone(UTC)
                return "day-without-time", start, start + DAY
            moment = instant(text)
        except (NotUsed, ValueError):
            return "time-not-read", None, None
        return "", moment, moment
    return "time-missing", None, None


# --- the stays


def _spells(rows: list[Resource], words: Lexicon, zone: tzinfo) -> tuple[Spell, ...]:
    clock, found = Clock(zone), []
    for row in rows:
        try:
            if row["resourceType"] == "Encounter" and row.get("status") in STAYED and not row.get("partOf"):
                code = (row.get("class") or {}).get("code")
                if not code or code in words.table.stay_classes:
                    found.append(_spell(row, words, clock))
        except (NotUsed, *WRONG):
            continue
    died = _died(rows)
    return tuple(found if died is None else [_until_death(spell, died) for spell in found])


def _spell(row: Resource, words: Lexicon, clock: Clock) -> Spell:
    start, end = clock.begin(row, "period")
    if end is None and row["status"] != "finished":
        return Spell(start, None, "")
    told = ((row.get("hospitalization") or {}).get("dischargeDisposition") or {}).get("coding") or ()
    codes = [(words.table.system(each.get("system") or ""), str(each.get("code"))) for each in told]
    ways = {words.table.departures[code] for code in codes if code in words.table.departures}
    return Spell(start, end, ways.pop() if len(ways) == 1 else "unsaid")


def _died(rows: Iterable[Resource]) -> datetime | None:
    """When the patient died, where that is known to the minute."""
    for row in rows:
        if row.get("resourceType") == "Patient" and row.get("deceasedDateTime"):
            try:
                return instant(row["deceasedDateTime"])
            except NotUsed:
                return None
    return None


def _until_death(spell: Spell, died: datetime) -> Spell:
    if died < spell.start or (spell.end is not None and spell.end < died):
        return spell
    return replace(spell, end=died, how="died")
