"""The guideline beside the model: troponin draws on the time axis, and what the rules say of them.

Rules apply to one assay's draws of one episode. Each condition is a step that held, did not, or cannot be
said; a verdict is only as strong as its steps. The ESC 0/1 h and 0/2 h algorithms are for suspected acute
coronary syndrome at presentation, with high-sensitivity assays, at the minutes they were derived for; the 4th
Universal Definition (2018) asks for a rise or fall of at least 20 % with one value above the 99th percentile.

Refuses to compare assays, to treat "<5" as 5, to assume a symptom onset, to apply cut-offs nobody confirmed.
Says nothing of infarction: that needs ischaemia, which no troponin shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from inference.assays import INTERVALS, Assay, AssayTable, CutOffs, assay_table
from inference.assessment import Draw, Phrase, RuleResult, RuleStep
from inference.bounds import Span, Truth, distance, every, fell, rose, some, span
from inference.chart import Chart, Measurement
from inference.vocabulary import vocabulary

__all__ = ["AssayTable", "assay_table", "no_draw", "rules", "series"]

CONVENTIONAL: Final = ("troponin_t", "troponin_i")
HIGH_SENSITIVITY: Final = ("hs_troponin_t", "hs_troponin_i")
SHOWN: Final = timedelta(days=7)  # draws on the time axis
EPISODE: Final = timedelta(hours=72)  # draws a rule may speak of
EPISODE_GAP: Final = timedelta(hours=24)  # a longer pause between draws begins a new episode
WINDOW_MINUTES: Final = 10.0  # a 0/1 h algorithm is not a 0/90 min algorithm
ONSET_HOURS: Final = 3.0
ONSET: Final = "symptom-onset"  # kind of Event: when the pain began, where somebody wrote it down
OLD_HOURS: Final = 12.0
UDMI_SOURCE: Final = "Fourth Universal Definition of Myocardial Infarction (2018)"


def series(chart: Chart) -> tuple[Draw, ...]:
    """Every troponin of seven days, oldest first; `comparable`: same variable and assay as the latest."""
    table = assay_table()
    rows = [row for name in (*CONVENTIONAL, *HIGH_SENSITIVITY) for row in chart.since(name, SHOWN)]
    rows.sort(key=lambda row: (row.time, row.variable in HIGH_SENSITIVITY, row.known, row.source.resource))
    if not rows:
        return ()
    latest = identity(rows[-1], table)
    return tuple(Draw(row, identity(row, table) == latest) for row in rows)


def identity(row: Measurement, table: AssayTable) -> tuple[str, str]:
    """What two results must share to be compared: the analyte at its sensitivity, and the platform."""
    alone = table.standing_for(row.variable)
    return (row.variable, row.assay or (alone.name if alone else ""))


def rules(chart: Chart, assays: AssayTable, confirmed: frozenset[str]) -> tuple[RuleResult, ...]:
    """The ESC algorithms and the universal definition for the latest troponin's assay; () without a troponin.

    `confirmed` holds "<assay>" or "<assay>/<rule>" for cut-offs the site confirmed with its laboratory.
    """
    draws = series(chart)
    if not draws:
        return ()
    case = _case(chart, draws, assays, confirmed)
    return (*_esc_results(case), _universal_definition(case))


def no_draw() -> tuple[RuleResult, ...]:
    """What the rules say before any troponin has come back: that they cannot be applied, and why."""
    step = (RuleStep(Phrase("rule-needs-draw"), None),)
    return (
        RuleResult("esc-0-1h", "", "not-applied", "unknown", step, "", "unverified"),
        RuleResult("udmi-4", "", "not-applied", "unknown", step, UDMI_SOURCE, "verified"),
    )


@dataclass(frozen=True, slots=True)
class _Case:
    """One episode of comparable draws, oldest first, one a moment, and what bears on reading them."""

    chart: Chart
    rows: tuple[Measurement, ...]
    others: int  # draws of other assays in the episode's time
    assay: Assay | None
    confirmed: frozenset[str]
    limit: float | None  # 99th percentile, ng/L
    limit_source: str  # "laboratory", "table" or ""

    @property
    def label(self) -> str:
        return self.assay.label if self.assay else vocabulary()[self.rows[-1].variable].label

    @property
    def pattern(self) -> str:
        return _pattern(self.rows, self.limit)

    def stands(self, rule: CutOffs) -> bool:
        """Whether the site may use these cut-offs."""
        name = self.assay.name if self.assay else ""
        return rule.verified or bool({name, f"{name}/{rule.rule}"} & self.confirmed)


def _case(chart: Chart, draws: tuple[Draw, ...], table: AssayTable, confirmed: frozenset[str]) -> _Case:
    same = {
        draw.measurement.time: draw.measurement for draw in draws if draw.comparable
    }  # the last known wins
    rows = _episode(tuple(same[moment] for moment in sorted(same)), chart.as_of)
    others = sum(not d.comparable and d.measurement.time >= rows[0].time - EPISODE_GAP for d in draws)
    assay = table.named(identity(rows[-1], table)[1])
    limit, source = _limit(rows, assay, chart.person.sex, confirmed)
    return _Case(chart, rows, others, assay, confirmed, limit, source)


def _episode(rows: tuple[Measurement, ...], as_of: datetime) -> tuple[Measurement, ...]:
    """The latest run of draws without a pause of more than a day, at most three days back; never empty."""
    kept = [rows[-1]]
    for row in reversed(rows[:-1]):
        if kept[-1].time - row.time > EPISODE_GAP or as_of - row.time > EPISODE:
            break
        kept.append(row)
    return tuple(reversed(kept))


def _limit(
    rows: tuple[Measurement, ...], assay: Assay | None, sex: str, confirmed: frozenset[str]
) -> tuple[float | None, str]:
    """The 99th percentile: what the laboratory sent with the newest result that has one, else the table's."""
    sent = next((row.reference_high for row in reversed(rows) if row.reference_high is not None), None)
    if sent is not None:
        return sent, "laboratory"
    if assay is None or not (assay.limits_verified or assay.name in confirmed):
        return None, ""
    limit = assay.limit(sex)
    return limit, "" if limit is None else "table"


def _pattern(rows: tuple[Measurement, ...], limit: float | None) -> str:
    """The shape of the episode: the last step if it is 20 % or more, else the whole way, else flat."""
    if len(rows) < 2:
        return "unknown"
    last = span(rows[-1])
    unsaid = False
    for earlier in (span(rows[-2]), span(rows[0])):
        up, down = rose(earlier, last), fell(earlier, last)
        if up or down:
            return "rising" if up else "falling"
        unsaid = unsaid or up is None or down is None
    high = None if limit is None else last.above(limit)
    if unsaid or high is None:
        return "unknown"
    return "flat-high" if high else "flat-normal"


# --- ESC 0/1 h and 0/2 h


def _esc_results(case: _Case) -> tuple[RuleResult, ...]:
    if case.rows[-1].variable in CONVENTIONAL:
        return (_not_applied(case, Phrase("esc-not-for-conventional", {"assay": case.label}), False),)
    if case.assay is None:
        code = "assay-not-in-table" if case.rows[-1].assay else "assay-unknown"
        return (_not_applied(case, Phrase(code, {"assay": case.rows[-1].assay or case.label}), None),)
    return tuple(_esc(case, case.assay, rule) for rule in case.assay.rules)


def _not_applied(case: _Case, why: Phrase, holds: Truth) -> RuleResult:
    step = RuleStep(why, holds)
    return RuleResult("esc-0-1h", case.label, "not-applied", case.pattern, (step,), "", "unverified")


def _esc(case: _Case, assay: Assay, rule: CutOffs) -> RuleResult:
    if not case.stands(rule):
        off = RuleStep(Phrase("assay-unverified", {"assay": assay.label, "rule": rule.rule}), False)
        return RuleResult(
            rule.rule, assay.label, "not-applied", case.pattern, (off,), rule.source, "unverified"
        )
    first, second = case.rows[0], _second(case.rows, INTERVALS[rule.rule])
    steps, verdict = _esc_steps(case, rule, first, second)
    source = rule.source if rule.verified else f"{rule.source}; confirmed by this site"
    cautions = _esc_cautions(case, first, second)
    return RuleResult(rule.rule, assay.label, verdict, case.pattern, steps, source, "verified", cautions)


def _second(rows: tuple[Measurement, ...], target: int) -> Measurement | None:
    """The draw nearest to `target` minutes after the first, if it is within the window."""
    near = [row for row in rows[1:] if abs(_minutes(rows[0], row) - target) <= WINDOW_MINUTES]
    return min(near, key=lambda row: abs(_minutes(rows[0], row) - target), default=None)


def _esc_steps(
    case: _Case, rule: CutOffs, first: Measurement, second: Measurement | None
) -> tuple[tuple[RuleStep, ...], str]:
    at_0 = span(first)
    onset = _onset_step(case.chart, first)
    very_low = _value_step("esc-very-low", first, rule.very_low, at_0.below(rule.very_low))
    low = _value_step("esc-low", first, rule.low, at_0.below(rule.low))
    high = _value_step("esc-high", first, rule.high, at_0.at_least(rule.high))
    interval = _interval_step(case, rule, second)
    steps = [onset, very_low, low, high, interval]
    no_delta, delta = None, None
    if second is not None:
        change = distance(at_0, span(second))
        no_delta, delta = change.below(rule.no_delta), change.at_least(rule.delta)
        steps += [
            _change_step("esc-no-delta", first, second, rule.no_delta, no_delta),
            _change_step("esc-delta", first, second, rule.delta, delta),
        ]
    out = some((every((very_low.holds, onset.holds)), every((low.holds, no_delta))))
    verdict = _esc_verdict(out, some((high.holds, delta)), second is not None)
    if verdict == "rule-out" and (later := _later_step(case, rule, second or first)) is not None:
        steps.append(later)
        verdict = "rule-out" if later.holds else "observe"
    return tuple(steps), verdict


def _esc_verdict(out: Truth, into: Truth, paired: bool) -> str:
    """Rule-in outranks rule-out; without a second draw only what one settles; in doubt never the milder."""
    if into:
        return "rule-in"
    if out and (into is False or not paired):
        return "rule-out"
    return "observe" if paired and into is False else "not-applied"


def _onset_step(chart: Chart, first: Measurement) -> RuleStep:
    hours = _onset_hours(chart, first)
    if hours is None:
        return RuleStep(Phrase("esc-onset-unknown", {"limit": ONSET_HOURS}), None)
    said = {"hours": round(hours, 1), "limit": ONSET_HOURS}
    return RuleStep(Phrase("esc-onset", said), hours > ONSET_HOURS)


def _onset_hours(chart: Chart, first: Measurement) -> float | None:
    starts = [e.start for e in chart.events if e.kind == ONSET and e.start <= first.time]
    return (first.time - max(starts)) / timedelta(hours=1) if starts else None


def _value_step(code: str, row: Measurement, limit: float, holds: Truth) -> RuleStep:
    return RuleStep(Phrase(code, {"value": _shown(row), "limit": limit, "unit": "ng/L"}), holds)


def _interval_step(case: _Case, rule: CutOffs, second: Measurement | None) -> RuleStep:
    target = INTERVALS[rule.rule]
    said: dict[str, str | float | int] = {"target": target, "window": int(WINDOW_MINUTES)}
    if second is not None:
        return RuleStep(
            Phrase("esc-interval", {**said, "minutes": round(_minutes(case.rows[0], second))}), True
        )
    if len(case.rows) > 1:
        actual = round(_minutes(case.rows[0], case.rows[1]))
        return RuleStep(Phrase("esc-interval", {**said, "minutes": actual}), False)
    waited = (case.chart.as_of - case.rows[0].time) / timedelta(minutes=1)
    missed = waited > target + WINDOW_MINUTES
    code = "esc-second-draw-missed" if missed else "esc-second-draw-due"
    return RuleStep(Phrase(code, {**said, "minutes": round(waited)}), False if missed else None)


def _change_step(code: str, first: Measurement, second: Measurement, limit: float, holds: Truth) -> RuleStep:
    said = {"first": _shown(first), "second": _shown(second), "change": _shown_change(first, second)}
    return RuleStep(
        Phrase(code, {**said, "limit": limit, "unit": "ng/L", "minutes": round(_minutes(first, second))}),
        holds,
    )


def _later_step(case: _Case, rule: CutOffs, last_read: Measurement) -> RuleStep | None:
    """A rule-out does not survive a later draw that is no longer low."""
    later = [row for row in case.rows if row.time > last_read.time]
    if not later:
        return None
    highest = max(later, key=lambda row: span(row).high)
    holds = every(span(row).below(rule.low) for row in later)
    return _value_step("esc-later-draws-low", highest, rule.low, holds)


def _esc_cautions(case: _Case, first: Measurement, second: Measurement | None) -> tuple[Phrase, ...]:
    hours = _onset_hours(case.chart, first)
    found: list[Phrase] = [Phrase("esc-for-suspected-acs")]
    if hours is None:
        found.append(Phrase("onset-unknown", {"limit": ONSET_HOURS}))
    elif hours <= ONSET_HOURS:
        found.append(Phrase("onset-recent", {"hours": round(hours, 1), "limit": ONSET_HOURS}))
    if "coronary-disease" in case.chart.person.conditions:
        found.append(Phrase("coronary-disease", {"npv": 96.6}))
    ago = case.chart.hours_ago((second or first).time)
    if ago > OLD_HOURS:
        found.append(Phrase("rule-draws-old", {"hours": round(ago)}))
    return (*found, *_cautions(case))


# --- the Fourth Universal Definition


def _universal_definition(case: _Case) -> RuleResult:
    spans = [span(row) for row in case.rows]
    above = None if case.limit is None else some(each.above(case.limit) for each in spans)
    earlier, later, changed = _telling_pair(case.rows)
    steps = (
        RuleStep(Phrase("udmi-two-draws", {"count": len(case.rows)}), len(case.rows) >= 2),
        _limit_step(case, above),
        *([_udmi_change_step(earlier, later, changed)] if len(case.rows) >= 2 else []),
    )
    verdict = {True: "rule-in", False: "observe", None: "not-applied"}[every((above, changed))]
    if len(case.rows) < 2:
        verdict = "not-applied"
    cautions = [Phrase("udmi-injury-not-infarction"), *_cautions(case)]
    if case.limit_source == "laboratory":
        cautions.append(Phrase("limit-from-laboratory", {"limit": case.limit or 0.0, "unit": "ng/L"}))
    return RuleResult(
        "udmi-4", case.label, verdict, case.pattern, steps, UDMI_SOURCE, "verified", tuple(cautions)
    )


def _telling_pair(rows: tuple[Measurement, ...]) -> tuple[Measurement, Measurement, Truth]:
    """The pair that shows the change: the last two, else first and last, else any; and whether one does."""
    pairs = [(rows[max(0, len(rows) - 2)], rows[-1]), (rows[0], rows[-1])]
    pairs += [(a, b) for i, a in enumerate(rows) for b in rows[i + 1 :]]
    judged = [(a, b, some((rose(span(a), span(b)), fell(span(a), span(b))))) for a, b in pairs if a is not b]
    if not judged:
        return rows[0], rows[0], None
    shown = next((pair for pair in judged if pair[2]), judged[0])
    return shown[0], shown[1], some(truth for _, _, truth in judged)


def _limit_step(case: _Case, above: Truth) -> RuleStep:
    if case.limit is None:
        return RuleStep(Phrase("udmi-no-limit", {"assay": case.label}), None)
    highest = max(case.rows, key=lambda row: (span(row).low, span(row).high))
    said = {"value": _shown(highest), "unit": "ng/L", "source": case.limit_source}
    return RuleStep(Phrase("udmi-above-limit", {**said, "limit": case.limit}), above)


def _udmi_change_step(earlier: Measurement, later: Measurement, holds: Truth) -> RuleStep:
    said: dict[str, str | float | int] = {
        "earlier": _shown(earlier),
        "later": _shown(later),
        "unit": "ng/L",
        "hours": round((later.time - earlier.time) / timedelta(hours=1), 1),
        "limit": 20,
    }
    if earlier.bound or later.bound or earlier.value <= 0:
        return RuleStep(Phrase("udmi-change-bounded", said), holds)
    percent = round(100.0 * (later.value - earlier.value) / earlier.value)
    return RuleStep(Phrase("udmi-change", {**said, "percent": percent}), holds)


# --- what both say


def _cautions(case: _Case) -> tuple[Phrase, ...]:
    found = []
    if "kidney-disease" in case.chart.person.conditions:
        found.append(Phrase("kidney-disease"))
    if case.others:
        found.append(Phrase("mixed-assays", {"count": case.others, "assay": case.label}))
    if case.assay is not None and not case.rows[-1].assay:
        found.append(Phrase("assay-assumed", {"assay": case.assay.label}))
    if any(row.preliminary for row in case.rows):
        found.append(Phrase("preliminary-troponin"))
    return tuple(found)


def _minutes(first: Measurement, second: Measurement) -> float:
    return (second.time - first.time) / timedelta(minutes=1)


def _shown(row: Measurement) -> str:
    return f"{row.bound}{row.value:g}"


def _shown_change(first: Measurement, second: Measurement) -> str:
    change: Span = distance(span(first), span(second))
    if change.low == change.high:
        return f"{change.low:g}"
    high = "" if change.high == float("inf") else f"{change.high:g}"
    return f"{change.low:g}–{high}"
