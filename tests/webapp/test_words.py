"""Every code has words, every number is written as clinicians write it, nothing is guessed."""

from __future__ import annotations

import ast
import re
import string
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from ehr.errors import LaunchRefused
from inference.assessment import Phrase
from inference.chart import Measurement, Source
from inference.vocabulary import vocabulary
from tests.webapp.pages import ROOT
from webapp import errors, words
from webapp.words import say

# Strings of the medicine that look like codes and are none of the words' business.
NO_PHRASES = {
    *("esc-0-1h", "esc-0-2h", "udmi-4", "rule-in", "rule-out", "not-applied", "flat-high", "flat-normal"),
    *(
        "low-medium",
        "hypercapnic-failure",
        "kidney-disease",
        "coronary-disease",
        "symptom-onset",
        "high-flow",
    ),
    *("ventilation-need", "troponin-trend", "troponin-next", "ventilation-", "non-invasive", "utf-8"),
}
CODE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")


def codes_of_the_medicine() -> Iterator[tuple[str, str]]:
    """Every hyphenated string in the rooms that make phrases, with the file it stands in."""
    for path in sorted((ROOT / "inference").glob("*.py")):
        if "Phrase" not in path.read_text():
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Phrase" and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant):
                    yield str(first.value), path.name
            elif (
                isinstance(node, ast.Constant) and isinstance(node.value, str) and CODE.fullmatch(node.value)
            ):
                yield node.value, path.name


def test_every_code_of_the_medicine_has_english_words() -> None:
    known = {key.removeprefix("phrases.") for key in words.catalogue("en") if key.startswith("phrases.")}
    assert len(known) > 40
    without = {
        (code, where)
        for code, where in codes_of_the_medicine()
        if code not in known | NO_PHRASES and not code.startswith(("ventilation-", "troponin-rise"))
    }
    assert not without


def test_words_ask_only_for_what_a_phrase_brings() -> None:
    for path in sorted((ROOT / "inference").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Phrase" and node.args):
                continue
            code, fields = node.args[0], node.args[1] if len(node.args) > 1 else ast.Dict([], [])
            if not (isinstance(code, ast.Constant) and isinstance(fields, ast.Dict)):
                continue
            if None in fields.keys:  # {**said, ...}: checked by the room's own tests
                continue
            brought = {key.value for key in fields.keys if isinstance(key, ast.Constant)}
            assert fields_of(words.catalogue("en")[f"phrases.{code.value}"]) <= brought, code.value


def fields_of(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}


REASON_AT = {"NotUsed": 0, "Refusal": 1, "_refuse": 1}  # which argument of the reader's calls is the reason


def reasons_of_the_reader() -> Iterator[str]:
    """Every reason code written in ehr/ and in its code table."""
    for path in sorted((ROOT / "ehr").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name = getattr(node.func, "id", "") or getattr(node.func, "attr", "")
            given = node.args[REASON_AT[name] :][:1] if name in REASON_AT else []
            given += [keyword.value for keyword in node.keywords if keyword.arg == "wrong"]
            for argument in given:
                yield from (str(c.value) for c in ast.walk(argument) if isinstance(c, ast.Constant))
    yield from tomllib.loads((ROOT / "ehr" / "codes.toml").read_text()).get("apart", {})


def test_every_reason_a_row_was_refused_for_has_words() -> None:
    found = {code for code in reasons_of_the_reader() if code}
    assert len(found) > 15
    assert not {code for code in found if not words.knows("en", f"refusals.{code}")}


def test_every_fault_a_person_can_meet_has_a_title_a_text_and_a_remedy() -> None:
    keys = {key for _, (_, _, key) in errors.STATUS} | {errors.UNKNOWN[2]}
    for path in (ROOT / "webapp").glob("*.py"):
        keys |= set(re.findall(r'\bpage\(\d+, "([a-z-]+)"', path.read_text()))
        keys |= set(re.findall(r'_form_refused\([^)]*?"(form-[a-z-]+)"', path.read_text()))
    keys |= {"not-found", "malformed", "too-large", "too-many", "fault", *errors.HTTP.values()}
    assert "form-unread" in keys
    for key in keys:
        for part in ("title", "text", "remedy"):
            assert say("en", f"error.{key}.{part}")


def test_every_fault_a_program_can_meet_says_what_mends_it() -> None:
    keys = {key for kind, (_, _, key) in errors.STATUS if not issubclass(kind, LaunchRefused)} | {errors.UNKNOWN[2]}
    keys |= {"too-many", "too-late", "malformed", "fault", *errors.HTTP.values()}
    for key in keys:
        assert say("en", f"error.{key}.caller").endswith(".")


def test_the_patients_page_is_complete_in_every_language() -> None:
    def of(language: str) -> dict[str, set[str]]:
        return {
            key: fields_of(sentence)
            for key, sentence in words.catalogue(language).items()
            if key.startswith(("handout.", "time."))
        }

    english = of("en")
    assert len(english) > 50
    for language in words.LANGUAGES:
        assert of(language) == english


def test_a_missing_key_is_an_error_that_names_it() -> None:
    with pytest.raises(words.WordsError, match=r"es\.toml has no 'page\.title'"):
        say("es", "page.title")
    with pytest.raises(words.WordsError, match=r"phrases\.never-heard-of"):
        say("en", Phrase("never-heard-of"))


def test_a_missing_value_is_an_error_that_names_key_and_field() -> None:
    with pytest.raises(words.WordsError, match=r"phrases\.age-below.*limit"):
        say("en", Phrase("age-below", {"age": 9}))


def test_a_language_without_words_is_refused() -> None:
    with pytest.raises(words.WordsError, match="'fr'"):
        say("fr", "handout.for")


def test_a_phrase_with_a_time_is_written_in_the_hospitals_zone() -> None:
    phrase = Phrase("already-ventilated", {"since": "2026-11-23T08:40:00+00:00"})
    assert "23 Nov 2026, 03:40" in say("en", phrase, zone=ZoneInfo("America/New_York"))
    assert "23 Nov 2026, 08:40" in say("en", phrase)


def test_one_is_not_two() -> None:
    assert "last 1 hour." in say("en", Phrase("no-heart-rate", {"hours": 1})).replace(words.NBSP, " ")
    assert "last 2 hours." in say("en", Phrase("no-heart-rate", {"hours": 2})).replace(words.NBSP, " ")


@pytest.mark.parametrize(
    ("probability", "written"),
    [
        (0.0, "<1 %"),
        (0.009, "<1 %"),
        (0.01, "1 %"),
        (0.18, "18 %"),
        (0.99, "99 %"),
        (0.991, ">99 %"),
        (1.0, ">99 %"),
    ],
)
def test_a_probability_is_whole_and_never_nought_or_certain(probability: float, written: str) -> None:
    assert words.percent(probability).replace(words.NBSP, " ") == written


def test_an_interval_keeps_its_ends_honest() -> None:
    assert words.interval(0.004, 0.04).replace(words.NBSP, " ") == "<1–4 %"


@pytest.mark.parametrize(
    ("value", "variable", "written"),
    [
        (28.0, "rr", "28/min"),
        (7.4, "ph", "7.40"),
        (7.31, "ph", "7.31"),
        (0.96, "creatinine", "0.96 mg/dL"),
        (38.0, "temp", "38.0 °C"),
        (1240.0, "hs_troponin_t", "1240 ng/L"),
        (12400.0, "hs_troponin_i", "12,400 ng/L"),
        (4.0, "potassium", "4 mmol/L"),
        (-6.2, "base_excess", "−6.2 mmol/L"),
        (0.04, "troponin_i", "0.04 ng/L"),
        (12.4, "wbc", "12.4 ×10⁹/L"),
        (6.0, "oxygen_device", "high-flow nasal cannula"),
        (99.0, "avpu", "unresponsive"),
    ],
)
def test_a_value_is_written_as_clinicians_write_it(value: float, variable: str, written: str) -> None:
    assert words.amount(value, variable).replace(words.NBSP, " ") == written


def test_a_censored_value_keeps_its_sign_and_can_be_spoken() -> None:
    now = datetime(2026, 11, 23, 11, 12, tzinfo=UTC)
    row = Measurement("hs_troponin_t", 5.0, now, now, Source("Observation/1", "", "", "<5", "ng/L"), "<")
    assert words.measured(row) == f"<5{words.NBSP}ng/L"
    assert words.spoken(row) == f"below 5{words.NBSP}ng/L"


def test_a_time_of_another_day_says_which() -> None:
    zone = ZoneInfo("America/New_York")
    now = datetime(2026, 11, 23, 11, 12, tzinfo=UTC)
    assert words.clock(now, zone, now) == "06:12"
    assert words.clock(now - timedelta(hours=7), zone, now).replace(words.NBSP, " ") == "22 Nov 23:12"
    assert words.moment(now, zone, "es") == "23 nov 2026, 06:12"


@pytest.mark.parametrize(
    ("zone", "written"),
    [("America/New_York", "UTC−05:00"), ("Asia/Kolkata", "UTC+05:30"), ("UTC", "UTC+00:00")],
)
def test_a_zone_says_how_far_it_is_from_utc(zone: str, written: str) -> None:
    assert words.offset(datetime(2026, 11, 23, tzinfo=UTC), words.zone_of(zone)) == written


@pytest.mark.parametrize(
    ("value", "said"), [(3602.0, 3600.0), (71.4, 71.0), (0.042, 0.042), (1049.0, 1000.0)]
)
def test_a_forecast_has_two_figures(value: float, said: float) -> None:
    assert words.rough(value) == said


@pytest.mark.parametrize(
    ("span", "written"),
    [(timedelta(minutes=32), "32 min"), (timedelta(hours=9), "9 h"), (timedelta(days=4), "4 d")],
)
def test_an_age_is_told_in_the_unit_that_fits(span: timedelta, written: str) -> None:
    assert words.age(span).replace(words.NBSP, " ") == written


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("rr", "respiratory rate"),
        ("gcs", "Glasgow Coma Scale"),
        ("inr", "INR"),
        ("egfr", "eGFR"),
        ("bilirubin", "total bilirubin"),
        ("hs_troponin_t", "hs-Troponin T"),
    ],
)
def test_a_label_inside_a_sentence_is_small_unless_it_is_a_name(name: str, inside: str) -> None:
    assert words.label_of(name) == inside


def test_no_label_of_the_vocabulary_brings_a_comma_into_a_list() -> None:
    for name in vocabulary().variables:
        assert "," not in words.label_of(name)
