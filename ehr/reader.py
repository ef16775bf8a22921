"""FHIR JSON -> Record. Raw dicts in, the vocabulary's measurements and events out; the chart is
`record.at(moment)`.

What is read: Patient, Encounter, Observation (also contained, and in components), Procedure,
DeviceUseStatement with its Device, Condition, Location, DiagnosticReport's contained rows. One malformed
resource loses only itself; what was read and not used stands in `Record.refused`, with one of these reasons:

    malformed, no-id, other-patient, modifier-extension            the resource
    status, code-unknown, codes-disagree, label-contradicts-code   what it says it is (status:
    entered-in-error, ...) venous-gas, ratio-of-inputs, not-an-input, ignored-here        known, and left out
    on purpose no-value, form-not-read, not-a-number, level-unknown           its value
    unit-missing, unit-unknown, unit-contradiction, comparator-unknown, implausible, unit-jump, running-total
    no-time, time-unreadable, time-without-zone, time-too-coarse   its time
    time-is-issued                                                 used, with `issued` for want of a time
    taken birth-date-unreadable                                          the person
    and-more                                                       how many further refusals were not listed

Refuses to guess, and to read another patient's rows. Never raises for what is in a resource.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, tzinfo
from functools import cached_property
from types import MappingProxyType
from typing import Any, Final

from ehr.coherence import coma_totals, double_counts, unit_jumps
from ehr.events import Events, device_events, ended, evidence_events, place_words
from ehr.lexicon import Lexicon, lexicon
from ehr.moments import Clock, NotUsed
from ehr.observations import WRONG, Observations, Sink
from ehr.persons import condition_of, read_person
from ehr.units import PlacedRecord, Unit, read_units, site_map
from inference.chart import Event, Measurement, Person, Record, Refusal

NONE: Mapping[str, str] = MappingProxyType({})
DEEPEST: Final = 3  # bundles within bundles: a batch's answer holds searchsets, and those hold rows
LISTED: Final = 200  # refusals named one by one; the rest are counted
LONGEST: Final = 160  # characters of what a row said that are kept and shown
BY_CODE: Final = frozenset(
    {"code-unknown", "venous-gas", "ratio-of-inputs", "not-an-input", "ignored-here"}
)  # one row a code
CLINICAL: Final = (
    "Observation",
    "Encounter",
    "Procedure",
    "DeviceUseStatement",
    "Condition",
    "DiagnosticReport",
)
Resource = Mapping[str, Any]


def read_record(
    patient: str,
    resources: Iterable[Resource],
    *,
    local_codes: Mapping[str, str] = NONE,
    care_units: Mapping[str, str] = NONE,
    zone: tzinfo = UTC,
    base: str = "",
    truncated: bool = False,
    in_order: bool = False,
) -> Record:
    """Everything `resources` say of `patient` (an id without type).

    `local_codes` and `care_units` are the tenant's own (see `ehr.codes`, `ehr.units`); `zone` places dates
    without a time of day; with `base`, an absolute reference to a patient on another server is another patient.
    The same type and id counts once, newest version; foreign rows are refused. Which care unit the patient lay
    in is told by the record's charts, each for its own moment, and not by `Record.person`.

    `in_order` promises that the Patient and every Device come before the Observations: these are then read as
    they come and none is held, which halves the time of a long export.
    """
    reading = _Reading(patient, lexicon(local_codes), zone, base, in_order)
    reading.collect(resources)
    return reading.record(truncated, care_units)


class _Reading:
    def __init__(self, patient: str, words: Lexicon, zone: tzinfo, base: str, in_order: bool) -> None:
        self.patient, self.lexicon, self.base, self.in_order = patient, words, base.rstrip("/"), in_order
        self.clock = Clock(zone)
        self._depth = 0  # of bundles within bundles, now
        self.sink = Sink()
        self.rows: dict[str, dict[str, Resource]] = {}  # by type, then by "type/id"
        self._ours: dict[Any, bool] = {}
        self._read: dict[str, Any] = {}  # Observations read as they came -> their meta

    def collect(self, resources: Iterable[Resource]) -> None:
        """Take each resource once, by type and id."""
        for resource in resources:
            try:
                if self.in_order and resource["resourceType"] == "Observation":
                    self._now(resource)
                else:
                    self._take(resource)
            except NotUsed as why:
                self._refuse(_name(resource), why.reason, why.detail)
            except WRONG as wrong:
                self._refuse(_name(resource), "malformed", type(wrong).__name__)

    def _take(self, resource: Resource) -> None:
        kind, key = resource["resourceType"], resource.get("id")
        if kind == "Bundle":
            self._open(resource)
            return
        if not isinstance(kind, str) or not isinstance(key, str) or not key:
            raise NotUsed("no-id")
        name = f"{kind}/{key}"
        rows = self.rows.setdefault(kind, {})
        before = rows.get(name)
        if before is None or _version(before) < _version(resource):
            rows[name] = resource

    def _open(self, bundle: Resource) -> None:
        """Take a bundle's resources; bundles within bundles lose themselves beyond DEEPEST."""
        if self._depth >= DEEPEST:
            raise NotUsed("malformed", "bundles within bundles")
        entries = [entry for entry in bundle.get("entry") or () if isinstance(entry, Mapping)]
        self._depth += 1
        try:
            self.collect([entry["resource"] for entry in entries if "resource" in entry])
        finally:
            self._depth -= 1

    def _now(self, row: Resource) -> None:
        """Read an Observation as it comes; nothing of it is held."""
        key = row.get("id")
        if not isinstance(key, str) or not key:
            raise NotUsed("no-id")
        where = f"Observation/{key}"
        if where in self._read:
            if _version({"meta": self._read[where]}) >= _version(row):
                return
            self.sink.forget(where)
        self._read[where] = row.get("meta")
        if not self._is_ours(row):
            raise NotUsed("other-patient")
        if "contained" not in row:
            self.observations.read(row, where)
        else:
            self._each(where, self.observations.read, row, where)
            for inner, held in self._contained(where, row):
                self._each(inner, self.observations.read, held, inner)

    @cached_property
    def person(self) -> Person:
        """Who the patient is, from the Patient and the Conditions taken so far."""
        return self._person()

    @cached_property
    def observations(self) -> Observations:
        """What reads Observations, knowing the person's sex and the devices taken so far."""
        return Observations(self.lexicon, self.clock, self.person.sex, self._device_words(), self.sink)

    def record(self, truncated: bool, care_units: Mapping[str, str]) -> Record:
        for where, row in self._of("Observation"):
            self._each(where, self.observations.read, row, where)
        for where, row in self._contained_observations():
            self._each(where, self.observations.read, row, where)
        measurements = self._coherent()
        events, given = self._events(measurements)
        return PlacedRecord(
            self.patient,
            self.person,
            (*measurements, *given),
            tuple(events),
            self._refusals(),
            truncated,
            units=self._units(care_units),
        )

    def _each(self, where: str, read: Any, *arguments: Any) -> Any:
        """Read one row; what goes wrong with it is its own refusal, and nobody else's."""
        try:
            return read(*arguments)
        except NotUsed as why:
            self._refuse(where, why.reason, why.detail)
        except WRONG as wrong:
            self._refuse(where, "malformed", type(wrong).__name__)
        return None

    def _of(self, kind: str) -> Iterator[tuple[str, Resource]]:
        """This patient's rows of one type; another's are refused."""
        for where, row in self.rows.get(kind, {}).items():
            if self._is_ours(row):
                yield where, row
            else:
                self._refuse(where, "other-patient", "")

    def _is_ours(self, row: Resource) -> bool:
        try:
            return self._ours[row["subject"]["reference"]]
        except (KeyError, TypeError):
            subject = row.get("subject")
        reference = subject.get("reference") if isinstance(subject, Mapping) else None
        if not isinstance(reference, str):
            return False
        known = self._ours[reference] = refers_to(reference, self.patient, self.base)
        return known

    def _contained_observations(self) -> Iterator[tuple[str, Resource]]:
        """Observations inside this patient's reports and panels."""
        for kind in ("DiagnosticReport", "Observation"):
            for where, row in self.rows.get(kind, {}).items():
                if row.get("contained") and self._is_ours(row):
                    yield from self._contained(where, row)

    def _contained(self, where: str, row: Resource) -> Iterator[tuple[str, Resource]]:
        """Observations inside one row; they stand or fall with it."""
        held = row["contained"]
        if row.get("status") in ("entered-in-error", "cancelled") or not isinstance(held, list):
            return
        for inner in held:
            if isinstance(inner, Mapping) and inner.get("resourceType") == "Observation":
                if inner.get("subject") is None or self._is_ours(inner):
                    yield f"{where}#{inner.get('id') or ''}", inner
                else:
                    self._refuse(where, "other-patient", "contained")

    def _person(self) -> Person:
        found = {self._each(where, condition_of, row, self.lexicon) for where, row in self._of("Condition")}
        conditions = frozenset(name for name in found if name)
        name, person = f"Patient/{self.patient}", None
        for where, row in self.rows.get("Patient", {}).items():
            if where != name:
                self._refuse(where, "other-patient", "")
                continue
            person = self._each(where, read_person, row, conditions)
            if person is None:  # what cannot be read is lost; the sex is not
                person = self._each(where, read_person, {"gender": row.get("gender")}, conditions)
        return person or Person(conditions=conditions)

    def _device_words(self) -> Mapping[str, str]:
        devices = self.rows.get("Device", {})
        return {where: self._each(where, _device_words, row) or "" for where, row in devices.items()}

    def _coherent(self) -> list[Measurement]:
        rows = self.sink.measurements
        rows = rows + coma_totals(self.sink.coma, rows)
        out = [*unit_jumps(rows, self.lexicon), *double_counts(rows, self.sink.spans)]
        if not out:
            return rows
        gone = {id(row) for row, _ in out}
        self.sink.refused += [(refusal.resource, refusal.reason, refusal.detail) for _, refusal in out]
        return [row for row in rows if id(row) not in gone]

    def _events(self, measurements: Iterable[Measurement]) -> tuple[list[Event], list[Measurement]]:
        """What began when, and oxygen devices that are known from their use."""
        devices, locations = self.rows.get("Device", {}), self.rows.get("Location", {})
        places = {where: self._each(where, place_words, row) or "" for where, row in locations.items()}
        events = Events(self.lexicon, self.clock, devices, places)
        for where, row in self._of("Encounter"):
            self._each(where, events.encounter, row, where)
        for where, row in self._of("Procedure"):
            self._each(where, events.procedure, row, where)
        for where, row in self._of("DeviceUseStatement"):
            self._each(where, lambda row, where: events.device_use(row, where, _contained(row)), row, where)
        for where, row in self._of("Condition"):
            self._each(where, events.condition, row, where)
        admissions = [event.start for event in events.found if event.kind == "admission"]
        charted = [row for row in measurements if row.variable == "oxygen_device"]
        levels = self.lexicon.vocabulary["oxygen_device"].levels
        shown = [*evidence_events(self.sink.evidence, admissions), *device_events(charted, levels)]
        return [*ended(events.found, events.over, admissions), *shown], events.given

    def _units(self, care_units: Mapping[str, str]) -> tuple[Unit, ...]:
        """Where the patient lay when; an Encounter that is not used is refused among the events."""
        stays = [row for row in self.rows.get("Encounter", {}).values() if self._is_ours(row)]
        return read_units(stays, self.rows.get("Location", {}), site_map(care_units), self.clock)

    def _refuse(self, where: str, reason: str, detail: str) -> None:
        self.sink.refused.append((where, reason, detail))

    def _refusals(self) -> tuple[Refusal, ...]:
        """One refusal a row, except that rows of one unknown code, or without a time of their own,
        are counted together.
        """
        listed: list[Refusal] = []
        counted: dict[tuple[str, str], tuple[str, int]] = {}
        for where, reason, told in self.sink.refused:
            detail = told[:LONGEST]
            if reason in BY_CODE:
                first, many = counted.get((reason, detail), (where, 0))
                counted[(reason, detail)] = (first, many + 1)
            else:
                listed.append(Refusal(where, reason, detail))
        if self.sink.only_issued:
            counted[("time-is-issued", "")] = (self.sink.only_issued[0], len(self.sink.only_issued))
        for (reason, detail), (first, many) in counted.items():
            listed.append(Refusal(first, reason, f"{detail} ({many})".strip() if many > 1 else detail))
        if len(listed) <= LISTED:
            return tuple(listed)
        return (*listed[:LISTED], Refusal("", "and-more", str(len(listed) - LISTED)))


def refers_to(reference: str, patient: str, base: str = "") -> bool:
    """Whether `reference` is to this Patient: relative,
    or absolute on `base` (on any server where none is given).
    """
    path = reference.split("/_history/")[0]
    if path == f"Patient/{patient}":
        return True
    if "://" not in path or not path.endswith(f"/Patient/{patient}"):
        return False
    return not base or path == f"{base.rstrip('/')}/Patient/{patient}"


def _version(resource: Resource) -> tuple[datetime, int, str]:
    """Newer versions compare greater: by lastUpdated, then by versionId as a number where it is one."""
    meta = resource.get("meta") or {}
    number = str(meta.get("versionId") or "")
    try:
        updated = Clock(UTC).instant(meta["lastUpdated"])
    except (NotUsed, *WRONG):
        updated = datetime.min.replace(tzinfo=UTC)
    return updated, int(number) if number.isascii() and number.isdigit() and len(number) < 12 else 0, number


def _name(resource: object) -> str:
    """Type and id of what may be anything."""
    if not isinstance(resource, Mapping):
        return "?"
    kind, key = resource.get("resourceType"), resource.get("id")
    return f"{kind if isinstance(kind, str) else '?'}/{key if isinstance(key, str) else '?'}"[:100]


def _device_words(row: Resource) -> str:
    """What names a Device: its names, model and type."""
    kind = row.get("type") or {}
    words = [name.get("name") for name in row.get("deviceName") or ()]
    words += [row.get("modelNumber"), kind.get("text")] + [
        coding.get("display") for coding in kind.get("coding") or ()
    ]
    return " ; ".join(str(word) for word in words if word)


def _contained(row: Resource) -> Mapping[str, Resource]:
    return {f"#{held['id']}": held for held in row.get("contained") or () if "id" in held}
