"""The order catalogue: what can be ordered here and how each order is written in FHIR.

Draft orders are ServiceRequest, MedicationRequest, DeviceRequest or NutritionOrder, coded in SNOMED CT, LOINC
or RxNorm, with status "draft": a CDS service sees them before anybody has signed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Resource = dict[str, Any]
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
UCUM = "http://unitsofmeasure.org"
LOCAL = "https://stand-in-hospital.example/codes/orders"


@dataclass(frozen=True, slots=True)
class Detail:
    """One field of an order: either a list to choose from or a number with its unit."""

    name: str
    label: str
    choices: tuple[str, ...] = ()
    default: str = ""
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Orderable:
    """One line of the catalogue. `codes` are (system, code, display); `words` help to find it."""

    key: str
    title: str
    group: str
    kind: str  # the FHIR resource type
    codes: tuple[tuple[str, str, str], ...]
    details: tuple[Detail, ...] = ()
    words: str = ""
    local: str = ""


PRIORITY = Detail("priority", "Priority", ("routine", "urgent", "stat"), "urgent")
DEVICE = Detail(
    "device",
    "Device",
    ("Nasal cannula", "Simple mask", "Venturi mask", "Non-rebreather mask"),
    "Nasal cannula",
)
TARGET = Detail("target", "Target SpO₂", ("92–96 %", "88–92 %"), "92–96 %")


def _service(
    key: str,
    title: str,
    group: str,
    codes: tuple[tuple[str, str, str], ...],
    *details: Detail,
    words: str = "",
    local: str = "",
) -> Orderable:
    return Orderable(key, title, group, "ServiceRequest", codes, (*details, PRIORITY), words, local)


def _medicine(
    key: str, title: str, rxnorm: str, name: str, dose: str, unit: str, route: str, frequency: str
) -> Orderable:
    details = (
        Detail("dose", "Dose", (), dose, unit),
        Detail("route", "Route", ("intravenous", "oral", "subcutaneous"), route),
        Detail(
            "frequency",
            "Frequency",
            ("once", "every 4 hours as needed", "every 6 hours", "every 12 hours", "once a day"),
            frequency,
        ),
    )
    return Orderable(key, title, "Medication", "MedicationRequest", ((RXNORM, rxnorm, name),), details, name)


CATALOGUE: tuple[Orderable, ...] = (
    _service(
        "oxygen",
        "Oxygen therapy",
        "Respiratory",
        ((SNOMED, "57485005", "Oxygen therapy"),),
        DEVICE,
        Detail("flow", "Flow", (), "4", "L/min"),
        TARGET,
        words="o2 mask cannula",
    ),
    Orderable(
        "high-flow",
        "High-flow nasal cannula",
        "Respiratory",
        "DeviceRequest",
        ((SNOMED, "426854004", "High flow oxygen nasal cannula"),),
        (Detail("flow", "Flow", (), "50", "L/min"), Detail("fio2", "FiO₂", (), "50", "%"), TARGET, PRIORITY),
        words="high flow hfnc optiflow airvo oxygen",
    ),
    _service(
        "niv",
        "Non-invasive ventilation",
        "Respiratory",
        ((SNOMED, "428311008", "Noninvasive ventilation"),),
        Detail("mode", "Mode", ("BiPAP", "CPAP"), "BiPAP"),
        words="niv bipap cpap mask ventilation",
    ),
    _service(
        "intubation",
        "Intubation and mechanical ventilation",
        "Respiratory",
        ((SNOMED, "112798008", "Insertion of endotracheal tube"),),
        words="tube ett ventilator airway",
    ),
    _service(
        "blood-gas",
        "Arterial blood gas",
        "Laboratory",
        ((LOINC, "24336-0", "Gas panel - Arterial blood"),),
        words="abg gas ph pco2 po2 lactate",
        local="ABG",
    ),
    _service(
        "venous-gas",
        "Venous blood gas",
        "Laboratory",
        ((LOINC, "24339-4", "Gas panel - Venous blood"),),
        words="vbg gas ph pco2 lactate",
        local="VBG",
    ),
    _service(
        "respiratory-review",
        "Respiratory therapy review",
        "Respiratory",
        ((SNOMED, "53950000", "Respiratory therapy"),),
        words="respiratory therapist rt breathing",
    ),
    _service(
        "troponin",
        "Troponin T, high sensitivity",
        "Laboratory",
        (
            (
                LOINC,
                "67151-1",
                "Troponin T.cardiac [Mass/volume] in Serum or Plasma by High sensitivity method",
            ),
        ),
        Detail("series", "Series", ("now", "now and in 1 hour", "now and in 2 hours"), "now and in 1 hour"),
        words="hs-ctnt tnt cardiac marker chest pain",
        local="TNTHS",
    ),
    _service(
        "troponin-i",
        "Troponin I (conventional)",
        "Laboratory",
        ((LOINC, "10839-9", "Troponin I.cardiac [Mass/volume] in Serum or Plasma"),),
        Detail("series", "Series", ("now", "now and in 6 hours"), "now"),
        words="tni cardiac marker",
        local="TNI",
    ),
    _service(
        "ecg",
        "ECG, 12 leads",
        "Cardiology",
        ((SNOMED, "29303009", "Electrocardiographic procedure"), (LOINC, "11524-6", "EKG study")),
        words="ekg electrocardiogram",
    ),
    _service(
        "icu-transfer",
        "Transfer to intensive care",
        "Transfer",
        ((SNOMED, "305351004", "Admission to intensive care unit"),),
        words="icu itu critical care bed",
    ),
    _medicine(
        "morphine", "Morphine", "7052", "morphine", "2", "mg", "intravenous", "every 4 hours as needed"
    ),
    _medicine("lorazepam", "Lorazepam", "6470", "lorazepam", "1", "mg", "intravenous", "once"),
    _medicine("furosemide", "Furosemide", "4603", "furosemide", "40", "mg", "intravenous", "every 12 hours"),
    _medicine(
        "paracetamol",
        "Paracetamol (acetaminophen)",
        "161",
        "acetaminophen",
        "1000",
        "mg",
        "oral",
        "every 6 hours",
    ),
    _medicine("ceftriaxone", "Ceftriaxone", "2193", "ceftriaxone", "2000", "mg", "intravenous", "once a day"),
    _service(
        "chest-film",
        "Chest X-ray, portable",
        "Imaging",
        ((LOINC, "36554-4", "XR Chest Single view"),),
        words="cxr radiograph film",
    ),
    _service(
        "blood-culture",
        "Blood cultures, two sets",
        "Laboratory",
        ((LOINC, "600-7", "Bacteria identified in Blood by Culture"),),
        words="bc microbiology",
    ),
    Orderable(
        "diet",
        "Diet",
        "Nursing",
        "NutritionOrder",
        ((LOCAL, "DIET", "Diet"),),
        (Detail("diet", "Diet", ("Regular", "Low salt", "Nil by mouth", "Diabetic"), "Regular"),),
        words="food npo nil by mouth nutrition",
    ),
    _service(
        "physiotherapy",
        "Physiotherapy",
        "Nursing",
        ((SNOMED, "91251008", "Physical therapy procedure"),),
        words="pt mobilise",
    ),
)
BY_KEY: Mapping[str, Orderable] = {one.key: one for one in CATALOGUE}


@dataclass(frozen=True, slots=True)
class Order:
    """One order being written: what, for whom, by whom, when, with which details. `id` is the draft's own."""

    id: str
    item: Orderable
    patient: str
    encounter: str
    requester: str
    details: Mapping[str, str]
    when: str = ""  # the instant it is wanted for, where somebody named one

    @property
    def reference(self) -> str:
        """ "ServiceRequest/draft-1": how `selections` names it."""
        return f"{self.item.kind}/{self.id}"

    @property
    def asked(self) -> tuple[Detail, ...]:
        """The details this order has: a draw for a named moment is no series."""
        return tuple(one for one in self.item.details if not (self.when and one.name == "series"))

    @property
    def line(self) -> str:
        """The details in one line, as they would be read aloud."""
        told = [f"for {self.when[:16].replace('T', ' ')}"] if self.when else []
        for one in self.asked:
            value = self.details.get(one.name, one.default)
            told.append(
                f"{one.label} {value} {one.unit}".strip() if one.unit or one.name == "target" else value
            )
        return ", ".join(told)


def resource(order: Order, now: datetime, status: str = "draft") -> Resource:
    """The order as FHIR, with `status` "draft" before it is signed and "active" after."""
    made: Resource = {
        "resourceType": order.item.kind,
        "id": order.id,
        "status": status,
        "intent": "order",
    }
    if order.item.kind == "NutritionOrder":
        return made | _nutrition(order, now)
    made |= {
        "subject": {"reference": f"Patient/{order.patient}"},
        "encounter": {"reference": f"Encounter/{order.encounter}"},
        "authoredOn": _moment(now),
        "requester": {"reference": f"Practitioner/{order.requester}"},
    }
    if "priority" in order.details:
        made["priority"] = order.details["priority"]
    return made | {"ServiceRequest": _request, "DeviceRequest": _device, "MedicationRequest": _medication}[
        order.item.kind
    ](order)


def _moment(now: datetime) -> str:
    return now.isoformat(timespec="seconds")


def _concept(order: Order) -> Resource:
    codes = [
        {"system": system, "code": code, "display": display} for system, code, display in order.item.codes
    ]
    if order.item.local:
        codes.append({"system": LOCAL, "code": order.item.local, "display": order.item.title})
    return {"coding": codes, "text": order.item.title}


def _request(order: Order) -> Resource:
    made: Resource = {"code": _concept(order)}
    if order.when:
        made["occurrenceDateTime"] = order.when
    told = [
        f"{one.label}: {order.details[one.name]} {one.unit}".strip()
        for one in order.asked
        if one.name != "priority" and order.details.get(one.name)
    ]
    if told:
        made["orderDetail"] = [{"text": one} for one in told]
    return made


def _device(order: Order) -> Resource:
    given = (
        ("flow", "3151-8", "Inhaled oxygen flow rate", "L/min"),
        ("fio2", "3150-0", "Inhaled oxygen concentration", "%"),
    )
    parameters = [
        {
            "code": {"coding": [{"system": LOINC, "code": code, "display": display}]},
            "valueQuantity": {"value": number, "unit": unit, "system": UCUM, "code": unit},
        }
        for name, code, display, unit in given
        if (number := _number(order.details.get(name, ""))) is not None
    ]
    made: Resource = {"codeCodeableConcept": _concept(order)}
    if parameters:
        made["parameter"] = parameters
    return made


def _medication(order: Order) -> Resource:
    dosage: Resource = {"text": order.line, "route": {"text": order.details.get("route", "")}}
    dose, unit = _number(order.details.get("dose", "")), order.item.details[0].unit
    if dose is not None:
        dosage["doseAndRate"] = [
            {"doseQuantity": {"value": dose, "unit": unit, "system": UCUM, "code": unit}}
        ]
    return {"medicationCodeableConcept": _concept(order), "dosageInstruction": [dosage]}


def _nutrition(order: Order, now: datetime) -> Resource:
    return {
        "patient": {"reference": f"Patient/{order.patient}"},
        "encounter": {"reference": f"Encounter/{order.encounter}"},
        "dateTime": _moment(now),
        "orderer": {"reference": f"Practitioner/{order.requester}"},
        "oralDiet": {"type": [{"text": order.details.get("diet", "Regular")}]},
    }


def _number(text: str) -> float | int | None:
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        return None
    return int(value) if value.is_integer() else value


def draft_orders(orders: tuple[Order, ...], now: datetime) -> Resource:
    """The Bundle a hook's context carries."""
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"resource": resource(order, now)} for order in orders],
    }
