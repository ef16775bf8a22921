"""What the hospital's screen calls its rows: labels, units and flags by LOINC code, in printing order."""

from __future__ import annotations

VITALS = (  # LOINC, label, unit as printed, low and high that the screen flags
    ("8867-4", "Heart rate", "/min", 50, 110),
    ("9279-1", "Respiratory rate", "/min", 10, 24),
    ("59408-5", "SpO₂", "%", 92, 101),
    ("8480-6", "Systolic", "mmHg", 95, 170),
    ("8462-4", "Diastolic", "mmHg", 45, 105),
    ("8478-0", "Mean", "mmHg", 65, 115),
    ("8310-5", "Temperature", "°C", 35.5, 38.2),
    ("8329-5", "Core temperature", "°C", 35.5, 38.2),
    ("107117-4", "Oxygen by", "", None, None),
    ("3151-8", "O₂ flow", "L/min", None, None),
    ("3150-0", "FiO₂", "%", None, 60),
    ("9269-2", "GCS", "", 14.5, 16),
    ("80288-4", "ACVPU", "", None, None),
    ("19889-5", "EtCO₂", "mmHg", 30, 50),
    ("9187-6", "Urine (4 h)", "mL", 100, None),
    ("20077-4", "PEEP", "cmH₂O", None, None),
    ("19994-3", "Vent. FiO₂", "%", None, 60),
)
TILES = ("8867-4", "9279-1", "59408-5", "8480-6", "8310-5")
GROUPS: tuple[tuple[str, dict[str, str]], ...] = (
    (
        "Heart",
        {
            "67151-1": "hs-Troponin T",
            "89579-7": "hs-Troponin I",
            "10839-9": "Troponin I (conventional)",
            "42757-5": "Troponin I (bedside)",
            "2157-6": "CK",
            "13969-1": "CK-MB",
            "33762-6": "NT-proBNP",
        },
    ),
    (
        "Arterial gas",
        {
            "2744-1": "pH",
            "2019-8": "pCO₂",
            "2703-7": "pO₂",
            "1960-4": "HCO₃⁻",
            "1925-7": "Base excess",
            "2708-6": "SaO₂",
            "2518-9": "Lactate (arterial)",
            "2746-6": "pH (venous)",
            "2021-4": "pCO₂ (venous)",
        },
    ),
    (
        "Chemistry",
        {
            "2951-2": "Sodium",
            "2823-3": "Potassium",
            "2075-0": "Chloride",
            "2028-9": "CO₂, total",
            "3094-0": "Urea nitrogen",
            "2160-0": "Creatinine",
            "14682-9": "Creatinine",
            "98979-8": "eGFR",
            "2345-7": "Glucose",
            "17861-6": "Calcium",
            "19123-9": "Magnesium",
            "2777-1": "Phosphate",
            "2524-7": "Lactate (venous)",
            "1751-7": "Albumin",
            "1975-2": "Bilirubin",
            "1920-8": "AST",
            "1742-6": "ALT",
        },
    ),
    (
        "Blood count and clotting",
        {
            "6690-2": "White cells",
            "770-8": "Neutrophils",
            "736-9": "Lymphocytes",
            "718-7": "Haemoglobin",
            "4544-3": "Haematocrit",
            "777-3": "Platelets",
            "6301-6": "INR",
            "14979-9": "aPTT",
            "48065-7": "D-dimer",
        },
    ),
    (
        "Inflammation",
        {
            "1988-5": "CRP",
            "33959-8": "Procalcitonin",
        },
    ),
)
MARKS = {"preliminary": "prelim", "amended": "amended", "corrected": "corrected"}
DECIMALS = {"2744-1": 2, "2746-6": 2}  # printed with so many, whatever the number
UNITS = {"[pH]": "", "{score}": "", "{INR}": "", "10*3/uL": "10³/µL", "beats/minute": "/min"}
