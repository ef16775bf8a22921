"""What is written back into the record, when a person presses the button: an assessment as RiskAssessment,
a page as DocumentReference.

Both are built and validated with fhirclient's R4 models and carry an identifier, so that pressing twice
writes once (`once`). Refuses an assessment without a probability, a page that is neither HTML nor PDF, HTML
with scripts, and a resource the models do not accept. Never writes by itself: `FhirHttp.create` does.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from fhirclient.models.documentreference import DocumentReference
from fhirclient.models.fhirabstractbase import FHIRValidationError
from fhirclient.models.riskassessment import RiskAssessment

from ehr.errors import MalformedRequest, MissingData
from ehr.scopes import permissions
from ehr.site import Tenant
from inference.assessment import Assessment, Prediction, State, Status

ASSESSMENT_SYSTEM: Final = "urn:ordertime:assessment"
DOCUMENT_SYSTEM: Final = "urn:ordertime:document"
MODEL_SYSTEM: Final = "urn:ordertime:model"
OUTCOME_SYSTEM: Final = "urn:ordertime:outcome"
CLINICAL_NOTE: Final = {  # US Core wants every document in this category
    "system": "http://hl7.org/fhir/us/core/CodeSystem/us-core-documentreference-category",
    "code": "clinical-note",
    "display": "Clinical Note",
}
LARGEST_PAGE: Final = 5 * 1024 * 1024  # bytes


@dataclass(frozen=True, slots=True)
class Chapter:
    """Where in the record something belongs: ids are bare; `author` is "Practitioner/1" or ""."""

    patient: str
    encounter: str = ""
    author: str = ""


def risk_assessment(
    assessment: Assessment,
    chapter: Chapter,
    *,
    identifier: str,
    state: State,
    outcomes: Mapping[str, str] | None = None,
    note: str = "",
) -> dict[str, Any]:
    """`assessment` as a RiskAssessment. Probabilities are percent (R4: 31 % is 31.0); intervals stand in
    words.

    `identifier` is the assessment's uuid in the ledger; `outcomes` gives each outcome's words. Status is
    "final" for an active model that stands behind its answer, else "preliminary". Raises MissingData
    without a probability.
    """
    shown = [p for p in assessment.predictions if p.probability is not None]
    if not shown:
        raise MissingData(
            "this assessment holds no probability: there is nothing to write", assessment.status
        )
    sure = assessment.status is Status.ASSESSED and state is State.ACTIVE
    named = f"{assessment.model} {assessment.version}"
    document: dict[str, Any] = {
        "resourceType": "RiskAssessment",
        "identifier": [{"system": ASSESSMENT_SYSTEM, "value": identifier}],
        "status": "final" if sure else "preliminary",
        "method": {
            "coding": [{"system": MODEL_SYSTEM, "version": assessment.version, "code": assessment.model}],
            "text": named,
        },
        "occurrenceDateTime": _instant(assessment.as_of),
        "performer": {"type": "Device", "display": named},
        "basis": [{"reference": reference} for reference in _basis(assessment)],
        "prediction": [_prediction(p, assessment.as_of, outcomes or {}) for p in shown],
        "note": [
            {"time": _instant(assessment.as_of), "text": text} for text in (_standing(state), note) if text
        ],
        **_placed(chapter),
    }
    return _validated(RiskAssessment, document)


def document_reference(
    page: bytes,
    content_type: str,
    chapter: Chapter,
    *,
    identifier: str,
    title: str,
    created: datetime,
    loinc: str,
    language: str = "en",
    final: bool = True,
) -> dict[str, Any]:
    """A page ("text/html" or "application/pdf") as a DocumentReference, filed under the LOINC code `loinc`.

    `final` False marks the text itself as preliminary (docStatus): not released, or from a demonstration.
    Raises MalformedRequest.
    """
    _check_page(page, content_type)
    attachment = {
        "contentType": content_type + ("; charset=utf-8" if content_type == "text/html" else ""),
        "language": language,
        "data": base64.b64encode(page).decode(),
        "size": len(page),
        "hash": base64.b64encode(
            hashlib.sha1(page, usedforsecurity=False).digest()
        ).decode(),  # R4 says SHA-1
        "title": title,
        "creation": _instant(created),
    }
    placed = _placed(chapter)
    encounter = placed.pop("encounter", None)
    document: dict[str, Any] = {
        "resourceType": "DocumentReference",
        "identifier": [{"system": DOCUMENT_SYSTEM, "value": identifier}],
        "status": "current",
        "docStatus": "final" if final else "preliminary",
        "type": {"coding": [{"system": "http://loinc.org", "code": loinc}], "text": title},
        "category": [{"coding": [CLINICAL_NOTE]}],
        "date": _instant(created),
        "author": [{"reference": chapter.author}] if chapter.author else [],
        "description": title,
        "content": [{"attachment": attachment}],
        "context": {"encounter": [encounter]} if encounter else {},
        **placed,
    }
    return _validated(DocumentReference, document)


def once(resource: Mapping[str, Any]) -> dict[str, str]:
    """The search for `If-None-Exist` that finds `resource` where it was written before."""
    identifier = resource["identifier"][0]
    return {"identifier": f"{identifier['system']}|{identifier['value']}"}


def may_create(resource_type: str, tenant: Tenant, scope: str, capability: Mapping[str, Any]) -> bool:
    """Whether the site wants it, the grant allows it and the server's CapabilityStatement offers it: all
    three.
    """
    wanted = resource_type in tenant.write_back and permissions(scope).may(resource_type, "c")
    return wanted and any(
        {"code": "create"}.items() <= interaction.items()
        for rest in capability.get("rest") or ()
        for resource in rest.get("resource") or ()
        if resource.get("type") == resource_type
        for interaction in resource.get("interaction") or ()
    )


def _prediction(found: Prediction, as_of: datetime, outcomes: Mapping[str, str]) -> dict[str, Any]:
    probability = _percent(found.probability or 0.0)
    text = outcomes.get(found.outcome, found.outcome)
    prediction: dict[str, Any] = {
        "outcome": {"coding": [{"system": OUTCOME_SYSTEM, "code": found.outcome}], "text": text},
        "probabilityDecimal": probability,
        "whenPeriod": {"start": _instant(as_of), "end": _instant(as_of + timedelta(hours=found.hours))},
    }
    if found.low is not None and found.high is not None:
        low, high = _percent(found.low), _percent(found.high)
        prediction["rationale"] = f"{probability:g} %, 95 % interval {low:g} to {high:g} %"
    return prediction


def _percent(probability: float) -> float:
    """0..1 as percent, to a hundredth. Raises MalformedRequest: R4 allows no more than 100 (ras-2)."""
    if not 0.0 <= probability <= 1.0:
        raise MalformedRequest("a probability lies between 0 and 1", "RiskAssessment.prediction")
    return round(probability * 100.0, 2)


def _basis(assessment: Assessment) -> tuple[str, ...]:
    """What entered the features, each once, in order of time."""
    rows = sorted(assessment.inputs, key=lambda row: row.time)
    local = (row.source.resource for row in rows)
    return tuple(
        dict.fromkeys(name for name in local if re.fullmatch(r"[A-Z][A-Za-z]+/[A-Za-z0-9.\-]+", name))
    )


def _standing(state: State) -> str:
    """What a reader of the record must know of the model's state."""
    return {
        State.DEMONSTRATION: "Demonstration: this model has not earned its place at this site. Not for care.",
        State.SILENT: "The model is silent at this site: recorded for its evaluation, not for care.",
        State.SUSPENDED: "The model is suspended at this site.",
    }.get(state, "")


def _placed(chapter: Chapter) -> dict[str, Any]:
    placed: dict[str, Any] = {"subject": {"reference": f"Patient/{chapter.patient}"}}
    if chapter.encounter:
        placed["encounter"] = {"reference": f"Encounter/{chapter.encounter}"}
    return placed


def _check_page(page: bytes, content_type: str) -> None:
    if content_type not in ("text/html", "application/pdf"):
        raise MalformedRequest("a page is text/html or application/pdf", "contentType")
    if not 0 < len(page) <= LARGEST_PAGE:
        raise MalformedRequest(f"a page has 1 to {LARGEST_PAGE} bytes", "content")
    if content_type == "application/pdf" and not page.startswith(b"%PDF-"):
        raise MalformedRequest("is not a PDF", "content")
    if content_type == "text/html" and re.search(
        rb"<\s*script|<[^>]+\son[a-z]+\s*=|javascript:", page, re.IGNORECASE
    ):
        raise MalformedRequest("holds a script; a page in the record is paper", "content")


def _instant(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise MalformedRequest("a time without a zone", "date")
    return moment.isoformat(timespec="seconds")


def _validated(model: Any, document: Mapping[str, Any]) -> dict[str, Any]:
    """`document` without its empty members, through fhirclient's model and back. Raises MalformedRequest."""
    filled = {name: value for name, value in document.items() if value not in ("", [], {}, None)}
    try:
        checked: dict[str, Any] = model(filled).as_json()
    except FHIRValidationError as error:
        raise MalformedRequest(
            f"is not what R4 asks for ({type(error).__name__})", filled["resourceType"]
        ) from error
    return checked
