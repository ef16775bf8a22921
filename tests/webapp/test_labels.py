"""Labels as data: pseudonymous for everybody, and as Procedures that the workshop's adaptation reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from ehr.labels import began_not, not_to_be_known, said_no, said_unknown
from ehr.reader import read_record
from governance.keys import Pseudonym
from governance.ledger import Ledger
from governance.outcomes import Outcome, Outcomes
from governance.store import Store, migrate, open_store
from inference.assessment import VENTILATION, State
from inference.features import layout_for
from tests.governance.answers import SECRET, answer
from training.adaptation.export_reader import Export, Found, stays
from training.adaptation.rows import known, rows_of
from training.cohorts import ventilation_moments
from training.labels import ventilation
from training.tasks import task
from webapp import labels

AS_OF = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATER = AS_OF + 200 * HOUR
PEOPLE = ("ann", "ben", "cid", "dee")
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


def test_adaptation_finds_what_persons_found(ledger: Ledger, outcomes: Outcomes, tmp_path: Path) -> None:
    labelled(ledger, outcomes, "ann", "yes")
    labelled(ledger, outcomes, "ann", "yes")  # asked twice, one beginning
    labelled(ledger, outcomes, "ben", "no")
    labelled(ledger, outcomes, "cid", "yes", **rule(reason="began-procedure"))
    labelled(ledger, outcomes, "dee", "unknown")
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "Patient.ndjson").write_text("".join(map(person, PEOPLE)))
    (folder / "Encounter.ndjson").write_text("".join(map(stay, PEOPLE)))
    (folder / "Procedure.ndjson").write_text(intubation("ben", AS_OF + 2 * HOUR))  # which a person says did not happen
    assert onsets(folder, tmp_path) == {"ann": None, "ben": 7.0, "cid": None, "dee": None}

    out = folder / "Procedure-labels.ndjson"
    told = labels.procedures(labels.standing(outcomes, ["north"]), ledger, out)
    counts = (told.beginnings, told.without_one, told.not_to_be_known, told.no_row, told.unreadable)
    assert counts == (1, 1, 1, {}, 0)
    assert out.stat().st_mode & 0o077 == 0
    # seven hours after the answer, which was five after admission; and none where a person says so
    assert onsets(folder, tmp_path) == {"ann": 12.0, "ben": None, "cid": None, "dee": None}


def test_hours_of_which_a_person_says_no_are_asked_about_even_where_the_chart_leaves_the_stay_open(
    ledger: Ledger, outcomes: Outcomes, tmp_path: Path
) -> None:
    key = labelled(ledger, outcomes, "ann", "no")
    assert key
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "Patient.ndjson").write_text(person("ann"))
    (folder / "Encounter.ndjson").write_text(stay("ann"))
    (folder / "Observation.ndjson").write_text("".join(heart("ann", hour) for hour in range(20)))
    (folder / "Procedure.ndjson").write_text(intubation("ann", None))  # begun, and nobody charted when
    assert moments(folder, tmp_path) == []
    labels.procedures(labels.standing(outcomes, ["north"]), ledger, folder / "Procedure-labels.ndjson")
    assert moments(folder, tmp_path) == [(5.0, (False, False, False))]  # of the answer itself, and of no other hour


def monitored(folder: Path, *rows: str) -> None:
    """Ann's stay in an export: five days, with a heart rate an hour in the first two and what else is given."""
    folder.mkdir()
    (folder / "Patient.ndjson").write_text(person("ann"))
    (folder / "Encounter.ndjson").write_text(stay("ann"))
    (folder / "Observation.ndjson").write_text("".join(heart("ann", hour) for hour in range(49)))
    (folder / "Procedure.ndjson").write_text("".join(rows))


@pytest.mark.parametrize("charted", [None, 7, 30], ids=["nothing charted", "a tube in those hours", "one after them"])
def test_what_a_person_says_cannot_be_known_is_no_label_whatever_the_chart_says(
    ledger: Ledger, outcomes: Outcomes, tmp_path: Path, charted: int | None
) -> None:
    labelled(ledger, outcomes, "ann", "unknown")  # of the 24 hours after the fifth of the stay
    folder = tmp_path / "export"
    monitored(folder, *([] if charted is None else [intubation("ann", AS_OF + charted * HOUR)]))
    before = dict(moments(folder, tmp_path))
    assert 5.0 in before
    assert 1.0 in before
    labels.procedures(labels.standing(outcomes, ["north"]), ledger, folder / "Procedure-labels.ndjson")
    after = dict(moments(folder, tmp_path))
    # every landmark whose own 24 hours touch those of the answer is left out, from the first to the 29th
    assert set(before) - set(after) == {hour for hour in before if hour < 29}
    assert all(after[hour] == before[hour] for hour in after)
    assert set(after) == {hour for hour in before if hour >= 29}


def test_what_cannot_be_known_is_counted_by_name_and_a_person_who_knows_goes_first(
    ledger: Ledger, outcomes: Outcomes, tmp_path: Path
) -> None:
    labelled(ledger, outcomes, "ann", "unknown")
    folder = tmp_path / "export"
    monitored(folder)
    out = folder / "Procedure-labels.ndjson"
    labels.procedures(labels.standing(outcomes, ["north"]), ledger, out)
    found, chosen = Found(), task(VENTILATION)
    read = stays(Export(folder, "north"), found, tmp_path / "spool")
    made = rows_of(read, "north", chosen, layout_for(chosen.inputs, chosen.name), {})
    assert (found.unknowable, found.reviewed) == (1, 0)
    assert made.not_to_be_known == 25  # the landmarks of the first day, and the 28th hour
    assert len(made.table) == len(moments(folder, tmp_path)) > 0
    for label in ("no", "yes"):
        labelled(ledger, outcomes, "ann", label)
        labels.procedures(labels.standing(outcomes, ["north"]), ledger, out)
        found = Found()
        (one,) = stays(Export(folder, "north"), found, tmp_path / "spool")
        assert (one.unknowable, found.unknowable) == ((), 0)
        assert 5.0 in dict(moments(folder, tmp_path))


def test_what_cannot_be_known_is_a_row_that_no_reader_takes_for_anything() -> None:
    row = not_to_be_known("ann", AS_OF, AS_OF + 24 * HOUR)
    assert said_unknown(row) == (AS_OF, AS_OF + 24 * HOUR)
    assert said_no(row) is None
    assert said_unknown(began_not("ann", AS_OF, AS_OF + HOUR)) is None
    assert read_record("ann", [row]).events == ()
    assert said_unknown(row | {"meta": {}}) is None


def test_persons_who_contradict_one_another_leave_the_beginning(
    ledger: Ledger, outcomes: Outcomes, tmp_path: Path
) -> None:
    labelled(ledger, outcomes, "ann", "yes")
    labelled(ledger, outcomes, "ann", "no")
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "Patient.ndjson").write_text(person("ann"))
    (folder / "Encounter.ndjson").write_text(stay("ann"))
    labels.procedures(labels.standing(outcomes, ["north"]), ledger, folder / "Procedure-labels.ndjson")
    found = Found()
    (one,) = stays(Export(folder, "north"), found, tmp_path / "spool")
    assert one.onset is not None
    assert one.reviewed == ()
    assert found.tally.refused["label: persons contradict one another"] == 1


def test_a_hospitals_own_not_done_is_nobodys_label() -> None:
    row = began_not("ann", AS_OF, AS_OF + 24 * HOUR)
    assert said_no(row) == (AS_OF, AS_OF + 24 * HOUR)
    bends: tuple[dict[str, Any], ...] = (
        {"meta": {}},
        {"meta": {"tag": "x"}},
        {"status": "completed"},
        {"performedPeriod": {}},
    )
    for bent in bends:
        assert said_no(row | bent) is None


def person(name: str) -> str:
    return json.dumps({"resourceType": "Patient", "id": name, "birthDate": "1950-02-03", "gender": "female"}) + "\n"


def stay(name: str) -> str:
    period = {"start": (AS_OF - 5 * HOUR).isoformat(), "end": (AS_OF + 90 * HOUR).isoformat()}
    row = {"resourceType": "Encounter", "id": f"stay-{name}", "status": "finished", "class": {"code": "IMP"}}
    return json.dumps(row | {"subject": {"reference": f"Patient/{name}"}, "period": period}) + "\n"


def intubation(name: str, moment: datetime | None) -> str:
    code = {"coding": [{"system": "http://snomed.info/sct", "code": "112798008"}]}
    row = {"resourceType": "Procedure", "id": f"tube-{name}", "status": "completed", "code": code}
    timed = {} if moment is None else {"performedDateTime": moment.isoformat()}
    return json.dumps(row | {"subject": {"reference": f"Patient/{name}"}} | timed) + "\n"


def heart(name: str, hour: int) -> str:
    row: dict[str, Any] = {"resourceType": "Observation", "id": f"hr-{name}-{hour}", "status": "final"}
    code = {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]}
    when, value = (AS_OF + (hour - 5) * HOUR).isoformat(), {"value": 90, "unit": "/min", "code": "/min"}
    row |= {"code": code, "effectiveDateTime": when, "valueQuantity": value}
    return json.dumps(row | {"subject": {"reference": f"Patient/{name}"}}) + "\n"


def moments(folder: Path, work: Path) -> list[tuple[float, tuple[bool, ...]]]:
    """The landmarks that adaptation asks about, and what happened within 6, 12 and 24 hours of each."""
    with known("north", {}):
        return [
            (moment.landmark, label.within)
            for one in stays(Export(folder, "north"), Found(), work / "spool")
            for moment in ventilation_moments(one)
            if (label := ventilation(one, moment)) is not None
        ]


def onsets(folder: Path, work: Path) -> dict[str, float | None]:
    """Hours from admission to ventilation, by patient, as the workshop reads the export."""
    from training.readers import START

    found = stays(Export(folder, "north"), Found(), work / "spool")
    return {one.patient: None if one.onset is None else (one.onset - START) / HOUR for one in found}
