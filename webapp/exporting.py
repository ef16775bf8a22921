"""One Group's bulk export from beginning to end: kicked off, waited for, fetched, deleted at the hospital.

Where the export is asked after is kept sealed in the vault while it is under way: a run that was killed, or had no
more time, is gone on with by the next one, which begins no second export. Files lie in the caller's folder and are
fetched again by the next run; nothing of a patient outlives a run.

Refuses (ExportFailed) an export whose data are older than a board can use or dated ahead of us, and raises OutOfTime
where the hospital is not done within the job's time. Whatever ends an export for good is told to the hospital.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

import orjson

from ehr import exports
from ehr.bundles import issue_codes
from ehr.downloads import Downloads
from ehr.errors import EhrError, EhrUnavailable, ExportFailed, NotFound, Throttled, Unauthorised
from ehr.exports import Manifest, Output, Pending
from ehr.roster import patiently
from ehr.tenants import Tenant
from ehr.transport import Budget, FhirHttp
from governance.outcomes import FORGIVEN
from webapp.backend import OutOfTime
from webapp.rooms import Rooms

LOOK_BACK: Final = timedelta(days=7)  # Observations before that are asked to be left out; models look back three days
OLDEST: Final = timedelta(hours=2)  # of an export that a board is made of
MOST_SECONDS: Final = 45 * 60.0  # of one run; the next goes on
FIRST_WAIT, LONGEST_WAIT = 2.0, 120.0  # seconds between two questions, where the hospital names none
TROUBLES: Final = 5  # in a row that asking after an export may meet
Done = TypeVar("Done")
SERIOUS: Final = frozenset({"error", "fatal"})


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export came to. `issues` counts the errors that the hospital reports by code; `missing` rows that it
    counted and did not send; `deleted`: it has agreed to forget the export.
    """

    as_of: datetime
    files: tuple[Path, ...] = field(repr=False)
    issues: Counter[str] = field(default_factory=Counter)
    missing: int = 0
    deleted: bool = True

    @property
    def whole(self) -> bool:
        """Whether the hospital says that it sent everything."""
        return not self.issues and not self.missing


@dataclass
class Exporting:
    """One unit's export. `http` gives the hospital's server with a token that is good, a new one if asked."""

    rooms: Rooms
    tenant: Tenant
    unit: str
    group: str
    http: Callable[[bool], FhirHttp]
    types: Collection[str]
    folder: Path
    seconds: float = MOST_SECONDS
    _waited: float = 0.0

    def run(self) -> Exported:
        """The Group's export, fetched into the folder. Raises EhrError and OutOfTime."""
        self._budget = Budget(self.seconds)
        status = self._held()
        if status:
            try:
                return self._finished(status)
            except NotFound:  # the hospital has forgotten it, or its files
                pass
        return self._finished(self._begun())

    @property
    def _place(self) -> str:
        return f"{self.tenant.id}|{self.unit}"

    def _held(self) -> str:
        """Where an export of an earlier run is asked after; "" where there is none, or an old one."""
        held = self.rooms.vault.get("export", self._place)
        if held is None:
            return ""
        status, old = str(held["status"]), self.rooms.clock() - datetime.fromisoformat(held["since"]) > OLDEST
        if not old and held["group"] == self.group:
            return status
        self._drop(status)
        return ""

    def _begun(self) -> str:
        now = self.rooms.clock()
        since = (now - LOOK_BACK).replace(microsecond=0)
        kick_off = self._asked(lambda http: exports.kick_off(http, self.group, self.types, since=since, now=now))
        status = patiently(kick_off, self._wait)
        held = {"status": status, "since": now.isoformat(), "group": self.group}
        self.rooms.vault.put("export", self._place, held, OLDEST.total_seconds() * 2)
        return status

    def _finished(self, status: str) -> Exported:
        """Wait for the export at `status`, fetch it and have it deleted; what cannot be used is deleted too."""
        try:
            manifest = self._ready(status)
            as_of = self._dated(manifest)
            found = self._fetched(manifest, as_of)
        except (OutOfTime, Unauthorised):
            raise  # it is there still for the next run
        except EhrUnavailable as fault:
            if type(fault) in (EhrUnavailable, Throttled):
                raise
            self._drop(status)  # too large, or not what it should be: it will not get better
            raise
        except (EhrError, OSError) as fault:
            self._drop(status)
            if isinstance(fault, OSError):
                raise ExportFailed(f"its files cannot be kept here ({type(fault).__name__})", exports.FILES) from None
            raise
        return Exported(as_of, *found, deleted=self._drop(status))

    def _ready(self, status: str) -> Manifest:
        pause, troubles, listed = FIRST_WAIT, 0, self.tenant.board.file_servers

        def look(http: FhirHttp) -> Manifest | Pending:
            return exports.ask_after(http, status, listed, now=self.rooms.clock())

        while True:
            try:
                told, troubles = self._asked(look)(), 0
            except EhrUnavailable as fault:
                troubles += 1
                if troubles >= TROUBLES:
                    raise
                told = Pending(fault.retry_after if isinstance(fault, Throttled) else None)
            if isinstance(told, Manifest):
                return told
            self._wait(pause if told.seconds is None else max(told.seconds, 1.0))
            pause = min(pause * 1.5, LONGEST_WAIT)

    def _dated(self, manifest: Manifest) -> datetime:
        """The moment the data are of. Raises ExportFailed for one that no board can be made of."""
        now = self.rooms.clock()
        if manifest.as_of > now + FORGIVEN:
            raise ExportFailed("its data are dated ahead of our clock: set the clocks right", "transactionTime")
        if now - manifest.as_of > OLDEST:
            age = (now - manifest.as_of) / timedelta(hours=1)
            raise ExportFailed(
                f'its data are {age:.1f} hours old, which is not "now"; read the unit by searches', "transactionTime"
            )
        return min(manifest.as_of, now)

    def _fetched(self, manifest: Manifest, as_of: datetime) -> tuple[tuple[Path, ...], Counter[str], int]:
        downloads = Downloads(
            self.rooms.http, self.http, manifest.needs_token, self.tenant.board.file_servers, self._budget, self._wait
        )
        files, issues, missing = [], Counter[str](), 0
        for number, one in enumerate(manifest.outputs):
            path = self.folder / f"{number:04d}.{one.type}.ndjson"
            downloads.fetch(one.url, path)
            missing += _missing(path, one)
            files.append(path)
        for number, one in enumerate(manifest.errors):
            path = self.folder / f"{number:04d}.errors.json"
            downloads.fetch(one.url, path)
            issues += _issues(path)
        return tuple(files), issues, missing

    def _asked(self, ask: Callable[[FhirHttp], Done]) -> Callable[[], Done]:
        """`ask` with a token that is good; a refused one is renewed once."""

        def told() -> Done:
            try:
                return ask(self.http(False))
            except Unauthorised:
                return ask(self.http(True))

        return told

    def _wait(self, seconds: float) -> None:
        """Raises OutOfTime rather than wait beyond the job's time."""
        self._waited += seconds
        if self._waited >= self.seconds or seconds >= self._budget.left():
            raise OutOfTime
        self.rooms.wait(seconds)

    def _drop(self, status: str) -> bool:
        self._forget()
        try:
            return self._asked(lambda http: exports.delete(http, status))()
        except EhrError:
            return False

    def _forget(self) -> None:
        self.rooms.vault.delete("export", self._place)


def _missing(path: Path, told: Output) -> int:
    """Rows that the manifest counts and the file has not."""
    if told.count is None:
        return 0
    with path.open("rb") as lines:
        return max(0, told.count - sum(1 for line in lines if line.strip()))


def _issues(path: Path) -> Counter[str]:
    """The errors of an error file by code, never in the hospital's words; a line that is none counts as one too."""
    found = Counter[str]()
    with path.open("rb") as lines:
        for line in lines:
            if not line.strip():
                continue
            try:
                row = orjson.loads(line)
                rows = [one for one in row["issue"] if one.get("severity") in SERIOUS]
            except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
                found["unreadable"] += 1
            else:
                found.update(issue_codes({"issue": rows}) or (["unknown"] if rows else []))
    return found
