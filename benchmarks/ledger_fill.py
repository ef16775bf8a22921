"""A million invented answers: a year of one model at one site, sealed as the ledger seals them.

One in twelve followed by the outcome, one in fifty for a person to settle, with cards and feedback. Written in bulk,
which the ledger itself never does: only reading is timed. Nobody in it is real.
"""

from __future__ import annotations

import json
import random
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Table, text

from governance import codec, simulated
from governance.keys import Pseudonyms, Seal
from governance.simulated import OUTCOME, THRESHOLD, VERSION, Year, play
from governance.store import Store
from governance.tables import TRAITS, metadata
from inference.assessment import VENTILATION

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


def invented(count: int, first: int = 0) -> Iterator[dict[str, list[Row]]]:
    """The rows of every table, `AT_ONCE` answers at a time, in the order of time, from the answer `first` on."""
    rng, people, seal = random.Random(SEED), Pseudonyms(SECRET, "ledger/pseudonym"), Seal(SECRET, "ledger/assessment")
    who = Seal(SECRET, "ledger/follow-up")
    beds = [bed for bed, _ in zip(play(Year(days=10)), range(SHAPES), strict=False)]
    bodies = [zlib.compress(codec.dump(simulated.answered(bed).assessment), 3) for bed in beds]
    for start in range(first, count, AT_ONCE):
        numbers = range(start, min(start + AT_ONCE, count))
        made: dict[str, list[Row]] = {name: [] for name in TABLES}
        for number in numbers:
            rng.seed(SEED * 2**32 + number)  # the same answer, whichever were made before it
            _one(number, count, rng, people, (seal, who), bodies, made)
        yield made


def _one(
    number: int, count: int, rng: random.Random, people: Pseudonyms, seals: tuple[Seal, Seal],
    bodies: list[bytes], made: dict[str, list[Row]],
) -> None:  # fmt: skip
    at, patient, key = moment_of(number, count), patient_of(number), key_of(number)
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


def fill(store: Store, count: int, first: int = 0) -> float:
    """Write them; seconds taken. With `first` the year's earlier answers are left out."""
    began = time.perf_counter()
    for made in invented(count, first):
        with store.writing() as connection:
            for name, rows in made.items():
                written(connection, metadata.tables[name], rows)
    settle(store)
    return time.perf_counter() - began


def settle(store: Store) -> None:
    """Let the database learn what it holds, as it does by itself in time."""
    if store.is_sqlite:
        with store.writing() as connection:
            connection.execute(text("ANALYZE"))
        return
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("SET statement_timeout = 0"))
        connection.execute(text("VACUUM ANALYZE"))


def key_of(number: int, of: int = 0) -> str:
    """The id of an answer, or of what was made of it: another row each `of`."""
    return f"{number:08x}-0000-4000-{0x8000 + of:04x}-000000000000"


def moment_of(number: int, count: int) -> datetime:
    """When the answer of that number was given."""
    return BEGAN + timedelta(days=DAYS) * number / count


def patient_of(number: int) -> str:
    """Whom it was about: fifty patients take turns."""
    return f"p{(number // (EACH * 50)) * 50 + number % 50}"


def written(connection: Connection, table: Table, rows: list[Row]) -> None:
    """Insert `rows`, in the way that is quickest in this database."""
    if not rows:
        return
    if connection.dialect.name != "postgresql":
        connection.execute(table.insert(), rows)
        return
    names = list(rows[0])
    asked = f"COPY {table.name} ({', '.join(names)}) FROM STDIN"
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(asked) as copy:
        for row in rows:
            copy.write_row([row[name] for name in names])
