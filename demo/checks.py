"""What a resource written here must have: the elements of the four types an app may create, after R4.

Refuses (400) what is missing, what is no element of the type, a wrong shape, an unknown status, an empty
value, a probability over 100 (ras-2: it is a percentage) and an attachment without content.
"""

from __future__ import annotations

import base64
import binascii
from typing import Any, Final

from demo.moments import span
from demo.outcome import Refused

Resource = dict[str, Any]

# Shapes: c code, s string, o object, d date; a star means a list of them, a bang that it must be there.
COMMON: Final = {
    "resourceType": "s!", "id": "s", "meta": "o", "implicitRules": "s", "language": "c", "text": "o",
    "contained": "o*", "extension": "o*", "modifierExtension": "o*", "identifier": "o*",
}
ELEMENTS: Final[dict[str, dict[str, str]]] = {
    "RiskAssessment": {
        **COMMON, "basedOn": "o", "parent": "o", "status": "c!", "method": "o", "code": "o", "subject": "o!",
        "encounter": "o", "occurrenceDateTime": "d", "occurrencePeriod": "o", "condition": "o",
        "performer": "o", "reasonCode": "o*", "reasonReference": "o*", "basis": "o*", "prediction": "o*",
        "mitigation": "s",
        "note": "o*",
    },
    "DocumentReference": {
        **COMMON, "masterIdentifier": "o", "status": "c!", "docStatus": "c", "type": "o", "category": "o*",
        "subject": "o", "date": "d", "author": "o*", "authenticator": "o", "custodian": "o",
        "relatesTo": "o*", "description": "s", "securityLabel": "o*", "content": "o*!", "context": "o",
    },
    "Communication": {
        **COMMON, "instantiatesCanonical": "s*", "instantiatesUri": "s*", "basedOn": "o*", "partOf": "o*",
        "inResponseTo": "o*", "status": "c!", "statusReason": "o", "category": "o*", "priority": "c",
        "medium": "o*", "subject": "o", "topic": "o", "about": "o*", "encounter": "o", "sent": "d",
        "received": "d", "recipient": "o*", "sender": "o", "reasonCode": "o*", "reasonReference": "o*",
        "payload": "o*",
        "note": "o*",
    },
    "GuidanceResponse": {
        **COMMON, "requestIdentifier": "o", "moduleUri": "s", "moduleCanonical": "s", "moduleCodeableConcept":
        "o", "status": "c!", "subject": "o", "encounter": "o", "occurrenceDateTime": "d", "performer": "o",
        "reasonCode": "o*", "reasonReference": "o*", "note": "o*", "evaluationMessage": "o*",
        "outputParameters": "o", "result": "o", "dataRequirement": "o*",
    },
}
CREATABLE: Final = tuple(ELEMENTS)
CODES: Final = {
    ("RiskAssessment", "status"):
        "registered preliminary final amended corrected cancelled entered-in-error unknown",
    ("DocumentReference", "status"): "current superseded entered-in-error",
    ("DocumentReference", "docStatus"): "preliminary final amended entered-in-error",
    ("Communication", "status"):
        "preparation in-progress not-done on-hold stopped completed entered-in-error unknown",
    ("Communication", "priority"): "routine urgent asap stat",
    ("GuidanceResponse", "status"):
        "success data-requested data-required in-progress failure entered-in-error",
}
KINDS: Final = {"c": str, "s": str, "d": str, "o": dict}


def check(resource: Resource) -> None:
    """Raise Refused (400) on the first thing that keeps `resource` from being stored."""
    type_ = str(resource["resourceType"])
    elements = ELEMENTS[type_]
    for name, value in resource.items():
        if name.removeprefix("_") not in elements:
            raise Refused(400, "structure", f"{type_} has no element '{name}'")
        _filled(f"{type_}.{name}", value)
        if not name.startswith("_"):
            _shape(f"{type_}.{name}", elements[name], value)
    for name, shape in elements.items():
        if shape.endswith("!") and name not in resource:
            raise Refused(400, "required", f"{type_}.{name} is required")
        allowed = CODES.get((type_, name), "").split()
        if allowed and name in resource and resource[name] not in allowed:
            raise Refused(400, "code-invalid", f"{type_}.{name} is one of {', '.join(allowed)}")
    match type_:
        case "RiskAssessment":
            _predictions(resource)
        case "DocumentReference":
            _contents(resource)
        case "Communication":
            _payloads(resource)
        case _:
            _module(resource)


def _filled(where: str, value: Any) -> None:
    """FHIR JSON has no null, no empty string, list or object."""
    if value is None or value in ("", [], {}):
        raise Refused(400, "structure", f"{where} is empty; leave it out instead")
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        _filled(f"{where}.{key}", one)


def _shape(where: str, shape: str, value: Any) -> None:
    many = "*" in shape
    if many != isinstance(value, list):
        raise Refused(400, "structure", f"{where} is {'a list' if many else 'one value, not a list'}")
    for one in value if many else [value]:
        if not isinstance(one, KINDS[shape[0]]):
            raise Refused(400, "structure", f"{where} has the wrong type of value")
        if shape[0] == "d":
            _date(where, one)


def _date(where: str, value: str) -> None:
    try:
        span(value)
    except ValueError as error:
        raise Refused(400, "value", f"{where}: {error}") from error


def _predictions(resource: Resource) -> None:
    for number, one in enumerate(resource.get("prediction", ())):
        where = f"RiskAssessment.prediction[{number}]"
        percent = one.get("probabilityDecimal")
        if percent is None:
            continue
        if isinstance(percent, bool) or not isinstance(percent, int | float):
            raise Refused(400, "value", f"{where}.probabilityDecimal is a number")
        if not 0 <= percent <= 100:
            raise Refused(400, "invariant", f"{where}.probabilityDecimal is a percentage, 0 to 100 (ras-2)")


def _contents(resource: Resource) -> None:
    for number, one in enumerate(resource["content"]):
        where = f"DocumentReference.content[{number}].attachment"
        attachment = one.get("attachment")
        if not isinstance(attachment, dict):
            raise Refused(400, "required", f"{where} is required")
        if not isinstance(attachment.get("contentType"), str):
            raise Refused(400, "required", f"{where}.contentType is required")
        if "data" not in attachment and "url" not in attachment:
            raise Refused(400, "required", f"{where} needs data or url")
        try:
            base64.b64decode(attachment.get("data", ""), validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise Refused(400, "value", f"{where}.data is not base64") from error


def _payloads(resource: Resource) -> None:
    for number, one in enumerate(resource.get("payload", ())):
        if sum(name in one for name in ("contentString", "contentAttachment", "contentReference")) != 1:
            raise Refused(400, "required", f"Communication.payload[{number}].content[x] is required, once")


def _module(resource: Resource) -> None:
    if sum(name in resource for name in ("moduleUri", "moduleCanonical", "moduleCodeableConcept")) != 1:
        raise Refused(400, "required", "GuidanceResponse.module[x] is required, once")
