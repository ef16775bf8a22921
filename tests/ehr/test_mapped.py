"""What codes and assays stand for, as entries that can be compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ehr.codes import CODES_FILE
from ehr.laboratory import LaboratoryAssay
from ehr.mapped import Mapped, own, shipped
from ehr.site import Tenant

SITE = Tenant("north", "North", "https://north.example/fhir", "c", client_secret="hidden-word")


def changed(folder: Path, before: str, after: str) -> dict[str, tuple[Mapped | None, Mapped | None]]:
    """Which entries differ after an edit of the shipped table."""
    text = CODES_FILE.read_text(encoding="utf-8")
    assert before in text
    path = folder / "codes.toml"
    path.write_text(text.replace(before, after, 1), encoding="utf-8")
    was, now = shipped(), shipped(path)
    return {key: (was.get(key), now.get(key)) for key in {*was, *now} if was.get(key) != now.get(key)}


def test_a_code_that_ships_anew_names_its_variable(tmp_path: Path) -> None:
    ((entry, (was, now)),) = changed(tmp_path, '"32693-4"', '"32693-4", "99999-9"').items()
    assert entry == "codes: variables.lactate.loinc"
    assert was is not None
    assert now is not None
    assert set(now.values) - set(was.values) == {"99999-9"}
    assert now.variables == ("lactate",)


def test_a_units_factor_names_every_variable_on_that_scale(tmp_path: Path) -> None:
    found = changed(tmp_path, '"kPa" = 7.50062', '"kPa" = 7.6')
    (entry,) = found
    was, now = found[entry]
    assert entry == "codes: scales.pressure.kPa"
    assert was is not None
    assert now is not None
    assert (was.values, now.values) == (("7.50062",), ("7.6",))
    assert "sbp" in now.variables


def test_a_cut_off_of_an_assay_names_its_troponin() -> None:
    entry = shipped()["assays: assays.elecsys-hs-ctnt.rules.esc-0-1h.low"]
    assert entry == Mapped(("12",), ("hs_troponin_t",))


def test_a_sites_own_map_has_its_codes_places_and_laboratory_and_no_secret() -> None:
    site = replace(
        SITE,
        local_codes={"urn:x|T": "hs_troponin_t@elecsys-hs-ctnt", "|HFNC": "oxygen_device=high-flow nasal cannula",
                     "urn:x|V": "event:ventilation", "urn:x|Z": "ignore"},
        care_units={"Location/7": "medical"},
        assays={"hs_troponin_t": LaboratoryAssay("elecsys-hs-ctnt", {"female": 9.0, "male": 17.0})},
        confirmed_assays=frozenset({"elecsys-hs-ctnt/esc-0-2h"}),
    )  # fmt: skip
    found = own(site)
    assert found["local_codes.urn:x|T"] == Mapped(("hs_troponin_t@elecsys-hs-ctnt",), ("hs_troponin_t",))
    assert found["local_codes.|HFNC"].variables == ("oxygen_device",)
    assert found["local_codes.urn:x|V"].variables == found["local_codes.urn:x|Z"].variables == ()
    assert found["care_units.Location/7"] == Mapped(("medical",), ("care_unit",))
    assert found["assays.hs_troponin_t"].values == ("elecsys-hs-ctnt", "female 9", "male 17")
    assert "hs_troponin_t" in found["confirmed_assays"].variables
    assert "hidden-word" not in str(found)
    assert own(SITE) == {}
