"""Cards in the weekly review: shown, held back, accepted, overridden and why; offers, and remarks in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any

from webapp import words
from webapp.report import Example, Section, Table
from webapp.words import say

Body = Mapping[str, Any]


def section(body: Body, zone: tzinfo) -> Section:
    """Cards, feedback, offers and remarks of a review."""
    tables = [_shown(body), *_reasons(body), *_offers(body)]
    remarks = tuple(_remark(each, zone) for each in body["remarks"])
    more = body["remarks_left_out"]
    only = sum(each["cards"] for each in body["cards"] if each.get("state") == "suspended" and not each["withheld"])
    lines = (say("en", "review.cards.suspended", count=only),) if only else ()
    lead = (say("en", "review.cards.words-lead"),) if remarks else ()
    said = Example(say("en", "review.cards.words-title"), lead, remarks or (say("en", "review.cards.words-none"),))
    quiet = not (body["cards"] or body["feedback"])
    return Section(
        "cards",
        say("en", "review.cards.title"),
        (say("en", "review.cards.none"),) if quiet else lines,
        tables=tuple(table for table in tables if table.rows),
        examples=(said,),
        after=(say("en", "review.cards.words-left-out", count=more),) if more else (),
    )


def _shown(body: Body) -> Table:
    names = sorted({each["model"] for each in (*body["cards"], *body["feedback"])})
    rows: list[tuple[str, ...]] = []
    for name in names:
        mine = [each for each in body["cards"] if each["model"] == name]
        back = [each for each in mine if each["withheld"]]
        held = ", ".join(say("en", "review.cards.held", count=each["cards"], why=each["withheld"]) for each in back)
        told = {
            outcome: sum(
                each["cards"] for each in body["feedback"] if (each["model"], each["outcome"]) == (name, outcome)
            )
            for outcome in ("accepted", "overridden")
        }
        went = sum(each["cards"] for each in mine if not each["withheld"])
        called = words.model_name(name) if name else say("en", "review.unknown-model")
        rows.append((called, f"{went:,}", held or "0", f"{told['accepted']:,}", f"{told['overridden']:,}"))
    heads = ("model", "shown", "held", "accepted", "overridden")
    return _table("cards.caption", heads, rows)


def _reasons(body: Body) -> Iterator[Table]:
    counted: dict[str, int] = {}
    for each in body["feedback"]:
        if each["outcome"] == "overridden":
            counted[each["override_code"]] = counted.get(each["override_code"], 0) + each["cards"]
    rows = [
        (_reason(code), f"{many:,}") for code, many in sorted(counted.items(), key=lambda item: (-item[1], item[0]))
    ]
    yield _table("cards.reasons-caption", ("reason", "count"), rows)


def _reason(code: str) -> str:
    """An override reason as its card offered it; a site's own by its code."""
    key = f"override.{code}"
    return say("en", "review.cards.no-reason") if not code else say("en", key) if words.knows("en", key) else code


def _offers(body: Body) -> Iterator[Table]:
    rows = [(each["kind"], f"{each['offered']:,}", f"{each['taken']:,}") for each in body["offers"]]
    yield _table("cards.offers-caption", ("offer", "offered", "taken"), rows)


def _table(caption: str, heads: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> Table:
    columns = tuple(say("en", f"review.cards.column-{head}") for head in heads)
    return Table(say("en", f"review.{caption}"), columns, tuple(rows))


def _remark(told: Body, zone: tzinfo) -> str:
    return say(
        "en",
        "review.cards.remark",
        at=words.moment(datetime.fromisoformat(told["at"]), zone),
        model=words.model_name(told["model"]) if told["model"] else say("en", "review.unknown-model"),
        said=told["said"],
        reason=f" ({_reason(told['reason'])})" if told["reason"] else "",
        text=told["text"],
    )
