"""Words: every sentence a person reads, kept in `words/<language>.toml`; numbers as clinicians write them.

A face for staff alone may have a file of its own, `words/<language>/<face>.toml`.

`say("en", Phrase("age-below", {"age": 9, "limit": 18}))` renders a code of the medicine, `say("es",
"handout.title")` a key of a face. A field may carry a form: `{since:clock}`, `{since:moment}`,
`{share:percent}`, `{variables:labels}`, `{hours:hour|hours}`; a float without one is written as `number`
writes it.

Refuses to guess: a key, a field or a language that is not there is a WordsError that names it.
"""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from zoneinfo import ZoneInfo

from inference.assessment import Phrase
from inference.chart import Measurement
from inference.errors import OrdertimeError
from inference.vocabulary import vocabulary

FOLDER: Final = Path(__file__).with_name("words")
LANGUAGES: Final = (  # a language is its file: English first, the others as they are called
    "en",
    *sorted(file.stem for file in FOLDER.glob("*.toml") if file.stem != "en"),
)
NBSP: Final = "\u00a0"
DECIMALS: Final = MappingProxyType(
    {"ph": 2, "creatinine": 2, "ionised_calcium": 2, "temp": 1, "inr": 1, "lactate": 1}
)
UNIT_GAP: Final = re.compile(
    r"(?<=\d) (?=(?:h|min|%|ng/L)(?:\W|$))"
)  # a number and its unit stay on one line
UNITS: Final = MappingProxyType({"10^9/L": "×10⁹/L", "mL/min/1.73m2": "mL/min/1.73 m²"})
PROPER: Final = ("Glasgow", "C-reactive", "hs-Troponin")  # labels that keep their capital inside a sentence


class WordsError(OrdertimeError):
    """A sentence was asked for that the catalogue does not hold, or not with these fields."""


@cache
def catalogue(language: str) -> Mapping[str, str]:
    """All sentences of `language` by dotted key. Raises WordsError for a language without a file."""
    if language not in LANGUAGES:
        raise WordsError(f"no words in language '{language}': there are {', '.join(LANGUAGES)}")
    found: dict[str, str] = {}
    for path in (FOLDER / f"{language}.toml", *sorted((FOLDER / language).glob("*.toml"))):
        said = dict(_flat(tomllib.loads(path.read_text(encoding="utf-8"))))
        if twice := found.keys() & said.keys():
            raise WordsError(f"words/{language}/{path.name} says '{min(twice)}' a second time")
        found |= said
    return MappingProxyType(found)


def knows(language: str, key: str) -> bool:
    """Whether `language` has words for the dotted `key`."""
    return key in catalogue(language)


def say(language: str, key: str | Phrase, /, *, zone: tzinfo = UTC, **values: object) -> str:
    """The sentence under `key`, its fields filled; times are written in `zone`.

    Raises WordsError naming the key, and the field where one is missing.
    """
    name = f"phrases.{key.code}" if isinstance(key, Phrase) else key
    fields: dict[str, object] = {**(key.values if isinstance(key, Phrase) else {}), **values}
    try:
        sentence = catalogue(language)[name]
    except KeyError:
        raise WordsError(f"words/{language}.toml has no '{name}'") from None
    try:
        return UNIT_GAP.sub(NBSP, _Speech(language, zone).vformat(sentence, (), fields))
    except KeyError as missing:
        raise WordsError(f"words/{language}.toml: '{name}' needs a value for {missing}") from None
    except ValueError as wrong:
        raise WordsError(f"words/{language}.toml: '{name}' cannot be filled: {wrong}") from None


class _Speech(string.Formatter):
    """str.format with the forms the module docstring lists."""

    def __init__(self, language: str, zone: tzinfo) -> None:
        self.language, self.zone = language, zone

    def format_field(self, value: Any, format_spec: str) -> str:
        if format_spec in ("moment", "clock"):
            instant = value if isinstance(value, datetime) else datetime.fromisoformat(str(value))
            return moment(instant, self.zone, self.language)
        if format_spec in ("label", "labels"):
            names = value.split(",") if isinstance(value, str) else value
            return listed([label_of(str(name).strip()) for name in names], self.language)
        if format_spec == "percent":
            return percent(float(value))
        if "|" in format_spec:
            return format_spec.split("|")[0 if float(value) == 1 else 1]
        if not format_spec and isinstance(value, (int, float)) and not isinstance(value, bool):
            return number(value) if isinstance(value, float) else str(value).replace("-", "−")
        return str(super().format_field(value, format_spec))


def model_name(model: str) -> str:
    """A model as people call it; its id where it has no other name."""
    key = f"models.{model}.name"
    return say("en", key) if knows("en", key) else model


def zone_of(zone: str | tzinfo) -> tzinfo:
    """A site's zone, given by its IANA name or as itself."""
    return ZoneInfo(zone) if isinstance(zone, str) else zone


def percent(probability: float) -> str:
    """0.18 -> "18 %"; below 1 in 100 and above 99 in 100 no false precision: "<1 %", ">99 %"."""
    return f"{_share(probability)}{NBSP}%"


def interval(low: float, high: float) -> str:
    """0.11, 0.27 -> "11–27 %"."""
    return f"{_share(low)}–{_share(high)}{NBSP}%"


def of_hundred(probability: float) -> int:
    """How many of 100 people: the figure the screen shows as per cent, so paper equals screen."""
    return round(100 * probability)


def number(value: float, variable: str = "") -> str:
    """A value with the decimals clinicians write: pH 7.31, creatinine 1.27, lactate 2.4, troponin 1240."""
    places = DECIMALS.get(variable)
    if places is None:
        size = abs(value)
        places = 0 if size >= 100 else 1 if size >= 1 else 2
        shown = _trimmed(f"{value:.{places}f}") if size < 10_000 else f"{value:,.0f}"
        return shown.replace("-", "−")
    return f"{value:.{places}f}".replace("-", "−")


def rough(value: float) -> float:
    """A forecast to two significant figures: more would be pretence."""
    return float(f"{value:.2g}")


def amount(value: float, variable: str, unit: str | None = None) -> str:
    """A value with its unit: "28/min", "60 %", "51 ng/L"; a category's value is its level's name."""
    known = vocabulary().variables.get(variable)
    if known is not None and known.levels:
        return known.levels[min(max(int(value), 0), len(known.levels) - 1)]
    shown = unit if unit is not None else known.unit if known is not None else ""
    return f"{number(value, variable)}{glued(shown)}"


def glued(unit: str) -> str:
    """A unit as it follows its number: no space before a slash, one that does not break elsewhere."""
    shown = UNITS.get(unit, unit)
    return shown if not shown or shown.startswith("/") else f"{NBSP}{shown}"


def measured(row: Measurement) -> str:
    """A measurement's value as shown: "51 ng/L", "<5 ng/L" where the laboratory gave a limit."""
    return f"{row.bound}{amount(row.value, row.variable)}"


def spoken(row: Measurement) -> str:
    """The same inside a sentence: "below 5 ng/L"; safe where an angle bracket would not be."""
    word = {"<": "below ", ">": "above "}.get(row.bound, "")
    return f"{word}{amount(row.value, row.variable)}"


def label_of(variable: str) -> str:
    """A variable's label as it stands inside a sentence: "respiratory rate", "INR"."""
    label = vocabulary()[variable].label if variable in vocabulary() else variable.replace("_", " ")
    return inline(label)


def short(variable: str, label: str = "") -> str:
    """What clinicians call a variable: "RR", "SpO2"; its label inside a sentence where it has no shorter name."""
    key = f"short.{variable}"
    return say("en", key) if knows("en", key) else inline(label) if label else label_of(variable)


def inline(label: str) -> str:
    """A label inside a sentence: small first letter, unless it is an abbreviation or a name; no comma."""
    if ", " in label:
        thing, kind = label.split(", ", 1)
        label = f"{kind.capitalize()} {inline(thing)}"
    if label.startswith(PROPER) or label[1:2].isupper():
        return label
    return label[:1].lower() + label[1:]


def capital(sentence: str) -> str:
    """The sentence with a capital first letter, but for a name that is written small (hs-troponin)."""
    return sentence if sentence.startswith("hs-") else sentence[:1].upper() + sentence[1:]


def listed(names: Iterable[str], language: str = "en") -> str:
    """ "a", "a and b", "a, b and c"."""
    items = list(names)
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {catalogue(language)['time.and']} {items[-1]}"


def day(instant: datetime, zone: tzinfo, language: str = "en") -> str:
    """ "23 Nov 2026" in `zone`."""
    local = instant.astimezone(zone)
    return f"{local.day} {_month(local, language)} {local.year}"


def moment(instant: datetime, zone: tzinfo, language: str = "en") -> str:
    """ "23 Nov 2026, 06:12" in `zone`."""
    return f"{day(instant, zone, language)}, {instant.astimezone(zone):%H:%M}"


def clock(instant: datetime, zone: tzinfo, beside: datetime, language: str = "en") -> str:
    """ "06:12" on the day of `beside`, "22 Nov 21:40" on another."""
    local = instant.astimezone(zone)
    if local.date() == beside.astimezone(zone).date():
        return f"{local:%H:%M}"
    return f"{local.day}{NBSP}{_month(local, language)}{NBSP}{local:%H:%M}"


def offset(instant: datetime, zone: tzinfo) -> str:
    """The zone's distance from UTC at that instant: "UTC−05:00"."""
    shift = instant.astimezone(zone).utcoffset() or timedelta(0)
    minutes = round(abs(shift) / timedelta(minutes=1))
    return f"UTC{'−' if shift < timedelta(0) else '+'}{minutes // 60:02d}:{minutes % 60:02d}"


def age(span: timedelta) -> str:
    """How old a value is: "32 min", "9 h", "3 d"."""
    minutes = max(round(span / timedelta(minutes=1)), 0)
    if minutes < 100:
        return f"{minutes}{NBSP}min"
    hours = round(minutes / 60)
    return f"{hours}{NBSP}h" if hours < 72 else f"{round(hours / 24)}{NBSP}d"


def _share(probability: float) -> str:
    if probability < 0.01:
        return "<1"
    if probability > 0.99:
        return ">99"
    return str(round(100 * probability))


def _trimmed(digits: str) -> str:
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def _month(local: datetime, language: str) -> str:
    return catalogue(language)["time.months"].split()[local.month - 1]


def _flat(table: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, str]]:
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", str(value)
