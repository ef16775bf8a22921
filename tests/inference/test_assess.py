"""assess: chart in, assessment out, and nothing in it that cannot be stood behind or made again."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from math import isfinite, log
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.assess import agreement, assess, digest
from inference.assessment import (
    TROPONIN,
    VENTILATION,
    Assessment,
    Phrase,
    Prediction,
    RuleResult,
    Status,
)
from inference.chart import Chart, Measurement, Person
from inference.errors import UnsoundOutput
from inference.features import features, used
from inference.model import Answer, Model, load, newest
from inference.troponin import HIGH_SENSITIVITY
from inference.vocabulary import vocabulary
from tests.artefacts import build, build_both
from tests.inference.charts import ADULT, AS_OF, before, chart, event, row, vitals

GOLDEN = Path(__file__).parent / "golden"
LEVELS = vocabulary()["oxygen_device"].levels
STAY = event("admission", 20)


@pytest.fixture(scope="module")
def ventilation(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load(newest(build_both(tmp_path_factory.mktemp("artifacts")), VENTILATION), "cpu")


@pytest.fixture(scope="module")
def troponin(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load(newest(build_both(tmp_path_factory.mktemp("artifacts")), TROPONIN), "cpu")


class Bent:
    """A model whose answers, doubts or envelope are bent by the test; everything else is the model's own."""

    def __init__(self, model: Model, **changed: Any) -> None:
        self._model, self._changed = model, changed

    def __getattr__(self, name: str) -> Any:
        return self._changed[name] if name in self._changed else getattr(self._model, name)


def sick(**changes: float) -> tuple[Measurement, ...]:
    return vitals(**{"rr": 30, "spo2": 90, "fio2": 60, "hr": 120, **changes})


def device(name: str, hours: float) -> Measurement:
    return row("oxygen_device", LEVELS.index(name), hours)


def reason(of: Assessment) -> str:
    return of.reason.code if of.reason else ""


def codes(of: Assessment) -> set[str]:
    return {caution.code for caution in of.cautions}


# --- assessed


def test_a_monitored_adult_gets_ordered_probabilities_with_intervals_members_and_reasons(
    ventilation: Model,
) -> None:
    said = assess(chart(*sick()), ventilation)
    assert (said.status, said.reason) == (Status.ASSESSED, None)
    assert [p.outcome for p in said.predictions] == ["ventilation-6h", "ventilation-12h", "ventilation-24h"]
    shown = [p.probability for p in said.predictions]
    assert shown == sorted(shown)
    for p in said.predictions:
        assert p.low is not None
        assert p.probability is not None
        assert p.high is not None
        assert 0 <= p.low <= p.probability <= p.high <= 1
        assert len(p.members) == 5
    assert said.explanation is not None
    assert said.explanation.outcome == "ventilation-24h"


def test_the_reasons_add_up_to_the_log_odds_of_the_shown_probability(ventilation: Model) -> None:
    said = assess(chart(*sick()), ventilation)
    headline, why = said.headline, said.explanation
    assert headline is not None
    assert headline.probability is not None
    assert why is not None
    score = log(headline.probability / (1 - headline.probability))
    assert why.base + sum(r.push for r in why.reasons) == pytest.approx(score, abs=1e-6)
    assert why.base + sum(s.push for s in why.systems) == pytest.approx(score, abs=1e-6)


def test_sicker_vital_signs_raise_the_answer_and_are_the_reason(ventilation: Model) -> None:
    well, ill = assess(chart(*vitals()), ventilation), assess(chart(*sick()), ventilation)
    assert well.headline is not None
    assert ill.headline is not None
    assert (ill.headline.probability or 0) > (well.headline.probability or 0)
    assert ill.explanation is not None
    assert ill.explanation.systems[0].system == "breathing"


def test_the_answer_can_be_made_again(ventilation: Model) -> None:
    seen = chart(*sick(), row("lactate", 3, 2))
    assert assess(seen, ventilation, seed=11) == assess(seen, ventilation, seed=11)
    assert assess(seen, ventilation, seed=11).seed == 11


def test_the_digest_is_of_the_features_and_changes_with_them(ventilation: Model) -> None:
    one, other = chart(*sick()), chart(*sick(rr=31))
    assert assess(one, ventilation).inputs_digest == digest(features(one, ventilation.layout))
    assert assess(one, ventilation).inputs_digest != assess(other, ventilation).inputs_digest


def test_the_digest_knows_one_not_a_number_and_one_zero() -> None:
    strange = np.array([0x7FC00001], dtype=np.uint32).view(np.float32)[0]
    assert digest(np.array([np.nan, 0.0], np.float32)) == digest(np.array([strange, -0.0], np.float32))


def test_every_row_that_entered_the_features_is_named(ventilation: Model) -> None:
    seen = chart(*sick(), row("lactate", 3, 2), row("lactate", 9, 100), row("crp", 80, 3))
    said = assess(seen, ventilation)
    assert said.inputs == used(seen, ventilation.layout)
    assert {m.variable for m in said.inputs} == {"rr", "spo2", "fio2", "sbp", "hr", "gcs", "temp", "lactate"}


def test_important_inputs_that_are_not_in_the_look_back_are_named(ventilation: Model) -> None:
    seen = chart(*sick(), row("ph", 7.3, 60))
    assert assess(seen, ventilation).missing == ("ph",)


def test_without_reasons_the_numbers_are_the_same(ventilation: Model) -> None:
    seen = chart(*sick())
    bare = assess(seen, ventilation, explain=False)
    assert bare.explanation is None
    assert bare == replace(assess(seen, ventilation), explanation=None)


def test_scores_stand_beside_the_ventilation_answer_and_rules_beside_the_troponin(
    ventilation: Model, troponin: Model
) -> None:
    seen = chart(*sick(), row("troponin_i", 900, 1))
    assert [s.name for s in assess(seen, ventilation).scores] == ["NEWS2", "ROX"]
    assert assess(seen, ventilation).rules == ()
    said = assess(seen, troponin)
    assert said.scores == ()
    assert [r.rule for r in said.rules] == ["esc-0-1h", "udmi-4"]
    assert len(said.draws) == 1


def test_what_the_reader_refused_and_cut_short_is_handed_on(ventilation: Model) -> None:
    said = assess(replace(chart(*sick()), truncated=True), ventilation)
    assert said.truncated
    assert "chart-truncated" in codes(said)


# --- excluded


@pytest.mark.parametrize("name", [VENTILATION, TROPONIN])
def test_a_child_is_excluded_from_both_models(ventilation: Model, troponin: Model, name: str) -> None:
    model = ventilation if name == VENTILATION else troponin
    said = assess(chart(*sick(), row("troponin_i", 900), person=Person(age_years=17.9)), model)
    assert (said.status, reason(said)) == (Status.EXCLUDED, "age-below")
    assert said.reason is not None
    assert said.reason.values == {"age": 17, "limit": 18}
    assert said.predictions == ()
    assert said.explanation is None


def test_a_patient_on_a_ventilator_is_excluded_with_the_hour_it_began(ventilation: Model) -> None:
    said = assess(chart(*sick(), events=(STAY, event("ventilation", 3))), ventilation)
    assert (said.status, reason(said)) == (Status.EXCLUDED, "already-ventilated")
    assert said.reason is not None
    assert said.reason.values["since"] == "2026-03-01T09:00+00:00"
    assert [s.name for s in said.scores] == ["NEWS2", "ROX"]


def test_a_charted_ventilator_excludes_without_any_event(ventilation: Model) -> None:
    rows = (device("invasive ventilation", 5), device("invasive ventilation", 1))
    said = assess(chart(*sick(), *rows, events=(STAY,)), ventilation)
    assert reason(said) == "already-ventilated"
    assert said.reason is not None
    assert said.reason.values["since"] == "2026-03-01T07:00+00:00"


@pytest.mark.parametrize(
    "rows",
    [
        (event("ventilation", 10, 4),),
        (device("invasive ventilation", 10), device("nasal cannula", 4)),
        (event("ventilation", 10), device("nasal cannula", 4)),  # nobody closed the event
    ],
)
def test_a_patient_ventilated_earlier_in_this_stay_stays_excluded(
    ventilation: Model, rows: tuple[Any, ...]
) -> None:
    events = tuple(r for r in rows if not isinstance(r, Measurement))
    measured = tuple(r for r in rows if isinstance(r, Measurement))
    said = assess(chart(*sick(), *measured, events=(STAY, *events)), ventilation)
    assert (said.status, reason(said)) == (Status.EXCLUDED, "ventilated-earlier")
    assert said.reason is not None
    assert said.reason.values == {"since": "2026-03-01T02:00+00:00", "until": "2026-03-01T08:00+00:00"}


def test_reintubation_is_ventilation_now(ventilation: Model) -> None:
    events = (STAY, event("ventilation", 15, 9), event("ventilation", 2))
    said = assess(chart(*sick(), device("nasal cannula", 8), events=events), ventilation)
    assert reason(said) == "already-ventilated"
    assert said.reason is not None
    assert said.reason.values["since"] == "2026-03-01T10:00+00:00"


def test_two_devices_charted_at_one_minute_are_taken_for_the_ventilator(ventilation: Model) -> None:
    for first, second in (
        ("nasal cannula", "invasive ventilation"),
        ("invasive ventilation", "nasal cannula"),
    ):
        said = assess(chart(*sick(), device(first, 3), device(second, 3), events=(STAY,)), ventilation)
        assert reason(said) == "already-ventilated"


def test_ventilation_in_an_earlier_stay_does_not_exclude(ventilation: Model) -> None:
    events = (event("ventilation", 300, 250), STAY)
    rows = (device("invasive ventilation", 280), device("room air", 1))
    assert assess(chart(*sick(), *rows, events=events), ventilation).status is Status.ASSESSED


def test_non_invasive_ventilation_and_high_flow_do_not_exclude(ventilation: Model) -> None:
    for name in ("non-invasive ventilation", "high-flow nasal cannula"):
        said = assess(chart(*sick(), device(name, 1), events=(STAY, event("niv", 2))), ventilation)
        assert said.status is Status.ASSESSED


def test_a_ventilated_patient_still_gets_the_troponin_answer(troponin: Model) -> None:
    seen = chart(*sick(), row("troponin_i", 900, 1), events=(event("ventilation", 3),))
    assert assess(seen, troponin).status is Status.ASSESSED


# --- insufficient


def test_without_a_heart_rate_in_two_hours_there_is_no_number(ventilation: Model) -> None:
    rows = [m for m in sick() if m.variable != "hr"]
    said = assess(chart(*rows, row("hr", 120, 2.1)), ventilation)
    assert (said.status, reason(said)) == (Status.INSUFFICIENT, "no-heart-rate")
    assert said.predictions == ()
    assert said.inputs != ()
    assert assess(chart(*rows, row("hr", 120, 2)), ventilation).status is Status.ASSESSED


def test_almost_no_data_is_too_little(ventilation: Model) -> None:
    said = assess(chart(row("hr", 80), row("hr", 82, 3), row("sbp", 120)), ventilation)
    assert (said.status, reason(said)) == (Status.INSUFFICIENT, "too-little")
    assert said.reason is not None
    assert said.reason.values == {"n": 2, "needed": 3, "hours": 48}
    weighed = assess(chart(row("hr", 80), row("sbp", 120), row("weight", 80, 9000)), ventilation)
    assert reason(weighed) == "too-little"


def test_without_a_troponin_in_the_look_back_there_is_no_forecast(troponin: Model) -> None:
    for rows in (sick(), (*sick(), row("troponin_i", 900, 49))):
        said = assess(chart(*rows), troponin)
        assert (said.status, reason(said)) == (Status.INSUFFICIENT, "no-troponin")
        assert said.predictions == ()


# --- indeterminate: the number stays


@pytest.mark.parametrize("code", ["members-apart", "both-labels"])
def test_what_the_model_doubts_is_indeterminate_with_its_number(ventilation: Model, code: str) -> None:
    doubting: Any = Bent(ventilation, doubtful=lambda answer, index: Phrase(code))
    said = assess(chart(*sick()), doubting)
    assert (said.status, reason(said)) == (Status.INDETERMINATE, code)
    assert said.headline is not None
    assert said.explanation is not None


def test_three_inputs_beyond_training_are_indeterminate_and_two_are_a_caution(ventilation: Model) -> None:
    three: Any = Bent(ventilation, outside=lambda x: ("hr", "lactate", "age"))
    said = assess(chart(*sick()), three)
    assert (said.status, reason(said)) == (Status.INDETERMINATE, "outside-training")
    assert said.reason is not None
    assert said.reason.values["variables"] == "Heart rate, Lactate, Age"
    two: Any = Bent(ventilation, outside=lambda x: ("hr", "lactate"))
    assert assess(chart(*sick()), two).status is Status.ASSESSED
    assert "outside-training-some" in codes(assess(chart(*sick()), two))


def test_old_vital_signs_under_a_fresh_heart_rate_are_stale(ventilation: Model) -> None:
    seen = chart(row("hr", 100), row("rr", 20, 7), row("spo2", 95, 8), row("temp", 37, 9))
    said = assess(seen, ventilation)
    assert (said.status, reason(said)) == (Status.INDETERMINATE, "stale")
    assert said.reason is not None
    assert said.reason.values == {"hours": 7.0, "limit": 6.0}
    assert said.headline is not None
    assert assess(seen, ventilation, stale_hours=8).status is Status.ASSESSED


def test_an_unknown_age_is_neither_a_child_nor_an_adult(ventilation: Model) -> None:
    said = assess(chart(*sick(), person=Person()), ventilation)
    assert (said.status, reason(said)) == (Status.INDETERMINATE, "age-unknown")
    assert said.headline is not None


@pytest.mark.parametrize("variable", HIGH_SENSITIVITY)
def test_an_assay_the_model_never_learned_on_is_indeterminate_with_its_number(
    troponin: Model, variable: str
) -> None:
    said = assess(chart(*sick(), row(variable, 40, 3), row(variable, 80, 1)), troponin)
    assert (said.status, reason(said)) == (Status.INDETERMINATE, "assay-not-trained")
    assert said.headline is not None
    assert said.prediction("troponin-next") is not None
    assert said.agreement == ""


def test_a_model_that_learned_on_an_assay_says_so_in_its_manifest(troponin: Model) -> None:
    taught: Any = Bent(troponin, manifest=MappingProxyType({"assays": ["hs_troponin_t"]}))
    assert assess(chart(*sick(), row("hs_troponin_t", 40, 3)), taught).status is Status.ASSESSED
    assert reason(assess(chart(*sick(), row("troponin_t", 40, 3)), taught)) == "assay-not-trained"


def test_a_troponin_of_yesterday_forecasts_nothing_of_tomorrow(troponin: Model) -> None:
    said = assess(chart(*sick(), row("troponin_i", 900, 25)), troponin)
    assert (said.status, reason(said)) == (Status.INDETERMINATE, "troponin-old")


def test_further_doubts_are_not_lost_behind_the_first(troponin: Model) -> None:
    said = assess(chart(*sick(), row("hs_troponin_t", 40, 30), person=Person()), troponin)
    assert reason(said) == "assay-not-trained"
    assert {"troponin-old", "age-unknown"} <= codes(said)


# --- troponin


def test_the_forecast_has_a_value_and_an_interval_in_order(troponin: Model) -> None:
    said = assess(chart(*sick(), row("troponin_i", 400, 7), row("troponin_i", 900, 1)), troponin)
    ahead = said.prediction("troponin-next")
    assert ahead is not None
    assert (ahead.unit, ahead.hours, ahead.probability) == ("ng/L", 24, None)
    assert ahead.value_low is not None
    assert ahead.value is not None
    assert ahead.value_high is not None
    assert 0 < ahead.value_low <= ahead.value <= ahead.value_high
    assert said.headline is not None
    assert said.headline.outcome == "troponin-rise-24h"


def test_one_draw_and_mixed_assays_are_cautioned_on(troponin: Model) -> None:
    said = assess(chart(*sick(), row("troponin_t", 90, 8), row("troponin_i", 900, 1)), troponin)
    assert {"only-one-troponin", "mixed-assays", "rise-not-infarction"} <= codes(said)
    assert [d.comparable for d in said.draws] == [False, True]


def test_a_sites_confirmation_reaches_the_rules(troponin: Model) -> None:
    rows = [row("hs_troponin_i", v, h, assay="access-hs-ctni") for v, h in ((10, 2), (60, 1))]
    assert assess(chart(*rows), troponin).rules[0].verdict == "not-applied"
    sure = assess(chart(*rows), troponin, confirmed_assays=frozenset({"access-hs-ctni"}))
    assert sure.rules[0].verdict == "rule-in"


def rule(verdict: str, pattern: str) -> RuleResult:
    return RuleResult("udmi-4", "x", verdict, pattern, (), "", "verified")


@pytest.mark.parametrize(
    ("probability", "verdict", "pattern", "said"),
    [
        (0.6, "rule-in", "rising", "agree"),
        (0.1, "rule-in", "rising", "disagree"),
        (0.3, "rule-in", "rising", ""),  # above the usual, below even odds: it leans nowhere
        (0.6, "rule-in", "falling", "disagree"),
        (0.1, "rule-in", "falling", "agree"),
        (0.6, "observe", "flat-high", "disagree"),
        (0.1, "observe", "flat-normal", "agree"),
        (0.6, "rule-out", "unknown", "disagree"),
        (0.6, "observe", "rising", ""),  # a rise below the limit: the rule does not speak for or against
        (0.6, "rule-in", "unknown", ""),
        (0.6, "not-applied", "rising", ""),
    ],
)
def test_model_and_rule_agree_only_where_both_speak_of_a_rise(
    probability: float, verdict: str, pattern: str, said: str
) -> None:
    shown = (Prediction("troponin-rise-24h", 24, probability), Prediction("troponin-next", 24, value=9.0))
    assert agreement(shown, (rule(verdict, pattern),), base_rate=0.25) == said


def test_without_comparable_patients_a_low_chance_leans_nowhere() -> None:
    both = {p: agreement((Prediction("troponin-rise-24h", 24, p),), (rule("rule-in", "rising"),), None)
            for p in (0.1, 0.6)}  # fmt: skip
    assert both == {0.1: "", 0.6: "agree"}


def test_rules_that_contradict_each_other_agree_with_nobody() -> None:
    shown = (Prediction("troponin-rise-24h", 24, 0.9),)
    both = (rule("rule-in", "rising"), rule("rule-out", "unknown"))
    assert agreement(shown, both, base_rate=0.25) == ""
    assert agreement((), both[:1], base_rate=0.25) == ""


# --- nothing unsound leaves


def bent_answer(model: Model, **changed: Any) -> Any:
    def run(x: Any) -> Answer:
        return replace(model.run(x), **changed)

    return Bent(model, run=run)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_never_leave(ventilation: Model, troponin: Model, bad: float) -> None:
    members = np.full((1, 5, 3), 0.1)
    members[0, 2, 1] = bad
    with pytest.raises(UnsoundOutput):
        assess(chart(*sick()), bent_answer(ventilation, members=members), explain=False)
    seen = chart(*sick(), row("troponin_i", 900, 1))
    with pytest.raises(UnsoundOutput):
        assess(seen, bent_answer(troponin, values=np.array([[1.0, 2.0, bad]])), explain=False)
    with pytest.raises(UnsoundOutput):
        assess(chart(*sick()), bent_answer(ventilation, logit=np.array([[-1, bad, 0.0]])), explain=False)


def test_a_longer_horizon_that_is_less_likely_is_a_fault(ventilation: Model) -> None:
    with pytest.raises(UnsoundOutput, match="longer horizon"):
        assess(chart(*sick()), bent_answer(ventilation, logit=np.array([[0.0, -1.0, 1.0]])), explain=False)


def test_an_interval_always_holds_the_number_it_belongs_to(ventilation: Model) -> None:
    narrow: Any = Bent(ventilation, interval=lambda answer, index, head: (0.4, 0.5))
    for p in assess(chart(*vitals()), narrow, explain=False).predictions:
        assert p.low is not None
        assert p.probability is not None
        assert p.high is not None
        assert p.low <= p.probability <= p.high


# --- golden: one chart, one assessment, to the digit


@pytest.mark.parametrize("name", [VENTILATION, TROPONIN])
def test_the_golden_chart_gives_the_golden_assessment(tmp_path: Path, name: str) -> None:
    """After a deliberate change: `python -m tests.inference.test_assess`, and read the difference."""
    expected = json.loads((GOLDEN / f"{name}.json").read_text())
    found = golden(tmp_path, name)
    assert _rounded(found) == _rounded(expected)


def golden(folder: Path, name: str) -> Any:
    """The assessment of the golden chart by the synthetic model, as plain JSON."""
    model = load(build(folder, name), "cpu")
    return json.loads(json.dumps(asdict(assess(golden_chart(), model, seed=7)), default=_plain))


def golden_chart() -> Chart:
    """Pneumonia on rising high-flow oxygen, with a conventional troponin that rises."""
    hours = (30, 13, 6, 3, 1)
    columns = {"rr": (18, 22, 26, 28, 32), "spo2": (96, 94, 93, 91, 90), "fio2": (28, 35, 45, 50, 60)}
    columns |= {"hr": (88, 96, 104, 112, 118), "sbp": (128, 122, 118, 110, 104)}
    rows = [row(v, x, h) for v, xs in columns.items() for x, h in zip(xs, hours, strict=True)]
    rows += [row("temp", 38.6, 1), row("gcs", 15, 1), row("lactate", 1.8, 14), row("lactate", 3.1, 2)]
    rows += [row("troponin_i", 30, 20, bound="<", limit=40), row("troponin_i", 95, 4, limit=40)]
    numbered = [
        m._replace(source=m.source._replace(resource=f"Observation/{n}")) for n, m in enumerate(rows, start=1)
    ]
    events = [event("admission", 32), event("high-flow", 7)]
    events = [e._replace(source=e.source._replace(resource=f"Procedure/{n}")) for n, e in enumerate(events)]
    return chart(*numbered, person=ADULT, events=tuple(events))


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else dict(value)


def _rounded(value: Any) -> Any:
    """Numbers to six digits and five places: a graph answers in float32, and machines add in another order."""
    if isinstance(value, float):
        return round(float(f"{value:.6g}"), 5) + 0.0
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items() if key not in ("inputs_digest",)}
    return [_rounded(each) for each in value] if isinstance(value, list) else value


# --- any chart


@st.composite
def charts(draw: st.DrawFn) -> Chart:
    """Any plausible values of any variables at any times, for anybody."""
    names = draw(st.lists(st.sampled_from(sorted(vocabulary().variables)), max_size=25))
    rows = [draw(_row(name)) for name in (*names, *(["hr"] * draw(st.integers(0, 2))))]
    person = Person(
        age_years=draw(st.none() | st.floats(0, 110)),
        sex=draw(st.sampled_from(["female", "male", "unknown"])),
        conditions=draw(st.frozensets(st.sampled_from(["copd", "kidney-disease", "coronary-disease"]))),
    )
    kinds = st.sampled_from(["ventilation", "niv", "high-flow", "admission", "icu", "symptom-onset"])
    times = st.tuples(kinds, st.floats(0, 90), st.none() | st.floats(0, 90))
    events = [event(k, max(a, b or 0), b) for k, a, b in draw(st.lists(times, max_size=4))]
    return chart(*rows, person=person, events=tuple(events))


@st.composite
def _row(draw: st.DrawFn, name: str) -> Measurement:
    variable = vocabulary()[name]
    if variable.levels:
        return row(name, draw(st.integers(0, len(variable.levels) - 1)), draw(st.floats(0, 60)))
    bound = draw(st.sampled_from(["", "", "", "<", "<=", ">", ">="])) if variable.kind == "lab" else ""
    value = draw(st.floats(variable.low, variable.high))
    hours = draw(st.floats(0, 60) | st.sampled_from([0.5, 1.0, 2.0]))
    return row(name, value, hours, bound=bound, limit=draw(st.none() | st.just(14.0)))


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seen=charts(), explained=st.booleans())
def test_any_plausible_chart_gives_a_sound_assessment(
    ventilation: Model, troponin: Model, seen: Chart, explained: bool
) -> None:
    for model in (ventilation, troponin):
        said = assess(seen, model, explain=explained)
        assert (said.reason is None) == (said.status is Status.ASSESSED)
        numbered = said.status in (Status.ASSESSED, Status.INDETERMINATE)
        assert bool(said.predictions) == numbered
        assert _all_finite(asdict(said))
        shown = [p.probability for p in said.predictions if p.probability is not None]
        assert shown == sorted(shown)
        assert all(0 <= p <= 1 for p in shown)
        for p in said.predictions:
            if p.value is not None:
                assert p.value_low is not None
                assert p.value_high is not None
                assert 0 <= p.value_low <= p.value <= p.value_high
        if numbered and explained:
            why = said.explanation
            assert why is not None
            assert why.base + sum(r.push for r in why.reasons) == pytest.approx(why.score, abs=1e-6)
            assert why.base + sum(s.push for s in why.systems) == pytest.approx(why.score, abs=1e-6)


def _all_finite(value: Any) -> bool:
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, dict):
        return all(_all_finite(each) for each in value.values())
    if isinstance(value, list | tuple):
        return all(_all_finite(each) for each in value)
    return True


def test_nothing_after_the_moment_changes_the_answer(ventilation: Model) -> None:
    now = chart(*sick(), events=(STAY,))
    later = chart(*sick(), row("rr", 60, -0.1), events=(STAY, event("ventilation", -1)))
    one, other = assess(now, ventilation), assess(later, ventilation)
    assert one.inputs_digest == other.inputs_digest
    assert [p.probability for p in one.predictions] == [p.probability for p in other.predictions]


def test_the_zone_of_the_moment_changes_nothing(ventilation: Model) -> None:
    assert assess(chart(*sick()), ventilation).as_of == AS_OF
    assert chart().as_of.utcoffset() == timedelta(0)
    assert before(0) == AS_OF


if __name__ == "__main__":
    import tempfile

    GOLDEN.mkdir(exist_ok=True)
    for each in (VENTILATION, TROPONIN):
        with tempfile.TemporaryDirectory() as place:
            text = json.dumps(golden(Path(place), each), indent=1, ensure_ascii=False, sort_keys=True)
        (GOLDEN / f"{each}.json").write_text(text + "\n")
