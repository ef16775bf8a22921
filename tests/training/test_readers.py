"""The publishers' files -> stays."""

from __future__ import annotations

import io
import tarfile
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from training.readers import START, DataMissing, Tally, challenge2012, challenge2019, eicu, readers

RECORD = """Time,Parameter,Value
00:00,RecordID,132539
00:00,Age,54
00:00,Gender,0
00:00,Height,-1
00:00,ICUType,4
00:00,Weight,80.5
00:07,HR,73
00:07,RespRate,19
00:30,Temp,-17.8
01:30,FiO2,0.4
02:00,TroponinT,0.7
02:00,TroponinI,1.2
26:15,MechVent,1
30:15,MechVent,1
"""
HOURS = """HR|O2Sat|FiO2|Calcium|TroponinI|Age|Gender|HospAdmTime|ICULOS
80|NaN|0.5|1.1|0.04|61|1|-5.0|1
NaN|97|4000|8.9|NaN|61|1|-5.0|2
90|96|-50|NaN|0.05|61|1|-5.0|4
"""


def values(stay, variable: str) -> list[tuple[float, float]]:
    return [
        ((row.time - START) / timedelta(hours=1), row.value)
        for row in stay.record.measurements
        if row.variable == variable
    ]


def test_a_respiratory_rate_of_challenge_2012_reaches_nothing() -> None:
    tally = Tally()
    with_it = challenge2012.stay(RECORD, tally)
    without = challenge2012.stay("\n".join(x for x in RECORD.splitlines() if "RespRate" not in x), Tally())
    assert with_it == without
    assert not values(with_it, "rr")
    assert not any("RespRate" in key or key.startswith("rr") for key in tally.refused)


def test_ventilation_of_challenge_2012_is_an_onset_and_not_a_measurement() -> None:
    stay = challenge2012.stay(RECORD, Tally())
    assert stay.onset == START + timedelta(hours=26, minutes=15)
    assert [event.kind for event in stay.record.events] == ["admission", "ventilation"]


def test_troponins_are_in_nanograms_a_litre_and_oxygen_in_per_cent() -> None:
    stay = challenge2012.stay(RECORD, Tally())
    assert values(stay, "troponin_t") == [(2.0, 700.0)]
    assert values(stay, "troponin_i") == [(2.0, 1200.0)]
    assert values(stay, "fio2") == [(1.5, 40.0)]


def test_minus_one_is_unknown_and_an_impossible_temperature_is_refused_and_counted() -> None:
    tally = Tally()
    stay = challenge2012.stay(RECORD, tally)
    assert values(stay, "height") == []
    assert values(stay, "weight") == [(0.0, 80.5)]
    assert dict(tally.refused) == {"temp: implausible": 1}
    assert (stay.record.person.age_years, stay.record.person.sex) == (54.0, "female")


def test_rows_of_challenge_2019_stand_at_their_hour_in_intensive_care() -> None:
    stay = challenge2019.stay("p1", HOURS, Tally())
    assert values(stay, "hr") == [(1.0, 80.0), (4.0, 90.0)]
    assert values(stay, "troponin_i") == [(1.0, 40.0), (4.0, 50.0)]
    assert stay.labelled is False


@pytest.mark.parametrize(
    ("sent", "hours"), [("-5.0", 5.0), ("0", 0.0), ("3.0", None), ("NaN", None), ("-9000", None)]
)
def test_admission_in_challenge_2019_lies_before_intensive_care(sent: str, hours: float | None) -> None:
    stay = challenge2019.stay("p1", HOURS.replace("-5.0", sent), Tally())
    chart = stay.record.at(START + timedelta(hours=2))
    assert chart.unit_since == START
    assert chart.admitted == (None if hours is None else START - timedelta(hours=hours))


def test_junk_oxygen_and_ionised_calcium_under_the_wrong_heading_are_refused() -> None:
    tally = Tally()
    stay = challenge2019.stay("p1", HOURS, tally)
    assert values(stay, "fio2") == [(1.0, 50.0)]
    assert values(stay, "calcium") == [(2.0, 8.9)]
    assert tally.refused["fio2: not this quantity, or junk"] == 2
    assert tally.refused["calcium: not this quantity, or junk"] == 1


def _eicu(onset: float | None, apache: int) -> eicu.Stay:
    about = {
        "stay_id": 7, "uniquepid": "a-1", "hospitalid": 3, "unitdischargeoffset": 600, "gender": "Male", "age": "> 89",
        "ethnicity": "Asian", "unittype": "MICU", "first_mv_offset_min": pd.NA if onset is None else onset,
        "weight": 70.0, "height": float("nan"), **dict.fromkeys(eicu.APACHE, apache),
    }  # fmt: skip
    grid = pd.DataFrame({"hour": [0, 1], **{name: [float("nan")] * 2 for name in eicu.COLUMNS}})
    grid["hr"] = [80.0, 0.0]
    grid["tnt"] = [float("nan"), 0.02]
    return eicu.stay(about, grid, Tally())


def test_an_hour_of_eicu_is_known_when_it_is_over() -> None:
    stay = _eicu(None, 0)
    assert values(stay, "hr") == [(1.0, 80.0)]  # and the impossible 0 is refused
    assert values(stay, "troponin_t") == [(2.0, 20.0)]
    assert stay.record.person.age_years == 90.0


def test_a_stay_ventilated_at_an_unknown_hour_is_not_labelled() -> None:
    assert _eicu(None, 0).labelled
    assert not _eicu(None, 1).labelled
    assert _eicu(125.0, 1).onset == START + timedelta(minutes=125)


def test_an_archive_is_read_as_published(tmp_path: Path) -> None:
    (tmp_path / "physionet2012").mkdir()
    for name in challenge2012.ARCHIVES:
        with tarfile.open(tmp_path / "physionet2012" / name, "w:gz") as tar:
            entry = tarfile.TarInfo("set/132539.txt")
            entry.size = len(RECORD.encode())
            tar.addfile(entry, io.BytesIO(RECORD.encode()))
    stays = list(challenge2012.stays(tmp_path, Tally()))
    assert [stay.record.patient for stay in stays] == ["132539", "132539"]


@pytest.mark.parametrize("data_set", list(readers()))
def test_a_missing_file_says_what_to_download_from_where(tmp_path: Path, data_set: str) -> None:
    with pytest.raises(DataMissing, match=r"(?s)is not there\. Download it from https://.*--data"):
        list(readers()[data_set](tmp_path, Tally()))
