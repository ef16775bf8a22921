"""A site's ledger as Parquet: what every figure on the pages can be computed from again, by anybody, without us.

One folder: a table each of answers, predictions, outcomes, cards, feedback, offers, pages handed out, clarity, daily
summaries, alarms, gates, audits, forecasts, referrals and erasures a site, and one folder a settled outcome in
seismometer's layout, all of one moment, whoever writes meanwhile. Patients are pseudonyms; users and their words are
left out. Written aside and renamed when whole, its manifest with every file's digest last; `checked` names what a
half-written or changed one lacks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import Column, Date, Float, Integer, LargeBinary, Table, select, tuple_

from governance import seismometer, tables
from governance.columns import Instant
from governance.errors import ExportRefusal
from governance.outcomes import Outcomes
from governance.store import Store

FORMAT: Final = 1
MANIFEST: Final = "manifest.json"
PAGE: Final = 10_000  # rows in memory
LEFT_OUT: Final = frozenset({"user_pseudonym", "reviewer", "hook_instance", "summary_digest", "tenant"})
OWN: Final = (  # tables with a tenant, by their name in the export
    ("answers", tables.assessments),
    ("outcomes", tables.outcomes),
    ("cards", tables.cards),
    ("feedback", tables.feedback),
    ("clarity", tables.clarity),
    ("daily", tables.daily),
    ("alarms", tables.alarms),
    ("gates", tables.readings),
    ("audits", tables.equity_audits),
    ("erasures", tables.erasures),
    ("forecasts", tables.forecasts),
)
OTHERS: Final = (  # tables that belong to another's row: the column that says which, and whose it is
    ("predictions", tables.predictions, "assessment_id", tables.assessments),
    ("referrals", tables.referrals, "assessment_id", tables.assessments),
    ("releases", tables.releases, "assessment_id", tables.assessments),
    ("offers", tables.suggestions, "card_id", tables.cards),
    ("alarm_answers", tables.alarm_answers, "alarm_id", tables.alarms),
)


@dataclass(frozen=True, slots=True)
class ExportedSite:
    """A site to export: its id, the zone of its days, and its operating thresholds by model and outcome."""

    id: str
    zone: str
    thresholds: Mapping[str, Mapping[str, float]]


def write(folder: Path, store: Store, sites: Sequence[ExportedSite], *, now: datetime) -> Mapping[str, Any]:
    """Write `sites` to `folder`, whole or not at all; return the manifest. Raises ExportRefusal, LedgerUnavailable."""
    if folder.exists():
        raise ExportRefusal(f"{folder.name} is there already: name a new folder")
    part = folder.with_name(f".{folder.name}.part")
    if part.exists():
        raise ExportRefusal(f"{part.name} is left of an export that was cut off: delete it and try again")
    part.mkdir(parents=True, mode=0o700)
    rows: dict[str, int] = {}
    with store.snapshot() as moment:
        for site in sites:
            rows |= _site(part, moment, site)
    files = {
        str(path.relative_to(part)): {"sha256": digest(path), "bytes": path.stat().st_size}
        for path in sorted(part.rglob("*"))
        if path.is_file()
    }
    manifest = {
        "format": FORMAT,
        "made_at": now.isoformat(),
        "sites": [{"id": site.id, "zone": site.zone, "thresholds": site.thresholds} for site in sites],
        "rows": rows,
        "files": files,
    }
    (part / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    part.rename(folder)
    return manifest


def checked(folder: Path) -> Mapping[str, Any]:
    """The manifest of a whole export. Raises ExportRefusal naming what is missing, changed or not of it."""
    if folder.name.startswith(".") and folder.name.endswith(".part"):
        raise ExportRefusal(f"{folder.name} was cut off while it was written: export again")
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = dict(manifest["files"])
    except OSError:
        raise ExportRefusal(f"{folder.name} has no {MANIFEST}: it was not finished, or is no export") from None
    except (ValueError, KeyError, TypeError):
        raise ExportRefusal(f"{folder.name}/{MANIFEST} cannot be read: the export was not finished") from None
    there = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()} - {MANIFEST}
    wrong = [f"{name} is missing" for name in sorted(files.keys() - there)]
    wrong += [f"{name} is not of it" for name in sorted(there - files.keys())]
    wrong += [
        f"{name} is not as it was written"
        for name in sorted(there & files.keys())
        if digest(folder / name) != files[name]["sha256"]
    ]
    if wrong:
        raise ExportRefusal(f"{folder.name}: {'; '.join(wrong)}")
    return dict(manifest)


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _site(part: Path, store: Store, site: ExportedSite) -> dict[str, int]:
    home = part / site.id
    home.mkdir()
    counted = {}
    for name, table in OWN:
        counted[f"{site.id}/{name}"] = _table(home / f"{name}.parquet", table, _pages(store, site.id, table))
    for name, table, key, owner in OTHERS:
        found = _owned(store, site.id, table, key, owner)
        counted[f"{site.id}/{name}"] = _table(home / f"{name}.parquet", table, found)
    for model, outcome in _settled(store, site.id):
        threshold = site.thresholds.get(model, {}).get(outcome)
        if threshold is not None:
            place = home / "seismometer" / model / outcome
            place.parent.mkdir(parents=True, exist_ok=True)
            labelled = Outcomes(store, clock=_never).labelled(site.id, model, outcome)
            count = seismometer.write(place, labelled, model=model, outcome=outcome, threshold=threshold)
            counted[f"{site.id}/seismometer/{model}/{outcome}"] = count
    return counted


def _never() -> datetime:
    raise AssertionError("an export tells no time of its own")


def _settled(store: Store, tenant: str) -> list[tuple[str, str]]:
    o = tables.outcomes.c
    query = select(o.model, o.outcome).where(o.tenant == tenant).distinct().order_by(o.model, o.outcome)
    with store.reading() as connection:
        return [(model, outcome) for model, outcome in connection.execute(query)]


def _columns(table: Table) -> list[Column[Any]]:
    """What is exported of a table: no users, and nothing sealed."""
    return [c for c in table.columns if c.name not in LEFT_OUT and not isinstance(c.type, LargeBinary)]


def _pages(store: Store, tenant: str, table: Table) -> Iterator[list[dict[str, Any]]]:
    """The tenant's rows in the order of the primary key, a page at a time."""
    yield from _keyed(store, table, [table.c.tenant == tenant])


def _owned(store: Store, tenant: str, table: Table, key: str, owner: Table) -> Iterator[list[dict[str, Any]]]:
    whose = select(owner.c.id).where(owner.c.id == table.c[key], owner.c.tenant == tenant).exists()
    yield from _keyed(store, table, [whose])


def _keyed(store: Store, table: Table, wanted: list[Any]) -> Iterator[list[dict[str, Any]]]:
    columns, keys = _columns(table), list(table.primary_key.columns)
    last: tuple[Any, ...] | None = None
    while True:
        after = [] if last is None else [tuple_(*keys) > tuple_(*last)]
        query = select(*columns, *(key.label(f"_{key.name}") for key in keys)).where(*wanted, *after)
        with store.reading() as connection:
            found = connection.execute(query.order_by(*keys).limit(PAGE)).mappings().all()
        yield [{column.name: row[column.name] for column in columns} for row in found]
        if len(found) < PAGE:
            return
        last = tuple(found[-1][f"_{key.name}"] for key in keys)


def _table(path: Path, table: Table, pages: Iterable[list[dict[str, Any]]]) -> int:
    schema = pa.schema([(column.name, _kind(column)) for column in _columns(table)])
    count = 0
    with pq.ParquetWriter(path, schema) as file:
        for page in pages:
            file.write_table(pa.Table.from_pylist(page, schema))
            count += len(page)
    return count


def _kind(column: Column[Any]) -> pa.DataType:
    if isinstance(column.type, Instant):
        return pa.timestamp("us", tz="UTC")
    if isinstance(column.type, Date):
        return pa.date32()
    if isinstance(column.type, Float):
        return pa.float64()
    return pa.int64() if isinstance(column.type, Integer) else pa.string()
