"""Encounter and Location -> the kind of care unit the patient lay in, at any moment asked for.

A place's kind is what the site's own map says of it (`[care_units]` of the tenant file: by reference, identifier
or name), else the codes of its Location where that came along, else its name. A place whose kind is not known
by any of them leaves the patient's unknown; so does one that is known for a mixed or another unit.

The unit at a moment is that of the place the patient came to last and had not left by then. A bed or a room is
a part of the place it is in, and changes nothing. What carries no time counts from when the Encounter was last
changed, since that is when it was so: a place without a period, and Encounter.type and serviceType, which are
asked only where no place is named at all. Refuses to guess, and never raises for what is in a resource.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any, Final, NamedTuple

from ehr.codes import OTHER_UNIT, CodeTable, code_table
from ehr.events import STAYED
from ehr.moments import Clock, NotUsed
from ehr.observations import WRONG
from inference.chart import Chart, Record
from inference.features import CARE_UNITS

Resource = Mapping[str, Any]
AHEAD: Final = frozenset({"planned", "reserved"})  # Encounter.location.status of a place nobody lies in yet
PARTS: Final = frozenset({"bd", "ro"})  # location-physical-type: bed, room
PART_NAME: Final = re.compile(r"\s*(bed|room)\b", re.IGNORECASE)
LEVELS: Final = 4  # a bed in a room in a unit in a wing: how far up a Location's partOf is followed


class Unit(NamedTuple):
    """A time in one place. `kind`: one of `CARE_UNITS`, "other", or None where it is not known."""

    start: datetime
    end: datetime | None
    kind: str | None


@dataclass(frozen=True, slots=True)
class PlacedRecord(Record):
    """A Record that knows when the patient lay where: its charts' `person.care_unit` is that of their moment."""

    units: tuple[Unit, ...] = ()

    def at(self, moment: datetime) -> Chart:
        """As `Record.at`: a transfer after `moment` is not in it."""
        chart = Record.at(self, moment)
        return replace(chart, person=replace(chart.person, care_unit=unit_at(self.units, chart.as_of)))


def unit_at(units: Iterable[Unit], moment: datetime) -> str:
    """The kind of unit at `moment`: one of `CARE_UNITS`, "" where it is not known, mixed or another."""
    there = [unit for unit in units if unit.start <= moment and (unit.end is None or moment < unit.end)]
    last = max((unit.start for unit in there), default=moment)
    kind = _single(unit.kind for unit in there if unit.start == last and unit.kind is not None)
    return kind if kind in CARE_UNITS else ""


def read_units(
    encounters: Iterable[Resource], locations: Mapping[str, Resource], own: Mapping[str, str], clock: Clock
) -> tuple[Unit, ...]:
    """Every time in a place that these Encounters tell of; one that cannot be read tells of none.

    `locations` are those that came along, by "Location/id"; `own` is the site's map (see `site_map`).
    """
    found: list[Unit] = []
    for row in encounters:
        try:
            found += _of_encounter(row, Places({**locations, **_contained(row)}, own), clock)
        except (NotUsed, *WRONG):
            continue
    return tuple(found)


def site_map(told: Mapping[str, str]) -> dict[str, str]:
    """A tenant's `[care_units]` as it is looked up: case and spacing aside."""
    return {plain(name): kind or OTHER_UNIT for name, kind in told.items()}


def plain(text: str) -> str:
    """A reference, identifier or name as two spellings of it are compared."""
    return " ".join(text.split()).casefold()


class Places:
    """What kind of unit a place is. `locations` are the Locations at hand, by the reference to them."""

    def __init__(self, locations: Mapping[str, Resource], own: Mapping[str, str]) -> None:
        self.locations, self.own, self.table = locations, own, code_table()

    def kind(self, place: Resource, level: int = LEVELS) -> str | None:
        """The kind of the place a reference is to; "other" where it is known and none of them, or two of them."""
        here = self._location(place)
        names = texts(place.get("display"), here.get("name"))
        keys = {plain(text) for text in (*names, *keys_of(place, here))}
        kind = (
            _single(self.own[key] for key in keys if key in self.own)
            or kind_of_codes(here.get("type") or (), self.table)
            or _single(kind for name in names for kind in kinds_in_name(name))
        )
        above = here.get("partOf")
        return self.kind(above, level - 1) if kind is None and above and level else kind

    def is_part(self, entry: Resource) -> bool:
        """Whether an Encounter's place is a bed or a room, which lies in a place already named."""
        place = entry.get("location") or {}
        here = self._location(place)
        concepts = [entry.get("physicalType") or {}, here.get("physicalType") or {}]
        coded = any(coding.get("code") in PARTS for each in concepts for coding in each.get("coding") or ())
        return coded or any(map(PART_NAME.match, texts(place.get("display"), here.get("name"))))

    def _location(self, place: Resource) -> Resource:
        return self.locations.get(_relative(place.get("reference"))) or {}


def kind_of_codes(concepts: Iterable[Resource], table: CodeTable) -> str | None:
    """The kind that coded types of a place, or of a service in one, name."""
    codings = [coding for concept in concepts for coding in concept.get("coding") or ()]
    codes = [(table.system(coding.get("system") or ""), str(coding.get("code"))) for coding in codings]
    return _single(table.care_units[code] for code in codes if code in table.care_units)


def kinds_in_name(name: str) -> Iterator[str]:
    """Every kind a place's name speaks of: "MICU/SICU" of two, "Medical-surgical ICU" of "other"."""
    names, words = _names()
    said = re.sub(r"[\W_]+", " ", name.casefold()).replace(" and ", " ")
    for found in names.finditer(said):
        yield words[(found.lastindex or 1) - 1]


@cache
def _names() -> tuple[re.Pattern[str], tuple[str, ...]]:
    """One pattern for all names, the longest first, a group each; and the kinds of the groups."""
    table = sorted(code_table().care_unit_names.items(), key=lambda row: -len(row[0]))
    groups = (f"({re.escape(name.rstrip('*'))}{'[a-z]*' if name.endswith('*') else ''})" for name, _ in table)
    return re.compile(rf"(?<![a-z])(?:{'|'.join(groups)})(?![a-z])"), tuple(kind for _, kind in table)


def _of_encounter(row: Resource, places: Places, clock: Clock) -> list[Unit]:
    code = (row.get("class") or {}).get("code")
    if row.get("status") not in STAYED or (code and code not in places.table.stay_classes):
        return []
    start, end = clock.begin(row, "period")
    if not row.get("location"):
        kind = kind_of_codes([*(row.get("type") or ()), row.get("serviceType") or {}], places.table)
        return [Unit(_told(row, clock, start), end, kind)] if kind else []
    entries = [entry for entry in row["location"] if entry.get("status") not in AHEAD]
    periods = [_period(entry, clock) for entry in entries]
    found = []
    for entry, (begun, left) in zip(entries, periods, strict=True):
        kind = places.kind(entry.get("location") or {})
        if kind is None and places.is_part(entry):
            continue
        since = begun or max(_left(periods, start), _told(row, clock, start))
        if left is None and entry.get("status") == "completed":
            left = min((other for other, _ in periods if other and other > since), default=since)
        found.append(Unit(since, min(filter(None, (left, end)), default=None), kind))
    return found


def _period(entry: Resource, clock: Clock) -> tuple[datetime | None, datetime | None]:
    period = entry.get("period") or {}
    start, end = (
        None if text is None else clock.moment(text, entry) for text in map(period.get, ("start", "end"))
    )
    return start, end


def _told(row: Resource, clock: Clock, start: datetime) -> datetime:
    """From when on what an Encounter says without a time was certainly so: its last change, else its start."""
    stored = (row.get("meta") or {}).get("lastUpdated")
    return start if stored is None else max(start, clock.instant(stored))


def _left(periods: Iterable[tuple[datetime | None, datetime | None]], start: datetime) -> datetime:
    """When the last place that is known to have been left was left; `start` where there is none."""
    return max((left for _, left in periods if left is not None), default=start)


def _contained(row: Resource) -> dict[str, Resource]:
    held = [one for one in row.get("contained") or () if one.get("resourceType") == "Location"]
    return {f"#{one['id']}": one for one in held if "id" in one}


def _relative(reference: object) -> str:
    """ "Location/icu-3" of any reference to it; "" of what is none."""
    if not isinstance(reference, str):
        return ""
    path = reference.split("/_history/")[0]
    return "/".join(path.split("/")[-2:]) if "://" in path else path


def keys_of(place: Resource, here: Resource) -> list[str]:
    """What a site may know a place, or an organisation, by beside its names: its reference and its identifiers."""
    own = [place.get("identifier") or {}, *(here.get("identifier") or ())]
    return texts(_relative(place.get("reference")), *(one.get("value") for one in own))


def texts(*found: object) -> list[str]:
    """Those of `found` that are texts."""
    return [text for text in found if isinstance(text, str) and text]


def _single(kinds: Iterable[str]) -> str | None:
    """The one kind that is claimed; "other" where there are two, None where there is none."""
    claimed = set(kinds)
    return claimed.pop() if len(claimed) == 1 else OTHER_UNIT if claimed else None
