"""The models' page: attributes numbered after the limits, drawings served by the manifest's word alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from inference.assessment import TROPONIN, VENTILATION, State
from tests.webapp import pages
from tests.webapp.house import House, standing
from webapp import about

MANIFEST = {"version": "0.2.0", "files": {"card.json": "a" * 64, "plots/one-alarms.svg": "b" * 64,
                                         "plots/one-ranking.svg": "c" * 64, "plots/notes.txt": "d" * 64}}  # fmt: skip
CARD = {
    "first": "Trees do better.",
    "limits": ["Not for children"],
    "attributes": [
        {"number": 1, "title": "Developer", "text": "The maintainers & friends.", "source": "written"},
        {"number": 2, "title": "Funding", "text": "None declared.", "source": "somewhere else"},
        {"number": 27, "title": "Validity here", "text": "Empty until then.", "source": "live ledger"},
    ],
}
EVALUATION = {
    "headline": "ventilation-24h",
    "plots": {
        "one-ranking.svg": {"title": "One. Does it rank?", "text": 'AUROC 0.7 "so"'},
        "one-alarms.svg": {"title": "One. How often?", "text": "At 0.5 alarms it finds 40 %."},
    },
}


def html(card: Any = CARD, evaluation: Any = EVALUATION, manifest: Any = MANIFEST) -> str:
    view = about.view(
        {VENTILATION: manifest},
        {VENTILATION: {"card": card, "evaluation": evaluation}},
        {VENTILATION: [State.SILENT]},
    )
    return pages.render("about.html", view=view, language="en")


def test_attributes_are_a_numbered_list_after_the_limits_each_with_its_source() -> None:
    page = html()
    assert re.findall(r'<li value="(\d+)"><h4>([^<]+)', page) == [
        *(("1", "Developer"), ("2", "Funding"), ("27", "Validity here"))
    ]
    assert "The maintainers &amp; friends." in page
    text = pages.text(page)
    assert text.index("Not for children") < text.index("The 31 source attributes") < text.index("drawn")
    assert "Written by the developers." in text
    assert "From this site's live ledger." in text
    assert "somewhere else" in text  # a source without words is shown as it is


def test_drawings_are_those_of_the_manifest_worded_and_ordered_by_the_evaluation() -> None:
    page = html()
    found = re.findall(r'<img src="([^"]+)" alt="([^"]*)"', page)
    assert found == [
        ("/about/ventilation-need/one-ranking.svg", "AUROC 0.7 &#34;so&#34;"),
        ("/about/ventilation-need/one-alarms.svg", "At 0.5 alarms it finds 40 %."),
    ]
    assert "<figcaption>One. Does it rank?</figcaption>" in page
    assert "notes" not in page.split("<details>")[0]


def test_a_drawing_nobody_worded_is_shown_by_its_name_and_one_nobody_lists_is_not() -> None:
    page = html(evaluation={"plots": {"other-ranking.svg": {"title": "t", "text": "x"}}})
    assert 'alt="One-alarms"' in page
    assert "other-ranking" not in page


def test_a_model_without_attributes_or_drawings_has_no_empty_lists() -> None:
    page = html(card={"limits": ["Not for children"]}, evaluation={}, manifest={"version": "0.1.0"})
    assert '<section class="attributes">' not in page
    assert "<img" not in page
    assert "Not for children" in page


def test_what_is_listed_apart_is_not_listed_again() -> None:
    page = html()
    assert page.count("None declared.") == 1
    assert page.count("At 0.5 alarms") == 1


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("about"))


@pytest.fixture(scope="module")
def drawn(house: House) -> House:
    """A house whose ventilation model ships one drawing, beside which lies a file that nobody vouches for."""
    model = house.rooms.models[VENTILATION]
    folder = Path(house.rooms.settings.artifacts) / VENTILATION / model.version / about.PLOTS
    folder.mkdir(exist_ok=True)
    (folder / "one.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    (folder / "stray.svg").write_text("<svg/>")
    listed = {"files": {**model.manifest["files"], "plots/one.svg": "0" * 64}}
    model.manifest = {**model.manifest, **listed}
    return house


def test_a_listed_drawing_is_served_as_an_image_that_can_run_nothing(drawn: House) -> None:
    client = drawn.app.test_client()
    assert "/about/ventilation-need/one.svg" in client.get("/about").get_data(as_text=True)
    answer = client.get("/about/ventilation-need/one.svg")
    assert answer.status_code == 200
    assert answer.mimetype == "image/svg+xml"
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        f"{VENTILATION}/stray.svg",  # there, and not listed
        f"{VENTILATION}/two.svg",
        f"{TROPONIN}/one.svg",  # listed by another model
        "no-model/one.svg",
        f"{VENTILATION}/..%2f..%2fcard.svg",
        f"{VENTILATION}/%2e%2e/stray.svg",
    ],
)
def test_what_the_manifest_does_not_list_is_not_found(drawn: House, path: str) -> None:
    assert drawn.app.test_client().get(f"/about/{path}").status_code == 404


def test_an_interval_is_one_figure_and_a_minus_is_not_a_dash() -> None:
    shown = pages.text(html(evaluation={"decision_useful": [0.02, 0.4], "of": {"auroc_95": [-0.02, 0.004]}}))
    assert "0.02–0.4" in shown
    assert "-0.02 to 0.004" in shown
