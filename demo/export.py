"""Bulk export of a Group (FHIR Bulk Data 2.0): kick-off, status, files of NDJSON, deletion.

An export is made when it is asked for, kept in memory, and done after a few questions. Its files need the token of the
client that asked, unless the hospital is told otherwise; then only their unguessable address is needed. Refuses (with
an OperationOutcome) a kick-off that is not asynchronous, types beyond the token's scope, another client's export, and
one that was deleted.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

from flask import Blueprint, Response, request

from demo.access import Access, access_of, patients_of
from demo.exported import Job
from demo.fhir import answer
from demo.outcome import Refused, invalid, outcome
from demo.parameters import PARAMETERS
from demo.records import Hospital
from demo.search import read_query

Resource = dict[str, Any]
NDJSON: Final = "application/fhir+ndjson"
FORMATS: Final = (NDJSON, "application/ndjson", "ndjson")
THINGS: Final = frozenset({"Device", "Location"})  # exported whole: they are nobody's, or named by what is somebody's
ERRORS, PROBLEMS = "errors", "problems"  # what is always told; what is told in bad weather alone (demo.faults)


def blueprint(hospital: Hospital) -> Blueprint:
    """The operation over this hospital's records."""
    export, settings, jobs = Blueprint("export", __name__, url_prefix="/fhir"), hospital.settings, hospital.exports

    def access() -> Access:
        return access_of(request.headers.get("Authorization", ""), hospital.tokens, settings.fhir, hospital.clock())

    def ours(key: str) -> Job:
        job = jobs.of(key)
        if access().grant.client_id != job.client:
            raise Refused(404, "not-found", "there is no such export, or it was deleted")
        return job

    @export.get("/Group/<id_>/$export")
    def kick_off(id_: str) -> Response:
        allowed = access()
        if "respond-async" not in request.headers.get("Prefer", ""):
            raise invalid("an export is asynchronous: send Prefer: respond-async")
        if request.args.get("_outputFormat", NDJSON) not in FORMATS:
            raise invalid("only NDJSON is written here")
        allowed.require("Group", "r")
        members = _members(hospital.read("Group", id_))
        types = _types(allowed)
        rows = _filtered(hospital, _rows(hospital, allowed, types, members))
        files = {kind: _lines(row for row in rows if row["resourceType"] == kind) for kind in types}
        said = outcome("informational", "this export is of invented patients", "information")
        bad = outcome("exception", "a row could not be exported")
        files = {kind: lines for kind, lines in files.items() if lines}
        files |= {ERRORS: _lines([said]), PROBLEMS: _lines([said, bad])}
        key = jobs.add(Job(allowed.grant.client_id, hospital.clock(), request.url, files))
        place = f"{settings.fhir}/_export/{key}"
        return answer(outcome("informational", "begun", "information"), 202, headers={"Content-Location": place})

    @export.get("/_export/<key>")
    def status(key: str) -> Response:
        job = ours(key)
        job.left -= 1
        if job.left >= 0:
            response = Response(status=202)
            response.headers.update({"Retry-After": "1", "X-Progress": f"{job.left} more questions to ask"})
            return response
        return answer(_manifest(hospital, key, job), mimetype="application/json")

    @export.delete("/_export/<key>")
    def delete(key: str) -> Response:
        ours(key)
        jobs.drop(key)
        return answer(outcome("informational", "deleted", "information"), 202)

    @export.get("/_export/<key>/<name>.ndjson")
    def file(key: str, name: str) -> Response:
        job = ours(key) if jobs.files_need_token else jobs.of(key)
        if name not in job.files:
            raise Refused(404, "not-found", "there is no such file")
        return _sent(job.files[name])

    return export


def _members(group: Resource) -> frozenset[str]:
    named = (one.get("entity", {}).get("reference", "") for one in group.get("member", ()))
    return frozenset(one.rpartition("/")[2] for one in named if "Patient/" in one)


def _types(allowed: Access) -> tuple[str, ...]:
    """The types asked for, or all that the token reaches."""
    asked = [one for one in request.args.get("_type", "").split(",") if one]
    lenient = "handling=lenient" in request.headers.get("Prefer", "")
    unknown = [one for one in asked if one not in PARAMETERS]
    if unknown and not lenient:
        raise invalid(f"resource type '{unknown[0]}' is not known here")
    for one in asked:
        if one in PARAMETERS:
            allowed.require(one, "r")
    everything = (one for one in PARAMETERS if allowed.covers(one, "r"))
    return tuple(one for one in (asked or everything) if one in PARAMETERS)


def _rows(hospital: Hospital, allowed: Access, types: Iterable[str], members: frozenset[str]) -> list[Resource]:
    rows = (row for kind in types for row in hospital.matches(hospital.query(kind, ())))
    return [row for row in rows if allowed.may(row, "r") and _belongs(row, members)]


def _belongs(row: Resource, members: frozenset[str]) -> bool:
    about = patients_of(row)
    return bool(about & members) if about else row["resourceType"] in THINGS


def _filtered(hospital: Hospital, rows: Sequence[Resource]) -> list[Resource]:
    """What `_typeFilter` leaves: rows of a filtered type that fit one of its queries."""
    tests: dict[str, list[Any]] = {}
    for one in request.args.getlist("_typeFilter"):
        kind, _, text = one.partition("?")
        if kind in PARAMETERS:
            pairs = parse_qsl(text, keep_blank_values=True)
            tests.setdefault(kind, []).append(
                read_query(kind, pairs, base=hospital.settings.fhir, now=hospital.clock()).tests
            )
    return [
        row for row in rows
        if row["resourceType"] not in tests
        or any(all(test(row) for test in every) for every in tests[row["resourceType"]])
    ]  # fmt: skip


def _lines(rows: Iterable[Resource]) -> bytes:
    return b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows)


def _manifest(hospital: Hospital, key: str, job: Job) -> Resource:
    base = f"{hospital.settings.fhir}/_export/{key}"

    def named(name: str, kind: str) -> Resource:
        return {"type": kind, "url": f"{base}/{name}.ndjson", "count": job.files[name].count(b"\n")}

    return {
        "transactionTime": job.at.isoformat(timespec="milliseconds"),
        "request": job.asked,
        "requiresAccessToken": hospital.exports.files_need_token,
        "output": [named(kind, kind) for kind in job.files if kind not in (ERRORS, PROBLEMS)],
        "error": [named(ERRORS, "OperationOutcome")],
    }


def _sent(body: bytes) -> Response:
    """A file: packed where the client takes that, and in parts where it asks for one (RFC 9110, If-Range)."""
    response = Response(body, mimetype=NDJSON)
    response.headers["Cache-Control"] = "no-store"
    if "gzip" in request.headers.get("Accept-Encoding", "") and "Range" not in request.headers:
        response.set_data(gzip.compress(body, 1))
        response.headers["Content-Encoding"] = "gzip"
        return response
    response.set_etag(hashlib.sha256(body).hexdigest())
    response.make_conditional(request, accept_ranges=True, complete_length=len(body))
    return response
