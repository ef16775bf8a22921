"""Every number that a table of figures prints on the gates' page, the review and the audits is one found again.

Figures stand in cells (`td`) of `table.gate-figures`. What a cell prints is compared with the form the numbers that
the script found take in print: that it is one of them, not which. A limit is signed configuration, and is left out with
its column. The board prints an hour's patients, and the queue no table of figures: test_recomputed_beside.py has them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC
from typing import Any

import pytest
from flask import Flask
from lxml import html

from tests.governance.test_recomputed import WEEK, Exported, exported, numbers  # noqa: F401
from webapp import equity_view, gate_view, review_view
from webapp.report import Section
from webapp.settings import ROOT
from webapp.words import say

PRINTED = re.compile(r"\d+(?:,\d{3})*(?:\.\d+)?")
METHOD = re.compile(r"95 %|drawn 2,000 times")  # how an interval is made, not a figure


@dataclass
class Pages:
    """The pages of one ledger as they are sent, and what the script found of each."""

    html: dict[str, str]
    found: dict[str, Any]


@pytest.fixture(scope="module")
def pages(exported: Exported) -> Pages:  # noqa: F811
    app = Flask("printed", template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static"))
    books, review = exported.played.books, exported.review
    weighed = [each["kept"] for each in exported.found["gates"]]
    last = [books.readings.last("north", gate["gate"]["model"], gate["gate"]["outcome"], gate["gate"]["care_unit"])
            for gate in weighed]  # fmt: skip
    gates = [gate_view.view(each.body, each.state, each.since, each.at, UTC) for each in last if each is not None]
    named = {"model": "a model", "version": "1", "outcome": "an outcome"}
    audits = [equity_view.section("a", named, each["kept"]) for each in exported.found["audits"]]
    decision = Section("decision", "", ())
    week = review_view.view(review, "0" * 64, decision, site="North", zone=UTC)
    urls = dict.fromkeys(("back_url", "pdf_url", "audits_url", "gate_url"), "#")
    with app.test_request_context():
        made = {
            name: app.jinja_env.get_template(f"{name}.html").render(site="North", say=say, **urls, **told)
            for name, told in (
                ("gate", {"gates": gates, "ungated": []}), ("audits", {"sections": audits}), ("review", {"view": week}),
            )
        }  # fmt: skip
    found = {
        "gate": [{key: value for key, value in each.items() if key != "kept"} for each in exported.found["gates"]],
        "audits": [each["found"] for each in exported.found["audits"]],
        "review": exported.found["reviews"][WEEK.name],
    }
    return Pages(made, json.loads(json.dumps(found)))


def cells(page: str, last: int | None) -> Iterator[str]:
    """Each figure cell's text; `last` leaves out a table's last columns."""
    for row in html.fromstring(page).xpath("//table[contains(@class, 'gate-figures')]/tbody/tr"):
        yield from (cell.text_content().replace("\u00a0", " ") for cell in row.xpath("td")[:last])


def in_print(found: Any) -> set[str]:
    """Every form in which a number that was found may be printed."""
    some = {value for _, value in numbers(found)}
    some |= {100 * value for value in some}
    return {form for value in some for form in (f"{value:.1f}", f"{value:.2f}", f"{value:,g}", f"{value:g}")}


def strangers(page: str, found: Any, last: int | None = None) -> list[str]:
    """The cells in which a number stands that was not found."""
    known = in_print(found)
    return [cell for cell in cells(page, last) if set(PRINTED.findall(METHOD.sub("", cell))) - known]


@pytest.mark.parametrize(("name", "last", "many"), [("gate", -1, 40), ("audits", None, 30), ("review", None, 60)])
def test_every_number_in_a_figure_cell_is_found_again(pages: Pages, name: str, last: int | None, many: int) -> None:
    told = [cell for cell in cells(pages.html[name], last) if PRINTED.search(cell)]
    assert len(told) >= many
    assert strangers(pages.html[name], pages.found[name], last) == []


@pytest.mark.parametrize("name", ["gate", "audits", "review"])
def test_a_number_that_was_not_found_is_told(pages: Pages, name: str) -> None:
    wrong = re.sub(r"<td[^>]*>", r"\g<0>98,765.4 ", pages.html[name], count=1)
    assert strangers(wrong, pages.found[name], -1 if name == "gate" else None)
