"""Prefetch: what we ask a CDS client to send along, and how what it sent is read.

A key comes in one of six forms (CDS Hooks 2.0.1, Prefetch Template): absent (not sent: fetched, if we may),
null (the hospital has none: not asked again), a resource, a searchset Bundle (perhaps empty, perhaps only its
first page), an OperationOutcome (the client met an error: not asked again blindly). Anything else is a
MalformedRequest.

Refuses (MissingData) to answer when something essential was neither sent nor may be fetched, or when the
client could not read it: too little known is not the same as nothing there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Protocol
from urllib.parse import quote

from ehr.bundles import Resource, belongs, has_more, issue_codes, reaches_far, resources_of
from ehr.codes import code_table
from ehr.errors import EhrError, MalformedRequest, MissingData, NotFound, NotPermitted, Unauthorised

PATIENT: Final = "{{context.patientId}}"
LATEST: Final = "&_sort=-date&_count="


def _body_codes() -> str:
    """Weight and height: charted once in a stay, so asked for by code, however many rows came since."""
    loinc = code_table().loinc
    codes = (*code_table().loincs("weight"), *code_table().loincs("height"))
    return ",".join(quote(f"{loinc}|{code}", safe="") for code in codes)


# Only first-level context tokens, reads and type searches, token equality, _sort and _count: what every
# client must support.
TEMPLATES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "patient": f"Patient/{PATIENT}",
        "encounters": f"Encounter?patient={PATIENT}{LATEST}20",
        "vitals": f"Observation?patient={PATIENT}&category=vital-signs{LATEST}500",
        "laboratory": f"Observation?patient={PATIENT}&category=laboratory{LATEST}300",
        "body": f"Observation?patient={PATIENT}&code={_body_codes()}{LATEST}10",
        "procedures": f"Procedure?patient={PATIENT}{LATEST}50",
        "deviceuse": f"DeviceUseStatement?patient={PATIENT}&_count=50",
        "devices": f"Device?patient={PATIENT}&_count=50",
        "conditions": f"Condition?patient={PATIENT}&_count=200",
    }
)
ORDERS: Final = "orders"  # asked for beside the chart where a site's cards offer something to order
ORDERS_TEMPLATE: Final = f"ServiceRequest?patient={PATIENT}&status=active&_count=100"
REPORTS: Final = "reports"  # asked for where a site keeps results inside its reports, and nowhere else
REPORTS_TEMPLATE: Final = f"DiagnosticReport?patient={PATIENT}&category=LAB{LATEST}50"
BODY_CATEGORY: Final = "&category=vital-signs"  # where a search by code alone is refused
ESSENTIAL: Final = frozenset(
    {"patient", "encounters", "vitals", "laboratory"}
)  # without these there is no chart
BATCH: Final = "batch-response"
DENIED: Final = (Unauthorised, NotPermitted, NotFound)  # what the caller's own leave to fetch did not open
SEARCHED: Final = MappingProxyType(
    {
        key: query.split("?")[0].split("/")[0]
        for key, query in (*TEMPLATES.items(), (ORDERS, ORDERS_TEMPLATE), (REPORTS, REPORTS_TEMPLATE))
    }
)


def templates(quirks: frozenset[str] = frozenset(), *, orders: bool = False) -> Mapping[str, str]:
    """The templates for a site with these quirks; with `orders`, for the orders in force as well."""
    found = dict(TEMPLATES)
    if "category-required" in quirks:
        found["body"] += BODY_CATEGORY
    if "results-in-reports" in quirks:
        found[REPORTS] = REPORTS_TEMPLATE
    if orders:
        found[ORDERS] = ORDERS_TEMPLATE
    return MappingProxyType(found)


class Read(Protocol):
    """What a fetch brings: `ehr.records.Reading`."""

    @property
    def resources(self) -> tuple[dict[str, Any], ...]: ...
    @property
    def truncated(self) -> bool: ...
    @property
    def foreign(self) -> int: ...
    @property
    def problems(self) -> tuple[str, ...]: ...


@dataclass(frozen=True, slots=True)
class Gathered:
    """All resources of one hook call; which keys could not be had; how many rows were another patient's."""

    resources: tuple[Resource, ...]
    missing: tuple[str, ...] = ()
    foreign: int = 0
    truncated: bool = False
    problems: tuple[str, ...] = ()


def gather_prefetch(
    patient: str, prefetch: Mapping[str, Any], fetch: Callable[[], Read] | None, *, base: str = ""
) -> Gathered:
    """The resources for `patient` that came along, completed by `fetch` (None: no leave to) where keys are
    absent.

    Raises MalformedRequest, MissingData, and what `fetch` raises when something essential depended on it.
    """
    kept: list[Resource] = []
    problems: list[str] = []
    absent = [key for key in TEMPLATES if key not in prefetch]
    failed: list[str] = []
    foreign = 0
    short: list[str] = []  # came as a first page that does not reach far enough back
    for key in TEMPLATES:
        sent = prefetch.get(key)
        if sent is None:
            continue
        rows, outcomes, cut = opened(key, sent)
        ours = [row for row in rows if belongs(row, patient, base)]
        foreign += len(rows) - len(ours)
        kept += ours
        if cut:
            short.append(key)
        if outcomes:
            problems += [f"prefetch.{key}: {code}" for code in outcomes]
            if sent.get("resourceType") == "OperationOutcome" or refusals(sent):
                failed.append(key)
    lost = [key for key in failed if key in ESSENTIAL]
    if lost:
        raise MissingData("the hospital's own system could not read what this question needs", _where(lost))
    truncated = bool(short)
    if absent or (short and fetch is not None):
        read, problem = _fetched(absent, fetch)
        if read is not None:
            kept += read.resources
            foreign += read.foreign
            truncated = read.truncated
            problems += read.problems
            absent = []
        elif problem:
            problems.append(problem)
            truncated = True
    return Gathered(tuple(kept), (*absent, *failed), foreign, truncated, tuple(problems))


def _fetched(absent: list[str], fetch: Callable[[], Read] | None) -> tuple[Read | None, str]:
    """What `fetch` brings; None where nothing essential is absent and it may not, or could not,
    be fetched.
    """
    lost = [key for key in absent if key in ESSENTIAL]
    if fetch is None:
        if lost:
            raise MissingData(
                "needed data was not sent, and no fhirAuthorization lets it be fetched: send the prefetch "
                "that discovery asks for, or fhirServer with fhirAuthorization",
                _where(lost),
            )
        return None, ""
    try:
        return fetch(), ""
    except EhrError as error:
        if lost and isinstance(error, DENIED):  # not the caller's own proof fails (401, 403, 404), but what was needed
            raise MissingData(f"not sent, and not to be fetched: {error}", _where(lost)) from None
        if lost:
            raise
        return None, f"{_where(absent)} could not be fetched ({type(error).__name__})"


def opened(key: str, sent: Any) -> tuple[list[Resource], list[str], bool]:
    """Rows, codes of OperationOutcomes,
    and whether the hospital has more rows than these that would matter.
    """
    if not isinstance(sent, Mapping) or not isinstance(sent.get("resourceType"), str):
        raise MalformedRequest("is neither null nor a FHIR resource", f"prefetch.{key}")
    if sent["resourceType"] == "OperationOutcome":
        return [], issue_codes(sent) or ["error"], False
    if sent["resourceType"] != "Bundle":
        if sent["resourceType"] != SEARCHED[key]:
            raise MalformedRequest(f"is neither a Bundle nor a single {SEARCHED[key]}", f"prefetch.{key}")
        return [sent], [], False
    entries = sent.get("entry")
    if entries is None:
        entries = []
    if not isinstance(entries, list):
        raise MalformedRequest("has an 'entry' that is no list", f"prefetch.{key}")
    rows, outcomes, cut = list[Resource](), refusals(sent), False
    for row in resources_of(entries):
        if row.get("resourceType") == "OperationOutcome":
            outcomes += issue_codes(row)
        elif row.get("resourceType") == "Bundle" and sent.get("type") == BATCH:
            inner, refused, more = opened(key, row)
            rows, outcomes, cut = [*rows, *inner], [*outcomes, *refused], cut or more
        else:
            rows.append(row)
    return rows, outcomes, cut or (has_more(sent) and not reaches_far(rows))


def refusals(bundle: Resource) -> list[str]:
    """Codes of the searches that a batch's answer refused, each entry having a status of its own."""
    entries = bundle.get("entry") if bundle.get("type") == BATCH else None
    codes: list[str] = []
    for entry in entries if isinstance(entries, list) else ():
        response = entry.get("response") if isinstance(entry, Mapping) else None
        status = response.get("status") if isinstance(response, Mapping) else None
        if isinstance(response, Mapping) and isinstance(status, str) and status[:1] in ("4", "5"):
            told = response.get("outcome")
            codes += (issue_codes(told) if isinstance(told, Mapping) else []) or [f"status {status[:3]}"]
    return codes


def _where(keys: Iterable[str]) -> str:
    return ", ".join(f"prefetch.{key}" for key in keys)
