"""A million answers in the ledger: how large it is, and how long its readers take, with the floor beside them.

python -m benchmarks.ledger [--database-url sqlite:////path/ledger.db|postgresql://...] [--assessments 1000000]
    [--out benchmarks/results/ledger.json] [--only page,follow-up]

The answers are invented (governance.simulated), a year of one model at one site, one in twelve followed by the
outcome, one in fifty for a person to settle, with cards and feedback; sealed as the ledger seals them. They are written
in bulk, which the ledger itself never does: only reading is timed. The floor of a reader is its rows fetched by the
driver, and nothing made of them. Beside the seconds stand those of this process's processor: on a busy machine the
former are longer.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Table, text

from benchmarks import ledger_pages
from benchmarks.ledger_pages import Part, Timed, alone
from governance import codec, simulated
from governance.figures import figures
from governance.keys import Pseudonyms, Seal
from governance.outcomes import Labelled, Outcomes
from governance.patient_days import days_of
from governance.simulated import OUTCOME, THRESHOLD, VERSION, Year, play
from governance.simulated_gates import write_files
from governance.store import Store, migrate, open_store
from governance.tables import TRAITS, metadata
from governance.weeks import Week
from inference.assessment import VENTILATION
from webapp import carding, create_app, governing_cli, reviewing
from webapp.rooms import Rooms
from webapp.settings import from_environment
from webapp.simulated_site import rooms_of

TENANT: Final = "simulated"
SECRET: Final = b"a benchmark's secret of 32 bytes"
BEGAN: Final = datetime(2026, 1, 1, tzinfo=UTC)
DAYS: Final = 365
SILENT: Final = 180  # days before the model is shown
EACH: Final = 10  # answers of one patient
SHAPES: Final = 200  # documents of different content
AT_ONCE: Final = 10_000
SEED: Final = 20261125
LEFT_OPEN: Final = 50  # one in so many answers waits for a person
TABLES: Final = (
    *("assessments", "predictions", "documents", "follow_ups", "outcomes", "referrals", "cards", "feedback"),
)
Row = dict[str, Any]


def invented(count: int) -> Iterator[dict[str, list[Row]]]:
    """The rows of every table, `AT_ONCE` answers at a time, in the order of time."""
    rng, people, seal = random.Random(SEED), Pseudonyms(SECRET, "ledger/pseudonym"), Seal(SECRET, "ledger/assessment")
    who = Seal(SECRET, "ledger/follow-up")
    beds = [bed for bed, _ in zip(play(Year(days=10)), range(SHAPES), strict=False)]
    bodies = [zlib.compress(codec.dump(simulated.answered(bed).assessment), 3) for bed in beds]
    for start in range(0, count, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, count))
        made: dict[str, list[Row]] = {name: [] for name in TABLES}
        for number in numbers:
            _one(number, count, rng, people, (seal, who), bodies, made)
        yield made


def _one(
    number: int, count: int, rng: random.Random, people: Pseudonyms, seals: tuple[Seal, Seal],
    bodies: list[bytes], made: dict[str, list[Row]],
) -> None:  # fmt: skip
    at = BEGAN + timedelta(days=DAYS) * number / count
    patient = f"p{(number // (EACH * 50)) * 50 + number % 50}"  # fifty patients take turns
    key = f"{number:08x}-0000-4000-8000-000000000000"
    pseudonym = people.of("patient", TENANT, patient)
    probability = min(0.99, rng.expovariate(10))
    happened = rng.random() < min(0.9, probability)
    assessed, active = rng.random() > 0.1, at >= BEGAN + timedelta(days=SILENT)
    state, status = "active" if active else "silent", "assessed" if assessed else "indeterminate"
    said = {"tenant": TENANT, "pseudonym": pseudonym, "model": VENTILATION, "version": VERSION, "state": state}
    made["assessments"].append(said | {
        "id": key, "door": "hook", "hook": "patient-view", "hook_instance": key, "user_pseudonym": "",
        "threshold": THRESHOLD, "as_of": at, "made_at": at, "shown_at": at if active else None, "status": status,
        "reason": "" if assessed else "both-labels", "seed": 0, "inputs_digest": "",
        "latency_ms": rng.lognormvariate(4, 0.4),
    })  # fmt: skip
    made["predictions"].append({
        "assessment_id": key, "outcome": OUTCOME, "hours": 24, "probability": probability, "low": probability / 2,
        "high": min(1.0, probability * 1.5), "value": None, "value_low": None, "value_high": None, "unit": "",
    })  # fmt: skip
    sealed = seals[0].close(bodies[number % len(bodies)], place=key, at=at)
    made["documents"].append({"assessment_id": key, "body": sealed})
    whose = json.dumps({"patient": patient, "encounter": ""}).encode()
    made["follow_ups"].append({"assessment_id": key, "body": seals[1].close(whose, place=key, at=at)})
    traits = dict.fromkeys(TRAITS, "") | {
        "care_unit": rng.choice(("icu", "ward")), "sex": ("female", "male")[int(pseudonym[0], 16) % 2],
        "age_band": ("18-39", "40-64", "65-79", "80+")[int(pseudonym[1], 16) % 4],
        "language": "es" if pseudonym[2] in "01" else "en", "site": TENANT,
    }  # fmt: skip
    if number % LEFT_OPEN == 0:
        made["referrals"].append({
            "assessment_id": key, "outcome": OUTCOME, "reason": "transferred", "referred_at": at + timedelta(hours=30),
        })  # fmt: skip
    elif at < BEGAN + timedelta(days=DAYS - 2):
        made["outcomes"].append(said | traits | {
            "id": key, "assessment_id": key, "outcome": OUTCOME, "source": "rule",
            "label": "yes" if happened else "no", "reason": "",
            "happened_at": at + timedelta(hours=8) if happened else None,
            "known_at": at + timedelta(hours=30), "recorded_at": at + timedelta(hours=30), "value": None,
            "reviewer": "", "status": status, "as_of": at, "hours": 24, "probability": probability,
        })  # fmt: skip
    if active and assessed and probability >= THRESHOLD:
        made["cards"].append({
            "id": key, "tenant": TENANT, "assessment_id": key, "hook": "patient-view", "shown_at": at,
            "indicator": "warning", "summary_digest": "0" * 64, "withheld": "",
        })  # fmt: skip
        if rng.random() < 0.5:
            outcome = rng.choice(("accepted", "overridden"))
            made["feedback"].append({
                "id": key, "tenant": TENANT, "card": key, "service": VENTILATION, "outcome": outcome, "outcome_at": at,
                "received_at": at, "override_code": "not-now" if outcome == "overridden" else "", "override_system": "",
                "accepted": "[]", "comment": None,
            })  # fmt: skip


def fill(store: Store, count: int) -> float:
    """Write them; seconds taken."""
    began = time.perf_counter()
    for made in invented(count):
        with store.writing() as connection:
            for name, rows in made.items():
                _written(connection, metadata.tables[name], rows)
    with store.writing() as connection:
        connection.execute(text("ANALYZE"))
    return time.perf_counter() - began


def _written(connection: Any, table: Table, rows: list[Row]) -> None:
    if not rows:
        return
    if connection.dialect.name != "postgresql":
        connection.execute(table.insert(), rows)
        return
    names = list(rows[0])
    asked = f"COPY {table.name} ({', '.join(names)}) FROM STDIN"
    with connection.connection.driver_connection.cursor() as cursor, cursor.copy(asked) as copy:
        for row in rows:
            copy.write_row([row[name] for name in names])


def sizes(store: Store) -> dict[str, float]:
    """Megabytes of the whole database, and rows of its largest tables."""
    with store.reading() as connection:
        if connection.dialect.name == "postgresql":
            size = connection.scalar(text("SELECT pg_database_size(current_database())"))
        else:
            pages, page = (connection.scalar(text(f"PRAGMA {name}")) for name in ("page_count", "page_size"))
            size = pages * page
        found = {name: connection.scalar(text(f"SELECT count(*) FROM {name}")) for name in TABLES}  # noqa: S608
    return {"megabytes": round(size / 1e6, 1), **found}


def floor(store: Store) -> None:
    """The settled predictions fetched by the driver in one go, nothing made of them."""
    with store.reading() as connection:
        names = "pseudonym, as_of, label, probability, status, state"
        raw: Any = connection.connection.driver_connection
        raw = raw.cursor()
        raw.execute(f"SELECT {names} FROM outcomes WHERE tenant = '{TENANT}' ORDER BY as_of, id")  # noqa: S608
        while raw.fetchmany(AT_ONCE):
            pass


def streams(store: Store) -> Iterator[Part]:
    """The readers of all settled predictions."""
    outcomes = Outcomes(store, clock=lambda: datetime.now(UTC))
    zone = ZoneInfo("America/New_York")

    def rows() -> Iterator[Labelled]:
        return outcomes.labelled(TENANT, VENTILATION, OUTCOME)

    parts: dict[str, Callable[[], Any]] = {
        "settled predictions, driver alone (floor)": lambda: floor(store),
        "settled predictions, streamed": lambda: [None for _ in rows() if _ is None],
        "figures of the gate, from nothing": lambda: figures(days_of(rows(), zone), THRESHOLD),
    }
    for name, part in parts.items():
        yield Part(name, part)


def jobs_and_pages(url: str, folder: Path) -> Iterator[Part]:
    """The scheduled jobs, each from nothing, and the pages that show what they kept or read by themselves."""
    write_files(folder)
    ends = BEGAN + timedelta(days=DAYS)
    own = rooms_of(folder, from_environment({}), lambda: ends)
    settings = replace(own.settings, database_url=url, secret=SECRET)
    rooms = Rooms(settings, clock=lambda: ends, models=own.models)
    app = create_app(settings, rooms)
    app.config[reviewing.EVERYBODY] = True
    tenant, week = rooms.tenants.by_id(TENANT), Week.of(ends.date()).before(2)
    store, reviews = rooms.store, f"/review/{TENANT}"
    with app.app_context():
        yield Part("job: gates weighed", lambda: governing_cli.weighed(rooms, tenant))
        yield Part("job: a week's review put together", lambda: reviewing.made(rooms, tenant, week))
        yield Part("job: audits by group", lambda: reviewing.audited(rooms, tenant))
        yield Part("job: live cards measured", lambda: carding.kept_up(rooms, tenant))
    client = app.test_client()
    for path in (f"/gate/{TENANT}", reviews, f"{reviews}/{week.name}", f"/audits/{TENANT}", "/about"):
        yield Part(f"page: {path}", partial(_page, client, path), 3)
    known = ledger_pages.equipped(rooms, tenant)
    ledger_pages.looked(rooms, known)
    with app.test_request_context():
        yield from ledger_pages.listings(store, rooms, known, BEGAN)
    yield from ledger_pages.pages(app, rooms, known)


def _page(client: Any, path: str) -> None:
    answer = client.get(path)
    if answer.status_code != 200:
        raise SystemExit(f"{path} answered {answer.status_code}")


def main() -> None:
    """Fill, time, print."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--database-url", default="")
    ask.add_argument("--assessments", type=int, default=1_000_000)
    ask.add_argument("--out", type=Path, help="JSON to write the figures into, beside those of the other database")
    ask.add_argument("--only", default="", help="parts whose names hold one of these, divided by commas")
    told = ask.parse_args()
    with tempfile.TemporaryDirectory(prefix="ordertime-ledger-") as folder:
        url = told.database_url or f"sqlite:///{Path(folder, 'ledger.db')}"
        store = open_store(url, patience=60.0)
        migrate(store)
        if not sizes(store)["assessments"]:
            print(f"written in {fill(store, told.assessments):.0f} s")
        kind, size, found = store.url.get_backend_name(), sizes(store), dict[str, Timed]()
        print(json.dumps(size))
        for part in chain(streams(store), jobs_and_pages(url, Path(folder))):
            name = part.name
            if not any(each in name for each in told.only.split(",")):
                continue
            one = found[name] = alone(part.what, part.repeats)
            print(f"{one.seconds:8.2f} s ({one.cpu:.2f} of CPU) {one.peak:6.0f} MB  {name}", flush=True)
        if told.out:
            _kept(told.out, kind, size, found)


def _kept(path: Path, kind: str, size: dict[str, float], found: dict[str, Timed]) -> None:
    """The figures beside those of the other database."""
    before = json.loads(path.read_text()) if path.exists() else {}
    rows = {
        name: {"seconds": round(one.seconds, 3), "cpu": round(one.cpu, 3), "peak_mb": round(one.peak)}
        for name, one in found.items()
    }
    path.parent.mkdir(exist_ok=True)
    measured = {"load": os.getloadavg()[0], "size": size, "parts": rows}
    if kind in before and before[kind]["size"] == size | {"megabytes": before[kind]["size"]["megabytes"]}:
        measured["parts"] = before[kind]["parts"] | rows  # of the same ledger: what was not timed again stays
    path.write_text(json.dumps(before | {kind: measured}, indent=1) + "\n")


if __name__ == "__main__":
    os.environ.setdefault("TZ", "UTC")
    main()
