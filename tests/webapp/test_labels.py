"""Labels as data: pseudonymous for everybody, and as Procedures that the workshop's adaptation reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from governance.keys import Pseudonym
from governance.ledger import Ledger
from governance.outcomes import Outcome, Outcomes
from governance.store import Store, migrate, open_store
from inference.assessment import State
from tests.governance.answers import SECRET, answer
from training.adaptation.export_reader import Export, Found, stays
from webapp import labels

AS_OF = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATER = AS_OF + 200 * HOUR
REVIEWER = Pseudonym("cd" * 32)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = open_store(f"sqlite:///{tmp_path}/ledger.db")
    migrate(opened)
    yield opened
    opened.close()


@pytest.fixture
def ledger(store: Store) -> Ledger:
    return Ledger(store, SECRET, clock=lambda: AS_OF)


@pytest.fixture
def outcomes(store: Store) -> Outcomes:
    return Outcomes(store, clock=lambda: LATER)


def labelled(ledger: Ledger, outcomes: Outcomes, patient: str, label: str, **changes: Any) -> str:
    made = answer(as_of=AS_OF)
    key = ledger.record(made, tenant="north", patient=patient, door="hook", state=State.SILENT).id
    told: dict[str, Any] = {"known_at": LATER, "reason": "reviewed", "source": "review", "reviewer": REVIEWER}
    if label in ("yes", "early"):
        told["happened_at"] = AS_OF + 7 * HOUR
    outcomes.record(Outcome(key, "ventilation-24h", label, **(told | changes)))
    return key


def rule(**changes: Any) -> dict[str, Any]:
    return {"source": "rule", "reviewer": Pseudonym(""), "reason": "stayed-without"} | changes


@pytest.mark.parametrize("suffix", [".jsonl", ".parquet"])
def test_every_label_that_stands_is_exported_under_its_pseudonym(
    ledger: Ledger, outcomes: Outcomes, tmp_path: Path, suffix: str
) -> None:
    key = labelled(ledger, outcomes, "mrs-secret", "yes")
    labelled(ledger, outcomes, "somebody", "no", **rule())
    out = tmp_path / f"labels{suffix}"
    assert labels.export(labels.standing(outcomes, ["north"]), out) == 2
    whole = suffix == ".jsonl"
    rows = list(map(json.loads, out.read_text().splitlines())) if whole else pq.read_table(out).to_pylist()
    (mine,) = (row for row in rows if row["assessment_id"] == key)
    assert (mine["label"], mine["source"], mine["hours"], mine["probability"]) == ("yes", "review", 24, 0.31)
    assert mine["happened_at"] == (AS_OF + 7 * HOUR).isoformat()
    assert mine["patient"] == ledger.pseudonym("north", "mrs-secret")
    assert b"mrs-secret" not in out.read_bytes()
    assert set(mine) == set(labels.COLUMNS)
    assert labels.export(labels.standing(outcomes, ["south"]), out) == 0


def test_a_persons_label_is_exported_in_place_of_the_rules(
    ledger: Ledger, outcomes: Outcomes, tmp_path: Path
) -> None:
    key = labelled(ledger, outcomes, "p", "no", **rule())
    outcomes.record(
        Outcome(key, "ventilation-24h", "unknown", known_at=LATER, reason="reviewed", source="review",
                reviewer=REVIEWER)
    )  # fmt: skip
    (row,) = labels.standing(outcomes, ["north"])
    assert (row.label.label, row.label.source) == ("unknown", "review")


def test_an_export_that_fails_half_way_leaves_what_was_there(
    ledger: Ledger, outcomes: Outcomes, tmp_path: Path
) -> None:
    labelled(ledger, outcomes, "p", "yes")
    out = tmp_path / "labels.jsonl"
    out.write_text("before\n")

    def broken() -> Iterator[labels.Told]:
        yield from labels.standing(outcomes, ["north"])
        raise RuntimeError("the database went away")

    with pytest.raises(RuntimeError):
        labels.export(broken(), out)
    assert out.read_text() == "before\n"
    assert [path.name for path in tmp_path.iterdir() if "draft" in path.name] == []
    with pytest.raises(labels.LabelsError, match=r"\.jsonl or \.parquet"):
        labels.export([], tmp_path / "labels.csv")


def test_adaptation_finds_the_beginning_that_a_person_found(
    ledger: Ledger, outcomes: Outcomes, tmp_path: Path
) -> None:
    labelled(ledger, outcomes, "ann", "yes")
    labelled(ledger, outcomes, "ann", "yes")  # asked twice, one beginning
    labelled(ledger, outcomes, "ben", "no")
    labelled(ledger, outcomes, "cid", "yes", **rule(reason="began-procedure"))
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "Patient.ndjson").write_text("".join(map(person, ("ann", "ben", "cid"))))
    (folder / "Encounter.ndjson").write_text("".join(map(stay, ("ann", "ben", "cid"))))
    before = onsets(folder, tmp_path)
    assert before == {"ann": None, "ben": None, "cid": None}

    out = folder / "Procedure-labels.ndjson"
    told = labels.beginnings(labels.standing(outcomes, ["north"]), ledger, out)
    assert (told.written, told.without, told.unreadable) == (1, {"no": 1}, 0)
    assert out.stat().st_mode & 0o077 == 0
    after = onsets(folder, tmp_path)
    assert after == before | {"ann": 12.0}  # seven hours after the answer, which was five after admission


def person(name: str) -> str:
    return json.dumps({"resourceType": "Patient", "id": name, "birthDate": "1950-02-03", "gender": "female"}) + "\n"


def stay(name: str) -> str:
    period = {"start": (AS_OF - 5 * HOUR).isoformat(), "end": (AS_OF + 90 * HOUR).isoformat()}
    row = {"resourceType": "Encounter", "id": f"stay-{name}", "status": "finished", "class": {"code": "IMP"}}
    return json.dumps(row | {"subject": {"reference": f"Patient/{name}"}, "period": period}) + "\n"


def onsets(folder: Path, work: Path) -> dict[str, float | None]:
    """Hours from admission to ventilation, by patient, as the workshop reads the export."""
    from training.readers import START

    found = stays(Export(folder, "north"), Found(), work / "spool")
    return {one.patient: None if one.onset is None else (one.onset - START) / HOUR for one in found}
