"""The live model card: 31 attributes with their sources, the site's own from its ledger, and the CHAI XML."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date
from pathlib import Path
from typing import Any

import pytest
from lxml import etree

from governance import simulated
from governance.measures import Question, measured
from governance.outcomes import Labelled
from governance.simulated import Year, labelled, play
from inference.assessment import TROPONIN, VENTILATION, State
from inference.model import newest
from tests.webapp.house import House, standing
from webapp import applied_card, live_card
from webapp.carding import Card
from webapp.rooms import Rooms
from webapp.settings import ROOT

SCHEMAS = ROOT / "tests" / "schemas"
SIGNATURES = "http://www.w3.org/TR/xmldsig-core/xmldsig-core-schema.xsd"
XMLNS = "{https://mc.chai.org/v0.2/schema.xsd}"
QUIET = Year(days=60, daily=25, assay=None, mapped=None, monitor=None, first=date(2026, 1, 1))
ROWS = sorted(map(labelled, play(QUIET)), key=lambda row: row.as_of)
ASKED = Question("north", VENTILATION, "0.3.0", "ventilation-24h", simulated.THRESHOLD)


class Signatures(etree.Resolver):
    """The one schema that the card's schema imports, from beside it."""

    def resolve(self, url: str, _: object, context: Any) -> Any:
        if url == SIGNATURES:
            return self.resolve_filename(str(SCHEMAS / "signature-stand-in.xsd"), context)
        return None


@pytest.fixture(scope="module")
def schema() -> etree.XMLSchema:
    parser = etree.XMLParser(no_network=True)
    parser.resolvers.add(Signatures())
    return etree.XMLSchema(etree.parse(SCHEMAS / "applied-model-card-v0.2.xsd", parser))


def shipped(model: str) -> dict[str, Any]:
    folder = newest(ROOT / "inference" / "artifacts", model)
    parts = ("manifest", "card", "evaluation")
    return {part: json.loads((folder / f"{part}.json").read_text()) for part in parts}


def here(rows: list[Labelled] | None, **changes: Any) -> live_card.Here:
    at = ROWS[-1].as_of
    made = live_card.Here(
        "north", "North General", UTC, State.SILENT, (came(rows), came(rows, "ventilation-6h", 6, gated=False)),
        {"sensitivity": 0.85, "false_alarms": 0.1}, at, 8, 10,
    )  # fmt: skip
    return replace(made, **changes)


def came(
    rows: list[Labelled] | None, outcome: str = "ventilation-24h", hours: int = 24, **more: Any
) -> live_card.Came:
    """What an outcome came to, measured from `rows`; None: there are too many, and no job has measured yet."""
    at = ROWS[-1].as_of
    body = None if rows is None else measured(rows, ASKED, UTC, at).body
    told: dict[str, Any] = {"gated": True, "due": rows is None} | more
    return live_card.Came(outcome, hours, body=body, measured=None if rows is None else at, **told)


def card(model: str = VENTILATION, site: live_card.Here | None = None) -> Card:
    files = shipped(model)
    view = live_card.view(model, files["manifest"], files["card"], site, ROWS[-1].as_of, zone=UTC)
    document = applied_card.applied(view, files["manifest"], files["card"], files["evaluation"], site)
    return Card(view, document)


def written(made: Card) -> bytes:
    from flask import Flask

    from webapp import carding

    app = Flask("card", template_folder=str(ROOT / "templates"))
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    with app.app_context():
        return carding.xml(made).encode()


def attribute(made: Card, number: int) -> live_card.Attribute:
    return next(one for one in made.view.attributes if one.number == number)


# --- the page's words


def test_all_31_attributes_stand_in_order_each_with_its_source() -> None:
    for model in (VENTILATION, TROPONIN):
        for site in (None, here(ROWS), here(None)):
            found = card(model, site).view.attributes
            assert [one.number for one in found] == list(range(1, 32))
            assert all(one.text and one.source and one.title for one in found)


def test_27_and_29_are_the_ledgers_figures_and_nobodys_typing() -> None:
    made = card(site=here(ROWS))
    figures = measured(ROWS, ASKED, UTC, ROWS[-1].as_of).body["figures"]
    validity, fairness = attribute(made, 27), attribute(made, 29)
    assert validity.code == fairness.code == "ledger"
    caught = figures["sensitivity"]
    told = f"sensitivity {caught['value'] * 100:.1f} % ({caught['low'] * 100:.1f} to {caught['high'] * 100:.1f} %)"
    assert told in validity.text.replace("\u00a0", " ")
    assert f"{figures['patients']} patients" in validity.text
    below = re.search(r"Below four fifths of the best group's sensitivity: ([^.]*)\.", fairness.text)
    assert below is not None
    assert "Language: es" in below[1]
    cells = measured(ROWS, ASKED, UTC, ROWS[-1].as_of).body["cells"]
    assert [len(table.rows) for table in made.view.groups] == [len(cells)] * 2


def test_every_outcome_is_told_with_its_threshold_and_whose_that_is() -> None:
    made = card(site=here(ROWS))
    for number in (27, 29):
        head, other = attribute(made, number).text.split("\n\n")
        assert head.startswith("ventilation-24h, within 24")
        assert "the threshold of its gate" in head
        assert other.startswith("ventilation-6h, within 6")
        assert "no gate of this outcome sets one" in other
    some = card(site=here(ROWS, outcomes=(came(ROWS), came(None, "ventilation-6h", 6))))
    assert "next run of the daily or weekly job" in attribute(some, 27).text
    assert attribute(some, 27).code == "ledger"
    assert len(some.view.groups) == 1


def test_a_kept_measure_says_as_of_when_and_how_much_came_since() -> None:
    text = attribute(card(site=here(ROWS, outcomes=(came(ROWS, later=1234),))), 27).text
    assert "1,234 more answers have been settled since" in text
    many = attribute(card(site=here(ROWS, outcomes=(came(ROWS, later=100_001),))), 29).text
    assert "more than 100,000 more answers" in many
    assert "more answers" not in attribute(card(site=here(ROWS)), 27).text


def test_21_to_24_are_the_artefacts_evaluation_word_for_word() -> None:
    files, made = shipped(VENTILATION), card(site=here(ROWS))
    for number in (21, 22, 23, 24):
        said = next(one for one in files["card"]["attributes"] if one["number"] == number)
        assert attribute(made, number).text == said["text"]
        assert attribute(made, number).code == "evaluation"


def test_what_was_not_measured_here_is_said_plainly() -> None:
    for site, said in (
        (here([]), "Fewer than 10 patients with a known outcome in the last 90 days"),
        (here(ROWS[:5]), "Fewer than 10 patients with a known outcome in the last 90 days"),
        (here(None), "the next run of the daily or weekly job measures them"),
    ):
        made = card(site=site)
        for number in (27, 29):
            assert said in attribute(made, number).text
            assert attribute(made, number).source == "Not measured here yet."
        assert made.view.groups == ()


def test_a_card_of_no_site_says_that_four_attributes_are_of_one() -> None:
    made = card()
    assert {one.number for one in made.view.attributes if one.code == "elsewhere"} == {26, 27, 28, 29}


def test_how_it_is_watched_says_when_the_gate_was_weighed() -> None:
    assert "The gate was last weighed" in attribute(card(site=here(ROWS)), 26).text
    never = attribute(card(site=here(ROWS, weighed=None, gate=None)), 26)
    assert "No gate has been weighed here" in never.text
    assert never.code == "configuration"


# --- the document for programs


@pytest.mark.parametrize("model", [VENTILATION, TROPONIN])
@pytest.mark.parametrize("rows", [ROWS, [], None], ids=["measured", "nobody", "unmeasured"])
def test_the_xml_is_valid_by_the_published_schema(schema: etree.XMLSchema, model: str, rows: Any) -> None:
    schema.assertValid(etree.fromstring(written(card(model, here(rows)))))


def test_the_xml_of_no_site_is_valid_too(schema: etree.XMLSchema) -> None:
    schema.assertValid(etree.fromstring(written(card())))


def test_the_schema_refuses_what_is_no_card(schema: etree.XMLSchema) -> None:
    broken = written(card()).replace(b"ReleaseVersion>", b"Version>")
    assert not schema.validate(etree.fromstring(broken))


def test_its_key_metrics_are_the_sites_where_measured_and_else_the_evaluations() -> None:
    local, shipped_alone = (etree.fromstring(written(card(site=site))) for site in (here(ROWS), None))
    figures = measured(ROWS, ASKED, UTC, ROWS[-1].as_of).body["figures"]
    value = json.loads(result(local, "UsefulnessUsabilityEfficacy", "Sensitivity by positive patient-day"))
    assert (value["estimate"], value["lower"]) == (
        figures["sensitivity"]["value"],
        figures["sensitivity"]["low"],
    )
    goal = local.findtext(f".//{XMLNS}UsefulnessUsabilityEfficacy/{XMLNS}MetricGoal")
    assert "at least 85.0" in goal
    model = shipped(VENTILATION)["evaluation"]["data_sets"]["eicu-demo"]["contenders"]["model"]
    value = json.loads(result(shipped_alone, "UsefulnessUsabilityEfficacy", "AUROC, eicu-demo"))
    assert (value["estimate"], [value["lower"], value["upper"]]) == (model["auroc"], model["auroc_95"])


def result(document: Any, metric: str, label: str) -> str:
    found = document.findall(f".//{XMLNS}{metric}//{XMLNS}MetricResult")
    return next(one.findtext(f"{XMLNS}ValueJson") for one in found if one.findtext(f"{XMLNS}Label") == label)


def test_text_that_xml_cannot_hold_breaks_nothing(schema: etree.XMLSchema) -> None:
    odd = here(ROWS, name='North & "<South>" \x0b\x00')
    document = etree.fromstring(written(card(site=odd)))
    schema.assertValid(document)
    assert 'North & "<South>" ' in (document.findtext(f".//{XMLNS}Summary") or "")


# --- the doors and the command, with a ledger


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("cards"))


def test_the_card_of_a_site_opens_without_a_visit_and_says_its_state_and_moment(house: House) -> None:
    answer = house.browser().get(f"/models/{VENTILATION}/card/demo")
    text = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert "State here: Demonstration" in text
    assert re.search(r"As of \d+ \w+ 20\d\d, \d\d:\d\d", text)
    assert text.count('id="attribute-') == 31


def test_the_card_of_no_site_leads_to_each_sites_own(house: House) -> None:
    text = house.browser().get(f"/models/{TROPONIN}/card").get_data(as_text=True)
    assert f'href="/models/{TROPONIN}/card/demo"' in text
    assert f'href="/models/{TROPONIN}/card.xml"' in text


@pytest.mark.parametrize("path", [f"/models/{VENTILATION}/card/demo.xml", f"/models/{TROPONIN}/card.xml"])
def test_programs_get_valid_xml(house: House, schema: etree.XMLSchema, path: str) -> None:
    answer = house.browser().get(path)
    assert answer.mimetype == "application/xml"
    schema.assertValid(etree.fromstring(answer.data))


@pytest.mark.parametrize("path", ["/models/none/card", f"/models/{VENTILATION}/card/nowhere", "/models/none/card.xml"])
def test_a_model_or_site_that_is_not_here_is_404(house: House, path: str) -> None:
    assert house.browser().get(path).status_code == 404


def test_the_command_measures_keeps_and_writes_both_kinds(
    house: House, schema: etree.XMLSchema, tmp_path: Path
) -> None:
    run = house.app.test_cli_runner().invoke
    for name in ("card.xml", "card.html"):
        done = run(args=["card", VENTILATION, "--tenant", "demo", "--out", str(tmp_path / name)])
        assert done.exit_code == 0, done.output
    schema.assertValid(etree.parse(tmp_path / "card.xml"))
    page = (tmp_path / "card.html").read_text()
    assert '<base href="http://127.0.0.1:8000/">' in page
    rooms: Rooms = house.rooms
    kept = rooms.measures.last(Question("demo", VENTILATION, "0.0.1", "ventilation-24h", 0.2))
    assert kept is not None


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["none", "--tenant", "demo", "--out", "x.xml"], "no model 'none'"),
        ([VENTILATION, "--tenant", "nowhere", "--out", "x.xml"], "no longer configured"),
        ([VENTILATION, "--tenant", "demo", "--out", "x.pdf"], ".xml or .html"),
    ],
)
def test_the_command_says_what_it_cannot_do(house: House, args: list[str], said: str) -> None:
    done = house.app.test_cli_runner().invoke(args=["card", *args])
    assert done.exit_code == 1
    assert said in done.output


