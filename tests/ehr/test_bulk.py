"""A bulk export on disk, read in pieces, spooled by patient, nothing lost and nothing silent."""

from __future__ import annotations

import gzip
import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ehr import bulk
from ehr.bulk import Aside, BadLine, Piece, buckets, files, gather_aside, patient_of, pieces, spool, spooled

Resource = dict[str, Any]


def row(kind: str, key: str, patient: str | None = "1", **more: Any) -> Resource:
    made: Resource = {"resourceType": kind, "id": key} | more
    if patient is not None and kind != "Patient":
        made["patient" if kind == "Device" else "subject"] = {"reference": f"Patient/{patient}"}
    return made


def write(path: Path, *rows: Any) -> Path:
    """One line a row: text as it is, anything else as JSON."""
    text = "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in rows)
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def everything(
    path: Path, folder: Path, *wanted: str, size: int = bulk.PIECE, count: int = 4
) -> tuple[Any, Any]:
    """Spool one file in pieces; its tallies, and the rows that come back by patient."""
    folder.mkdir()
    parts = pieces([path], size)
    tallies = [spool(part, frozenset(wanted), folder, count, f"{n:04d}") for n, part in enumerate(parts)]
    with closing(Aside(gather_aside(folder))) as aside:
        back = {
            found.patient: list(found.resources(aside))
            for bucket in range(count)
            for found in spooled(folder, bucket)
        }
    return tallies, back


def test_rows_come_back_by_patient_and_nobody_elses(tmp_path: Path) -> None:
    rows = [row("Observation", f"o{i}", str(i % 5)) for i in range(50)]
    path = write(tmp_path / "Observation.ndjson", *rows)
    (tally,), back = everything(path, tmp_path / "spool", "1", "3")
    assert {patient: [r["id"] for r in found] for patient, found in back.items()} == {
        patient: [r["id"] for r in rows if r["subject"]["reference"] == f"Patient/{patient}"]
        for patient in "13"
    }
    assert tally.rows == {"spooled": 20, "others": 30}
    assert tally.bad == []


@pytest.mark.parametrize("size", [1, 7, 64, 100, 101, 1000, 10_000])
def test_pieces_of_any_size_hold_each_line_once(tmp_path: Path, size: int) -> None:
    rows = [row("Observation", f"o{i}", "1", note="x" * (i % 40)) for i in range(40)]
    path = write(tmp_path / "Observation.ndjson", *rows)
    tallies, back = everything(path, tmp_path / "spool", "1", size=size)
    assert [r["id"] for r in back["1"]] == [r["id"] for r in rows]
    assert sum(tally.lines for tally in tallies) == 40
    assert sum(tally.size for tally in tallies) == path.stat().st_size


def test_a_last_line_without_an_end_is_read(tmp_path: Path) -> None:
    path = tmp_path / "Patient.ndjson"
    path.write_text(json.dumps(row("Patient", "1")) + "\r\n\n" + json.dumps(row("Encounter", "e")))
    (tally,), back = everything(path, tmp_path / "spool", "1")
    assert [r["id"] for r in back["1"]] == ["1", "e"]
    assert tally.bad == []


def test_a_gzipped_file_is_read_alike(tmp_path: Path) -> None:
    path = write(tmp_path / "Observation.ndjson.gz", *[row("Observation", f"o{i}") for i in range(9)])
    _, back = everything(path, tmp_path / "spool", "1")
    assert len(back["1"]) == 9


def test_a_gzipped_file_that_breaks_off_is_said(tmp_path: Path) -> None:
    path = write(
        tmp_path / "Observation.ndjson.gz", *[row("Observation", f"o{i}", note=i * "y") for i in range(500)]
    )
    path.write_bytes(path.read_bytes()[:-200])
    (tally,), _ = everything(path, tmp_path / "spool", "1")
    assert [bad.reason for bad in tally.bad] == ["the file breaks off: EOFError"]
    path.write_bytes(b"not gzip at all")
    again, _ = everything(path, tmp_path / "again", "1")
    assert again[0].bad == [BadLine(1, "the file breaks off: BadGzipFile")]


def test_bad_lines_are_named_by_number_and_skipped(tmp_path: Path) -> None:
    lines = [
        row("Observation", "a"),
        "{broken",
        "[]",
        '"text"',
        '{"id": "x"}',
        '{"resourceType": ["Patient"]}',
    ]
    path = write(
        tmp_path / "Observation.ndjson", *lines, row("Observation", "b"), '{"resourceType": "Observation"'
    )
    (tally,), back = everything(path, tmp_path / "spool", "1")
    assert [bad.number for bad in tally.bad] == [2, 3, 4, 5, 6, 8]
    assert tally.bad[0].reason.startswith("no JSON")
    assert tally.bad[1].reason == "no FHIR resource"
    assert [r["id"] for r in back["1"]] == ["a", "b"]


def test_a_bad_line_is_named_without_its_text(tmp_path: Path) -> None:
    path = write(tmp_path / "Patient.ndjson", '{"resourceType": "Patient", "name": "Mrs Secret"')
    (tally,), _ = everything(path, tmp_path / "spool", "1")
    assert "Secret" not in repr(tally)


def test_an_endless_line_is_passed_over_without_being_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "LONGEST_LINE", 200)
    lines = [row("Observation", "a"), "x" * 5000, row("Observation", "b")]
    path = write(tmp_path / "Observation.ndjson", *lines)
    for size in (bulk.PIECE, 90):
        tallies, back = everything(path, tmp_path / f"spool-{size}", "1", size=size)
        assert [r["id"] for r in back["1"]] == ["a", "b"]
        assert [bad.reason for tally in tallies for bad in tally.bad] == ["longer than 200 bytes"]


def test_rows_without_a_patient_are_counted(tmp_path: Path) -> None:
    rows = [
        row("Observation", "a", None),
        row("Observation", "b") | {"subject": "Patient/1"},
        row("Claim", "c"),
    ]
    path = write(tmp_path / "Observation.ndjson", *rows, row("Location", "l", None), row("Device", "d", None))
    (tally,), back = everything(path, tmp_path / "spool", "1")
    assert tally.rows == {"unassigned": 2, "unread": 1, "aside": 2, "spooled": 0, "others": 0}
    assert back == {}


@pytest.mark.parametrize(
    ("resource", "patient"),
    [
        (row("Patient", "1"), "1"),
        (row("Observation", "o"), "1"),
        (row("Device", "d"), "1"),
        (row("Device", "d", None), None),
        (
            row("Observation", "o")
            | {"subject": {"reference": "https://x.example/fhir/Patient/1/_history/2"}},
            "1",
        ),
        (row("Observation", "o") | {"subject": {"reference": "Group/1"}}, None),
        (row("Observation", "o") | {"subject": {"reference": "Patient/"}}, None),
        (row("Observation", "o") | {"subject": {"reference": 7}}, None),
        ({"resourceType": "Patient", "id": 3}, None),
    ],
)
def test_a_row_belongs_to(resource: Resource, patient: str | None) -> None:
    assert patient_of(resource) == patient


def test_things_without_a_patient_are_found_by_who_names_them(tmp_path: Path) -> None:
    rows = [row("Device", "d", None, note=1), row("Location", "icu", None), row("Device", "d", None, note=2)]
    path = write(tmp_path / "Device.ndjson", *rows)
    everything(path, tmp_path / "spool", "1")
    aside = Aside(tmp_path / "spool" / "aside.db")
    naming = [
        row("Observation", "o", device={"reference": "Device/d"}),
        row("Encounter", "e", location=[{"location": {"reference": "Location/icu"}}, None, {"location": 3}]),
        row("Observation", "o2", device={"reference": "Device/unknown"}),
        row("Observation", "o3", device="Device/d"),
    ]
    found = aside.named_by(naming)
    aside.close()
    assert [(thing["resourceType"], thing["id"]) for thing in found] == [("Device", "d"), ("Location", "icu")]
    assert found[0]["note"] == 2


def test_files_of_types_nobody_reads_are_left_and_named(tmp_path: Path) -> None:
    names = [
        "Patient.ndjson",
        "Observation.000.ndjson.gz",
        "DeviceUseStatement-1.ndjson",
        "1.Condition.ndjson",
    ]
    names += ["0a1b2c.ndjson"]
    for name in (
        *names,
        "Claim.ndjson",
        "ExplanationOfBenefit.0.ndjson",
        "DeviceRequest.ndjson",
        "readme.txt",
    ):
        (tmp_path / name).touch()
    read, others = files(tmp_path)
    assert {path.name for path in read} == set(names)
    assert {path.name for path in others} == {
        "Claim.ndjson",
        "DeviceRequest.ndjson",
        "ExplanationOfBenefit.0.ndjson",
    }


def test_a_bucket_too_large_to_hold_is_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BUCKET", 500)
    people = [f"p{i}" for i in range(40)]
    rows = [row("Observation", f"o{i}", patient) for patient in people for i in range(5)]
    path = write(tmp_path / "Observation.ndjson", *rows)
    _, back = everything(path, tmp_path / "spool", *people, count=1)
    assert {patient: len(found) for patient, found in back.items()} == dict.fromkeys(people, 5)


def test_one_patient_larger_than_a_bucket_still_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bulk, "BUCKET", 100)
    path = write(tmp_path / "Observation.ndjson", *[row("Observation", f"o{i}") for i in range(50)])
    _, back = everything(path, tmp_path / "spool", "1", count=1)
    assert len(back["1"]) == 50


def test_the_number_of_buckets_grows_with_the_export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "Observation.ndjson", "x" * 1000)
    assert buckets([path], 8) == 8
    monkeypatch.setattr(bulk, "BUCKET", 10)
    assert buckets([path], 8) == 101
    monkeypatch.setattr(bulk, "BUCKET", 1)
    assert buckets([path], 8) == 256


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.binary(max_size=40).filter(lambda b: b"\n" not in b), max_size=8),
    size=st.integers(1, 200),
)
def test_whatever_stands_in_a_file_nothing_is_raised(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], size: int
) -> None:
    folder = tmp_path_factory.mktemp("export")
    good = json.dumps(row("Observation", "a")).encode()
    path = folder / "Observation.ndjson"
    path.write_bytes(b"\n".join([*lines, good, *lines]) + b"\n")
    tallies, back = everything(path, folder / "spool", "1", size=size)
    assert "a" in [r["id"] for r in back["1"]]
    filled = sum(bool(line.strip()) for line in lines) * 2
    assert sum(len(tally.bad) for tally in tallies) == filled


def test_pieces_cover_a_file_and_leave_a_gzipped_one_whole(tmp_path: Path) -> None:
    plain = write(tmp_path / "Observation.ndjson", "x" * 99)
    zipped = write(tmp_path / "Patient.ndjson.gz", "x" * 99)
    assert pieces([plain, zipped], 40) == [
        Piece(plain, 0, 40),
        Piece(plain, 40, 80),
        Piece(plain, 80, 100),
        Piece(zipped, 0, -1),
    ]
