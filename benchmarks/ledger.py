"""A million answers in the ledger: how large it is, and how long its readers take, with the floor beside them.

python -m benchmarks.ledger [--database-url sqlite:////path/ledger.db|postgresql://...] [--assessments 1000000]

The answers are invented (governance.simulated), a year of one model at one site, one in twelve followed by the
outcome, with cards and feedback; sealed as the ledger seals them. They are written in bulk, which the ledger itself
never does: only reading is timed. The floor of a reader is its rows fetched by the driver, and nothing made of them.
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
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from sqlalchemy import Table, text

from governance import codec, simulated
from governance.figures import days_of, figures
from governance.keys import Pseudonyms, Seal
from governance.outcomes import Outcomes
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
TABLES: Final = ("assessments", "predictions", "documents", "follow_ups", "outcomes", "cards", "feedback")
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
    if at < BEGAN + timedelta(days=DAYS - 2):
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


def timed(what: Callable[[], Any], repeats: int = 1) -> float:
    """Seconds of the quickest of `repeats`."""
    taken = []
    for _ in range(repeats):
        began = time.perf_counter()
        what()
        taken.append(time.perf_counter() - began)
    return min(taken)


def floor(store: Store) -> float:
    """The settled predictions fetched by the driver in one go, nothing made of them."""

    def fetch() -> None:
        with store.reading() as connection:
            names = "pseudonym, as_of, label, probability, status, state"
            raw = connection.connection.driver_connection.cursor()
            raw.execute(f"SELECT {names} FROM outcomes WHERE tenant = '{TENANT}' ORDER BY as_of, id")  # noqa: S608
            while raw.fetchmany(AT_ONCE):
                pass

    return timed(fetch)


def streams(store: Store) -> dict[str, float]:
    """Seconds that the readers of all settled predictions take."""
    outcomes = Outcomes(store, clock=lambda: datetime.now(UTC))
    zone = ZoneInfo("America/New_York")
    rows = lambda: outcomes.labelled(TENANT, VENTILATION, OUTCOME)  # noqa: E731
    return {
        "settled predictions, driver alone (floor)": floor(store),
        "settled predictions, streamed": timed(lambda: sum(1 for _ in rows())),
        "figures of the gate, from nothing": timed(lambda: figures(days_of(rows(), zone), THRESHOLD)),
    }


def jobs_and_pages(url: str, folder: Path) -> dict[str, float]:
    """Seconds of the scheduled jobs, each from nothing, and of the pages that show what they kept, over WSGI."""
    write_files(folder)
    ends = BEGAN + timedelta(days=DAYS)
    own = rooms_of(folder, from_environment({}), lambda: ends)
    settings = replace(own.settings, database_url=url, secret=SECRET)
    rooms = Rooms(settings, clock=lambda: ends, models=own.models)
    app = create_app(settings, rooms)
    app.config[reviewing.EVERYBODY] = True
    tenant, week = rooms.tenants.by_id(TENANT), Week.of(ends.date()).before(2)
    with app.app_context():
        found = {
            "job: gates weighed": timed(lambda: governing_cli.weighed(rooms, tenant)),
            "job: a week's review put together": timed(lambda: reviewing.made(rooms, tenant, week)),
            "job: audits by group": timed(lambda: reviewing.audited(rooms, tenant)),
            "job: live cards measured": timed(lambda: carding.kept_up(rooms, tenant)),
        }
    client = app.test_client()
    reviews = f"/review/{TENANT}"
    card = f"/models/{VENTILATION}/card/{TENANT}"
    for path in (f"/gate/{TENANT}", reviews, f"{reviews}/{week.name}", f"/audits/{TENANT}", "/about", card):
        found[f"page: {path}"] = timed(lambda path=path: _page(client, path), repeats=3)  # type: ignore[misc]
    return found


def _page(client: Any, path: str) -> None:
    answer = client.get(path)
    if answer.status_code != 200:
        raise SystemExit(f"{path} answered {answer.status_code}")


def main() -> None:
    """Fill, time, print."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--database-url", default="")
    ask.add_argument("--assessments", type=int, default=1_000_000)
    told = ask.parse_args()
    with tempfile.TemporaryDirectory(prefix="ordertime-ledger-") as folder:
        url = told.database_url or f"sqlite:///{Path(folder, 'ledger.db')}"
        store = open_store(url, patience=60.0)
        migrate(store)
        if not sizes(store)["assessments"]:
            print(f"written in {fill(store, told.assessments):.0f} s")
        print(json.dumps(sizes(store)))
        for name, seconds in (streams(store) | jobs_and_pages(url, Path(folder))).items():
            print(f"{seconds:8.2f} s  {name}", flush=True)


if __name__ == "__main__":
    os.environ.setdefault("TZ", "UTC")
    main()
