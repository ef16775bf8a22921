"""A FHIR R4 bulk export on disk -> one patient's rows at a time, in bounded memory whatever its size.

The files are read once, in pieces, and the rows of the wanted patients are spooled into buckets by a hash of
the patient's id; a bucket is then small enough to hold. Things without a subject (devices, places) are kept
aside and looked up by reference.

Refuses nothing silently: a line that is no JSON object of a resource is counted, named by file and line, and
skipped; a row of a wanted type without a patient is counted. The spool holds patient data: its folder is the
caller's to protect and to remove.
"""

from __future__ import annotations

import gzip
import re
import sqlite3
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, NamedTuple, cast

import orjson

READ: Final = frozenset(
    {
        "Patient",
        "Encounter",
        "Observation",
        "Procedure",
        "Device",
        "DeviceUseStatement",
        "Condition",
        "DiagnosticReport",
        "Location",
    }
)
ASIDE: Final = frozenset({"Device", "Location"})  # things without a patient, found by reference
PIECE: Final = 64 * 1024 * 1024  # bytes of a file that are read as one task
BUCKET: Final = 48 * 1024 * 1024  # bytes of a bucket that are held at once
LONGEST_LINE: Final = 32 * 1024 * 1024  # bytes
SPLIT: Final = 16  # parts of a bucket that came out too large
BUFFER: Final = 64 * 1024  # bytes held back for each open bucket
REMEMBERED: Final = 100_000  # patients whose bucket is remembered
NEW_LINE: Final = 0x0A
OBSERVATION, OTHER = b"O", b"X"  # marks before a spooled row
GZIP_GROWTH: Final = 12  # how much larger ndjson is than its .gz, to choose the number of buckets
NAME: Final = re.compile(r"(?:^|[._-])([A-Z][A-Za-z]+)")
PATIENT: Final = re.compile(r"(?:^|/)Patient/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]+)?$")


class Piece(NamedTuple):
    """Part of a file: the lines that begin in bytes start..end (end -1: to the last). A .gz is one piece."""

    path: Path
    start: int
    end: int


class BadLine(NamedTuple):
    """A line that could not be read: its number (from 1, within its piece) and why."""

    number: int
    reason: str


@dataclass(slots=True)
class Tally:
    """What one piece held."""

    piece: Piece
    lines: int = 0
    size: int = 0  # bytes read from disk
    bad: list[BadLine] = field(default_factory=list)
    rows: Counter[str] = field(
        default_factory=Counter
    )  # "spooled", "others", "unassigned", "aside", "unread"


def files(export: Path) -> tuple[list[Path], list[Path]]:
    """The ndjson files of an export to read, and those of types that no model looks at."""
    found = sorted(path for pattern in ("*.ndjson", "*.ndjson.gz") for path in export.glob(pattern))
    read = [path for path in found if _may_hold(path)]
    return read, [path for path in found if path not in read]


def _may_hold(path: Path) -> bool:
    """By its name, as exports are named after types; a name that holds no type may hold anything."""
    named = [word for word in NAME.findall(path.name.split(".ndjson")[0])]
    return not named or any(word in READ for word in named)


def pieces(paths: Iterable[Path], size: int = PIECE) -> list[Piece]:
    """The files in tasks of about `size` bytes, so that one large file keeps every worker busy."""
    made = []
    for path in paths:
        length = path.stat().st_size
        if path.suffix == ".gz" or length <= size:
            made.append(Piece(path, 0, -1))
        else:
            made += [Piece(path, start, min(start + size, length)) for start in range(0, length, size)]
    return made


def buckets(paths: Iterable[Path], least: int) -> int:
    """How many buckets keep each at about BUCKET bytes; at least `least`, at most 256 (larger are split)."""
    total = sum(path.stat().st_size * (GZIP_GROWTH if path.suffix == ".gz" else 1) for path in paths)
    return max(least, min(256, -(-total // BUCKET)))


def bucket_of(patient: str, count: int) -> int:
    """The bucket of a patient: the same in every process and on every machine."""
    return zlib.crc32(patient.encode()) % count


def spool(piece: Piece, wanted: Collection[str], folder: Path, count: int, name: str) -> Tally:
    """Read one piece; append the rows of `wanted` patients to `folder`'s buckets, in files named `name`."""
    tally = Tally(piece)
    with ExitStack() as stack:
        out = _Out(stack, folder, count, name)
        spooled = others = 0
        for number, line in _lines(piece, tally):
            row = _row(line, number, tally)
            if row is None:
                continue
            patient = patient_of(row)
            if patient is not None:
                if patient in wanted:
                    out.write(patient, line, row["resourceType"] == "Observation")
                    spooled += 1
                else:
                    others += 1
            elif row["resourceType"] in ASIDE:
                out.aside(line)
                tally.rows["aside"] += 1
            else:
                tally.rows["unassigned"] += 1
        tally.rows.update(spooled=spooled, others=others)
    return tally


class _Out:
    """The files one piece is spooled into, opened as they are needed."""

    def __init__(self, stack: ExitStack, folder: Path, count: int, name: str) -> None:
        self._stack, self._folder, self._count, self._name = stack, folder, count, name
        self._buckets: dict[int, IO[bytes]] = {}
        self._known: dict[str, tuple[IO[bytes], bytes]] = {}  # patient -> file, and what stands before a row
        self._aside: IO[bytes] | None = None

    def write(self, patient: str, line: bytes, observation: bool) -> None:
        """A row of this patient, ended as lines are, and marked if it is an Observation."""
        found = self._known.get(patient)
        if found is None:
            found = self._known[patient] = self._file(patient), patient.encode() + b"\t"
        file, before = found
        file.write(before)
        file.write(OBSERVATION if observation else OTHER)
        file.write(line)
        if line[-1] != NEW_LINE:
            file.write(b"\n")

    def aside(self, line: bytes) -> None:
        """A row that belongs to nobody."""
        if self._aside is None:
            self._aside = self._stack.enter_context((self._folder / f"aside-{self._name}").open("wb"))
        self._aside.write(line if line[-1] == NEW_LINE else line + b"\n")

    def _file(self, patient: str) -> IO[bytes]:
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        bucket = bucket_of(patient, self._count)
        if bucket not in self._buckets:
            path = self._folder / f"bucket-{bucket}-{self._name}"
            self._buckets[bucket] = self._stack.enter_context(path.open("wb", buffering=BUFFER))
        return self._buckets[bucket]


def _row(line: bytes, number: int, tally: Tally) -> dict[str, Any] | None:
    """The resource on a line, if it is of a type that is read; a bad line is named."""
    if len(line) > LONGEST_LINE:
        tally.bad.append(BadLine(number, f"longer than {LONGEST_LINE} bytes"))
        return None
    try:
        row = orjson.loads(line)
        kind = row["resourceType"]
        if kind in READ:
            return row  # type: ignore[no-any-return]
    except orjson.JSONDecodeError as error:
        if line.strip():  # an empty line is no row and no fault
            tally.bad.append(BadLine(number, f"no JSON: {str(error)[:80]}"))
        return None
    except (KeyError, TypeError):
        kind = None
    if isinstance(kind, str):
        tally.rows["unread"] += 1
    else:
        tally.bad.append(BadLine(number, "no FHIR resource"))
    return None


def patient_of(row: Mapping[str, Any]) -> str | None:
    """The id of the patient a row is about; None where it names none."""
    kind = row["resourceType"]
    if kind == "Patient":
        key = row.get("id")
        return key if isinstance(key, str) and key else None
    subject = row.get("patient" if kind == "Device" else "subject")
    reference = subject.get("reference") if isinstance(subject, dict) else None
    if not isinstance(reference, str):
        return None
    if reference.startswith("Patient/") and "/" not in reference[8:]:
        return reference[8:] or None
    found = PATIENT.search(reference)
    return found[1] if found else None


def _lines(piece: Piece, tally: Tally) -> Iterator[tuple[int, bytes]]:
    """Lines that begin within the piece, numbered from 1; a broken .gz ends as a bad line."""
    gzipped = piece.path.suffix == ".gz"
    with ExitStack() as stack:
        file: IO[bytes] = piece.path.open("rb")
        stack.enter_context(file)
        if gzipped:
            file = stack.enter_context(cast("IO[bytes]", gzip.GzipFile(fileobj=file)))
        if piece.start:
            file.seek(piece.start - 1)
            _pass_over(file)  # the rest of a line that began in the piece before
        number, left = 0, -1 if piece.end < 0 else max(0, piece.end - file.tell())
        try:
            while left and (line := file.readline(LONGEST_LINE + 1)):
                number += 1
                if left > 0:
                    left = max(0, left - len(line))
                if len(line) > LONGEST_LINE and line[-1] != NEW_LINE:
                    _pass_over(file)
                    left = left if piece.end < 0 else max(0, piece.end - file.tell())
                yield number, line
        except (OSError, EOFError, zlib.error) as error:
            number += 1
            tally.bad.append(BadLine(number, f"the file breaks off: {type(error).__name__}"))
        tally.lines = number
    tally.size = (piece.path.stat().st_size if piece.end < 0 else piece.end) - piece.start


def _pass_over(file: IO[bytes]) -> None:
    """Read to the end of the line, holding little of it."""
    while (part := file.readline(LONGEST_LINE)) and not part.endswith(b"\n"):
        pass


def gather_aside(folder: Path) -> Path:
    """All things without a subject in a small database beside the spool, by reference; the last counts."""
    path = folder / "aside.db"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE thing (reference TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID")
        for part in sorted(folder.glob("aside-*")):
            with part.open("rb") as lines:
                database.executemany("INSERT OR REPLACE INTO thing VALUES (?, ?)", _things(lines))
            part.unlink()
    database.close()
    return path


def _things(lines: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    for line in lines:
        row = orjson.loads(line)
        if isinstance(row.get("id"), str):
            yield f"{row['resourceType']}/{row['id']}", line


class Aside:
    """Looks things up by reference, each once while it is remembered."""

    def __init__(self, path: Path, remembered: int = 10_000) -> None:
        self._database = sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)
        self._seen: dict[str, dict[str, Any] | None] = {}
        self._remembered = remembered

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def named_by(self, rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The devices and places that `rows` refer to."""
        references = dict.fromkeys(reference for row in rows for reference in _references(row))
        return [thing for reference in references if (thing := self._find(reference)) is not None]

    def _find(self, reference: str) -> dict[str, Any] | None:
        if reference not in self._seen:
            if len(self._seen) >= self._remembered:
                self._seen.clear()
            found = self._database.execute(
                "SELECT body FROM thing WHERE reference = ?", (reference,)
            ).fetchone()
            self._seen[reference] = orjson.loads(found[0]) if found else None
        return self._seen[reference]


def _references(row: Mapping[str, Any]) -> Iterator[str]:
    """References of an Observation's or use's device, and of an Encounter's places."""
    held = [row.get("device")]
    if row.get("resourceType") == "Encounter":
        places = row.get("location")
        held = (
            [place.get("location") for place in places if isinstance(place, dict)]
            if isinstance(places, list)
            else []
        )
    for one in held:
        reference = one.get("reference") if isinstance(one, dict) else None
        if isinstance(reference, str):
            yield reference


class Spooled(NamedTuple):
    """One patient's lines: Observations, and everything else."""

    patient: str
    others: list[bytes]
    observations: list[bytes]

    def resources(self, aside: Aside) -> Iterator[dict[str, Any]]:
        """The rows, each parsed when it is asked for: everything that Observations refer to, then these."""
        naming = [orjson.loads(line) for line in self.others]
        yield from naming
        naming += [orjson.loads(line) for line in self.observations if b'"device"' in line]
        yield from aside.named_by(naming)
        del naming
        yield from map(orjson.loads, self.observations)


def spooled(folder: Path, bucket: int) -> Iterator[Spooled]:
    """Each patient of a bucket with all their rows, patients in the order of their ids."""
    parts = sorted(folder.glob(f"bucket-{bucket}-*"))
    yield from _grouped(parts, folder / f"split-{bucket}", 1)


def _grouped(parts: list[Path], folder: Path, depth: int) -> Iterator[Spooled]:
    if depth < 4 and sum(part.stat().st_size for part in parts) > 2 * BUCKET:
        for smaller in _split(parts, folder, depth):
            yield from _grouped([smaller], folder / f"{smaller.name}-split", depth + 1)
        return
    patients: dict[bytes, tuple[list[bytes], list[bytes]]] = {}
    for part in parts:
        with part.open("rb") as lines:
            for line in lines:
                patient, _, row = line.partition(b"\t")
                held = patients.get(patient)
                if held is None:
                    held = patients[patient] = ([], [])
                held[row[0] == OBSERVATION[0]].append(row[1:])
        part.unlink()
    for patient in sorted(patients):
        yield Spooled(patient.decode(), *patients.pop(patient))


def _split(parts: list[Path], folder: Path, depth: int) -> list[Path]:
    """A bucket too large to hold, in SPLIT parts by another digit of the same hash."""
    folder.mkdir(parents=True)
    paths = [folder / f"part-{index}" for index in range(SPLIT)]
    with ExitStack() as stack:
        out = [stack.enter_context(path.open("wb")) for path in paths]
        for part in parts:
            with part.open("rb") as lines:
                for line in lines:
                    patient = line.partition(b"\t")[0]
                    out[zlib.crc32(patient, depth) // 251 % SPLIT].write(line)
            part.unlink()
    return paths
