"""One look at a unit: who is there, who is on a ventilator, who is at risk, how many ventilators will be needed.

The charts of the hospital's Group come by searches for each, or by one bulk export of all, without a user; or from an
export that was handed in. The answers come from the same spine as at the doors, into the same ledger. The forecast is
kept in the ledger, who was seen in the vault, sealed, for as long as a look can be of use. Every member is counted, and
how: on a ventilator; with the model's risk; with the average risk, where the model gives none or the chart could not be
read. Refuses a unit of whom too few could be read: no forecast is made then, and that is kept and said.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta, tzinfo
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from ehr import bulk, smart
from ehr.board_policy import UnitPolicy
from ehr.errors import NotPermitted, Unauthorised
from ehr.identity import identity
from ehr.reader import read_record
from ehr.records import Reading, read_patient
from ehr.roster import Charted, Roster, charts, patiently, roster
from ehr.scopes import permissions
from ehr.tenants import Tenant
from ehr.transport import Budget, FhirHttp
from governance.demand import Demand, Unit, forecast
from governance.forecasts import Look
from inference import gates
from inference.assessment import VENTILATION, Phrase
from webapp import standing, words
from webapp.consult import Consultation, Occasion, consult
from webapp.exporting import Exported, Exporting
from webapp.rooms import Rooms

READ_SECONDS: Final = 60.0  # for one patient's chart: nobody waits at a screen
EARLY: Final = timedelta(seconds=45)
USEFUL: Final = timedelta(hours=12)  # a look older than this is not of now, and is forgotten
MOST_UNREAD: Final = 0.2  # share of members without a chart, above which there is no forecast
AT_ONCE: Final = 100  # rows in one place of the vault
BUCKETS: Final = 8
NEEDED: Final = frozenset({"Patient", "Encounter", "Observation", "Procedure"})  # of an export
NOT_SENT: Final = "NotInExport"
ON, RISK, AVERAGE, UNREAD = "ventilated", "risk", "average", "unread"  # how a member is counted


@dataclass(frozen=True, slots=True)
class Row:
    """One member, as the board shows them. Probabilities are of the headline; None without a number."""

    patient: str
    name: str
    record_number: str
    care_unit: str
    counted: str  # ON, RISK, AVERAGE, UNREAD
    status: str = ""
    reason: str = ""
    since: str = ""  # of ventilation, ISO
    probability: float | None = None
    low: float | None = None
    high: float | None = None
    news2: float | None = None
    assessment: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What one look came to. `demands` is empty where no forecast could be made."""

    look: Look
    rows: tuple[Row, ...]
    demands: tuple[Demand, ...]
    others: int = 0  # members of the Group that are no patients
    bad_lines: int = 0  # of an export
    export: Exported | None = None  # what it came to, where the hospital made one for us

    @property
    def counts(self) -> Counter[str]:
        """How many were counted in which way."""
        return Counter(row.counted for row in self.rows)


Kept = tuple[datetime, tuple[Row, ...], dict[str, Any]]
"""A look as the vault has it: when, whom it saw, and what it noted besides."""


class Everybody(Collection[str]):
    """Every patient there may be: an export is the unit's own."""

    def __contains__(self, _: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


class Backend:
    """Reading without a user: a token that is renewed before it ends, and once when it is refused."""

    def __init__(self, rooms: Rooms, tenant: Tenant) -> None:
        self._rooms, self._tenant = rooms, tenant
        self._grant: smart.Grant | None = None

    def http(self, anew: bool = False) -> FhirHttp:
        """The hospital's server, with time of its own for one chart. Raises LaunchRefused, EhrUnavailable."""
        rooms, tenant = self._rooms, self._tenant
        if anew:
            self._grant = None
        expires = self._grant.expires_at if self._grant else None
        if self._grant is None or (expires is not None and expires - EARLY <= rooms.clock()):
            endpoints = smart.discover(rooms.http, tenant)
            self._grant = smart.backend_token(rooms.http, tenant, endpoints, now=rooms.clock())
        budget = Budget(READ_SECONDS)
        token = self._grant.access_token
        return FhirHttp(tenant.issuer, token, rooms.http, budget, clock=rooms.clock, quirks=tenant.quirks)

    def roster(self, group: str) -> Roster:
        """Who is in the Group. Raises EhrError."""
        return patiently(lambda: roster(self.http(), group, now=self._rooms.clock()), self._rooms.wait)

    def types(self) -> frozenset[str]:
        """What an export may hold, by what was granted. Raises NotPermitted where no board can be made of it."""
        self.http()
        may = permissions(self._grant.scope if self._grant else "")
        granted = frozenset(kind for kind in bulk.READ if may.may(kind, "r", "system"))
        lacking = sorted(NEEDED - granted)
        if lacking:
            raise NotPermitted(f"reading {', '.join(lacking)} was not granted: add it to [backend] scopes", "$export")
        return granted

    def chart(self, patient: str) -> Reading:
        """One patient's chart. Raises EhrError."""
        try:
            return self._read(patient)
        except Unauthorised:
            self._grant = None
            return self._read(patient)

    def _read(self, patient: str) -> Reading:
        tenant = self._tenant
        return read_patient(
            self.http(),
            patient,
            as_of=self._rooms.clock(),
            quirks=tenant.quirks,
            local_codes=tenant.local_codes,
        )


def by_group(rooms: Rooms, tenant: Tenant, unit: UnitPolicy, group: str) -> Seen:
    """Look at the members of `group`. Raises EhrError without the Group, LedgerUnavailable."""
    backend = Backend(rooms, tenant)
    there = backend.roster(group)
    found = charts(there.patients, backend.chart, wait=rooms.wait)
    return _seen(rooms, tenant, unit, (_member(rooms, tenant, each) for each in found), others=there.others)


def by_export(rooms: Rooms, tenant: Tenant, unit: UnitPolicy, group: str) -> Seen:
    """Look at the members of `group` by one bulk export of it, at the moment its data are of.

    Raises EhrError without the Group or the export, OutOfTime while the hospital is still at it, LedgerUnavailable.
    """
    backend = Backend(rooms, tenant)
    there = backend.roster(group)
    with _folder() as folder, _folder() as spool:
        export = Exporting(rooms, tenant, unit.id, group, backend.http, backend.types(), folder).run()
        bad = _spool(export.files, frozenset(there.patients), spool)
        cut = bool(bad) or not export.whole
        found = {
            patient: _row(rooms, tenant, patient, resources, truncated=cut, at=export.as_of)
            for patient, resources in _spooled(spool)
            if any(row["resourceType"] == "Patient" for row in resources)
        }
    unsent = (Row(patient, "", "", "", UNREAD, reason=NOT_SENT) for patient in there.patients if patient not in found)
    members = [*found.values(), *((row, _average(rooms)) for row in unsent)]
    return _seen(rooms, tenant, unit, members, others=there.others, bad_lines=bad, export=export)


def by_files(rooms: Rooms, tenant: Tenant, unit: UnitPolicy, files: Iterable[Path]) -> Seen:
    """Look at everybody in the exports `files`, of whom there is anything. Raises LedgerUnavailable."""
    with _folder() as folder:
        bad = _spool(files, Everybody(), folder)
        rows = [_row(rooms, tenant, *each, truncated=False) for each in _spooled(folder)]
    return _seen(rooms, tenant, unit, rows, bad_lines=bad)


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder that only its owner may look into, and that is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="ordertime-board-") as place:
        yield Path(place)


def _spool(files: Iterable[Path], wanted: Collection[str], folder: Path) -> int:
    """The rows of `wanted` in buckets; how many lines could not be read."""
    pieces = enumerate(bulk.pieces(files))
    return sum(len(bulk.spool(piece, wanted, folder, BUCKETS, f"{n:06d}").bad) for n, piece in pieces)


def _spooled(folder: Path) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Each patient of a spool with every row."""
    with closing(bulk.Aside(bulk.gather_aside(folder))) as aside:
        for bucket in range(BUCKETS):
            for each in bulk.spooled(folder, bucket):
                yield each.patient, list(each.resources(aside))


def kept(rooms: Rooms, tenant: str, unit: str) -> Kept | None:
    """When the newest look was, whom it saw, and what it noted besides; None where it is forgotten."""
    place = f"{tenant}|{unit}"
    head = rooms.vault.get("board", place)
    if head is None:
        return None
    parts = [rooms.vault.get("board", f"{place}|{head['at']}|{n}") for n in range(head["parts"])]
    if None in parts:
        return None
    rows = tuple(Row(**row) for part in parts if part is not None for row in part["rows"])
    return datetime.fromisoformat(head["at"]), rows, head


def _seen(
    rooms: Rooms, tenant: Tenant, unit: UnitPolicy, members: Iterable[tuple[Row, dict[float, float]]],
    *, others: int = 0, bad_lines: int = 0, export: Exported | None = None,
) -> Seen:  # fmt: skip
    """Count, forecast and keep. The look's moment is that of its end, or of the export's data: no chart is later."""
    model, told = rooms.models[VENTILATION], list(members)
    rows = tuple(row for row, _ in told)
    counts = Counter(row.counted for row in rows)
    look = Look(
        tenant=tenant.id,
        unit=unit.id,
        model=model.name,
        version=model.version,
        state=standing.at_site(
            rooms.readings, tenant, model.name, model.version, (model.outcomes[-1], ""), rooms.clock()
        ),
        at=export.as_of if export is not None else rooms.clock(),
        patients=len(rows),
        unread=counts[UNREAD],
        in_use=counts[ON],
        owned=unit.ventilators,
    )
    demands: tuple[Demand, ...] = ()
    if counts[UNREAD] <= MOST_UNREAD * len(rows):
        has = Unit(counts[ON], unit.ventilators, unit.arrivals_a_day / 24.0, unit.mean_hours)
        risks = [risk for row, risk in told if row.counted != ON]
        demands = forecast(risks, has, logit_error=model.calibration.logit_error)
        rooms.forecasts.keep(look, demands)
    seen = Seen(look, rows, demands, others, bad_lines, export)
    _keep(rooms, seen)
    return seen


def _keep(rooms: Rooms, seen: Seen) -> None:
    """Lay the rows in the vault, the head last: a reader never sees half a look."""
    place, at = f"{seen.look.tenant}|{seen.look.unit}", seen.look.at.isoformat()
    told = [asdict(row) for row in seen.rows]
    parts = [told[start : start + AT_ONCE] for start in range(0, len(told), AT_ONCE)]
    ttl = USEFUL.total_seconds()
    for number, part in enumerate(parts):
        rooms.vault.put("board", f"{place}|{at}|{number}", {"rows": part}, ttl)
    head = {
        "at": at, "parts": len(parts), "forecast": bool(seen.demands), "others": seen.others,
        "bad_lines": seen.bad_lines, "export_cut": seen.export is not None and not seen.export.whole,
    }  # fmt: skip
    rooms.vault.put("board", place, head, ttl)


def _member(rooms: Rooms, tenant: Tenant, each: Charted) -> tuple[Row, dict[float, float]]:
    if each.reading is None:
        row = Row(each.patient, "", "", "", UNREAD, reason=each.fault)
        return row, _average(rooms)
    return _row(rooms, tenant, each.patient, each.reading.resources, truncated=each.reading.truncated)


def _row(
    rooms: Rooms, tenant: Tenant, patient: str, resources: Collection[dict[str, Any]], *, truncated: bool,
    at: datetime | None = None,
) -> tuple[Row, dict[float, float]]:  # fmt: skip
    """One member assessed at `at`, now where nothing else is said, and the risks they are counted with."""
    now = at or rooms.clock()
    record = read_record(
        patient,
        resources,
        local_codes=tenant.local_codes,
        care_units=tenant.care_units,
        zone=words.zone_of(tenant.time_zone),
        base=tenant.issuer,
        truncated=truncated,
    )
    occasion = Occasion(tenant, patient, now, "batch")
    (found,) = consult(record, [rooms.models[VENTILATION]], rooms.ledger, rooms.readings, occasion)
    who = identity(patient, resources)
    known = Row(patient, who.name, who.record_number, record.at(now).person.care_unit, AVERAGE)
    return _told(rooms, found, known, gates.ventilated(record.at(now)), words.zone_of(tenant.time_zone))


def _told(
    rooms: Rooms, found: Consultation, known: Row, on: Phrase | None, zone: tzinfo
) -> tuple[Row, dict[float, float]]:
    """The member's row, and the risks they are counted with; `on` is what the chart says of a ventilator."""
    answer = found.assessment
    ventilated = on is not None and on.code == "already-ventilated"
    numbers = [p for p in answer.predictions if p.probability is not None]
    counted = ON if ventilated else RISK if numbers else AVERAGE
    said = answer.headline if counted == RISK else None
    row = replace(
        known,
        counted=counted,
        status=answer.status.value,
        reason="" if answer.reason is None else words.say("en", answer.reason, zone=zone),
        since=str(on.values["since"]) if on is not None and ventilated else "",
        probability=said.probability if said else None,
        low=said.low if said else None,
        high=said.high if said else None,
        news2=next((score.value for score in answer.scores if score.name == "NEWS2"), None),
        assessment=found.id,
    )
    if counted != RISK:
        return row, _average(rooms)
    hours = sorted((float(p.hours), float(p.probability or 0.0)) for p in numbers)
    rising = accumulate((risk for _, risk in hours), max)
    return row, dict(zip((at for at, _ in hours), rising, strict=True))


def _average(rooms: Rooms) -> dict[float, float]:
    """The risk of somebody of whom nothing is known: the share of comparable patients in training."""
    model = rooms.models[VENTILATION]
    return {float(model.hours[-1]): model.base_rate}
