"""The code table: complete, true to its check digits, and exact in its conversions."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from ehr.codes import CODES_FILE, OTHER_UNIT, CodesError, any_word, code_table, spelling
from inference.features import CARE_UNITS
from inference.vocabulary import vocabulary

TABLE = code_table()
RAW = tomllib.loads(CODES_FILE.read_text())


def luhn(digits: str) -> int:
    """LOINC's check digit (mod 10, doubling from the right)."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return (10 - total % 10) % 10


def verhoeff(code: str) -> bool:
    """Whether a SNOMED CT identifier's check digit holds."""
    dihedral = [[(a + b) % 5 if a < 5 and b < 5 else 0 for b in range(10)] for a in range(10)]
    for a in range(10):
        for b in range(10):
            turn, flip = (a % 5, a // 5), (b % 5, b // 5)
            first = (turn[0] + (flip[0] if not turn[1] else -flip[0])) % 5
            dihedral[a][b] = first + 5 * (turn[1] ^ flip[1])
    base = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
    check = 0
    for place, digit in enumerate(reversed(code)):
        value = int(digit)
        for _ in range(place % 8):
            value = base[value]
        check = dihedral[check][value]
    return check == 0


def listed(table: object, name: str) -> Iterator[str]:
    """Every code under a key called `name`, anywhere in codes.toml."""
    if isinstance(table, dict):
        for key, value in table.items():
            if key == name and isinstance(value, list):
                yield from value
            else:
                yield from listed(value, name)


def loincs() -> list[str]:
    codes = [
        *listed(RAW, "loinc"),
        *listed(RAW, "vital"),
        *RAW["ventilator"]["mode"],
        *RAW["ventilator"]["peep"],
    ]
    return [
        *codes,
        *RAW["ventilator"]["tidal_volume"],
        *(RAW["coma"][part] for part in ("eye", "verbal", "motor")),
    ]


@pytest.mark.parametrize("code", sorted({code for code in loincs() if not code.startswith("LA")}))
def test_every_loinc_code_passes_its_check_digit(code: str) -> None:
    body, digit = code.split("-")
    assert luhn(body) == int(digit)


def test_the_common_slip_3150_6_fails_its_check_digit_and_is_not_in_the_table() -> None:
    assert luhn("3150") != 6  # CONFORMANCE 61
    assert "3150-6" not in loincs()


@pytest.mark.parametrize("code", sorted({*listed(RAW, "snomed"), *RAW["stay"]["intensive_snomed"]}))
def test_every_snomed_code_passes_its_check_digit(code: str) -> None:
    assert verhoeff(code)


def test_a_snomed_code_with_one_wrong_digit_would_be_noticed() -> None:
    assert not verhoeff("426854005")


@pytest.mark.parametrize("code", sorted(listed(RAW, "hsloc")))
def test_every_code_of_a_care_location_passes_its_check_digit(code: str) -> None:
    body, digit = code.split("-")
    assert luhn(body) == int(digit)


def test_every_kind_of_care_unit_has_codes_and_names_and_no_name_is_of_two_kinds() -> None:
    assert {*CARE_UNITS, OTHER_UNIT} == set(TABLE.care_units.values()) == set(TABLE.care_unit_names.values())
    rows = [row for kind, row in RAW["care_units"].items() if kind != "care"]
    names = [name for row in rows for part in ("names", "stems") for name in row[part]]
    codes = [
        (short, code) for row in rows for short in ("role", "hsloc", "snomed") for code in row.get(short, ())
    ]
    assert (len(names), len(codes)) == (len(set(names)), len(set(codes)))
    assert all(name == name.casefold() for name in names)


@pytest.mark.parametrize("name", vocabulary().variables)
def test_every_variable_has_a_code_and_understands_its_own_unit(name: str) -> None:
    variable = vocabulary()[name]
    assert TABLE.loincs(name)
    if not variable.levels:
        own = TABLE.conversion(name, variable.unit)
        assert own is not None
        assert own == (1.0, 0.0)


# Two spellings and values of one truth: what was sent, and what it is in the vocabulary's unit.
PAIRS = [
    ("hs_troponin_t", 0.014, "ng/mL", 14.0),
    ("hs_troponin_t", 14, "pg/mL", 14.0),
    ("troponin_i", 0.3, "ug/L", 300.0),
    ("troponin_i", 0.3, "mcg/L", 300.0),
    ("creatinine", 88.42, "umol/L", 1.0),
    ("creatinine", 0.08842, "mmol/L", 1.0),
    ("bun", 7.14, "mmol/L", 20.0),
    ("glucose", 5.55, "mmol/L", 99.99),
    ("pco2", 5.33, "kPa", 39.98),
    ("po2", 10.0, "kPa", 75.0062),
    ("temp", 98.6, "[degF]", 37.0),
    ("temp", 310.15, "K", 37.0),
    ("wbc", 8.2, "10*3/uL", 8.2),
    ("wbc", 8200, "/uL", 8.2),
    ("platelets", 250, "K/uL", 250),
    ("haemoglobin", 135, "g/L", 13.5),
    ("haemoglobin", 8.0, "mmol/L", 12.8916),
    ("bilirubin", 17.1, "umol/L", 1.0),
    ("calcium", 2.5, "mmol/L", 10.02),
    ("magnesium", 1.0, "mmol/L", 2.43),
    ("phosphate", 1.0, "mmol/L", 3.097),
    ("cholesterol", 5.0, "mmol/L", 193.3),
    ("crp", 1.2, "mg/dL", 12.0),
    ("albumin", 40, "g/L", 4.0),
    ("fibrinogen", 3.0, "g/L", 300.0),
    ("ast", 1.0, "ukat/L", 60.0),
    ("lactate", 18.0, "mg/dL", 1.998),
    ("fio2", 0.4, "{fraction}", 40.0),
    ("haematocrit", 0.42, "L/L", 42.0),
    ("weight", 154, "[lb_av]", 69.853),
    ("height", 5.9, "[ft_i]", 179.83),
    ("nt_probnp", 35.4, "pmol/L", 299.4),
    ("ionised_calcium", 4.8, "mg/dL", 1.1977),
    ("urine", 1.5, "L", 1500),
]


@pytest.mark.parametrize(("name", "sent", "unit", "expected"), PAIRS)
def test_a_value_is_the_same_truth_in_another_unit(
    name: str, sent: float, unit: str, expected: float
) -> None:
    conversion = TABLE.conversion(name, unit)  # CONFORMANCE 65
    assert conversion is not None
    assert conversion(sent) == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize("unit", ["ug/L", "µg/L", "μg/L", "mcg/L", "UG/L", " ug/L"])
def test_a_microgram_may_be_spelled_with_either_mu(unit: str) -> None:
    assert TABLE.conversion("troponin_i", unit) == (1000.0, 0.0)  # CONFORMANCE 57


def test_urea_is_not_urea_nitrogen() -> None:
    urea, nitrogen = TABLE.conversion("bun", "mg/dL", "3091-6"), TABLE.conversion("bun", "mg/dL", "3094-0")
    assert urea is not None
    assert nitrogen is not None
    assert urea(43) == pytest.approx(20, abs=0.1)
    assert nitrogen(20) == 20
    assert TABLE.conversion("bun", "mmol/L", "3091-6") is None


def test_a_unit_of_another_quantity_is_not_understood() -> None:
    assert TABLE.conversion("fio2", "L/min") is None
    assert TABLE.conversion("hr", "mm[Hg]") is None
    assert TABLE.conversion("hs_troponin_t", "") is None


def test_each_loinc_code_means_one_thing() -> None:
    codes = [code for row in RAW["variables"].values() for code in row["loinc"]]
    assert len(codes) == len(set(codes))


def test_a_code_claimed_twice_is_refused_by_name(tmp_path: Path) -> None:
    text = CODES_FILE.read_text().replace('loinc = ["9279-1"]', 'loinc = ["9279-1", "8867-4"]')
    wrong = tmp_path / "codes.toml"
    wrong.write_text(text)
    with pytest.raises(CodesError, match="8867-4 is both rr and hr"):
        code_table(wrong)


def test_a_variable_without_codes_is_refused_by_name(tmp_path: Path) -> None:
    wrong = tmp_path / "codes.toml"
    wrong.write_text(CODES_FILE.read_text().replace("[variables.rr]", "[variables.rrr]"))
    with pytest.raises(CodesError, match=r"variables\.rr\]: is in the vocabulary and has no codes"):
        code_table(wrong)


@pytest.mark.parametrize(
    ("target", "says"),
    [
        ("hr", ("variable", "hr")),
        ("hs_troponin_i@architect-hs-ctni", ("variable", "hs_troponin_i")),
        ("oxygen_device=face tent", ("level", "oxygen_device")),
        ("event:ventilation", ("event", "ventilation")),
        ("ignore", ("apart", "ignored-here")),
    ],
)
def test_a_tenant_may_map_a_code_to(target: str, says: tuple[str, str]) -> None:
    assert TABLE.target(target)[:2] == says


@pytest.mark.parametrize(
    "target",
    [
        "heartrate",
        "oxygen_device=tube",
        "event:lunch",
        "hs_troponin_i@elecsys-hs-ctnt",
        "hr@elecsys-hs-ctnt",
        "",
    ],
)
def test_a_tenant_may_not_map_a_code_to(target: str) -> None:
    with pytest.raises(CodesError):
        TABLE.target(target)


def test_assays_are_those_the_rules_know() -> None:
    rules = tomllib.loads((Path("inference") / "assays.toml").read_text())["assays"]
    assert set(TABLE.assays) == set(rules)
    assert {key: assay.variable for key, assay in TABLE.assays.items()} == {
        key: row["variable"] for key, row in rules.items()
    }


def test_words_are_found_whole_and_with_a_hyphen_or_a_blank() -> None:
    words = any_word(["high-flow", "icu", "sedat*"])
    assert words.search("High Flow cannula")
    assert words.search("transfer to ICU")
    assert words.search("light sedation")
    assert not words.search("topicurea")


def test_spelling_leaves_case_and_blanks_behind() -> None:
    assert spelling("mm Hg") == spelling("MMHG") == "mmhg"
