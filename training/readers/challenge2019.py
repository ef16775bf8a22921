"""PhysioNet/CinC Challenge 2019, hospital system B: one row an hour, as published. No ventilation label.

FiO2 has junk (-50 .. 4000); only fractions of 0.21 to 1 are taken. Calcium mixes total (mg/dL) and ionised
(mmol/L) under one heading; only what can be nothing but total calcium is taken.
"""

from __future__ import annotations

import math
import tarfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from inference.chart import Event, Measurement, Person, Record, Source
from training.readers import CHALLENGE_2019, START, Column, Stay, Tally, measurement, require

ORIGIN: Final = "https://physionet.org/content/challenge-2019/1.0.0/ (training_setB)"
LONGEST_STAY: Final = 8760.0  # hours
PER_MILLILITRE: Final = 1000.0  # ng/mL -> ng/L

COLUMNS: Final = {
    "HR": Column("hr"),
    "O2Sat": Column("spo2"),
    "Temp": Column("temp"),
    "SBP": Column("sbp"),
    "MAP": Column("map"),
    "DBP": Column("dbp"),
    "Resp": Column("rr"),
    "EtCO2": Column("etco2"),
    "BaseExcess": Column("base_excess"),
    "HCO3": Column("bicarbonate"),
    "FiO2": Column("fio2", 100.0, only=(0.21, 1.0)),
    "pH": Column("ph"),
    "PaCO2": Column("pco2"),
    "SaO2": Column("sao2"),
    "AST": Column("ast"),
    "BUN": Column("bun"),
    "Alkalinephos": Column("alp"),
    "Calcium": Column("calcium", only=(4.0, 25.0)),
    "Chloride": Column("chloride"),
    "Creatinine": Column("creatinine"),
    "Bilirubin_direct": Column("bilirubin_direct"),
    "Glucose": Column("glucose"),
    "Lactate": Column("lactate"),
    "Magnesium": Column("magnesium"),
    "Phosphate": Column("phosphate"),
    "Potassium": Column("potassium"),
    "Bilirubin_total": Column("bilirubin"),
    "TroponinI": Column("troponin_i", PER_MILLILITRE),
    "Hct": Column("haematocrit"),
    "Hgb": Column("haemoglobin"),
    "PTT": Column("ptt"),
    "WBC": Column("wbc"),
    "Fibrinogen": Column("fibrinogen"),
    "Platelets": Column("platelets"),
}


def stays(data: Path, tally: Tally) -> Iterator[Stay]:
    """Every patient of the archive. Raises DataMissing."""
    path = require(data / "challenge2019" / "training_setB.tar.gz", ORIGIN)
    with tarfile.open(path) as tar:
        for member in tar:
            file = tar.extractfile(member) if member.name.endswith(".psv") else None
            if file is not None:
                yield stay(Path(member.name).stem, file.read().decode(), tally)


def stay(name: str, text: str, tally: Tally) -> Stay:
    """One patient from the text of the file: a header and one line an hour; ICULOS counts the hours."""
    header, *lines = text.splitlines()
    names = header.split("|")
    clock = names.index("ICULOS")
    rows: list[Measurement] = []
    hours, cells = 0.0, lines[0].split("|")
    about = dict(zip(names, cells, strict=True))
    for line in lines:
        cells = line.split("|")
        hours = float(cells[clock])
        for parameter, sent in zip(names, cells, strict=True):
            if sent == "NaN" or parameter not in COLUMNS:
                continue
            source = Source("", "", parameter, sent, "")
            row = measurement(COLUMNS[parameter], float(sent), hours, source, tally)
            rows += [] if row is None else [row]
    age = float(about["Age"])
    person = Person(
        age_years=None if math.isnan(age) else age,
        sex={"0": "female", "1": "male"}.get(about["Gender"], "unknown"),
        care_unit=_unit(about),
    )
    unit = Event("icu", START, None, Source("", "", "ICULOS", "", ""))
    return Stay(
        data_set=CHALLENGE_2019,
        record=Record(name, person, tuple(rows), (*_admission(about), unit)),
        patient=name,
        site=CHALLENGE_2019,
        end=START + timedelta(hours=hours),
        labelled=False,
    )


def _admission(about: dict[str, str]) -> list[Event]:
    """HospAdmTime: hours from intensive care back to admission, so 0 or below; anything else is not used."""
    hours = float(about.get("HospAdmTime", "nan"))
    if not -LONGEST_STAY <= hours <= 0:
        return []
    start = START + timedelta(hours=hours)
    return [Event("admission", start, None, Source("", "", "HospAdmTime", about["HospAdmTime"], ""))]


def _unit(about: dict[str, str]) -> str:
    """Unit1 marks the medical, Unit2 the surgical unit; in two patients of five neither is known."""
    if about.get("Unit1") == "1":
        return "medical"
    return "surgical" if about.get("Unit2") == "1" else ""
