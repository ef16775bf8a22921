"""The laboratory: panels that come back after they were drawn, flagged against a range, and troponins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from demo.patients.codes import (
    INTERPRETATION,
    LOCAL_LAB,
    LOINC,
    MEASURES,
    UCUM,
    Assay,
    Measure,
    coding,
    concept,
)
from demo.patients.flowsheet import quantity
from demo.patients.marks import instant
from demo.patients.story import Resource, Story

PANELS = {  # name of a panel: LOINC, display
    "blood count": ("58410-2", "CBC panel - Blood by Automated count"),
    "metabolic": ("51990-0", "Basic metabolic panel - Blood"),
    "gas": ("24336-0", "Gas panel - Arterial blood"),
}
SERVICE = "http://terminology.hl7.org/CodeSystem/v2-0074"


def results(
    story: Story,
    hours: float,
    *,
    back_after: float = 0.75,
    panel: str = "",
    status: str = "final",
    **values: float,
) -> list[Resource]:
    """Results drawn `hours` before now, issued `back_after` hours later; `panel` groups them in a report."""
    return _results(story, hours, values, back_after, panel, status)


def _results(
    story: Story, hours: float, values: Mapping[str, float], back_after: float, panel: str, status: str
) -> list[Resource]:
    made = []
    for key, value in values.items():
        row = result(story, MEASURES[key], key, hours, back_after=back_after, status=status)
        row["valueQuantity"] = quantity(MEASURES[key], value)
        _judge(row, MEASURES[key], value)
        made.append(story.add(row, _issued(story, hours, back_after)))
    if panel:
        _report(story, hours, back_after, panel, made)
    return made


def gas(story: Story, hours: float, **values: float) -> list[Resource]:
    """An arterial blood gas from the ward's analyser: back within minutes, always a panel."""
    return _results(story, hours, values, 0.1, "gas", "final")


def result(
    story: Story, measure: Measure, key: str, hours: float, *, back_after: float = 0.75, status: str = "final"
) -> Resource:
    """A laboratory Observation without its value; not yet stored."""
    codes = [coding(LOINC, measure.loinc, measure.display)]
    if story.dialect.local_codes and measure.local:
        codes.append(coding(LOCAL_LAB, measure.local, measure.display))
    return {
        "resourceType": "Observation",
        "id": story.name(key),
        "status": status,
        "category": [laboratory()],
        "code": {"coding": codes, "text": measure.display},
        "subject": story.subject,
        "encounter": story.encounter,
        "effectiveDateTime": story.when(hours),
        "issued": instant(story.at(_issued(story, hours, back_after))),
        "performer": [{"reference": "Organization/stand-in", "display": "Stand-in General laboratory"}],
    }


def laboratory() -> Resource:
    """The Observation category of laboratory rows."""
    return concept("http://terminology.hl7.org/CodeSystem/observation-category", "laboratory", "Laboratory")


def _issued(story: Story, hours: float, back_after: float) -> float:
    if hours - back_after < 0:
        raise ValueError(f"{story.key}: a result drawn {hours} h ago cannot be back after {back_after} h")
    return hours - back_after


def _judge(row: Resource, measure: Measure, value: float) -> None:
    ends: dict[str, Any] = {}
    if measure.low is not None:
        ends["low"] = {"value": measure.low, "unit": measure.unit, "system": UCUM, "code": measure.ucum}
    if measure.high is not None:
        ends["high"] = {"value": measure.high, "unit": measure.unit, "system": UCUM, "code": measure.ucum}
    if ends:
        row["referenceRange"] = [ends]
    if measure.high is not None and value > measure.high:
        row["interpretation"] = [concept(INTERPRETATION, "H", "High")]
    elif measure.low is not None and value < measure.low:
        row["interpretation"] = [concept(INTERPRETATION, "L", "Low")]


def _report(story: Story, hours: float, back_after: float, panel: str, rows: list[Resource]) -> None:
    code, display = PANELS[panel]
    story.add(
        {
            "resourceType": "DiagnosticReport",
            "id": story.name("report"),
            "status": "final",
            "category": [concept(SERVICE, "LAB", "Laboratory")],
            "code": concept(LOINC, code, display),
            "subject": story.subject,
            "encounter": story.encounter,
            "effectiveDateTime": story.when(hours),
            "issued": instant(story.at(_issued(story, hours, back_after))),
            "performer": [{"reference": "Organization/stand-in", "display": "Stand-in General laboratory"}],
            "result": [
                {"reference": f"Observation/{row['id']}", "display": row["code"]["text"]} for row in rows
            ],
        },
        _issued(story, hours, back_after),
    )


def troponin(
    story: Story,
    hours: float,
    value: float,
    assay: Assay,
    *,
    unit: str = "ng/L",
    limit: float | None = None,
    comparator: str = "",
    back_after: float = 0.8,
    status: str = "final",
) -> Resource:
    """One troponin of one assay. `limit` is the 99th percentile the laboratory prints, in the same unit.

    `unit` is written as UCUM; one that UCUM does not know ("µg/L") is text only, as some laboratories do.
    """
    measure = Measure(assay.loinc, assay.display, "laboratory", unit, unit, 3, local=assay.local)
    row = result(story, measure, "troponin", hours, back_after=back_after, status=status)
    sent: Resource = {"value": value, "unit": unit}
    if unit.isascii():
        sent |= {"system": UCUM, "code": unit}
    if comparator:
        sent["comparator"] = comparator
    row["valueQuantity"] = sent
    if assay.method:
        row["method"] = {"text": assay.method}
    if assay.device:
        row["device"] = {"reference": f"Device/{assay.device}", "display": assay.method.split(" (")[0]}
    if limit is not None:
        row["referenceRange"] = [
            {"high": {**sent, "value": limit}, "text": f"99th percentile {limit:g} {unit}"}
        ]
        row["referenceRange"][0]["high"].pop("comparator", None)
        if value > limit and comparator != "<":
            row["interpretation"] = [concept(INTERPRETATION, "H", "High")]
    return story.add(row, _issued(story, hours, back_after))
