"""The code table: LOINC, SNOMED CT and UCUM as hospitals write them -> the clinical vocabulary.

Read once from `codes.toml`, the only file with codes. Refuses to start (CodesError) when a variable of the
vocabulary has no code, a scale is missing, or two codes claim the same row. Never guesses at run time: a
code, a unit or a level that is not in the table is unknown, and the reader says so.

A tenant's own codes (`local_codes`) map "system|code" to one of
    "hr"                                    the variable
    "hs_troponin_t@elecsys-hs-ctnt"         the variable, and the platform this site measures it on
    "oxygen_device=high-flow nasal cannula" an answer of a category ("|HFNC" names a bare flowsheet string)
    "event:ventilation"                     a procedure or device that begins something
    "ignore"                                known here, and not ours
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from ehr.errors import EhrError
from inference.features import CARE_UNITS
from inference.vocabulary import Vocabulary, vocabulary

CODES_FILE: Final = Path(__file__).with_name("codes.toml")
EVENT_KINDS: Final = ("ventilation", "niv", "high-flow", "icu")
OTHER_UNIT: Final = "other"  # a care unit that is known, and of none of the kinds
Code = tuple[str, str]  # system, code


class CodesError(EhrError):
    """codes.toml contradicts itself or the vocabulary; `where` is the table and key."""


class Conversion(NamedTuple):
    """How a sent number becomes one in the vocabulary's unit: value * factor + offset."""

    factor: float
    offset: float

    def __call__(self, value: float) -> float:
        if self.factor == 1.0 and self.offset == 0.0:
            return value
        return float(
            f"{value * self.factor + self.offset:.12g}"
        )  # 0.0141 ng/mL is 14.1 ng/L, not 14.100000000000001


class Meaning(NamedTuple):
    """What a code stands for. `kind` is "variable", "level", "event", "panel", "coma", "mode", "tidal",
    "apart".
    """

    kind: str
    name: str
    level: int = -1
    assay: str = ""


class Assay(NamedTuple):
    """A troponin platform: the variable it measures, and words that name it."""

    variable: str
    words: re.Pattern[str]


class Labels(NamedTuple):
    """Words a label of a variable may hold, and words that contradict it."""

    proper: re.Pattern[str]
    never: re.Pattern[str]


class Orders(NamedTuple):
    """Which draft orders concern a model, and which of them ask for the value it forecasts."""

    codes: frozenset[Code]
    words: re.Pattern[str]
    draws: frozenset[Code] = frozenset()  # those that ask for the very value the model forecasts
    draw_words: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class CodeTable:
    """All of codes.toml, ready for look-up."""

    systems: Mapping[str, str]  # short name -> URL
    aliases: Mapping[str, str]  # URL as sent -> URL
    meanings: Mapping[Code, Meaning]
    vital: Mapping[Code, str]  # variable it means in category vital-signs
    scales: Mapping[
        str, Mapping[str, Conversion]
    ]  # variable -> spelling -> conversion; "" where a unit may be absent
    special: Mapping[tuple[str, str], Mapping[str, Conversion]]  # (variable, code) -> spelling -> conversion
    totals: Mapping[str, float]  # code -> hours a running total spans
    room_air: tuple[float, float]
    levels: Mapping[str, Mapping[str, int]]  # category -> level's name -> index
    coma_answers: Mapping[str, int]
    events: Mapping[Code, str]
    mode_words: Mapping[str, re.Pattern[str]]
    stay_classes: frozenset[str]
    intensive_places: frozenset[str]
    intensive_words: re.Pattern[str]
    care_units: Mapping[Code, str]  # a kind of `CARE_UNITS`, or OTHER_UNIT
    care_unit_names: Mapping[str, str]  # lower-case words, "*" for any ending -> the same
    departures: Mapping[Code, str]  # how a stay ended: "home", "died", "transferred"
    races: Mapping[Code, str]
    ethnicities: Mapping[Code, str]
    insurance_codes: Mapping[Code, str]
    insurance_stems: Mapping[str, str]  # beginning of a code of the Source of Payment Typology -> category
    conditions: Mapping[Code, str]
    condition_stems: Mapping[str, str]  # ICD-10 stem -> condition
    assays: Mapping[str, Assay]
    labels: Mapping[str, Labels]
    orders: Mapping[str, Orders]
    ucum: str
    loinc: str

    def system(self, url: str) -> str:
        """The system's own URL, whichever way it was spelled."""
        return self.aliases.get(url, url)

    def conversion(self, variable: str, unit: str, loinc: str = "") -> Conversion | None:
        """How `unit` becomes the vocabulary's; None where the spelling is not understood."""
        table = self.special.get((variable, loinc)) or self.scales.get(variable, {})
        return table.get(unit) or table.get(spelling(unit))

    def loincs(self, variable: str) -> tuple[str, ...]:
        """Every LOINC code that is read as `variable`, in file order."""
        return tuple(
            code
            for (system, code), meaning in self.meanings.items()
            if system == self.loinc and meaning.kind == "variable" and meaning.name == variable
        )

    def target(self, text: str) -> Meaning:
        """What a tenant's map says. Raises CodesError naming what is wrong with it."""
        return _target(text, self.levels, self.assays)


def spelling(unit: str) -> str:
    """A unit's spelling without blanks and case; the micro sign and the Greek letter are u, mcg is ug."""
    plain = unit.replace("\u00b5", "u").replace("\u03bc", "u").replace(" ", "").casefold()
    return "ug" + plain[3:] if plain.startswith("mcg") else plain


@cache
def code_table(path: Path = CODES_FILE) -> CodeTable:
    """The table in `path`. Raises CodesError naming the key that is wrong."""
    with path.open("rb") as file:
        data = tomllib.load(file)
    words = vocabulary()
    systems: dict[str, str] = {key: url for key, url in data["code_systems"].items() if isinstance(url, str)}
    levels = {name: _level_index(name, words) for name in data["levels"]}
    scales = {name: _scale(name, row, data["scales"]) for name, row in data["variables"].items()}
    _check_complete(scales, words)
    return CodeTable(
        systems=MappingProxyType(systems),
        aliases=MappingProxyType({url: systems[name] for url, name in data["code_systems"]["alias"].items()}),
        meanings=MappingProxyType(_meanings(data, systems, levels)),
        vital=MappingProxyType(
            {
                (systems["loinc"], code): name
                for name, row in data["variables"].items()
                for code in row.get("vital", ())
            }
        ),
        scales=MappingProxyType(scales),
        special=MappingProxyType(_special(data["variables"])),
        totals=MappingProxyType(
            {
                code: float(hours)
                for row in data["variables"].values()
                for code, hours in row.get("totals", {}).items()
            }
        ),
        room_air=tuple(map(float, data["variables"]["fio2"]["room_air"])),  # type: ignore[arg-type]
        levels=MappingProxyType(levels),
        coma_answers=MappingProxyType(dict(data["coma"]["answers"])),
        events=MappingProxyType(dict(_events(data, systems))),
        mode_words=MappingProxyType(
            {kind: any_word(listed) for kind, listed in data["ventilator"]["mode_words"].items()}
        ),
        stay_classes=frozenset(data["stay"]["classes"]),
        intensive_places=frozenset(data["stay"]["intensive_places"]),
        intensive_words=any_word(data["stay"]["intensive_words"]),
        care_units=MappingProxyType(dict(_care_unit_codes(data["care_units"], systems))),
        care_unit_names=MappingProxyType(dict(_care_unit_names(data["care_units"]))),
        departures=MappingProxyType(_listed(data["departures"], systems)),
        races=MappingProxyType(_listed(data["races"], systems)),
        ethnicities=MappingProxyType(_listed(data["ethnicities"], systems)),
        insurance_codes=MappingProxyType(_listed(data["insurance"], systems)),
        insurance_stems=MappingProxyType(dict(data["insurance_stems"])),
        conditions=MappingProxyType(
            {
                (systems["snomed"], code): name
                for name, row in data["conditions"].items()
                for code in row["snomed"]
            }
        ),
        condition_stems=MappingProxyType(
            {stem: name for name, row in data["conditions"].items() for stem in row["icd10"]}
        ),
        assays=MappingProxyType(
            {key: Assay(row["variable"], any_word(row["words"])) for key, row in data["assays"].items()}
        ),
        labels=MappingProxyType(
            {
                name: Labels(any_word(row["is"]), any_word(row["never"]))
                for name, row in data["labels"].items()
            }
        ),
        orders=MappingProxyType(
            {name: _orders(name, row, data, systems) for name, row in data["orders"].items()}
        ),
        ucum=systems["ucum"],
        loinc=systems["loinc"],
    )


def _listed(rows: Mapping[str, Any], systems: Mapping[str, str]) -> dict[Code, str]:
    """Code -> name, of a table with a row for each name and in it the codes by system."""
    return {
        (systems[short], code): name
        for name, row in rows.items()
        for short, listed in row.items()
        for code in listed
    }


def any_word(words: Iterable[str]) -> re.Pattern[str]:
    """A pattern that finds any of `words` as whole words, whatever the case;
    "sedat*" also finds "sedation".
    """
    parts = (re.escape(word.rstrip("*")) + ("" if word.endswith("*") else r"(?!\w)") for word in words)
    return re.compile(
        rf"(?<!\w)(?:{'|'.join(part.replace(' ', '[ -]*') for part in _unescaped(parts))})", re.IGNORECASE
    )


def _unescaped(parts: Iterable[str]) -> Iterator[str]:
    """re.escape writes a blank as "\\ ": plain again, so that a blank or a hyphen may stand there,
    or nothing.
    """
    for part in parts:
        yield part.replace("\\ ", " ").replace("\\-", " ")


def _target(text: str, levels: Mapping[str, Mapping[str, int]], assays: Mapping[str, Assay]) -> Meaning:
    if text == "ignore":
        return Meaning("apart", "ignored-here")
    if text.startswith("event:"):
        if text[6:] not in EVENT_KINDS:
            raise CodesError(f"'{text}' is none of {', '.join(f'event:{kind}' for kind in EVENT_KINDS)}")
        return Meaning("event", text[6:])
    name, _, level = text.partition("=")
    if level:
        if level not in levels.get(name, {}):
            raise CodesError(f"'{text}' is no level of a category: {', '.join(levels.get(name, levels))}")
        return Meaning("level", name, levels[name][level])
    name, _, assay = text.partition("@")
    if name not in vocabulary():
        raise CodesError(f"'{name}' is not in inference/variables.toml")
    if assay and (assay not in assays or assays[assay].variable != name):
        raise CodesError(f"'{assay}' is no assay of {name}")
    return Meaning("variable", name, assay=assay)


def _level_index(name: str, words: Vocabulary) -> Mapping[str, int]:
    if name not in words or not words[name].levels:
        raise CodesError("is no category of the vocabulary", f"codes.toml [levels.{name}]")
    return {level: index for index, level in enumerate(words[name].levels)}


def _scale(name: str, row: Mapping[str, Any], scales: Mapping[str, Any]) -> Mapping[str, Conversion]:
    if row["scale"] == "none":
        return {}
    if row["scale"] not in scales:
        raise CodesError(f"scale '{row['scale']}' is not listed", f"codes.toml [variables.{name}]")
    return _spelled(scales[row["scale"]], f"codes.toml [scales] {row['scale']}")


def _spelled(table: Mapping[str, Any], where: str) -> Mapping[str, Conversion]:
    """Exact spellings and plain ones.
    Raises CodesError where two plain spellings would mean different things.
    """
    spelled: dict[str, Conversion] = {}
    for unit, sent in table.items():
        factor, offset = sent if isinstance(sent, list) else (sent, 0)
        conversion = Conversion(float(Fraction(factor)), float(Fraction(offset)))
        for key in {unit, spelling(unit)}:
            if spelled.setdefault(key, conversion) != conversion:
                raise CodesError(f"'{unit}' is spelled like another unit", where)
    return spelled


def _special(rows: Mapping[str, Any]) -> dict[tuple[str, str], Mapping[str, Conversion]]:
    return {
        (name, code): _spelled(table, f"codes.toml [variables.{name}] factors")
        for name, row in rows.items()
        for code, table in row.get("factors", {}).items()
    }


def _check_complete(scales: Mapping[str, object], words: Vocabulary) -> None:
    for name in words.variables:
        if name not in scales:
            raise CodesError("is in the vocabulary and has no codes", f"codes.toml [variables.{name}]")
    for name in scales:
        if name not in words:
            raise CodesError("is not in the vocabulary", f"codes.toml [variables.{name}]")


def _meanings(
    data: Mapping[str, Any], systems: Mapping[str, str], levels: Mapping[str, Mapping[str, int]]
) -> dict[Code, Meaning]:
    table: dict[Code, Meaning] = {}
    for code, meaning in _claims(data, systems, levels):
        if table.setdefault(code, meaning) != meaning:
            raise CodesError(f"{code[1]} is both {table[code].name} and {meaning.name}", "codes.toml")
    return table


def _claims(
    data: Mapping[str, Any], systems: Mapping[str, str], levels: Mapping[str, Mapping[str, int]]
) -> Iterator[tuple[Code, Meaning]]:
    loinc = systems["loinc"]
    for name, row in data["variables"].items():
        for short in ("loinc", "snomed"):
            for code in row.get(short, ()):
                yield (systems[short], code), Meaning("variable", name)
    for name, answers in data["levels"].items():
        for level, row in answers.items():
            if level not in levels[name]:
                raise CodesError(f"'{level}' is no level of {name}", f"codes.toml [levels.{name}]")
            for short, listed in row.items():
                for code in listed:
                    yield (systems[short], code), Meaning("level", name, levels[name][level])
    for code in data["panels"]["loinc"]:
        yield (loinc, code), Meaning("panel", "")
    for part in ("eye", "verbal", "motor"):
        yield (loinc, data["coma"][part]), Meaning("coma", part)
    for code in data["ventilator"]["mode"]:
        yield (loinc, code), Meaning("mode", "")
    for code in data["ventilator"]["tidal_volume"]:
        yield (loinc, code), Meaning("tidal", "")
    for reason, row in data["apart"].items():
        for code in row["loinc"]:
            yield (loinc, code), Meaning("apart", reason)


def _events(data: Mapping[str, Any], systems: Mapping[str, str]) -> Iterator[tuple[Code, str]]:
    for kind, row in data["events"].items():
        for short, listed in row.items():
            for code in listed:
                yield (systems[short], code), kind
    for code in data["stay"]["intensive_snomed"]:
        yield (systems["snomed"], code), "icu"


def _care_unit_codes(data: Mapping[str, Any], systems: Mapping[str, str]) -> Iterator[tuple[Code, str]]:
    for kind, row in _kinds(data):
        for short in ("role", "hsloc", "snomed"):
            yield from (((systems[short], code), kind) for code in row.get(short, ()))


def _care_unit_names(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for kind, row in _kinds(data):
        yield from ((name, kind) for name in row["names"])
        yield from ((f"{stem} {care}", kind) for stem in row["stems"] for care in data["care"])


def _kinds(data: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for kind, row in data.items():
        if kind == "care":
            continue
        if kind not in (*CARE_UNITS, OTHER_UNIT):
            raise CodesError("is no kind of care unit", f"codes.toml [care_units.{kind}]")
        yield kind, row


def _orders(name: str, row: Mapping[str, Any], data: Mapping[str, Any], systems: Mapping[str, str]) -> Orders:
    codes = {(systems[short], code) for short in ("snomed", "loinc", "rxnorm") for code in row[short]}
    if name != "troponin-trend":
        return Orders(frozenset(codes), any_word(row["words"]))
    draws = {(systems["snomed"], code) for code in row["draws"]["snomed"]}
    for variable in ("troponin_t", "troponin_i", "hs_troponin_t", "hs_troponin_i"):
        draws |= {(systems["loinc"], code) for code in data["variables"][variable]["loinc"]}
    words = any_word([*row["words"], *row["draws"]["words"]])
    return Orders(frozenset(codes | draws), words, frozenset(draws), any_word(row["draws"]["words"]))
