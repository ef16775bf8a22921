"""PhysioNet/CinC Challenge 2012, sets a and b: 8,000 stays of 48 h or more, as published.

RespRate is never read. It is charted only in stays that are never ventilated, so that its mere presence
answers the question; it must not reach a model as value, mask, delta or count, and the surest way is not to
have it. MechVent is only ever 1: its first row is the onset.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

from inference.chart import Event, Measurement, Person, Record, Source
from inference.features import CARE_UNITS
from training.readers import CHALLENGE_2012, START, Column, Stay, Tally, measurement, require

ORIGIN: Final = "https://physionet.org/content/challenge-2012/1.0.0/"
ARCHIVES: Final = ("set-a.tar.gz", "set-b.tar.gz")
UNKNOWN: Final = -1.0
WITHHELD: Final = frozenset({"RespRate"})
ONSET: Final = "MechVent"
PER_MILLILITRE: Final = 1000.0  # ng/mL -> ng/L
STAY_HOURS: Final = 48

# Units as the challenge publishes them, but Mg: its page says mmol/L and its median of 2.0 is mg/dL.
COLUMNS: Final = {
    "HR": Column("hr"),
    "SysABP": Column("sbp"),
    "DiasABP": Column("dbp"),
    "MAP": Column("map"),
    "NISysABP": Column("sbp"),
    "NIDiasABP": Column("dbp"),
    "NIMAP": Column("map"),
    "Temp": Column("temp"),
    "GCS": Column("gcs"),
    "FiO2": Column("fio2", 100.0),
    "SaO2": Column("sao2"),
    "pH": Column("ph"),
    "PaCO2": Column("pco2"),
    "PaO2": Column("po2"),
    "Lactate": Column("lactate"),
    "HCO3": Column("bicarbonate"),
    "Creatinine": Column("creatinine"),
    "BUN": Column("bun"),
    "Urine": Column("urine"),
    "Na": Column("sodium"),
    "K": Column("potassium"),
    "Mg": Column("magnesium"),
    "Glucose": Column("glucose"),
    "Albumin": Column("albumin"),
    "Bilirubin": Column("bilirubin"),
    "AST": Column("ast"),
    "ALT": Column("alt"),
    "ALP": Column("alp"),
    "Cholesterol": Column("cholesterol"),
    "HCT": Column("haematocrit"),
    "Platelets": Column("platelets"),
    "WBC": Column("wbc"),
    "TroponinT": Column("troponin_t", PER_MILLILITRE),
    "TroponinI": Column("troponin_i", PER_MILLILITRE),
    "Weight": Column("weight"),
    "Height": Column("height"),
}
UNITS: Final = dict(enumerate(CARE_UNITS, start=1))  # ICUType
PERSONAL: Final = frozenset({"RecordID", "Age", "Gender", "ICUType"})


def stays(data: Path, tally: Tally) -> Iterator[Stay]:
    """Every stay of both archives, in the archives' order. Raises DataMissing."""
    for archive in ARCHIVES:
        path = require(data / "physionet2012" / archive, ORIGIN)
        with tarfile.open(path) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.name.endswith(".txt") else None
                if file is not None:
                    yield stay(file.read().decode(), tally)


def stay(text: str, tally: Tally) -> Stay:
    """One stay from the text of its file: rows "HH:MM,Parameter,Value", the first a header."""
    about: dict[str, float] = {}
    rows: list[Measurement] = []
    onset: float | None = None
    for line in text.splitlines()[1:]:
        clock, parameter, sent = line.split(",")
        if not parameter or parameter in WITHHELD:
            continue
        value = float(sent)
        hours = int(clock[:-3]) + int(clock[-2:]) / 60
        if parameter in PERSONAL:
            about[parameter] = value
        elif parameter == ONSET:
            onset = hours if onset is None else min(onset, hours)
        elif value == UNKNOWN and parameter in ("Weight", "Height"):
            continue
        elif parameter in COLUMNS:
            source = Source("", "", parameter, sent, "")
            row = measurement(COLUMNS[parameter], value, hours, source, tally)
            rows += [] if row is None else [row]
        else:
            tally.refuse(parameter, "unknown parameter")
    return _stay(about, rows, None if onset is None else onset)


def _stay(about: dict[str, float], rows: list[Measurement], onset: float | None) -> Stay:
    name = str(int(about["RecordID"]))
    begin = None if onset is None else START + timedelta(hours=onset)
    source = Source("", "", ONSET, "1", "")
    events = [Event("admission", START, None, source)]
    events += [] if begin is None else [Event("ventilation", begin, None, source)]
    age = about.get("Age", UNKNOWN)
    person = Person(
        age_years=None if age == UNKNOWN else age,
        sex={0.0: "female", 1.0: "male"}.get(about.get("Gender", UNKNOWN), "unknown"),
        care_unit=UNITS.get(int(about.get("ICUType", 0)), ""),
    )
    return Stay(
        data_set=CHALLENGE_2012,
        record=Record(name, person, tuple(rows), tuple(events)),
        patient=name,
        site=CHALLENGE_2012,
        end=START + timedelta(hours=STAY_HOURS),
        onset=begin,
        groups={"unit": person.care_unit or "unknown"},
    )
