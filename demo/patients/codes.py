"""The codes the stand-in hospital charts in: LOINC, SNOMED CT, UCUM and its own local lists.

Written here from the public code systems; every LOINC and SNOMED check digit is tested. `MEASURES` holds
the same quantity more than once where hospitals chart it in another unit (`creatinine`, `creatinine_umol`):
a story picks the form its ward would send. Reference ranges are for adults and only drive the H and L flags.
"""

from __future__ import annotations

from typing import Any, NamedTuple

LOINC = "http://loinc.org"
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
OURS = "https://stand-in-hospital.example"
LOCAL_LAB = f"{OURS}/codes/laboratory"
LOCAL_FLOWSHEET = f"{OURS}/codes/flowsheet"


class Measure(NamedTuple):
    """How one quantity is charted: code, UCUM and printed unit, decimals, noise of an hourly reading."""

    loinc: str
    display: str
    category: str  # "vital-signs" or "laboratory"
    unit: str
    ucum: str
    digits: int
    spread: float = 0.0
    low: float | None = None  # adult reference range
    high: float | None = None
    local: str = ""  # the hospital's own code


def _vital(loinc: str, display: str, unit: str, ucum: str, digits: int, spread: float, local: str) -> Measure:
    return Measure(loinc, display, "vital-signs", unit, ucum, digits, spread, local=local)


def _lab(
    loinc: str,
    display: str,
    unit: str,
    ucum: str,
    digits: int,
    low: float | None,
    high: float | None,
    local: str,
) -> Measure:
    return Measure(loinc, display, "laboratory", unit, ucum, digits, 0.0, low, high, local)


MEASURES: dict[str, Measure] = {
    "hr": _vital("8867-4", "Heart rate", "beats/minute", "/min", 0, 2.5, "HR"),
    "rr": _vital("9279-1", "Respiratory rate", "breaths/minute", "/min", 0, 0.9, "RESP"),
    "spo2": _vital("59408-5", "Oxygen saturation by pulse oximetry", "%", "%", 0, 0.6, "SPO2"),
    "sbp": _vital("8480-6", "Systolic blood pressure", "mmHg", "mm[Hg]", 0, 3.5, "SBP"),
    "dbp": _vital("8462-4", "Diastolic blood pressure", "mmHg", "mm[Hg]", 0, 2.2, "DBP"),
    "map": _vital("8478-0", "Mean blood pressure", "mmHg", "mm[Hg]", 0, 2.0, "MAP"),
    "temp": _vital("8310-5", "Body temperature", "°C", "Cel", 1, 0.12, "TEMP"),
    "temp_f": _vital("8310-5", "Body temperature", "degF", "[degF]", 1, 0.2, "TEMPF"),
    "temp_core": _vital("8329-5", "Body temperature - Core", "°C", "Cel", 1, 0.1, "TCORE"),
    "gcs": _vital("9269-2", "Glasgow coma score total", "{score}", "{score}", 0, 0.0, "GCS"),
    "gcs_eye": _vital("9267-6", "Glasgow coma score eye opening", "{score}", "{score}", 0, 0.0, "GCSE"),
    "gcs_verbal": _vital("9270-0", "Glasgow coma score verbal", "{score}", "{score}", 0, 0.0, "GCSV"),
    "gcs_motor": _vital("9268-4", "Glasgow coma score motor", "{score}", "{score}", 0, 0.0, "GCSM"),
    "o2_flow": _vital("3151-8", "Inhaled oxygen flow rate", "L/min", "L/min", 1, 0.0, "O2FLOW"),
    "fio2": _vital("3150-0", "Inhaled oxygen concentration", "%", "%", 0, 0.0, "FIO2"),
    "fio2_fraction": _vital("3150-0", "Inhaled oxygen concentration", "", "{fraction}", 2, 0.0, "FIO2"),
    "fio2_ventilator": _vital(
        "19994-3", "Oxygen/Inspired gas setting [Volume Fraction] Ventilator", "%", "%", 0, 0.0, "VENTO2"
    ),
    "etco2": _vital(
        "19889-5",
        "Carbon dioxide [Partial pressure] in Exhaled gas --at end expiration",
        "mmHg",
        "mm[Hg]",
        0,
        1.2,
        "ETCO2",
    ),
    "peep": _vital(
        "20077-4", "Positive end expiratory pressure setting Ventilator", "cmH2O", "cm[H2O]", 0, 0.0, "PEEP"
    ),
    "tidal_volume": _vital("20112-9", "Tidal volume setting Ventilator", "mL", "mL", 0, 0.0, "VT"),
    "urine": _vital("9187-6", "Urine output", "mL", "mL", 0, 12.0, "URINE"),
    "weight": _vital("29463-7", "Body weight", "kg", "kg", 1, 0.0, "WT"),
    "height": _vital("8302-2", "Body height", "cm", "cm", 0, 0.0, "HT"),
    # --- arterial gas
    "ph": _lab("2744-1", "pH of Arterial blood", "[pH]", "[pH]", 2, 7.35, 7.45, "APH"),
    "pco2": _lab(
        "2019-8", "Carbon dioxide [Partial pressure] in Arterial blood", "mmHg", "mm[Hg]", 0, 35, 45, "APCO2"
    ),
    "pco2_kpa": _lab(
        "2019-8", "Carbon dioxide [Partial pressure] in Arterial blood", "kPa", "kPa", 1, 4.7, 6.0, "APCO2"
    ),
    "po2": _lab(
        "2703-7", "Oxygen [Partial pressure] in Arterial blood", "mmHg", "mm[Hg]", 0, 80, 100, "APO2"
    ),
    "po2_kpa": _lab(
        "2703-7", "Oxygen [Partial pressure] in Arterial blood", "kPa", "kPa", 1, 10.7, 13.3, "APO2"
    ),
    "hco3": _lab(
        "1960-4", "Bicarbonate [Moles/volume] in Arterial blood", "mmol/L", "mmol/L", 0, 22, 26, "AHCO3"
    ),
    "base_excess": _lab(
        "1925-7", "Base excess in Arterial blood by calculation", "mmol/L", "mmol/L", 1, -2, 2, "ABE"
    ),
    "sao2": _lab("2708-6", "Oxygen saturation in Arterial blood", "%", "%", 0, 94, 100, "ASO2"),
    "lactate": _lab(
        "2518-9", "Lactate [Moles/volume] in Arterial blood", "mmol/L", "mmol/L", 1, 0.5, 2.0, "ALAC"
    ),
    "lactate_venous": _lab(
        "2524-7", "Lactate [Moles/volume] in Serum or Plasma", "mmol/L", "mmol/L", 1, 0.5, 2.2, "LAC"
    ),
    "ph_venous": _lab("2746-6", "pH of Venous blood", "[pH]", "[pH]", 2, 7.31, 7.41, "VPH"),
    "pco2_venous": _lab(
        "2021-4", "Carbon dioxide [Partial pressure] in Venous blood", "mmHg", "mm[Hg]", 0, 41, 51, "VPCO2"
    ),
    # --- chemistry
    "creatinine": _lab(
        "2160-0", "Creatinine [Mass/volume] in Serum or Plasma", "mg/dL", "mg/dL", 2, 0.6, 1.2, "CREA"
    ),
    "creatinine_umol": _lab(
        "14682-9", "Creatinine [Moles/volume] in Serum or Plasma", "µmol/L", "umol/L", 0, 53, 106, "CREA"
    ),
    "bun": _lab(
        "3094-0", "Urea nitrogen [Mass/volume] in Serum or Plasma", "mg/dL", "mg/dL", 0, 7, 20, "BUN"
    ),
    "egfr": _lab(
        "98979-8",
        "Glomerular filtration rate [Volume Rate/Area] in Serum, Plasma or Blood by "
        "Creatinine-based formula (CKD-EPI 2021)",
        "mL/min/1.73 m2",
        "mL/min/{1.73_m2}",
        0,
        60,
        None,
        "EGFR",
    ),
    "sodium": _lab(
        "2951-2", "Sodium [Moles/volume] in Serum or Plasma", "mmol/L", "mmol/L", 0, 135, 145, "NA"
    ),
    "potassium": _lab(
        "2823-3", "Potassium [Moles/volume] in Serum or Plasma", "mmol/L", "mmol/L", 1, 3.5, 5.1, "K"
    ),
    "chloride": _lab(
        "2075-0", "Chloride [Moles/volume] in Serum or Plasma", "mmol/L", "mmol/L", 0, 98, 107, "CL"
    ),
    "bicarbonate": _lab(
        "2028-9",
        "Carbon dioxide, total [Moles/volume] in Serum or Plasma",
        "mmol/L",
        "mmol/L",
        0,
        22,
        29,
        "CO2",
    ),
    "glucose": _lab(
        "2345-7", "Glucose [Mass/volume] in Serum or Plasma", "mg/dL", "mg/dL", 0, 70, 140, "GLU"
    ),
    "magnesium": _lab(
        "19123-9", "Magnesium [Mass/volume] in Serum or Plasma", "mg/dL", "mg/dL", 1, 1.7, 2.4, "MG"
    ),
    "calcium": _lab(
        "17861-6", "Calcium [Mass/volume] in Serum or Plasma", "mg/dL", "mg/dL", 1, 8.6, 10.3, "CA"
    ),
    "phosphate": _lab(
        "2777-1", "Phosphate [Mass/volume] in Serum or Plasma", "mg/dL", "mg/dL", 1, 2.5, 4.5, "PHOS"
    ),
    "albumin": _lab("1751-7", "Albumin [Mass/volume] in Serum or Plasma", "g/dL", "g/dL", 1, 3.5, 5.0, "ALB"),
    "bilirubin": _lab(
        "1975-2", "Bilirubin.total [Mass/volume] in Serum or Plasma", "mg/dL", "mg/dL", 1, 0.2, 1.2, "BILI"
    ),
    "ast": _lab(
        "1920-8",
        "Aspartate aminotransferase [Enzymatic activity/volume] in Serum or Plasma",
        "U/L",
        "U/L",
        0,
        8,
        40,
        "AST",
    ),
    "alt": _lab(
        "1742-6",
        "Alanine aminotransferase [Enzymatic activity/volume] in Serum or Plasma",
        "U/L",
        "U/L",
        0,
        7,
        40,
        "ALT",
    ),
    # --- blood count, clotting, inflammation
    "haemoglobin": _lab("718-7", "Hemoglobin [Mass/volume] in Blood", "g/dL", "g/dL", 1, 12.0, 16.5, "HGB"),
    "haematocrit": _lab(
        "4544-3", "Hematocrit [Volume Fraction] of Blood by Automated count", "%", "%", 0, 36, 48, "HCT"
    ),
    "platelets": _lab(
        "777-3", "Platelets [#/volume] in Blood by Automated count", "10*3/uL", "10*3/uL", 0, 150, 400, "PLT"
    ),
    "wbc": _lab(
        "6690-2",
        "Leukocytes [#/volume] in Blood by Automated count",
        "10*3/uL",
        "10*3/uL",
        1,
        4.0,
        11.0,
        "WBC",
    ),
    "neutrophils": _lab(
        "770-8", "Neutrophils/100 leukocytes in Blood by Automated count", "%", "%", 0, 40, 75, "NEUT"
    ),
    "lymphocytes": _lab(
        "736-9", "Lymphocytes/100 leukocytes in Blood by Automated count", "%", "%", 0, 20, 45, "LYMPH"
    ),
    "inr": _lab(
        "6301-6", "INR in Platelet poor plasma by Coagulation assay", "{INR}", "{INR}", 1, 0.9, 1.1, "INR"
    ),
    "ptt": _lab("14979-9", "aPTT in Platelet poor plasma by Coagulation assay", "s", "s", 0, 25, 36, "APTT"),
    "d_dimer": _lab(
        "48065-7",
        "Fibrin D-dimer FEU [Mass/volume] in Platelet poor plasma",
        "ng/mL FEU",
        "ng/mL{FEU}",
        0,
        None,
        500,
        "DDIM",
    ),
    "crp": _lab(
        "1988-5", "C reactive protein [Mass/volume] in Serum or Plasma", "mg/L", "mg/L", 0, None, 5, "CRP"
    ),
    "procalcitonin": _lab(
        "33959-8", "Procalcitonin [Mass/volume] in Serum or Plasma", "ng/mL", "ng/mL", 2, None, 0.1, "PCT"
    ),
    # --- heart
    "nt_probnp": _lab(
        "33762-6",
        "Natriuretic peptide.B prohormone N-Terminal [Mass/volume] in Serum or Plasma",
        "pg/mL",
        "pg/mL",
        0,
        None,
        450,
        "NTBNP",
    ),
    "ck": _lab(
        "2157-6",
        "Creatine kinase [Enzymatic activity/volume] in Serum or Plasma",
        "U/L",
        "U/L",
        0,
        30,
        200,
        "CK",
    ),
    "ck_mb": _lab(
        "13969-1", "Creatine kinase.MB [Mass/volume] in Serum or Plasma", "ng/mL", "ng/mL", 1, 0, 5, "CKMB"
    ),
}


class Assay(NamedTuple):
    """A troponin test as its laboratory reports it; `method` and `device` let a reader know the assay."""

    loinc: str
    display: str
    local: str
    method: str
    device: str  # id of a Device in staff.py, "" when the laboratory does not say


ELECSYS = Assay(
    "67151-1",
    "Troponin T.cardiac [Mass/volume] in Serum or Plasma by High sensitivity method",
    "TNTHS",
    "Elecsys Troponin T hs (electrochemiluminescence immunoassay)",
    "analyser-cobas",
)
ARCHITECT = Assay(
    "89579-7",
    "Troponin I.cardiac [Mass/volume] in Serum or Plasma by High sensitivity method",
    "TNIHS",
    "ARCHITECT STAT High Sensitive Troponin-I (chemiluminescent microparticle immunoassay)",
    "analyser-architect",
)
CONVENTIONAL_I = Assay(
    "10839-9",
    "Troponin I.cardiac [Mass/volume] in Serum or Plasma",
    "TNI",
    "Troponin I, conventional immunoassay",
    "",
)
BEDSIDE_I = Assay(
    "42757-5",
    "Troponin I.cardiac [Mass/volume] in Blood",
    "POCTNI",
    "Point-of-care troponin I, conventional",
    "",
)

DEVICES: dict[str, tuple[str, str]] = {  # what gives the oxygen: SNOMED code, display
    "room air": ("722742002", "Breathing room air"),
    "nasal cannula": ("336623009", "Oxygen nasal cannula"),
    "simple mask": ("336602003", "Oxygen mask"),
    "Venturi mask": ("428285009", "Venturi mask"),
    "non-rebreather": ("427591007", "Nonrebreather oxygen mask"),
    "high-flow": ("426854004", "High flow oxygen nasal cannula"),
    "non-invasive ventilation": ("428311008", "Noninvasive ventilation"),
    "endotracheal tube": ("129121000", "Tracheal tube"),
}
CONSCIOUSNESS: dict[str, tuple[str, str]] = {  # ACVPU as NEWS2 charts it
    "alert": ("248234008", "Mentally alert"),
    "confused": ("130987000", "Acute confusion"),
    "voice": ("300202002", "Responds to voice"),
    "pain": ("450847001", "Responds to pain"),
    "unresponsive": ("422768004", "Unresponsive"),
}


def coding(system: str, code: str, display: str) -> dict[str, str]:
    """A FHIR Coding."""
    return {"system": system, "code": code, "display": display}


def concept(system: str, code: str, display: str) -> dict[str, Any]:
    """A FHIR CodeableConcept with one coding and its text."""
    return {"coding": [coding(system, code, display)], "text": display}
