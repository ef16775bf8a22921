"""The physician's page: what each state shows and withholds, and that nothing on it is anybody's guess."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from html.parser import HTMLParser

import pytest

from inference.assessment import Assessment, Reason, State
from inference.chart import Refusal
from tests.webapp import examples, pages
from tests.webapp.cases import BANNER, GOLDEN, PAGES, page, shown
from webapp import about, answer, charts, peers, provenance, reasons, result, words
from webapp.gallery.stored import peers_of

CSS = (pages.ROOT / "static" / "ordertime.css").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_page_says_what_its_golden_file_says(name: str) -> None:
    assert pages.text(page(name)) == (GOLDEN / f"page-{name}.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", sorted(PAGES))
def test_no_page_carries_a_style_or_a_script_of_its_own(name: str) -> None:
    # CONFORMANCE 95
    html = page(name)
    assert " style=" not in html
    assert "<style" not in html
    assert not re.search(r"\son[a-z]+=", html)
    assert re.findall(r"<script[^>]*>([^<]*)</script>", html) == [""]
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', html)


@pytest.mark.parametrize("name", sorted(PAGES))
def test_every_tag_is_closed_and_every_id_is_one_things(name: str) -> None:
    checker = Structure()
    checker.feed(page(name))
    assert not checker.open
    assert not checker.wrong
    # Two answers of one model never stand on one page, so a model's name can be an anchor.
    if name != "excluded":
        assert len(checker.ids) == len(set(checker.ids))


def test_a_name_with_markup_in_it_stays_a_name() -> None:
    banner = result.Banner("<script>alert(1)</script>", date(1990, 1, 1), "female", '"><img src=x>')
    html = page("assessed", banner=banner)
    assert "<script>alert" not in html
    assert "<img" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_what_the_chart_sent_is_text_wherever_it_is_shown() -> None:
    nasty = Refusal("Observation/<b>1</b>", "unit-unknown", "<i>mg per cup</i>")
    found = replace(examples.VENTILATION_ASSESSED, refused=(nasty,))
    html = rendered(found, State.ACTIVE)
    assert "<b>1</b>" not in html
    assert "<i>mg" not in html
    assert "its unit is not understood" in html


@pytest.mark.parametrize("state", [State.SILENT, State.SUSPENDED])
@pytest.mark.parametrize("name", ["ventilation-assessed", "ventilation-indeterminate", "troponin-assessed"])
def test_a_withheld_prediction_is_nowhere_in_the_page(name: str, state: State) -> None:
    found = examples.EVERY[name]
    html = rendered(found, state)
    for p in found.predictions:
        if p.probability is not None:
            assert words.percent(p.probability) not in html
        if p.value is not None:
            assert words.number(p.value) not in pages.text(html)
    for hidden in ("odds", "Log-odds", "range-bar", "expected", "Pushing"):
        assert hidden not in html
    assert f'state-chip {state}"' in html


def test_scores_and_rules_are_shown_in_every_state() -> None:
    for state in State:
        assert "NEWS2 11" in pages.text(rendered(examples.VENTILATION_ASSESSED, state))
        assert "Rule-in" in rendered(examples.TROPONIN_DISAGREE, state)


def test_the_demonstration_cannot_be_missed() -> None:
    text = pages.text(page("demonstration"))
    assert text.splitlines()[1] == "Demonstration — not for care"
    assert text.count("Demonstration — not for care") == 5  # the band, each model's chip, each plain table


def test_an_indeterminate_number_is_folded_away_and_never_the_headline() -> None:
    html = rendered(examples.VENTILATION_INDETERMINATE, State.ACTIVE)
    assert 'class="figure"' not in html
    before, after = html.split("The number the model does not stand behind", 1)
    assert words.percent(examples.SHOWN_24H) not in before
    assert words.percent(examples.SHOWN_24H) in after
    assert '<details class="unbacked">' in before


def test_a_forecast_nobody_stands_behind_is_not_drawn() -> None:
    assert "expected" not in rendered(examples.TROPONIN_RULE_IN, State.ACTIVE)
    assert "expected" in rendered(examples.TROPONIN_ASSESSED, State.ACTIVE)


def test_the_rows_of_the_sum_add_up_to_the_shown_figure() -> None:
    why = section(examples.VENTILATION_ASSESSED).why
    headline = examples.VENTILATION_ASSESSED.headline
    assert why is not None
    assert headline is not None
    assert headline.probability is not None
    parts = [float(line.amount.replace("−", "-").replace("±", "")) for line in (why.base, *why.lines)]
    assert sum(parts) == pytest.approx(float(why.total.amount.replace("−", "-")), abs=0.005 * len(parts))
    assert why.total.share == words.percent(headline.probability)


def test_every_measured_reason_is_named_with_its_value() -> None:
    text = pages.text(rendered(examples.VENTILATION_ASSESSED, State.ACTIVE))
    for reason in examples.PNEUMONIA.reasons:
        if reason.latest is not None:
            value = words.measured(reason.latest).replace(words.NBSP, " ")
            assert value in text, reason.variable


def test_what_was_not_measured_stands_apart_with_what_that_means() -> None:
    why = section(examples.VENTILATION_ASSESSED).why
    assert why is not None
    assert [row.label for row in why.unmeasured] == ["BNP"]
    assert why.unmeasured[0].rest == "not ordered"
    measured = {row.label for group in why.groups for row in group.rows}
    assert "BNP" not in measured


def person(*rows: Reason) -> answer.Section:
    """The page's part of an answer whose reasons are `rows`."""
    found = examples.explanation("ventilation-24h", -2.0, *rows)
    return section(replace(examples.VENTILATION_ASSESSED, explanation=found))


@pytest.mark.parametrize(
    ("variable", "label", "stated", "value"),
    [
        ("age", "Age", 71, "71 y"),
        ("age", "Age", 90, "90 y or older"),
        ("sex", "Sex", "female", "female"),
        ("hours_in_stay", "Hours since admission", 6.43, "6.4 h"),
        ("hours_in_stay", "Hours since admission", 48.0, "48 h or more"),
        ("care_unit", "Kind of care unit", "cardiac surgery", "cardiac surgery"),
    ],
)
def test_a_row_of_the_person_says_its_value_with_its_push_and_among_the_values_read(
    variable: str, label: str, stated: float | str, value: str
) -> None:
    for push in (0.3, 0.01):
        made = person(examples.person_reason(variable, label, push, stated))
        assert made.why is not None
        (group,) = made.why.groups
        said = [f"{row.label} {row.value}" for row in group.rows]
        if group.small is not None:
            said.append(group.small.text)
        shown = [line.replace(words.NBSP, " ") for line in said]
        assert shown == (
            [f"{label}: {value}"] if push > 0.1 else [f"Small pushes: {words.inline(label)} {value}."]
        )
        first = made.origins[0]
        assert (first.label, first.used.replace(words.NBSP, " ")) == (label, value)
        assert first.resource == ("Patient" if variable in ("age", "sex") else "Encounter")
        assert made.values_read == len(examples.VENTILATION_ASSESSED.inputs) + 1


def test_values_of_the_person_stand_first_and_in_one_order_whatever_their_pushes() -> None:
    stated = (
        ("care_unit", "medical", 0.4),
        ("hours_in_stay", 3.0, 0.3),
        ("sex", "male", 0.2),
        ("age", 60, 0.1),
    )
    rows = [examples.person_reason(name, name, push, told) for name, told, push in stated]
    labels = [origin.label for origin in person(*rows).origins]
    assert labels[:4] == ["age", "sex", "hours_in_stay", "care_unit"]


def test_a_care_unit_that_is_not_understood_is_said_not_to_be_known() -> None:
    unknown = replace(examples.person_reason("care_unit", "Kind of care unit", 0.3), measured=False)
    made = person(unknown)
    assert made.why is not None
    assert [(row.label, row.rest) for row in made.why.unmeasured] == [("Kind of care unit", "not known")]
    assert all(origin.label != "Kind of care unit" for origin in made.origins)


def test_an_answer_that_states_nothing_of_the_person_takes_age_and_sex_from_the_page() -> None:
    made = person(
        examples.person_reason("age", "Age", 0.3), examples.person_reason("hours_in_stay", "Hours", 0.2)
    )
    assert made.why is not None
    assert [(row.label, row.value) for row in made.why.groups[0].rows] == [("Age:", "72 y"), ("Hours", "")]


def test_a_value_brings_its_time_its_earlier_value_and_its_direction() -> None:
    why = section(examples.VENTILATION_ASSESSED).why
    assert why is not None
    first = why.towards[0]
    assert (first.label, first.value) == ("Respiratory rate", "30/min")
    assert first.rest.replace(words.NBSP, " ") == " (05:40), up from 22/min (22 Nov 17:00)"
    assert first.direction == "raises"
    assert first.push == "raises, odds ×1.86"


def test_an_old_value_says_how_old_it_is() -> None:
    reason = examples.reason("creatinine", 0.4, (9.0, 1.4))
    told = reasons.sentence(reason, examples.AS_OF, examples.ZONE)
    assert told.replace(words.NBSP, " ") == "creatinine 1.40 mg/dL (22 Nov 21:12, 9 h old)"


@pytest.mark.parametrize(("value", "said"), [(2.9, True), (1.4, False)])
def test_the_laboratorys_limit_is_told_only_of_a_value_above_it(value: float, said: bool) -> None:
    # CONFORMANCE 59
    latest = examples.row("lactate", value, 1.0, limit=2.0)
    told = reasons.sentence(
        replace(examples.reason("lactate", 0.4, (1.0, value)), latest=latest), examples.AS_OF, examples.ZONE
    )
    assert ("above the laboratory's limit of 2.0" in told) is said
    assert "normal" not in told


def test_a_censored_value_is_never_called_a_rise() -> None:
    bounded = replace(
        examples.reason("hs_troponin_t", 0.4, (4.0, 5), (1.0, 9)),
        earlier=examples.row("hs_troponin_t", 5, 4, bound="<"),
    )
    told = reasons.sentence(bounded, examples.AS_OF, examples.ZONE)
    assert "up from" not in told
    assert "<5" in told


def test_every_input_shows_value_as_used_and_as_sent_with_resource_and_times() -> None:
    origins = provenance.origins(examples.TROPONIN_ASSESSED, examples.ZONE, provenance.LISTED)
    assert len(origins) == len(examples.TROPONIN_ASSESSED.inputs)
    first = origins[0]
    assert first.used == f"<300{words.NBSP}ng/L"
    assert first.sent == f"<0.3{words.NBSP}ng/mL"
    assert first.resource.startswith("Observation/")
    assert "UTC−05:00" in first.time


def test_model_version_seed_digest_and_record_are_on_the_page() -> None:
    html = rendered(examples.VENTILATION_ASSESSED, State.ACTIVE)
    for part in ("ventilation-need 0.1.0", examples.DIGEST, "a1f0-ventilation-need-assessed", "<dd>7</dd>"):
        assert part in html


def test_refused_rows_are_listed_with_their_reasons() -> None:
    listed = section(examples.VENTILATION_ASSESSED).refused
    assert listed[0].why == "cannot have come from a living adult"
    unknown = provenance.refused(Refusal("Observation/1", "never-heard-of", ""))
    assert unknown.why == "not used (never-heard-of)"


def test_a_truncated_chart_and_foreign_rows_are_said_aloud() -> None:
    assert "longer than what was read" in page("stale")
    assert "2 rows of other patients" in page("assessed", foreign=2)
    assert "longer than what was read" not in page("assessed")


def test_the_banner_is_left_out_where_the_ehr_shows_its_own() -> None:
    # CONFORMANCE 27
    assert "Whitfield" in page("assessed")
    without = page("assessed", banner=None)
    assert "Whitfield" not in without
    assert "72" not in pages.text(without).split("Ventilation need")[0]


@pytest.mark.parametrize(
    ("born", "age"), [(date(1954, 11, 23), "72 y"), (date(1954, 11, 24), "71 y"), (date(2026, 11, 1), "0 y")]
)
def test_age_is_in_completed_years(born: date, age: str) -> None:
    view = result.view([], zone=examples.ZONE, opened=examples.OPENED, banner=replace(BANNER, born=born))
    assert view.banner is not None
    assert view.banner.born.endswith(f"({age})")


def test_launch_and_chart_times_carry_the_zone() -> None:
    # the EHR does not tell the app when its patient changes
    text = pages.text(page("assessed"))
    assert "Opened 06:14, chart as of 23 Nov 2026, 06:12 (UTC−05:00)" in text


def test_a_hospital_that_does_not_answer_is_said_and_nothing_stands_in_its_place() -> None:
    text = pages.text(page("hospital-silent"))
    assert "no answer is not a good answer" in text
    assert "chart as of" not in text
    assert "Try again" in text


def test_the_card_that_was_followed_comes_first() -> None:
    both = [shown(found, state) for found, state in PAGES["assessed"]]
    view = result.view(both, zone=examples.ZONE, opened=examples.OPENED, focus=both[1].id)
    assert [each.model for each in view.sections] == ["troponin-trend", "ventilation-need"]


def test_every_form_carries_the_visits_token() -> None:
    html = page("assessed")
    forms = re.findall(r'<form method="post".*?</form>', html, re.DOTALL)
    assert len(forms) == 4
    for form in forms:
        assert 'name="csrf_token" value="token-of-this-visit"' in form
        assert 'name="visit" value="visit-1"' in form


def test_an_opinion_given_and_a_page_released_are_not_asked_for_again() -> None:
    given = shown(
        examples.VENTILATION_ASSESSED,
        State.ACTIVE,
        opinion="disagree",
        released_at=examples.OPENED,
        released_by="Dr. Ana Ruiz",
    )
    html = of([given])
    assert "<form" not in html
    assert "You said you disagree." in html
    assert "Given to the patient by Dr. Ana Ruiz on 23 Nov 2026, 06:14." in html


def test_a_rule_shows_each_condition_with_its_outcome_source_and_standing() -> None:
    rules = section(examples.TROPONIN_RULE_IN).rules
    esc = rules[0]
    assert esc.verdict == "Rule-in"
    assert [step.mark for step in esc.steps].count("met") == 3
    assert any("62\u00a0min" in step.text for step in esc.steps)
    assert "Supplementary Table S4" in esc.source
    assert "unverified" in rules[1].source
    assert rules[2].verdict == "Acute injury pattern"


def test_agreement_is_said_only_of_a_number_the_model_stands_behind() -> None:
    assert section(examples.TROPONIN_RULE_IN).agreement == ""
    assert "disagree" in section(examples.TROPONIN_DISAGREE).agreement


# --- drawings


def test_a_draw_of_another_assay_is_off_the_scale_and_a_censored_one_is_hollow() -> None:
    # CONFORMANCE 56
    course = section(examples.TROPONIN_ASSESSED).course
    assert course is not None
    assert course.chart.count('class="foreign"') == 1
    assert course.chart.count('class="censored"') == 1
    assert course.chart.count('class="draw"') == 2
    assert "<64" not in course.chart
    assert ">64<" not in course.chart
    assert len(course.legend) == 3


def test_a_chart_says_in_words_what_it_draws() -> None:
    course = section(examples.TROPONIN_ASSESSED).course
    assert course is not None
    assert 'role="img"' in course.chart
    assert "3 draws: " in course.chart
    assert "&lt;300" in course.chart


@pytest.mark.parametrize("members", [(), (0.2,)])
def test_one_model_alone_has_nobody_to_agree_with(members: tuple[float, ...]) -> None:
    p = replace(examples.VENTILATION_ASSESSED.predictions[2], members=members)
    assert section(replace(examples.VENTILATION_ASSESSED, predictions=(p,))).members is None


def test_the_icon_array_fills_as_many_as_it_says() -> None:
    for n in (0, 1, 37, 100):
        drawn = charts.icon_array(n, "x")
        assert drawn.count('fill="#000"') == n
        assert drawn.count('fill="#fff"') == 100 - n


def test_a_sparkline_needs_two_values_and_survives_a_flat_course() -> None:
    assert charts.sparkline([(1.0, 5.0)]) is None
    assert "nan" not in str(charts.sparkline([(2.0, 5.0), (1.0, 5.0)]))
    assert "nan" not in str(charts.sparkline([(2.0, 0.0), (1.0, 0.0)]))


def test_a_trifle_is_not_drawn_as_a_cliff() -> None:
    def rise(series: list[tuple[float, float]]) -> float:
        points = re.findall(r"[\d.]+,([\d.]+)", str(charts.sparkline(series)))
        return abs(float(points[0]) - float(points[-1]))

    assert rise([(12.0, 97.0), (1.0, 98.0)]) < 4
    assert rise([(12.0, 98.0), (1.0, 86.0)]) == 14


# --- the models' page


def test_the_models_page_puts_limits_first_and_types_nothing_by_hand() -> None:
    card = {
        "intended_use": "Adults on a monitored bed",
        "cautioned_against": ["Children", "Use as an alarm"],
        "data": {"limits": {"leak": "FiO2 may betray a ventilator"}, "stays": 8000},
    }
    evaluation = {
        "held_out": {"auroc": 0.7312345, "rows": 14425},
        "by_sex": {"f": {"auroc": 0.7}, "m": {"auroc": 0.71}},
    }
    view = about.view(
        {"ventilation-need": {"version": "0.1.0"}},
        {"ventilation-need": {"card": card, "evaluation": evaluation}},
        {"ventilation-need": [State.DEMONSTRATION]},
    )
    (model,) = view.models
    assert model.limits == ("Children", "Use as an alarm", "Leak: FiO2 may betray a ventilator")
    html = pages.render("about.html", view=view, language="en")
    text = pages.text(html)
    assert text.index("Limits first") < text.index("Adults on a monitored bed")
    assert "0.7312" in text
    assert "14425" in text
    assert "Demonstration" in text
    assert " style=" not in html


def test_a_card_without_limits_is_not_taken_for_a_model_without_them() -> None:
    view = about.view({"troponin-trend": {"version": "1"}}, {}, {})
    assert "Do not use it." in pages.render("about.html", view=view, language="en")


# --- small pages


def test_small_pages_render_with_what_the_doors_give_them() -> None:
    html = pages.render(
        "error.html", title="T", text="x <b>", remedy="r", detail="", reference="ab12", language="en"
    )
    assert "x &lt;b&gt;" in html
    assert "ab12" in html
    waiting = pages.render("waiting.html", title="T", text="x", link="Go on", next_url="/result?visit=1")
    assert 'content="1;url=/result?visit=1"' in waiting
    assert "Open it" in pages.render("relaunch.html", title="Open it", text="x", link="", link_url="")


# --- the style sheet


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_colour_stands_out_from_every_ground_it_is_used_on(scheme: str) -> None:
    # CONFORMANCE 99
    colours = tokens(scheme)
    plain = ("ink", "ink-soft", "accent", "raises", "lowers", "alarm-ink", "warn-ink")
    pairs = [(ink, ground) for ink in plain for ground in ("ground", "sheet", "sunken")]
    pairs += [
        ("accent", "accent-ground"),
        ("ink", "accent-ground"),
        ("warn-ink", "warn-ground"),
        ("ink", "warn-ground"),
    ]
    pairs += [("alarm-ink", "alarm-ground"), ("ink", "alarm-ground"), ("demo-ink", "demo-ground")]
    faint = {pair: round(contrast(colours[pair[0]], colours[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in faint.items() if ratio < 4.5} == {}
    assert contrast(colours["focus"], colours["sheet"]) >= 3


def tokens(scheme: str) -> Mapping[str, str]:
    blocks = re.findall(r":root \{(.*?)\}", CSS, re.DOTALL)
    found = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", blocks[0]))
    return found | dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", blocks[1])) if scheme == "dark" else found


def contrast(one: str, other: str) -> float:
    """WCAG 2.2 contrast ratio of two #rrggbb colours."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def section(found: Assessment) -> answer.Section:
    view = result.view(
        [shown(found, State.ACTIVE)], zone=examples.ZONE, opened=examples.OPENED, banner=BANNER
    )
    return view.sections[0]


def rendered(found: Assessment, state: State) -> str:
    return of([shown(found, state)])


def of(every: list[result.Shown]) -> str:
    view = result.view(every, zone=examples.ZONE, opened=examples.OPENED, banner=BANNER, csrf="t", visit="v")
    return pages.render("result.html", view=view, language="en")


class Structure(HTMLParser):
    """Whether tags close in the order they opened; and every id."""

    VOID = frozenset(["meta", "link", "input", "br", "line", "rect", "circle", "path", "polyline"])

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value for name, value in attrs if name == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


def test_a_page_opened_on_another_day_than_the_charts_says_the_day() -> None:
    later = examples.OPENED + timedelta(days=1)
    told = result.view(
        [shown(examples.VENTILATION_ASSESSED, State.ACTIVE)], zone=examples.ZONE, opened=later
    )
    assert told.opened.replace("\u00a0", " ") == "Opened 24 Nov 06:14"


def test_whom_a_patient_is_compared_with_is_said_beside_the_figure() -> None:
    place = section(examples.VENTILATION_ASSESSED).place
    assert place is not None
    assert place.short.endswith("of them: research patients, not this hospital's.")
    assert "none is this hospital's" in place.whose


def test_patients_of_a_sites_own_are_not_called_research_patients() -> None:
    own = tuple(replace(each, name="st-elsewhere") for each in peers_of("ventilation-need"))
    place = peers.place(0.2, own)
    assert place is not None
    assert "research" not in place.short + place.whose
    assert "4480" in place.whose
