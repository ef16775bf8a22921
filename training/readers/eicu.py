"""eICU-CRD demo on YAIB's hourly grid: many hospitals, with five sources of the ventilation label.

Row `hour` h holds what was charted between h and h + 1 hours after unit admission; it is dated h + 1, when
all of it was known. A stay whose APACHE form says "ventilated on day 1" while no source says when is not
labelled.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pandas as pd

from inference.chart import Event, Measurement, Person, Record, Source
from training.readers import EICU, START, Column, Stay, Tally, measurement, require

ORIGIN: Final = "https://doi.org/10.13026/4mxk-na84, gridded with YAIB (https://github.com/rvandewater/YAIB)"
PER_MILLILITRE: Final = 1000.0  # ng/mL -> ng/L
OLDEST: Final = 90.0  # "> 89"
APACHE: Final = ("apache_vent_day1", "apache_intubated", "apache_oobventday1", "apache_oobintubday1")

COLUMNS: Final = {
    "hr": Column("hr"),
    "o2sat": Column("spo2"),
    "resp": Column("rr"),
    "temp": Column("temp"),
    "sbp": Column("sbp"),
    "dbp": Column("dbp"),
    "map": Column("map"),
    "fio2": Column("fio2"),
    "ph": Column("ph"),
    "pco2": Column("pco2"),
    "po2": Column("po2"),
    "be": Column("base_excess"),
    "lact": Column("lactate"),
    "methb": Column("methaemoglobin"),
    "bicar": Column("bicarbonate"),
    "crea": Column("creatinine"),
    "bun": Column("bun"),
    "urine": Column("urine"),
    "na": Column("sodium"),
    "k": Column("potassium"),
    "cl": Column("chloride"),
    "glu": Column("glucose"),
    "ca": Column("calcium"),
    "cai": Column("ionised_calcium"),
    "mg": Column("magnesium"),
    "phos": Column("phosphate"),
    "alb": Column("albumin"),
    "bili": Column("bilirubin"),
    "bili_dir": Column("bilirubin_direct"),
    "ast": Column("ast"),
    "alt": Column("alt"),
    "alp": Column("alp"),
    "hgb": Column("haemoglobin"),
    "plt": Column("platelets"),
    "ptt": Column("ptt"),
    "inr_pt": Column("inr"),
    "fgn": Column("fibrinogen"),
    "wbc": Column("wbc"),
    "neut": Column("neutrophils"),
    "lymph": Column("lymphocytes"),
    "bnd": Column("bands"),
    "crp": Column("crp"),
    "ck": Column("ck"),
    "ckmb": Column("ck_mb"),
    "tnt": Column("troponin_t", PER_MILLILITRE),
}
UNITS: Final = {  # mixed and neurological units are none of the vocabulary's kinds
    "Cardiac ICU": "coronary",
    "CSICU": "cardiac surgery",
    "CTICU": "cardiac surgery",
    "MICU": "medical",
    "SICU": "surgical",
}
NOT_READ: Final = frozenset({"mch", "mchc", "mcv"})  # red cell indices: not in the vocabulary


def stays(data: Path, tally: Tally) -> Iterator[Stay]:
    """Every stay, in the order of stays.parquet. Raises DataMissing, KeyError on a column nobody mapped."""
    hourly = pd.read_parquet(require(data / "eicu-demo" / "hourly.parquet", ORIGIN))
    about = pd.read_parquet(require(data / "eicu-demo" / "stays.parquet", ORIGIN))
    unknown = set(hourly.columns) - set(COLUMNS) - NOT_READ - {"stay_id", "hour"}
    if unknown:
        raise KeyError(f"hourly.parquet has columns nobody mapped: {sorted(unknown)}")
    grids: dict[int, pd.DataFrame] = {
        int(str(key)): grid for key, grid in hourly.groupby("stay_id", sort=False)
    }
    for row in about.to_dict("records"):
        grid = grids.get(int(row["stay_id"]))
        if grid is not None:
            yield stay({str(key): value for key, value in row.items()}, grid, tally)


def stay(about: dict[str, Any], grid: pd.DataFrame, tally: Tally) -> Stay:
    """One stay from its row of stays.parquet and its hours of hourly.parquet."""
    rows: list[Measurement] = []
    hours = grid["hour"].to_numpy()
    for parameter, column in COLUMNS.items():
        values = grid[parameter].to_numpy()
        source = Source("", "", parameter, "", "")
        for index in (~pd.isna(values)).nonzero()[0]:
            row = measurement(column, float(values[index]), float(hours[index]) + 1.0, source, tally)
            rows += [] if row is None else [row]
    rows += _body(about, tally)
    onset = _minutes(about["first_mv_offset_min"])
    source = Source("", "", "first_mv_offset_min", "", "")
    events = [Event("admission", START, None, source)]
    events += [] if onset is None else [Event("ventilation", onset, None, source)]
    return Stay(
        data_set=EICU,
        record=Record(str(about["stay_id"]), _person(about), tuple(rows), tuple(events)),
        patient=str(about["uniquepid"]),
        site=str(about["hospitalid"]),
        end=_minutes(about["unitdischargeoffset"]) or START,
        onset=onset,
        labelled=onset is not None or not any(_flag(about[flag]) for flag in APACHE),
        groups={"ethnicity": _text(about["ethnicity"]), "unit": _text(about["unittype"])},
    )


def _body(about: dict[str, Any], tally: Tally) -> list[Measurement]:
    """Weight (kg) and height (cm) of the admission form."""
    rows = []
    for name in ("weight", "height"):
        if not pd.isna(about[name]):
            row = measurement(Column(name), float(about[name]), 0.0, Source("", "", name, "", ""), tally)
            rows += [] if row is None else [row]
    return rows


def _person(about: dict[str, Any]) -> Person:
    age = _text(about["age"])
    years = OLDEST if age.startswith(">") else float(age) if age.replace(".", "").isdecimal() else None
    sex = {"Female": "female", "Male": "male"}.get(_text(about["gender"]), "unknown")
    return Person(age_years=years, sex=sex, care_unit=UNITS.get(_text(about["unittype"]), ""))


def _minutes(value: Any) -> Any:
    return None if pd.isna(value) else START + timedelta(minutes=int(value))


def _flag(value: Any) -> bool:
    return not pd.isna(value) and int(value) > 0


def _text(value: Any) -> str:
    return "unknown" if pd.isna(value) else str(value)
