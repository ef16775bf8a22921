"""A site's FHIR bulk export -> its stays, each told from its own beginning, as the publishers' sets tell theirs.

A stay is an admission, admissions that overlap being one. Ventilation begins where the reader found its first sign,
unless a person has said that none began in those hours (a label of `labels export --procedures`, in the same folder).
Hours of which a person says that it cannot be known are no label at all, whatever the chart says of them.
Refuses, and counts: children and patients of unknown age, stays without an end, lines and rows nobody could read.
One bucket of patients is held at a time; what is spooled is patient data, in a folder only its owner may look into
and that is removed.
"""

from __future__ import annotations

import re
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta, tzinfo
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from ehr import bulk
from ehr.labels import said_no, said_unknown, said_yes
from ehr.reader import read_record
from ehr.units import PlacedRecord
from inference.chart import Event, Record, Refusal
from inference.features import LOOK_BACK
from inference.vocabulary import vocabulary
from training.adaptation import AdaptationRefused
from training.cohorts import ADULT
from training.readers import START, Stay, Tally

BUCKETS: Final = 4
NAMED: Final = 5  # bad lines that are named one by one; the rest are counted
COUNTED: Final = re.compile(r"(.*) \((\d+)\)", re.DOTALL)  # "code (how many rows)"
NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
UNTIMED: Final = frozenset({"no-time", "time-unreadable", "time-without-zone", "time-too-coarse"})
BEGINNINGS: Final = ("Procedure/", "DeviceUseStatement/")


@dataclass(frozen=True, slots=True)
class Export:
    """Where it lies, and how the site writes: its own codes and care units, and where dates without a time are."""

    folder: Path
    site: str
    local_codes: Mapping[str, str] = field(default_factory=dict)
    care_units: Mapping[str, str] = field(default_factory=dict)
    zone: tzinfo = UTC

    def __post_init__(self) -> None:
        """Raises AdaptationRefused for a name that files cannot be called by."""
        if not NAME.fullmatch(self.site):
            raise AdaptationRefused(f"'{self.site}' is no name of a site: a-z, 0-9 and '-', at most 40")


@dataclass(slots=True)
class Found:
    """What was in it. `unknown`: rows by code that means nothing here; `variables`: rows of each that were read."""

    tally: Tally = field(default_factory=Tally)
    variables: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(
        default_factory=list
    )  # "file:line: why", the first of those that could not be read
    reviewed: int = 0  # answers of which a person says that no ventilation began
    unknowable: int = 0  # answers of which a person says that it cannot be known
    first: datetime | None = None  # the first stay's beginning
    last: datetime | None = None  # the last stay's end

    @property
    def period(self) -> tuple[str, str]:
        """Months of the first stay's beginning and of the last one's end, "" where there is none."""
        first, last = ("" if moment is None else f"{moment:%Y-%m}" for moment in (self.first, self.last))
        return first, last

    def unmapped(self, most: int = 8) -> str:
        """The commonest unknown codes, with how many rows have each."""
        return ", ".join(f"'{code}' ({count:,} rows)" for code, count in self.unknown.most_common(most))


Hours = tuple[datetime, datetime]


class Said(NamedTuple):
    """Hours in which, a person says, none began; and of which it cannot be known."""

    without: Sequence[Hours] = ()
    unknowable: Sequence[Hours] = ()


NOTHING: Final = Said()


class Span(NamedTuple):
    """From admission to discharge; `end` is None where it is not known."""

    start: datetime
    end: datetime | None


class _Everybody(Collection[str]):
    """Every patient is wanted."""

    def __contains__(self, patient: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def stays(export: Export, found: Found, work: Path) -> Iterator[Stay]:
    """Every stay of an adult that has an end, patients in no order; `found` is filled on the way.

    `work` is where the spool is made and removed. Raises AdaptationRefused for a folder without an export.
    """
    for record, events, said in _records(export, found, work):
        _count(record, found)
        yield from stays_of(record, export.site, found, unclear=unclear(events), said=said)


def stays_of(
    record: Record, site: str, found: Found, *, unclear: bool = False, said: Said = NOTHING
) -> Iterator[Stay]:
    """One patient's stays. `unclear`: ventilated or not, nobody can say when; `said`: what persons found."""
    record, kept = reviewed(record, said.without, found)
    open_hours = unsettled(record, said, kept, found)
    age = record.person.age_at
    for number, (start, end) in enumerate(spans(record.events)):
        years = age(start)
        if years is None or years < ADULT:
            found.tally.refuse("stay", "age not known" if years is None else "a child")
        elif end is None or end <= start:
            found.tally.refuse("stay", "without an end" if end is None else "ends before it begins")
        else:
            found.first, found.last = min(found.first or start, start), max(found.last or end, end)
            found.tally.taken += 1
            onset = began(record.events, start, end)
            moved = told_from(record, start, end, f"{record.patient}.{number}")
            by = START - start
            yield Stay(
                site,
                moved,
                record.patient,
                site,
                end + by,
                onset and onset + by,
                onset is not None or not unclear,
                reviewed=_of_stay(kept, start, end, by),
                unknowable=_of_stay(open_hours, start, end, by),
            )


def _of_stay(hours: Sequence[Hours], start: datetime, end: datetime, by: timedelta) -> tuple[Hours, ...]:
    return tuple((since + by, until + by) for since, until in hours if start <= since < end)


def reviewed(record: Record, without: Sequence[Hours], found: Found) -> tuple[Record, list[Hours]]:
    """The record without beginnings that a person has contradicted, and the hours without one; where persons contradict
    one another, a beginning goes before hours without.
    """
    starts = [e.start for e in record.events if e.kind == "ventilation" and said_yes(e.source.resource)]
    kept = [(since, until) for since, until in without if not any(since < start <= until for start in starts)]
    found.tally.refused["label: persons contradict one another"] += len(without) - len(kept)
    events = tuple(e for e in record.events if e.kind != "ventilation" or not _within(e.start, kept))
    found.tally.refused["row: a person says that none began"] += len(record.events) - len(events)
    found.tally.refused += Counter()  # what did not happen is not told
    found.reviewed += len(kept)
    return replace(record, events=events) if len(events) < len(record.events) else record, kept


def unsettled(record: Record, said: Said, without: Sequence[Hours], found: Found) -> list[Hours]:
    """The hours of which it cannot be known; who knows of a beginning, or of none in all of them, goes first."""
    starts = [e.start for e in record.events if e.kind == "ventilation" and said_yes(e.source.resource)]
    left = [
        (since, until)
        for since, until in said.unknowable
        if not any(since < start <= until for start in starts)
        and not any(first <= since and until <= last for first, last in without)
    ]
    found.unknowable += len(left)
    return left


def _within(moment: datetime, hours: Iterable[Hours]) -> bool:
    return any(since < moment <= until for since, until in hours)


def spans(events: Iterable[Event]) -> list[Span]:
    """Admissions in order, those that overlap as one; one that has no end takes all later ones in."""
    found: list[Span] = []
    for event in sorted((e for e in events if e.kind == "admission"), key=lambda e: e.start):
        if found and (found[-1].end is None or event.start < found[-1].end):
            before = found[-1].end
            found[-1] = Span(found[-1].start, max(before, event.end) if before and event.end else None)
        else:
            found.append(Span(event.start, event.end))
    return found


def began(events: Iterable[Event], start: datetime, end: datetime) -> datetime | None:
    """When ventilation of this stay began, which may be before it; None if it did not."""
    return min(
        (
            event.start
            for event in events
            if event.kind == "ventilation"
            and event.start <= end
            and (event.end is None or event.end >= start)
        ),
        default=None,
    )


def told_from(record: Record, start: datetime, end: datetime, name: str) -> Record:
    """What was read of the stay's patient from two days before it to its end, with START for its beginning."""
    by, earliest, known = START - start, start - LOOK_BACK, vocabulary()
    kept = [
        row._replace(time=row.time + by, known=row.known + by)
        for row in record.measurements
        if row.time <= end and (row.time >= earliest or known[row.variable].kind == "body")
    ]
    birth = record.person.birth_date
    moved = replace(
        record,
        patient=name,
        person=replace(record.person, birth_date=birth and birth + by),
        measurements=tuple(kept),
        events=tuple(
            e._replace(start=e.start + by, end=_later(e.end, by)) for e in record.events if e.start <= end
        ),
        refused=(),
    )
    if isinstance(moved, PlacedRecord):
        units = tuple(u._replace(start=u.start + by, end=_later(u.end, by)) for u in moved.units)
        return replace(moved, units=units)
    return moved


def unclear(refused: Iterable[Refusal]) -> bool:
    """Whether something that began with a device or a procedure we know has no time."""
    return any(row.reason in UNTIMED and row.resource.startswith(BEGINNINGS) for row in refused)


def _later(moment: datetime | None, by: timedelta) -> datetime | None:
    return moment and moment + by


def _records(
    export: Export, found: Found, work: Path
) -> Iterator[tuple[Record, tuple[Refusal, ...], Said]]:
    """Each patient's Record, what was refused of everything but Observations, of which there may be too many, and what
    persons found.
    """
    if not export.folder.is_dir():
        raise AdaptationRefused(f"{export.folder} is no folder; give the one the export was saved in")
    read, _ = bulk.files(export.folder)
    if not read:
        raise AdaptationRefused(f"{export.folder} holds no Patient*.ndjson, Observation*.ndjson or the like")
    work.mkdir(parents=True, exist_ok=True)
    reader = partial(
        read_record, local_codes=export.local_codes, care_units=export.care_units, zone=export.zone
    )
    with tempfile.TemporaryDirectory(prefix="spool-", dir=work) as place:
        folder, count = Path(place), bulk.buckets(read, BUCKETS)
        for number, piece in enumerate(bulk.pieces(read)):
            _told(bulk.spool(piece, _Everybody(), folder, count, f"{number:06d}"), found)
        with closing(bulk.Aside(bulk.gather_aside(folder))) as aside:
            for one in (one for bucket in range(count) for one in bulk.spooled(folder, bucket)):
                record = reader(one.patient, one.resources(aside), in_order=True)
                others = [orjson.loads(line) for line in one.others]
                said = [[hours for row in others if (hours := of(row)) is not None] for of in (said_no, said_unknown)]
                yield record, reader(one.patient, others).refused, Said(*said)


def _told(tally: bulk.Tally, found: Found) -> None:
    for bad in tally.bad:
        found.tally.refuse("line", bad.reason.partition(":")[0])
        if len(found.lines) < NAMED:
            found.lines.append(f"{tally.piece.path.name}:{bad.number}: {bad.reason}")
    if tally.rows["unassigned"]:
        found.tally.refused["row: names no patient"] += tally.rows["unassigned"]


def _count(record: Record, found: Found) -> None:
    """What was read and what was not, by variable and by reason; never a patient's text."""
    found.variables.update(row.variable for row in record.measurements)
    for row in record.refused:
        many = COUNTED.fullmatch(row.detail)
        count = int(many[2]) if many else 1
        found.tally.refused[f"row: {row.reason}"] += count
        if row.reason == "code-unknown":
            found.unknown[many[1] if many else row.detail] += count
