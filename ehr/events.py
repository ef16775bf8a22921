"""Encounters, procedures, devices in use and ventilator settings -> what began when.

The present stay, intensive care, invasive ventilation, mask ventilation and high-flow oxygen. Planned and
abandoned procedures begin nothing. Settings show that ventilation is going on; the first of a stay is when
it began, as far as can be known.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from ehr.lexicon import Lexicon
from ehr.moments import Clock, NotUsed
from ehr.observations import Evidence
from ehr.persons import ruled_out
from inference.chart import Event, Measurement, Source

BEFORE: Final = timedelta(microseconds=1)
BEGUN: Final = frozenset({"in-progress", "on-hold", "stopped", "completed", "unknown"})  # Procedure.status
DONE: Final = frozenset({"completed", "stopped"})  # of either
ARRIVING: Final = timedelta(hours=24)  # before an admission: what was begun then may have come along with the patient
IN_USE: Final = frozenset({"active", "completed", "stopped", "on-hold"})  # DeviceUseStatement.status
STAYED: Final = frozenset({"arrived", "triaged", "in-progress", "onleave", "finished"})  # Encounter.status
BY_DEVICE: Final = {
    "high-flow nasal cannula": "high-flow",
    "non-invasive ventilation": "niv",
    "invasive ventilation": "ventilation",
}


def source_of(row: Mapping[str, Any], where: str, code: str = "", sent: str = "") -> Source:
    """Where an event came from."""
    meta = row.get("meta") or {}
    return Source(where, str(meta.get("versionId") or meta.get("lastUpdated") or ""), code, sent, "")


class Events:
    """Reads one patient's Encounters, Procedures and DeviceUseStatements.
    `places` are the kinds of each Location.
    """

    def __init__(
        self,
        lexicon: Lexicon,
        clock: Clock,
        devices: Mapping[str, Mapping[str, Any]],
        places: Mapping[str, str],
    ) -> None:
        self.lexicon, self.clock, self.devices, self.places = lexicon, clock, devices, places
        self.found: list[Event] = []
        self.over: list[Event] = []  # of those, what somebody said is done, without saying when it ended
        self.given: list[Measurement] = []  # oxygen devices from their use, charted once, when it began

    def encounter(self, row: Mapping[str, Any], where: str) -> None:
        """A stay, and the time in intensive care within it."""
        if row.get("status") not in STAYED:
            raise NotUsed("status", str(row.get("status"))[:40])
        kind = row.get("class") or {}
        if kind.get("code") and kind["code"] not in self.lexicon.table.stay_classes:
            return
        start, end = self.clock.begin(row, "period")
        source = source_of(row, where, str(kind.get("code") or ""))
        if not row.get("partOf"):  # a part of a stay is not another admission
            self.found.append(Event("admission", start, end, source))
        if self._intensive_kind(row):
            self.found.append(Event("icu", start, end, source))
        for place in row.get("location") or ():
            if place.get("status") not in ("planned", "reserved") and self._is_intensive(
                place.get("location") or {}
            ):
                begun = place if place.get("period") else row
                self.found.append(Event("icu", *self.clock.begin(begun, "period"), source))

    def procedure(self, row: Mapping[str, Any], where: str) -> None:
        """Ventilation, mask ventilation or high-flow oxygen that was done, not only planned."""
        concepts = [row.get("code") or {}, row.get("category") or {}]
        kind = next((found for concept in concepts if (found := self.lexicon.event(concept))), "")
        if not kind:
            return
        if row.get("status") not in BEGUN:
            raise NotUsed("status", str(row.get("status"))[:40])
        start, end = self.clock.begin(row, "performedPeriod", "performedDateTime")
        self._began(Event(kind, start, end, source_of(row, where, _first_code(concepts))), row)

    def condition(self, row: Mapping[str, Any], where: str) -> None:
        """When a complaint began, where somebody wrote that down and nobody took it back."""
        concept = row.get("code") or {}
        kind = self.lexicon.event(concept)
        onset = any(row.get(name) is not None for name in ("onsetDateTime", "onsetPeriod"))
        if kind != "symptom-onset" or not onset or ruled_out(row):
            return
        start, end = self.clock.begin(row, "onsetDateTime", "onsetPeriod")
        self.found.append(Event(kind, start, end, source_of(row, where, _first_code([concept]))))

    def device_use(
        self, row: Mapping[str, Any], where: str, contained: Mapping[str, Mapping[str, Any]]
    ) -> None:
        """A tube, mask or cannula in use."""
        reference = str((row.get("device") or {}).get("reference"))
        device = contained.get(reference) or self.devices.get(reference) or {}
        concept = device.get("type") or {}
        kind = self.lexicon.event(concept)
        level = self.lexicon.level("oxygen_device", concept)
        if not kind and level is None:
            return
        if row.get("status") not in IN_USE:
            raise NotUsed("status", str(row.get("status"))[:40])
        start, end = self.clock.begin(row, "timingPeriod", "timingDateTime", "recordedOn")
        source = source_of(row, where, _first_code([concept]), str(concept.get("text") or "")[:60])
        if kind:
            self._began(Event(kind, start, end, source), row)
        if level is not None:
            self.given.append(Measurement("oxygen_device", float(level), start, start, source))

    def _began(self, event: Event, row: Mapping[str, Any]) -> None:
        self.found.append(event)
        if event.end is None and row.get("status") in DONE:
            self.over.append(event)

    def _intensive_kind(self, row: Mapping[str, Any]) -> bool:
        concepts = [*(row.get("type") or ()), row.get("serviceType") or {}]
        return any(self.lexicon.event(concept) == "icu" for concept in concepts)

    def _is_intensive(self, location: Mapping[str, Any]) -> bool:
        words = f"{location.get('display') or ''} ; {self.places.get(str(location.get('reference'))) or ''}"
        return bool(self.lexicon.table.intensive_words.search(words))


def place_words(location: Mapping[str, Any]) -> str:
    """What says of a Location whether it is intensive care: its name,
    and its role code where that one says so.
    """
    codes = [
        coding.get("code") for concept in location.get("type") or () for coding in concept.get("coding") or ()
    ]
    return " ; ".join(str(word) for word in (location.get("name"), *codes) if word)


def ended(events: Iterable[Event], over: Iterable[Event], admissions: Sequence[datetime]) -> list[Event]:
    """`events`, those that are `over` ended at the next stay: a tube of years ago ventilates nobody today.

    A completed intubation says when it was done and not when the tube came out; within its stay, and where the next
    begins within a day (an emergency department's before the ward's), it stands.
    """
    done = set(map(id, over))
    starts = sorted(admissions)

    def shut(event: Event) -> Event:
        later = next((start for start in starts if start > event.start + ARRIVING), None)
        return event if later is None or id(event) not in done else event._replace(end=later - BEFORE)

    return [shut(event) for event in events]


def evidence_events(evidence: Iterable[Evidence], admissions: Sequence[datetime]) -> list[Event]:
    """One event for each kind and stay: from the first row that shows it; over when the next stay begins.

    Until then it has no end: a setting no longer charted does not say that the patient breathes alone.
    """
    first: dict[tuple[str, int], Evidence] = {}
    starts = sorted(admissions)
    for row in sorted(evidence, key=lambda row: (row.time, row.source.resource)):
        first.setdefault((row.kind, sum(start <= row.time for start in starts)), row)
    return [
        Event(kind, row.time, starts[stay] - BEFORE if stay < len(starts) else None, row.source)
        for (kind, stay), row in first.items()
    ]


def device_events(rows: Iterable[Measurement], levels: Sequence[str]) -> list[Event]:
    """From charted oxygen devices:
    an event from the first row of a run of one device to the next other device.
    """
    events: list[Event] = []
    running: Event | None = None
    for row in sorted(rows, key=lambda row: (row.time, row.known, row.source.resource)):
        kind = BY_DEVICE.get(levels[int(row.value)], "")
        if running is not None and running.kind != kind:
            events.append(running._replace(end=row.known))
            running = None
        if running is None and kind:
            running = Event(kind, row.known, None, row.source)
    if running is not None:
        events.append(running)
    return events


def _first_code(concepts: Iterable[Mapping[str, Any]]) -> str:
    for concept in concepts:
        for coding in concept.get("coding") or ():
            return f"{coding.get('system') or ''}|{coding.get('code') or ''}"
    return ""
