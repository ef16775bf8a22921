"""What a card may offer to order, as a whole draft order: a ServiceRequest that nobody has signed.

Codes come from `codes.toml` [offers], the site's own beside them; words come from whoever shows the card.
Refuses a kind that is not known, and a resource R4 would not have. Nothing here is ever sent by itself.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from types import MappingProxyType
from typing import Any, Final

from fhirclient.models.fhirabstractbase import FHIRValidationError
from fhirclient.models.servicerequest import ServiceRequest

from ehr.codes import CODES_FILE, code_table
from ehr.errors import MalformedRequest
from ehr.orders import planned, said

REPEAT_TROPONIN: Final = "repeat-troponin"
ARTERIAL_GAS: Final = "arterial-blood-gas"
VENOUS_GAS: Final = "venous-blood-gas"
RESPIRATORY_REVIEW: Final = "respiratory-review"
KINDS: Final = (REPEAT_TROPONIN, ARTERIAL_GAS, VENOUS_GAS, RESPIRATORY_REVIEW)
Resource = Mapping[str, Any]
Code = tuple[str, str, str]  # system, code, display


@dataclass(frozen=True, slots=True)
class Draft:
    """One order to be offered. Ids are bare; `requester` is "Practitioner/1". `variable` is the troponin meant.

    `at` is when it is wanted, None for as soon as may be; `own` the site's (system, code, display), if any.
    """

    kind: str
    text: str
    reason: str
    patient: str
    encounter: str
    requester: str
    authored: datetime
    at: datetime | None = None
    variable: str = ""
    own: Code | None = None


def service_request(draft: Draft) -> dict[str, Any]:
    """The whole resource of a "create" action: status draft, intent order. Raises MalformedRequest."""
    codes = [code_of(draft.kind, draft.variable), *([draft.own] if draft.own is not None else [])]
    document: dict[str, Any] = {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "order",
        "priority": "urgent",
        "code": {"coding": [_coding(*code) for code in codes], "text": draft.text},
        "subject": {"reference": f"Patient/{draft.patient}"},
        "authoredOn": _instant(draft.authored),
        "requester": {"reference": draft.requester},
        "reasonCode": [{"text": draft.reason}],
    }
    if draft.encounter:
        document["encounter"] = {"reference": f"Encounter/{draft.encounter}"}
    if draft.at is not None:
        document["occurrenceDateTime"] = _instant(draft.at)
    try:
        checked: dict[str, Any] = ServiceRequest(document).as_json()
    except FHIRValidationError as error:
        raise MalformedRequest(
            f"is not what R4 asks for ({type(error).__name__})", "ServiceRequest"
        ) from error
    return checked


def code_of(kind: str, variable: str = "") -> Code:
    """The standard code of what is offered; of a repeat troponin, that of `variable`. Raises KeyError."""
    return _offers()[kind, variable]


def ordered_already(
    kind: str, drafts: Iterable[Resource], *, at: datetime | None, variable: str, window: timedelta
) -> bool:
    """Whether one of the draft orders asks for it; of a draw at a moment, whether one is planned that close."""
    rows = tuple(drafts)
    wanted = code_of(kind, variable)[:2]
    for order in rows:
        codes, _ = said(order, rows)
        when = planned(order)
        if wanted in codes and (at is None or (when is not None and abs(when - at) <= window)):
            return True
    return False


@cache
def _offers() -> Mapping[tuple[str, str], Code]:
    with CODES_FILE.open("rb") as file:
        table = tomllib.load(file)["offers"]
    troponins = table.pop(REPEAT_TROPONIN)
    rows = {(kind, ""): row for kind, row in table.items()}
    rows |= {(REPEAT_TROPONIN, variable): row for variable, row in troponins.items()}
    return MappingProxyType({key: _code(row) for key, row in rows.items()})


def _code(row: Mapping[str, str]) -> Code:
    system = "loinc" if "loinc" in row else "snomed"
    return code_table().systems[system], row[system], row["display"]


def _coding(system: str, code: str, display: str) -> dict[str, str]:
    return {"system": system, "code": code, "display": display}


def _instant(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise MalformedRequest("a time without a zone", "ServiceRequest.occurrenceDateTime")
    return moment.isoformat(timespec="seconds")
