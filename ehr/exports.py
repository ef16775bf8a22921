"""FHIR Bulk Data 2.0, one Group's `$export`: kicked off, asked after, its manifest read and checked, deleted.

Each function is one request; who waits, and for how long, is the caller's (`webapp.exporting`). The files themselves
are `ehr.downloads`.

Refuses (ExportFailed) a job that the hospital ended, and a manifest that says less than the specification asks; every
file's address is checked before the first is asked for: with a token only this server's own, without one also servers
that the site lists (ForeignAddress). Passing trouble is EhrUnavailable, and Throttled where a time is named.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import httpx

from ehr.answers import Answer, outcome, patience, refusal
from ehr.bulk import READ
from ehr.errors import (
    EhrError,
    ExportFailed,
    ForeignAddress,
    MalformedAnswer,
    MalformedRequest,
    NotFound,
    Throttled,
    Unauthorised,
)
from ehr.moments import NotUsed, instant
from ehr.records import FHIR_ID
from ehr.transport import FhirHttp, origin

EXPORT: Final = "$export"
STATUS, FILES = "export status", "export files"
NDJSON: Final = "application/fhir+ndjson"
MOST_FILES: Final = 2000
GATEWAY: Final = frozenset({502, 503, 504})  # a server in front speaks: the job may be well
TRANSIENT: Final = frozenset({"transient", "throttled", "timeout", "lock-error"})  # FHIR issue types: ask again


@dataclass(frozen=True, slots=True)
class Output:
    """One file of an export. `count` is how many rows the hospital says it has; None where it does not say."""

    type: str
    url: str = field(repr=False)
    count: int | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """A finished export: what is newer than `as_of` is not in it. `skipped` are files of types nobody reads."""

    as_of: datetime
    needs_token: bool
    outputs: tuple[Output, ...]
    errors: tuple[Output, ...] = ()
    skipped: int = 0


@dataclass(frozen=True, slots=True)
class Pending:
    """An export under way: ask again in `seconds`; None where the hospital does not say when."""

    seconds: float | None


def kick_off(http: FhirHttp, group: str, types: Collection[str], *, since: datetime, now: datetime) -> str:
    """Begin an export of the Group `group` (a bare id); the address to ask after it. Raises EhrError.

    Observations before `since` are asked to be left out; a server that takes no such filter is asked without.
    """
    if not FHIR_ID.fullmatch(group) or group in (".", ".."):
        raise MalformedRequest("is no FHIR id", "group")
    params = {"_type": ",".join(sorted(types)), "_outputFormat": NDJSON}
    filtered = {**params, "_typeFilter": f"Observation?date=ge{since.isoformat()}"}
    answer = _begun(http, group, filtered)
    if answer.status in (400, 405, 422, 501):
        answer = _begun(http, group, params)
    if answer.status == 202:
        return _place(http, answer)
    if answer.good:
        raise ExportFailed("the server answers at once instead of beginning an export (no 202)", f"Group/{EXPORT}")
    raise refusal(answer, f"Group/{EXPORT}", now)


def ask_after(http: FhirHttp, status: str, listed: Iterable[str] = (), *, now: datetime) -> Manifest | Pending:
    """How the export at `status` stands; `listed` are servers that may hold files which need no token.

    Raises Unauthorised, NotFound (the hospital no longer knows it), EhrUnavailable (ask again), ExportFailed.
    """
    answer = http.answer("GET", status, Accept="application/json")
    if answer.status == 202:
        return Pending(patience(answer.headers, now))
    if answer.status == 200:
        return _manifest(answer, http, tuple(listed))
    raise _ended(answer, now)


def delete(http: FhirHttp, status: str) -> bool:
    """Tell the hospital that the export at `status` is no longer wanted; whether it agreed. Never raises EhrError."""
    try:
        return http.answer("DELETE", status).status in (200, 202, 204, 404, 410)
    except EhrError:
        return False


def check_place(http: FhirHttp, url: str, *, needs_token: bool, listed: Collection[str]) -> None:
    """Raises ForeignAddress unless a file may be asked for at the absolute `url`."""
    try:
        http.address(url)
    except ForeignAddress:
        if needs_token or not _is_listed(url, listed):
            raise ForeignAddress(
                "a file of the export lies outside the hospital's FHIR server; it was not asked for. A server of files "
                "that need no token is listed under file_servers of [board]",
                FILES,
            ) from None


def _begun(http: FhirHttp, group: str, params: Mapping[str, str]) -> Answer:
    asked = {"Accept": "application/fhir+json", "Prefer": "respond-async, handling=lenient"}
    return http.answer("GET", f"Group/{group}/{EXPORT}", params, **asked)


def _place(http: FhirHttp, answer: Answer) -> str:
    place = answer.headers.get("content-location", "")
    if not place:
        raise ExportFailed("the export was begun, and not where to ask after it (no Content-Location)", STATUS)
    return http.address(place)


def _ended(answer: Answer, now: datetime) -> EhrError:
    """The error behind an answer that is neither "under way" nor "done"."""
    fault = refusal(answer, STATUS, now)
    if isinstance(fault, Throttled | Unauthorised | NotFound):
        return fault
    causes, _ = outcome(answer.body)
    if TRANSIENT & set(causes) or (answer.status in GATEWAY and not causes):
        wait = patience(answer.headers, now)
        return fault if wait is None else Throttled(fault.message, STATUS, retry_after=wait, causes=causes)
    words = "the hospital did not let us ask after it" if answer.status < 500 else "the hospital gave it up"
    detail = f"[{answer.status}{': ' if causes else ''}{', '.join(causes)}]"
    failed = ExportFailed(f"{words} {detail}", STATUS, causes=causes)
    failed.status = answer.status
    return failed


def _manifest(answer: Answer, http: FhirHttp, listed: tuple[str, ...]) -> Manifest:
    try:
        document = answer.document(STATUS)
        as_of = instant(document.get("transactionTime"))
        outputs, errors = _outputs(document, "output"), _outputs(document, "error")
    except (MalformedAnswer, NotUsed) as fault:
        raise ExportFailed(f"the manifest cannot be used: {fault}", STATUS) from None
    needs_token = document.get("requiresAccessToken") is not False
    read = [one for one in outputs if one.type in READ]
    if len(read) + len(errors) > MOST_FILES:
        raise ExportFailed(f"the export has more than {MOST_FILES} files; name a unit's own Group", STATUS)

    for one in (*read, *errors):
        check_place(http, one.url, needs_token=needs_token, listed=listed)
    return Manifest(as_of, needs_token, tuple(read), tuple(errors), len(outputs) - len(read))


def _outputs(document: Mapping[str, Any], key: str) -> list[Output]:
    rows = document.get(key, [] if key == "error" else None)
    if not isinstance(rows, list):
        raise MalformedAnswer(f"it has no list of files under '{key}'", STATUS)
    return [_output(row, key) for row in rows]


def _output(row: Any, key: str) -> Output:
    kind, url = (row.get("type"), row.get("url")) if isinstance(row, Mapping) else (None, None)
    if not isinstance(url, str) or not url or not (isinstance(kind, str) or key == "error"):
        raise MalformedAnswer(f"a file under '{key}' has no type or no url", STATUS)
    count = row.get("count")
    counted = isinstance(count, int) and not isinstance(count, bool) and count >= 0
    return Output(str(kind or "OperationOutcome"), url, count if counted else None)


def _is_listed(url: str, listed: Collection[str]) -> bool:
    try:
        there = httpx.URL(url)
        return not there.userinfo and origin(url) in {origin(one) for one in listed}
    except (httpx.InvalidURL, ValueError):
        return False
