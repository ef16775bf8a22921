"""Batch scoring: the doors' own answers, one row an outcome, in the CSV's order, and nothing silent."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from demo.patients import STORIES, everyone
from ehr.reader import read_record
from inference.assess import assess
from inference.errors import ArtifactError
from inference.model import load, newest
from tests.artefacts import build, build_both
from tests.planned import build_planned
from webapp import score as batch
from webapp.score import COLUMNS, ScoreError, Summary, score

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MODELS = ("ventilation-need", "troponin-trend")
OUTCOMES = ["ventilation-6h", "ventilation-12h", "ventilation-24h", "troponin-rise-24h", "troponin-next"]
Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_both(tmp_path_factory.mktemp("artefacts"))


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stand-in hospital's patients as a bulk export, one file a type."""
    folder = tmp_path_factory.mktemp("export")
    for resource in everyone(NOW):
        with (folder / f"{resource['resourceType']}.ndjson").open("a") as file:
            file.write(json.dumps(resource) + "\n")
    return folder


def asked(folder: Path, *moments: tuple[str, str]) -> Path:
    path = folder / "moments.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("patient", "as_of"), *moments])
    return path


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Artefacts with a trend model that hears of the planned draw, and of patients before the first."""
    artifacts = tmp_path_factory.mktemp("planned")
    build(artifacts)
    build_planned(artifacts)
    return artifacts


Run = Callable[..., tuple[Rows, Summary, list[str]]]


@pytest.fixture
def run(tmp_path: Path, artifacts: Path, export: Path) -> Iterator[Run]:
    """Score moments of an export; rows, summary and what was said."""

    def go(
        *moments: tuple[str, str], folder: Path = export, **options: Any
    ) -> tuple[Rows, Summary, list[str]]:
        said: list[str] = []
        out = tmp_path / "out.csv"
        told = {"artifacts": artifacts, "workers": 1, "progress": False, "say": said.append} | options
        summary = score(folder, asked(tmp_path, *moments), out, **told)
        with out.open(newline="") as file:
            return list(csv.DictReader(file)), summary, said

    yield go
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")], (
        "the spool was left behind"
    )


def when(hours: float = 0) -> str:
    return (NOW - timedelta(hours=hours)).isoformat()


def test_there_is_one_row_for_each_patient_moment_and_outcome_in_the_order_of_the_csv(run: Run) -> None:
    moments = [
        ("sepsis", when(1)),
        ("pneumonia-worsening", when(5)),
        ("sepsis", when(6)),
        ("sepsis", when(1)),
    ]
    rows, summary, said = run(*moments)
    assert [(r["patient"], r["as_of"]) for r in rows] == [moment for moment in moments for _ in OUTCOMES]
    assert [r["outcome"] for r in rows] == OUTCOMES * 4
    assert tuple(rows[0]) == COLUMNS
    assert (summary.moments, summary.patients, summary.rows) == (4, 2, 20)
    assert said == []


@pytest.mark.parametrize("patient", STORIES)
def test_the_batch_gives_the_answer_the_doors_give(run: Run, artifacts: Path, patient: str) -> None:
    hours = (0.0, 2.5, 9.0)
    rows, *_ = run(*[(patient, when(back)) for back in hours])
    for back in hours:
        moment = NOW - timedelta(hours=back)
        # What a hook could have been sent at that moment, and nothing that came later.
        visible = [r for r in STORIES[patient](NOW).resources if _known(r) <= moment]
        chart = read_record(patient, visible).at(moment)
        for name in MODELS:
            answer = assess(chart, load(newest(artifacts, name), "cpu"), seed=3)
            mine = {r["outcome"]: r for r in rows if r["as_of"] == when(back) and r["model"] == name}
            assert {r["status"] for r in mine.values()} == {str(answer.status)}
            for said in answer.predictions:
                row = mine[said.outcome]
                for column in ("probability", "low", "high", "value", "value_low", "value_high"):
                    value = getattr(said, column)
                    assert (
                        row[column] == ""
                        if value is None
                        else float(row[column]) == pytest.approx(value, abs=1e-6)
                    )


def _known(resource: dict[str, Any]) -> datetime:
    """When a row could first be seen; things without a time were always there."""
    period = resource.get("performedPeriod") or resource.get("timingPeriod") or resource.get("period") or {}
    names = ("issued", "effectiveDateTime", "performedDateTime", "authoredOn", "recordedDate")
    times = [resource[name] for name in names if name in resource] + [
        period.get("start") or "1900-01-01T00:00Z"
    ]
    return max(datetime.fromisoformat(text) for text in times if len(text) > 10)


@pytest.mark.parametrize(
    ("patient", "status", "words"),
    [
        ("ventilated", "excluded", "Mechanical ventilation began"),
        ("child-asthma", "excluded", "9 years old"),
        ("almost-empty", "insufficient", ""),
    ],
)
def test_a_patient_without_a_number_has_its_rows_and_a_reason_in_words(
    run: Run, patient: str, status: str, words: str
) -> None:
    rows, *_ = run((patient, when()))
    need = [r for r in rows if r["model"] == "ventilation-need"]
    assert [r["outcome"] for r in need] == OUTCOMES[:3]
    assert {r["status"] for r in need} == {status}
    assert all(words in r["reason"] and len(r["reason"]) > 20 for r in need)
    assert {r["probability"] for r in need} == {""}


def test_an_indeterminate_answer_keeps_its_probability_and_says_why(run: Run) -> None:
    rows, *_ = run(*[(patient, when()) for patient in STORIES])
    doubtful = [r for r in rows if r["status"] == "indeterminate" and r["outcome"] != "troponin-next"]
    assert doubtful
    assert all(r["probability"] and r["reason"] for r in doubtful)


def test_nothing_after_the_moment_counts(run: Run, export: Path, tmp_path: Path) -> None:
    early, *_ = run(("infarction-rising", when(1.0)))
    cut = tmp_path / "cut"
    cut.mkdir()
    for resource in STORIES["infarction-rising"](NOW).resources:
        if _known(resource) <= NOW - timedelta(hours=1):
            with (cut / f"{resource['resourceType']}.ndjson").open("a") as file:
                file.write(json.dumps(resource) + "\n")
    only, *_ = run(("infarction-rising", when(1.0)), folder=cut)
    assert early == only


def test_a_patient_who_is_not_in_the_export_has_rows_that_say_so(run: Run) -> None:
    rows, summary, _ = run(("nobody", when()), ("sepsis", when()))
    assert [r["outcome"] for r in rows[:5]] == OUTCOMES
    assert {(r["status"], r["reason"]) for r in rows[:5]} == {
        ("excluded", "This patient is not in the export.")
    }
    assert summary.statuses["ventilation-need excluded (not in the export)"] == 1


def test_a_patient_may_be_written_as_a_reference(run: Run) -> None:
    rows, *_ = run(("Patient/sepsis", when()), ("sepsis", when()))
    assert rows[0]["patient"] == "Patient/sepsis"
    assert [r["probability"] for r in rows[:5]] == [r["probability"] for r in rows[5:]]


@pytest.mark.parametrize("formula", ['=HYPERLINK("http://evil.example","x")', "+1", "-1+2", "@SUM(1)", "\t=1", "a b"])
def test_a_patient_that_a_spreadsheet_would_compute_is_no_patient(run: Run, formula: str) -> None:
    rows, summary, said = run((formula, when()), ("sepsis", when()))
    assert {row["patient"] for row in rows} == {"sepsis"}
    assert (summary.bad_moments, said) == (1, ["moments.csv:2: no patient; skipped"])


def test_bad_moments_are_named_by_line_and_skipped(run: Run) -> None:
    rows, summary, said = run(
        ("sepsis", "noon"), ("sepsis", when()), ("sepsis", "2026-11-23T12:00:00"), ("", when())
    )
    assert len(rows) == 5
    assert summary.bad_moments == 3
    assert said == [
        "moments.csv:2: as_of is no ISO 8601 instant; skipped",
        "moments.csv:4: as_of has no zone (write Z or an offset); skipped",
        "moments.csv:5: no patient; skipped",
    ]


def test_bad_lines_are_named_by_file_and_line_whatever_the_pieces(
    run: Run, export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch.bulk, "PIECE", 20_000)
    folder = tmp_path / "export"
    folder.mkdir()
    for path in export.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    observations = (folder / "Observation.ndjson").read_text().splitlines()
    observations[99:99] = ["{oops"]
    observations.append("[1]")
    (folder / "Observation.ndjson").write_text("\n".join(observations) + "\n")
    rows, summary, said = run(("sepsis", when()), folder=folder)
    whole, *_ = run(("sepsis", when()))
    assert rows == whole
    assert summary.bad_lines == 2
    assert said[0].startswith("Observation.ndjson:100: no JSON")
    assert said[1] == f"Observation.ndjson:{len(observations)}: no FHIR resource; skipped"
    assert "2 bad lines" in str(summary)


def test_two_processes_give_the_same_file_as_one(run: Run) -> None:
    moments = [(patient, when(back)) for back in (0, 3) for patient in STORIES]
    alone, *_ = run(*moments)
    together, summary, _ = run(*moments, workers=2)
    assert together == alone
    assert summary.moments == len(moments)


def test_parquet_holds_the_same_rows_as_csv(run: Run, tmp_path: Path, artifacts: Path, export: Path) -> None:
    rows, *_ = run(("sepsis", when()), ("nobody", when()))
    out = tmp_path / "out.parquet"
    score(export, tmp_path / "moments.csv", out, artifacts=artifacts, workers=1, progress=False, say=print)
    table = pq.read_table(out)
    assert table.column_names == list(COLUMNS)
    read = table.to_pylist()
    assert [r["outcome"] for r in read] == [r["outcome"] for r in rows]
    assert [r["probability"] for r in read] == [
        float(r["probability"]) if r["probability"] else None for r in rows
    ]


def test_no_moments_make_an_empty_file_with_its_columns(run: Run) -> None:
    rows, summary, _ = run()
    assert rows == []
    assert summary.moments == 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"out": "out.xlsx"}, "ends in .csv or .parquet"),
        ({"out": "nowhere/out.csv"}, "is no folder"),
        ({"header": "id,when"}, "columns patient and as_of"),
        ({"empty": True}, "holds no Patient"),
    ],
)
def test_what_cannot_be_run_is_refused_before_it_is_begun(
    tmp_path: Path, artifacts: Path, export: Path, change: dict[str, Any], message: str
) -> None:
    moments = tmp_path / "m.csv"
    moments.write_text(change.get("header", "patient,as_of") + "\nsepsis,2026-11-23T12:00:00Z\n")
    folder = tmp_path / "empty"
    folder.mkdir()
    with pytest.raises(ScoreError, match=message):
        score(
            folder if change.get("empty") else export,
            moments,
            tmp_path / change.get("out", "out.csv"),
            artifacts=artifacts,
            workers=1,
            progress=False,
        )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "m.csv"]


def test_a_model_that_is_not_there_is_refused_before_it_is_begun(tmp_path: Path, export: Path) -> None:
    with pytest.raises(ArtifactError):
        score(
            export,
            asked(tmp_path, ("sepsis", when())),
            tmp_path / "o.csv",
            artifacts=tmp_path,
            workers=1,
            progress=False,
        )
    assert not (tmp_path / "o.csv").exists()


def test_a_failure_on_the_way_leaves_an_earlier_result_as_it_was(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, *_ = run(("sepsis", when()))

    def breaks(path: Path, rows: Iterator[Any]) -> None:
        path.write_text("half")
        raise OSError("disk full")

    monkeypatch.setitem(batch.WRITERS, ".csv", breaks)
    with pytest.raises(OSError, match="disk full"):
        run(("sepsis", when(3)))
    with (tmp_path / "out.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == before


def test_the_summary_says_what_was_read_and_not_used_but_no_value(run: Run) -> None:
    _, summary, said = run(("conflicting-rows", when()))
    assert summary.refused["implausible"] >= 2
    assert "implausible" in str(summary)
    assert "98.8" not in str(summary) + "".join(said)


# --- which question the numbers are for


def trend(rows: Rows) -> Rows:
    return [row for row in rows if row["model"] == "troponin-trend"]


def test_each_number_says_which_troponin_and_which_draw_it_is_for(run: Run, planned: Path) -> None:
    rows, *_ = run(
        ("sepsis", when()),
        ("conventional-rising", when()),
        ("child-asthma", when()),
        artifacts=planned,
        hours_ahead=3,
    )
    told = {(r["patient"], r["hours_ahead"], r["troponin"]) for r in trend(rows)}
    assert told == {
        ("sepsis", "3.0", "first"),
        ("conventional-rising", "3.0", "next"),
        ("child-asthma", "", ""),
    }
    others = [row for row in rows if row["model"] == "ventilation-need"]
    assert {(r["hours_ahead"], r["troponin"]) for r in others} == {("", "")}


def test_the_planned_draw_changes_the_numbers_and_they_are_those_of_the_doors(
    run: Run, planned: Path
) -> None:
    shown = {}
    for hours in (None, 1.0, 12.0):
        rows, _, said = run(("conventional-rising", when()), artifacts=planned, hours_ahead=hours)
        shown[hours] = next(float(r["probability"]) for r in trend(rows) if r["probability"])
        assert said == []
    assert len(set(shown.values())) == 3
    resources = STORIES["conventional-rising"](NOW).resources
    chart = read_record("conventional-rising", [r for r in resources if _known(r) <= NOW]).at(NOW)
    model = load(newest(planned, "troponin-trend"), "cpu")
    answer = assess(chart, model, hours_ahead=12.0, explain=False).headline
    assert answer is not None
    assert answer.probability == pytest.approx(shown[12.0], abs=1e-6)


def test_a_model_that_is_deaf_to_the_planned_draw_is_named_and_its_numbers_are_for_any_draw(run: Run) -> None:
    plain, *_ = run(("conventional-rising", when()))
    rows, _, said = run(("conventional-rising", when()), hours_ahead=3.0)
    assert rows == plain
    assert {r["hours_ahead"] for r in trend(rows)} == {""}
    assert said == [
        "troponin-trend 0.0.1 does not take the time of a planned draw: its numbers are for any draw"
    ]


@pytest.mark.parametrize("hours", [0.0, 25.0, -1.0, float("nan")])
def test_a_planned_draw_that_cannot_be_asked_about_is_refused_before_anything_is_begun(
    tmp_path: Path, artifacts: Path, export: Path, hours: float
) -> None:
    with pytest.raises(ScoreError, match=r"0\.5 to 24 hours ahead"):
        score(
            export,
            asked(tmp_path, ("sepsis", when())),
            tmp_path / "o.csv",
            artifacts=artifacts,
            progress=False,
            hours_ahead=hours,
        )
    assert not (tmp_path / "o.csv").exists()


def test_parquet_holds_the_planned_draw_as_a_number(tmp_path: Path, planned: Path, export: Path) -> None:
    out = tmp_path / "out.parquet"
    moments = asked(tmp_path, ("sepsis", when()), ("nobody", when()))
    score(export, moments, out, artifacts=planned, workers=2, progress=False, say=print, hours_ahead=2)
    read = [row for row in pq.read_table(out).to_pylist() if row["model"] == "troponin-trend"]
    assert [row["hours_ahead"] for row in read] == [2.0, 2.0, None, None]


@pytest.fixture
def command(tmp_path: Path, planned: Path, export: Path) -> Callable[..., Any]:
    """`flask score` as people type it."""
    from webapp import create_app
    from webapp.rooms import Rooms
    from webapp.settings import from_environment

    told = from_environment(
        {
            "ORDERTIME_MODE": "demonstration",
            "ORDERTIME_PUBLIC_URL": "http://127.0.0.1:8000",
            "ORDERTIME_SECRET_KEY": "kV9x0pQ2mN7bL4cZ8wR1tY6uJ3hG5fDs",
            "ORDERTIME_TENANTS": str(tmp_path),
            "DATABASE_URL": f"sqlite:///{tmp_path / 'ledger.db'}",
            "ORDERTIME_ARTIFACTS": str(planned),
        }
    )
    app = create_app(told, Rooms(told))
    moments, out = asked(tmp_path, ("conventional-rising", when())), tmp_path / "out.csv"

    def typed(*more: str) -> Any:
        words = ["score", "--bulk-export", str(export), "--as-of", str(moments), "--out", str(out)]
        return app.test_cli_runner().invoke(args=[*words, "--workers", "1", *more])

    return typed


def test_the_command_takes_the_hours_ahead(command: Callable[..., Any], tmp_path: Path) -> None:
    assert command("--hours-ahead", "2.5").exit_code == 0
    with (tmp_path / "out.csv").open(newline="") as file:
        assert {row["hours_ahead"] for row in trend(list(csv.DictReader(file)))} == {"2.5"}


@pytest.mark.parametrize(
    ("hours", "words"),
    [("0", "not 0"), ("25", "not 25"), ("nan", "not nan"), ("abc", "'abc' is not a valid float")],
)
def test_the_command_refuses_other_hours_in_words(
    command: Callable[..., Any], tmp_path: Path, hours: str, words: str
) -> None:
    told = command("--hours-ahead", hours)
    assert told.exit_code != 0
    assert words in told.output
    assert "Traceback" not in told.output
    assert not (tmp_path / "out.csv").exists()
