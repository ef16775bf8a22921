"""The unit board of a site: who may look at it, and what each unit has. Frozen data, read from `[board]`.

Refuses, with key and remedy, a unit that is listed twice, a person who treats nobody, counts that are none, and a group
to be read where the site has no backend client to read it with.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ehr.tables import Table

SEARCHES, EXPORT = "searches", "export"
PERSON: Final = r"Practitioner(Role)?/[A-Za-z0-9\-.]{1,64}"
FHIR_ID: Final = r"[A-Za-z0-9\-.]{1,64}"
MOST_BEDS: Final = 500
MOST_ARRIVALS: Final = 200.0  # a day
LONGEST_STAY: Final = 24.0 * 365


@dataclass(frozen=True, slots=True)
class UnitPolicy:
    """One unit. `group` is the id of the hospital's Group of its patients, "" where exports are handed in.

    `arrivals_a_day` come ventilated, or are within the hour; `mean_hours` is how long a patient stays on a ventilator.
    `read` is how the charts of the Group's patients come: by "searches" for each, or by one bulk "export" of all.
    """

    id: str
    name: str
    group: str
    beds: int
    ventilators: int
    arrivals_a_day: float
    mean_hours: float
    read: str = "searches"


@dataclass(frozen=True, slots=True)
class BoardPolicy:
    """The site's boards. `people` are the users, as `fhirUser` names them, who may look; nobody else may.

    `file_servers` may hold files of an export that need no token, beside the hospital's own FHIR server.
    """

    people: frozenset[str] = frozenset()
    units: tuple[UnitPolicy, ...] = ()
    file_servers: tuple[str, ...] = ()


def read_board_policy(table: Table, *, backend: bool) -> BoardPolicy:
    """The policy in `[board]`; `backend`: the site has a client for reading without a user. Raises TenantError."""
    people = frozenset(_person(table, one) for one in table.texts("people"))
    units = tuple(_unit(each, backend) for each in table.tables("units"))
    if people and not units:
        raise table.refuse("units", "is missing; describe each unit in a table of its own, [[board.units]]")
    for key, names in (("id", [unit.id for unit in units]), ("group", [u.group for u in units if u.group])):
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise table.refuse("units", f"has two units with the {key} '{twice}'; keep one")
    file_servers = table.origins("file_servers")
    if file_servers and not any(unit.read == EXPORT for unit in units):
        raise table.refuse("file_servers", f'has no use without a unit with read = "{EXPORT}"; remove it')
    table.finish()
    return BoardPolicy(people, units, file_servers)


def _person(table: Table, name: str) -> str:
    if not re.fullmatch(PERSON, name):
        raise table.refuse(
            "people", f"lists '{name}'; name a user as the hospital's fhirUser does: \"Practitioner/123\""
        )
    return name


def _unit(table: Table, backend: bool) -> UnitPolicy:
    unit = UnitPolicy(
        id=table.text("id", remedy="give a short name of a-z, 0-9 and '-'", form=r"[a-z0-9][a-z0-9-]{0,39}"),
        name=table.text("name", remedy="give the name clinicians know the unit by"),
        group=table.text("group", "", remedy="give the id of the hospital's Group", form=FHIR_ID),
        beds=_count(table, "beds", least=1),
        ventilators=_count(table, "ventilators", least=0),
        arrivals_a_day=table.number("arrivals_a_day", 0.0, most=MOST_ARRIVALS),
        mean_hours=table.amount("mean_hours"),
        read=table.choice("read", (SEARCHES, EXPORT), SEARCHES),
    )
    if unit.read == EXPORT and not unit.group:
        raise table.refuse("read", f'is "{EXPORT}" without a group; name the Group by its id')
    if unit.group and not backend:
        raise table.refuse("group", "cannot be read without a [backend] client; add that table, or leave it out")
    if unit.mean_hours > LONGEST_STAY:
        raise table.refuse("mean_hours", f"is {unit.mean_hours:g}; give the mean hours on a ventilator, such as 72")
    table.finish()
    return unit


def _count(table: Table, key: str, *, least: int) -> int:
    if not table.has(key):
        raise table.refuse(key, f"is missing; give a whole number from {least} to {MOST_BEDS}")
    value = table.number(key, 0.0, most=MOST_BEDS)
    if value != int(value) or value < least:
        raise table.refuse(key, f"is {value:g}; give a whole number from {least} to {MOST_BEDS}")
    return int(value)
