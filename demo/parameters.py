"""The search parameters this hospital knows: type -> name -> (kind, the elements it looks into), after R4.

A path is dotted; lists on the way are walked. `patient` accepts only references to a Patient. What is not
here is refused by search.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Parameter(NamedTuple):
    """One search parameter: "token", "reference", "date" or "string", and where to look."""

    kind: str
    paths: tuple[str, ...]


def _token(*paths: str) -> Parameter:
    return Parameter("token", paths)


def _reference(*paths: str) -> Parameter:
    return Parameter("reference", paths)


def _date(*paths: str) -> Parameter:
    return Parameter("date", paths)


def _string(*paths: str) -> Parameter:
    return Parameter("string", paths)


ALL_TYPES: Final = {
    "_id": _token("id"), "_lastUpdated": _date("meta.lastUpdated"), "_tag": _token("meta.tag"),
}
IDENTIFIED: Final = {"identifier": _token("identifier")}
NAMED: Final = {"name": _string("name"), "family": _string("name.family"), "given": _string("name.given")}
OF_A_PATIENT: Final = {**IDENTIFIED, "patient": _reference("subject"), "subject": _reference("subject")}
IN_AN_ENCOUNTER: Final = {**OF_A_PATIENT, "encounter": _reference("encounter")}
CODED: Final = {**IN_AN_ENCOUNTER, "code": _token("code"), "category": _token("category")}
WITH_STATUS: Final = {**CODED, "status": _token("status")}
EFFECTIVE: Final = _date("effectiveDateTime", "effectivePeriod", "effectiveInstant", "effectiveTiming")
MEDICINE: Final = {**OF_A_PATIENT, "status": _token("status"), "code": _token("medicationCodeableConcept"),
                   "medication": _reference("medicationReference")}

PARAMETERS: Final[dict[str, dict[str, Parameter]]] = {
    "Patient": {**IDENTIFIED, **NAMED, "birthdate": _date("birthDate"), "gender": _token("gender"),
                "active": _token("active"), "language": _token("communication.language")},
    "Encounter": {**OF_A_PATIENT, "status": _token("status"), "class": _token("class"),
                  "type": _token("type"), "date": _date("period"),
                  "location": _reference("location.location")},
    "Observation": {**WITH_STATUS, "date": EFFECTIVE, "value-concept": _token("valueCodeableConcept"),
                    "component-code": _token("component.code"),
                    "combo-code": _token("code", "component.code"), "has-member": _reference("hasMember"),
                    "derived-from": _reference("derivedFrom"), "performer": _reference("performer"),
                    "specimen": _reference("specimen"),
                    "device": _reference("device")},
    "Condition": {**CODED, "clinical-status": _token("clinicalStatus"),
                  "verification-status": _token("verificationStatus"), "recorded-date": _date("recordedDate"),
                  "onset-date": _date("onsetDateTime", "onsetPeriod")},
    "Procedure": {**WITH_STATUS, "date": _date("performedDateTime", "performedPeriod")},
    "DiagnosticReport": {**WITH_STATUS, "date": EFFECTIVE, "issued": _date("issued"),
                         "result": _reference("result")},
    "ServiceRequest": {**WITH_STATUS, "intent": _token("intent"), "authored": _date("authoredOn"),
                       "requester": _reference("requester")},
    "DeviceRequest": {**IN_AN_ENCOUNTER, "code": _token("codeCodeableConcept"), "status": _token("status"),
                      "intent": _token("intent"), "authored-on": _date("authoredOn")},
    "NutritionOrder": {**IDENTIFIED, "patient": _reference("patient"), "encounter": _reference("encounter"),
                       "status": _token("status"), "datetime": _date("dateTime")},
    "MedicationRequest": {**MEDICINE, "encounter": _reference("encounter"), "category": _token("category"),
                          "intent": _token("intent"), "authoredon": _date("authoredOn")},
    "MedicationAdministration": {**MEDICINE, "context": _reference("context"),
                                 "effective-time": _date("effectiveDateTime", "effectivePeriod")},
    "MedicationStatement": {**MEDICINE, "context": _reference("context"), "category": _token("category"),
                            "effective": _date("effectiveDateTime", "effectivePeriod")},
    "AllergyIntolerance": {**IDENTIFIED, "patient": _reference("patient"), "code": _token("code"),
                           "category": _token("category"), "clinical-status": _token("clinicalStatus"),
                           "date": _date("recordedDate")},
    "Device": {**IDENTIFIED, "patient": _reference("patient"), "type": _token("type"),
               "status": _token("status")},
    "DeviceUseStatement": {**OF_A_PATIENT, "device": _reference("device")},
    "Specimen": {**OF_A_PATIENT, "type": _token("type"), "status": _token("status"),
                 "collected": _date("collection.collectedDateTime", "collection.collectedPeriod")},
    "RiskAssessment": {**IN_AN_ENCOUNTER, "date": _date("occurrenceDateTime", "occurrencePeriod"),
                       "method": _token("method"), "performer": _reference("performer")},
    "DocumentReference": {**OF_A_PATIENT, "encounter": _reference("context.encounter"), "date": _date("date"),
                          "status": _token("status"), "type": _token("type"), "category": _token("category")},
    "Communication": {**IN_AN_ENCOUNTER, "status": _token("status"), "category": _token("category"),
                      "sent": _date("sent"), "recipient": _reference("recipient")},
    "Coverage": {**IDENTIFIED, "patient": _reference("beneficiary"), "beneficiary": _reference("beneficiary"),
                 "status": _token("status"), "type": _token("type")},
    "Group": {**IDENTIFIED, "type": _token("type"), "actual": _token("actual"),
              "member": _reference("member.entity")},
    "GuidanceResponse": {**OF_A_PATIENT, "request": _token("requestIdentifier")},
    "Practitioner": {**IDENTIFIED, **NAMED, "active": _token("active")},
    "PractitionerRole": {**IDENTIFIED, "practitioner": _reference("practitioner"),
                         "organization": _reference("organization"), "role": _token("code")},
    "Organization": {**IDENTIFIED, "name": _string("name")},
    "Location": {**IDENTIFIED, "name": _string("name"), "status": _token("status")},
    "Medication": {**IDENTIFIED, "code": _token("code"), "status": _token("status")},
}


def parameters_of(type_: str) -> dict[str, Parameter]:
    """Every parameter a search of `type_` may use, by name."""
    return {**ALL_TYPES, **PARAMETERS[type_]}
