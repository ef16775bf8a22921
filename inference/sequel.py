"""What became of a patient after an answer, as far as a rule can tell from the record: CLINICAL section 1, looked back.

Ventilation is what the gates call it: a procedure, a device in use, a ventilator's setting, the charted device. It
began "early" within the hour after the answer, "yes" within the outcome's hours; "no" only where the patient is known
to have stayed, or to have gone home or died, without it. The next troponin is compared with the latest as in training.

Refuses to guess: what the record leaves open is a Sequel without a label, and its reason sends it to a person.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from inference import gates
from inference.assays import assay_table
from inference.assessment import VENTILATION
from inference.bounds import rose, span
from inference.chart import TRANSFER, Chart, Measurement, Record
from inference.troponin import CONVENTIONAL, HIGH_SENSITIVITY, identity, series
from inference.vocabulary import vocabulary

YES: Final = "yes"
NO: Final = "no"
EARLY: Final = "early"
UNKNOWN: Final = "unknown"
OPEN: Final = ""  # a person must look

AGREE: Final = timedelta(hours=1)  # sources whose first signs lie within it speak of one beginning
WATCHED: Final = timedelta(hours=6)  # after a beginning: charted devices within it must not all say otherwise
NEXT_AFTER: Final = timedelta(hours=1)  # two values within the hour are one clinical moment: training leaves them out
TROPONINS: Final = (*CONVENTIONAL, *HIGH_SENSITIVITY)
VENTILATED: Final = frozenset({"already-ventilated", "ventilated-earlier"})


@dataclass(frozen=True, slots=True)
class Doubt:
    """A row that may have told of it, and cannot be used: of "ventilation" or "troponin", why, and when it may lie.

    `first` and `last` are None where even the day is not known.
    """

    kind: str
    reason: str
    resource: str
    first: datetime | None = None
    last: datetime | None = None

    def touches(self, start: datetime, end: datetime) -> bool:
        """Whether it may lie after `start` and no later than `end`."""
        return (self.first is None or self.first <= end) and (self.last is None or self.last > start)


@dataclass(frozen=True, slots=True)
class Spell:
    """A stay in hospital. `how` it ended: "home", "died", "transferred", "unsaid"; "" while it goes on."""

    start: datetime
    end: datetime | None
    how: str


@dataclass(frozen=True, slots=True)
class Course:
    """All that tells what became of one patient: the record, what in it cannot be used, and the stays."""

    record: Record
    doubts: tuple[Doubt, ...] = ()
    spells: tuple[Spell, ...] = ()


@dataclass(frozen=True, slots=True)
class Sequel:
    """What became of one prediction. `reason`: the rule that settled it, or why a person must (label OPEN).

    `happened_at` may lie before the answer: whoever keeps it then refuses it by name.
    """

    label: str
    reason: str
    happened_at: datetime | None = None
    value: float | None = None


def ventilation(course: Course, as_of: datetime, hours: int) -> Sequel:
    """Whether invasive ventilation began in the `hours` after `as_of`, and when."""
    end, record = as_of + timedelta(hours=hours), _usable(course)
    before = gates.excluded(record.at(as_of), VENTILATION)
    if before is not None and before.code in VENTILATED:
        return Sequel(YES, before.code, datetime.fromisoformat(str(before.values["since"])))
    first = _first_signs(record, as_of)
    found = {source: _within(start, as_of, end) for source, start in first.items()}
    if any(label != NO for label in found.values()):
        return _begun(record, first, found)
    for doubt in course.doubts:
        if doubt.kind == "ventilation" and doubt.touches(as_of, end):
            return Sequel(OPEN, doubt.reason)
    if record.truncated:
        return Sequel(OPEN, "record-cut-short")
    return _stayed(course.spells, as_of, end)


def troponin(course: Course, as_of: datetime, hours: int) -> Sequel:
    """Whether the next troponin of the same assay within `hours` was 20 % or more above the latest."""
    end, record = as_of + timedelta(hours=hours), course.record
    base = _base(record.at(as_of), record, as_of)
    if base is None or base.time > end:
        return _no_draw(course, as_of, end)
    later = _later(record, base, end)
    if not later:
        others = any(base.time < row.time <= end for row in _drawn(record) if not _alike(row, base))
        return Sequel(OPEN, "assay-changed") if others else _no_draw(course, max(as_of, base.time), end)
    following = [row for row in later if row.time == later[0].time]
    vague = {doubt.resource: doubt.reason for doubt in course.doubts if doubt.kind == "troponin"}
    doubted = next((vague[row.source.resource] for row in (base, *following) if row.source.resource in vague), "")
    return Sequel(OPEN, doubted) if doubted else _compared(base, following)


def _usable(course: Course) -> Record:
    """The record without the rows that were taken back, or whose moment is not known."""
    vague = {doubt.resource for doubt in course.doubts if doubt.kind == "ventilation"}
    if not vague:
        return course.record
    return replace(
        course.record,
        events=tuple(each for each in course.record.events if each.source.resource not in vague),
        measurements=tuple(each for each in course.record.measurements if each.source.resource not in vague),
    )


def _first_signs(record: Record, as_of: datetime) -> dict[str, datetime]:
    """When each kind of source first tells of ventilation after `as_of`: by resource type."""
    level = vocabulary()["oxygen_device"].levels.index(gates.INVASIVE)
    signs = [(event.source.resource, event.start) for event in record.events if event.kind == "ventilation"]
    signs += [(row.source.resource, row.time) for row in _devices(record) if row.value == level]
    first: dict[str, datetime] = {}
    for resource, start in signs:
        kind = resource.partition("/")[0]
        if start > as_of and start < first.get(kind, start + AGREE):
            first[kind] = start
    return first


def _begun(record: Record, first: dict[str, datetime], found: dict[str, str]) -> Sequel:
    """A beginning within the hours, at its first sign, unless the sources contradict one another about it."""
    source = min(first, key=lambda kind: first[kind])
    start = first[source]
    if len(set(found.values())) > 1 and max(first.values()) - start > AGREE:
        return Sequel(OPEN, "sources-conflict")
    level = vocabulary()["oxygen_device"].levels.index(gates.INVASIVE)
    charted = [row.value == level for row in _devices(record) if start < row.time <= start + WATCHED]
    if "Observation" not in first and charted and not any(charted):
        return Sequel(OPEN, "sources-conflict")
    return Sequel(found[source], f"began-{source.lower()}", start)


def _within(start: datetime, as_of: datetime, end: datetime) -> str:
    if start - as_of <= timedelta(minutes=gates.EARLY_MINUTES):
        return EARLY
    return YES if start <= end else NO


def _devices(record: Record) -> Iterable[Measurement]:
    return (row for row in record.measurements if row.variable == "oxygen_device")


def _stayed(spells: Iterable[Spell], as_of: datetime, end: datetime) -> Sequel:
    """ "no" where somebody could have seen it begin until `end`; stays that follow one another count as one."""
    cover: Spell | None = None
    for spell in sorted(spells, key=lambda one: one.start):
        if cover is None:
            there = spell.start <= as_of and (spell.end is None or spell.end >= as_of)
            cover = spell if there else None
        elif cover.end is not None and spell.start <= cover.end + TRANSFER:
            cover = spell if spell.end is None or spell.end > cover.end else cover
    if cover is None:
        return Sequel(OPEN, "stay-unknown")
    stays = cover.end is None and not cover.how
    if stays or (cover.end is not None and cover.end >= end):
        return Sequel(NO, "stayed-without")
    if cover.how in ("home", "died"):
        return Sequel(NO, f"{cover.how}-without")
    return Sequel(OPEN, "transferred" if cover.how == "transferred" else "departure-unsaid")


def _base(chart: Chart, record: Record, as_of: datetime) -> Measurement | None:
    """What the next draw is compared with: the latest in the chart, else the first that came after it."""
    draws = series(chart)
    if draws:
        return draws[-1].measurement
    unseen = [row for row in _drawn(record) if row.time > as_of or row.known > as_of]
    return unseen[0] if unseen else None


def _later(record: Record, base: Measurement, end: datetime) -> list[Measurement]:
    return [row for row in _drawn(record) if base.time < row.time <= end and _alike(row, base)]


def _drawn(record: Record) -> list[Measurement]:
    rows = [row for row in record.measurements if row.variable in TROPONINS]
    return sorted(rows, key=lambda row: (row.time, row.known, row.source.resource))


def _alike(row: Measurement, other: Measurement) -> bool:
    return identity(row, assay_table()) == identity(other, assay_table())


def _no_draw(course: Course, start: datetime, end: datetime) -> Sequel:
    for doubt in course.doubts:
        if doubt.kind == "troponin" and doubt.touches(start, end):
            return Sequel(OPEN, doubt.reason)
    if course.record.truncated:
        return Sequel(OPEN, "record-cut-short")
    return Sequel(UNKNOWN, "no-next-draw")


def _compared(base: Measurement, following: list[Measurement]) -> Sequel:
    """The draw after `base`, as one or more rows of one moment."""
    row = following[-1]
    if row.time - base.time < NEXT_AFTER:
        return Sequel(UNKNOWN, "drawn-within-the-hour")
    if len({(each.value, each.bound) for each in following}) > 1:
        return Sequel(OPEN, "sources-conflict")
    if row.preliminary:
        return Sequel(OPEN, "result-preliminary")
    if _unit(row) != _unit(base):
        return Sequel(OPEN, "unit-changed")
    rise = _rose(base, row)
    if rise is None:
        return Sequel(OPEN, "beyond-reported-range")
    return Sequel(YES if rise else NO, "next-draw", row.time, row.value)


def _rose(base: Measurement, row: Measurement) -> bool | None:
    """Both at the reporting limit where they lie below it, as in training; None where that cannot be said."""
    below = [each.bound.startswith("<") for each in (base, row)]
    if all(below):
        return False if base.value == row.value else None
    if below[1]:
        return False if row.value < 1.2 * base.value else None
    if below[0]:
        return rose(span(base._replace(bound="")), span(row))
    return rose(span(base), span(row))


def _unit(row: Measurement) -> str:
    return row.source.unit_sent.strip().casefold()
