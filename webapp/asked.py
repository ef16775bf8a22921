"""The CSV of moments a batch is asked about: `patient,as_of`, many moments a patient.

Refuses (ScoreError) a file that is no such CSV; a line that cannot be understood is handed on as its problem.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from ehr.bulk import bucket_of

# What servers use as an id; it is written out again, and a spreadsheet computes what begins with = + - @.
ID: Final = re.compile(r"[A-Za-z0-9._~][A-Za-z0-9\-._~]{0,127}")


class ScoreError(Exception):
    """The batch cannot be run as asked: what is wrong, and what to give instead."""


class Moment(NamedTuple):
    """One line of the CSV: its place among them, and what it asks, as written."""

    place: int
    patient: str
    as_of: str

    @property
    def bare(self) -> str:
        """The patient's id as the export writes it: "Patient/1" in the CSV is 1."""
        return self.patient.strip().removeprefix("Patient/")

    @property
    def instant(self) -> datetime:
        """`as_of`, with its zone."""
        return datetime.fromisoformat(self.as_of)


def read_moments(path: Path) -> Iterator[tuple[int, Moment | str]]:
    """Line number and moment, or what is wrong with it. Raises ScoreError where the file is no such CSV."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            if not {"patient", "as_of"} <= set(rows.fieldnames or ()):
                raise ScoreError(f"{path.name}: the first line must name the columns patient and as_of")
            index = 0
            for row in rows:
                patient, as_of = row["patient"] or "", (row["as_of"] or "").strip()
                problem = _problem(patient, as_of)
                yield rows.line_num, problem or Moment(index, patient, as_of)
                index += not problem
    except (UnicodeDecodeError, csv.Error) as error:
        raise ScoreError(f"{path.name} is no CSV in UTF-8: {error}") from None


def _problem(patient: str, as_of: str) -> str:
    if not ID.fullmatch(patient.strip(" ").removeprefix("Patient/")):
        return "no patient"
    try:
        moment = datetime.fromisoformat(as_of)
    except ValueError:
        return "as_of is no ISO 8601 instant"
    return "" if moment.tzinfo else "as_of has no zone (write Z or an offset)"


def spool_moments(path: Path, folder: Path, count: int) -> None:
    """The moments by bucket of their patient, in files beside the spooled rows."""
    with ExitStack() as stack:
        out = [stack.enter_context(moments_file(folder, bucket).open("wb")) for bucket in range(count)]
        for _, moment in read_moments(path):
            if isinstance(moment, Moment):
                out[bucket_of(moment.bare, count)].write(orjson.dumps(list(moment)) + b"\n")


def spooled_moments(folder: Path, bucket: int) -> dict[str, list[Moment]]:
    """The moments of one bucket, by patient."""
    asked: dict[str, list[Moment]] = {}
    with moments_file(folder, bucket).open("rb") as lines:
        for line in lines:
            moment = Moment(*orjson.loads(line))
            asked.setdefault(moment.bare, []).append(moment)
    return asked


def moments_file(folder: Path, bucket: int) -> Path:
    """Where the moments of a bucket are kept."""
    return folder / f"moments-{bucket}"
