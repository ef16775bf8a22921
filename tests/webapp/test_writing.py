"""Writing to the chart by a button: where everybody allows it, once, and nothing by looking."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from governance.errors import LedgerUnavailable
from governance.ledger import Ledger
from inference.assessment import VENTILATION, State
from tests.webapp.house import APP, House, standing, visit_of
from webapp import filing, handout
from webapp.handout import PrintingUnavailable

SICK = "pneumonia-worsening"
KINDS = ("RiskAssessment", "DocumentReference")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


@pytest.fixture(autouse=True)
def _fair(house: House) -> Iterator[None]:
    house.rooms.__dict__.pop("capabilities", None)  # what was read before is forgotten
    yield
    house.fair()
    house.clock.ahead = timedelta(0)


def in_chart(house: House, kind: str, patient: str = SICK) -> list[dict[str, Any]]:
    return house.hospital.search(kind, {"patient": patient})


def forms(page: Any) -> dict[str, tuple[str, dict[str, str]]]:
    """The writing forms of the ventilation section, by type: address and fields."""
    text = page.get_data(as_text=True)
    _, _, behind = text.partition(f'id="{VENTILATION}-writing"')  # a section that is not there offers nothing
    section = behind.split("</section>")[0]
    found = re.findall(r'<form method="post" action="([^"]*/write[^"]*)">(.*?)</form>', section, re.DOTALL)
    fields = [(url, dict(re.findall(r'name="(\w+)" value="([^"]*)"', body))) for url, body in found]
    return {each["type"]: (url.replace("&amp;", "&"), each) for url, each in fields}


def pressed(client: Any, form: tuple[str, dict[str, str]], **changes: str) -> Any:
    return client.post(form[0], data=form[1] | changes, base_url=APP)


def key_of(form: tuple[str, dict[str, str]]) -> str:
    return form[0].split("/")[2]


@pytest.mark.parametrize("kind", KINDS)
def test_a_button_writes_once_and_the_page_says_when_what_and_by_whom(house: House, kind: str) -> None:
    # CONFORMANCE 101, 105
    before = len(in_chart(house, kind))
    client, _, page = house.result(SICK)
    form = forms(page)[kind]
    answer = pressed(client, form)
    assert answer.status_code == 303, answer.get_data(as_text=True)
    written = in_chart(house, kind)
    assert len(written) == before + 1
    shown = client.get(answer.headers["Location"], base_url=APP).get_data(as_text=True)
    (event,) = [e for e in house.rooms.ledger.history(key_of(form)) if e.kind == "written"]
    newest = max(written, key=lambda row: str(row["meta"]["lastUpdated"]))
    assert event.detail["reference"] == f"{kind}/{newest['id']}"
    assert event.detail["reference"] in shown
    assert "written to the chart on" in shown
    assert "Practitioner/okafor" in shown
    assert kind not in forms_of(shown)
    again = pressed(client, form)  # a double click
    assert again.status_code == 303
    assert len(in_chart(house, kind)) == before + 1


def forms_of(text: str) -> set[str]:
    section = text.partition(f'id="{VENTILATION}-writing"')[2].split("</section>")[0]
    return set(re.findall(r'name="type" value="(\w+)"', section))


def test_two_clicks_at_once_make_one_resource(house: House) -> None:
    # CONFORMANCE 105
    before = len(in_chart(house, "RiskAssessment"))
    client, _, page = house.result(SICK)
    form = forms(page)["RiskAssessment"]
    house.weather("stall", match="/fhir/RiskAssessment", seconds=0.4)
    (cookie,) = [each for each in client._cookies.values() if each.key.startswith("__Host-visit")]

    def click(_: int) -> int:
        other = house.app.test_client(use_cookies=False)
        header = {"Cookie": f"{cookie.key}={cookie.value}"}
        return int(other.post(form[0], data=form[1], headers=header, base_url=APP).status_code)

    with ThreadPoolExecutor(3) as pool:
        statuses = list(pool.map(click, range(3)))
    assert statuses == [303] * 3
    assert len(in_chart(house, "RiskAssessment")) == before + 1
    assert (
        len([s for s in house.hospital.faults.seen if (s.method, s.path) == ("POST", "/fhir/RiskAssessment")])
        == 1
    )


class Forgetful(Ledger):
    """A ledger whose disk is full at the worst moment: the hospital has written, and nobody can note it."""

    def event(self, kind: str, **told: Any) -> str:
        if kind == "written":
            raise LedgerUnavailable("the ledger's disk is full")
        return super().event(kind, **told)


def test_what_is_there_already_is_not_made_again_even_if_the_ledger_forgot(house: House) -> None:
    # CONFORMANCE 105
    before = len(in_chart(house, "RiskAssessment"))
    client, _, page = house.result(SICK)
    form, ledger = forms(page)["RiskAssessment"], house.rooms.ledger
    house.rooms.__dict__["ledger"] = Forgetful(
        house.rooms.store, house.rooms.settings.secret, clock=house.clock
    )
    assert pressed(client, form).status_code == 503
    house.rooms.__dict__["ledger"] = ledger
    assert len(in_chart(house, "RiskAssessment")) == before + 1
    house.clock.ahead = timedelta(seconds=9)
    assert pressed(client, form).status_code == 303
    assert len(in_chart(house, "RiskAssessment")) == before + 1
    (event,) = [e for e in ledger.history(key_of(form)) if e.kind == "written"]
    assert event.detail["there already"] == "yes"


def test_looking_at_every_page_writes_nothing(house: House) -> None:
    # CONFORMANCE 105
    before = [len(in_chart(house, kind)) for kind in KINDS]
    house.fair()
    client, address, page = house.result(SICK)
    url, fields = forms(page)["RiskAssessment"]
    key, visit = url.split("/")[2], fields["visit"]
    for each in (
        address,
        f"/handout/{key}?visit={visit}",
        f"/result/stored?visit={visit}",
        f"/result/look.css?visit={visit}",
    ):
        assert client.get(each, base_url=APP).status_code == 200
    assert client.get(url, base_url=APP).status_code == 405
    assert [len(in_chart(house, kind)) for kind in KINDS] == before
    posts = [s.path for s in house.hospital.faults.seen if s.method == "POST" and s.path.startswith("/fhir")]
    assert posts == []


def test_a_form_from_elsewhere_or_another_visit_writes_nothing(house: House) -> None:
    before = [len(in_chart(house, kind)) for kind in KINDS]
    client, _, page = house.result(SICK)
    form = forms(page)["RiskAssessment"]
    assert pressed(client, form, csrf_token="0" * 64).status_code == 401
    assert pressed(house.browser(), form).status_code == 401
    other, address = house.launched("sepsis")
    assert other.get(address, base_url=APP).status_code == 200
    strange = pressed(other, form, visit=visit_of(address))
    assert strange.status_code in (401, 404)
    assert pressed(client, form, type="Patient").status_code == 400
    assert [len(in_chart(house, kind)) for kind in KINDS] == before


# --- who may


def test_what_the_launch_did_not_grant_has_no_button_and_cannot_be_pressed(house: House) -> None:
    # CONFORMANCE 21, 101
    house.weather_withholds("patient/RiskAssessment.c")
    client, _, page = house.result(SICK)
    found = forms(page)
    assert set(found) == {"DocumentReference"}
    refused = pressed(client, found["DocumentReference"], type="RiskAssessment")
    assert refused.status_code == 403
    assert "permit" in refused.get_data(as_text=True)


def test_where_the_server_offers_no_create_or_tells_nothing_there_is_no_button(house: House) -> None:
    # CONFORMANCE 101
    house.weather("error", match="/fhir/metadata", status=500)
    _, _, page = house.result(SICK)
    assert page.status_code == 200
    assert forms(page) == {}


def test_a_user_who_is_no_clinician_has_no_button(house: House) -> None:
    client, address = house.launched(SICK, user="Person/relative")
    page = client.get(address, base_url=APP)
    assert "/write" not in page.get_data(as_text=True)


def test_a_site_that_wants_nothing_written_gets_no_button(house: House) -> None:
    tenants = house.rooms.tenants
    house.rooms.__dict__["tenants"] = replace(tenants, all=(replace(tenants.all[0], write_back=frozenset()),))
    try:
        assert forms(house.result(SICK)[2]) == {}
    finally:
        house.rooms.__dict__["tenants"] = tenants


def test_a_silent_models_number_cannot_be_written(house: House) -> None:
    tenants = house.rooms.tenants
    silent = replace(tenants.all[0].models[VENTILATION], state=State.SILENT)
    models = {**tenants.all[0].models, VENTILATION: silent}
    house.rooms.__dict__["tenants"] = replace(tenants, all=(replace(tenants.all[0], models=models),))
    try:
        assert set(forms(house.result(SICK)[2])) == {"DocumentReference"}
    finally:
        house.rooms.__dict__["tenants"] = tenants


# --- what the hospital may answer


@pytest.mark.parametrize(
    ("status", "ours", "sentence"),
    [
        (400, 502, "did not accept the entry"),
        (403, 403, "did not permit writing"),
        (405, 502, "does not take this"),
        (409, 409, "changed meanwhile"),
        (412, 412, "more than once"),
        (422, 502, "did not accept the entry"),
        (429, 502, "not known whether"),
        (500, 502, "not known whether"),
    ],
)
def test_each_refusal_has_its_sentence_and_is_kept(
    house: House, status: int, ours: int, sentence: str
) -> None:
    # CONFORMANCE 51, 101, 105
    before = len(in_chart(house, "RiskAssessment"))
    client, _, page = house.result(SICK)
    form = forms(page)["RiskAssessment"]
    house.weather("error", match="/fhir/RiskAssessment", status=status)
    answer = pressed(client, form)
    text = answer.get_data(as_text=True)
    assert answer.status_code == ours, text
    assert sentence in text
    assert "Back to the result" in text
    assert "not well" not in text  # the hospital's own words
    assert len(in_chart(house, "RiskAssessment")) == before
    (event,) = [e for e in house.rooms.ledger.history(key_of(form)) if e.kind == "write-refused"]
    assert event.detail["status"] == str(status)
    house.fair()
    house.clock.ahead = timedelta(seconds=9)
    assert pressed(client, form).status_code == 303
    assert len(in_chart(house, "RiskAssessment")) == before + 1


def test_an_expired_token_is_renewed_and_it_is_written_once(house: House) -> None:
    # CONFORMANCE 32, 51
    before = len(in_chart(house, "RiskAssessment"))
    client, _, page = house.result(SICK)
    house.weather("error", match="/fhir/RiskAssessment", status=401, times=1)
    assert pressed(client, forms(page)["RiskAssessment"]).status_code == 303
    assert len(in_chart(house, "RiskAssessment")) == before + 1


# --- what is written


def test_the_assessment_in_the_chart_is_the_one_on_the_page(house: House) -> None:
    # CONFORMANCE 102
    client, _, page = house.result(SICK)
    form = forms(page)["RiskAssessment"]
    pressed(client, form)
    (risk,) = [r for r in in_chart(house, "RiskAssessment") if r["identifier"][0]["value"] == key_of(form)]
    recorded = house.rooms.ledger.recall(key_of(form), tenant="demo", patient=SICK)
    assert recorded is not None
    shares = [p.probability for p in recorded.assessment.predictions]
    assert [p["probabilityDecimal"] for p in risk["prediction"]] == [round(100 * (p or 0), 2) for p in shares]
    assert risk["status"] == "preliminary"
    assert "Not for care" in risk["note"][0]["text"]
    assert "chance that mechanical ventilation starts" in risk["prediction"][-1]["outcome"]["text"]
    assert {row["reference"] for row in risk["basis"]} == {
        r.source.resource for r in recorded.assessment.inputs
    }


def test_the_page_in_the_chart_is_a_draft_until_it_was_given(house: House) -> None:
    # CONFORMANCE 104
    client, _, page = house.result("sepsis")
    pressed(client, forms(page)["DocumentReference"])
    url, fields = forms(page)["DocumentReference"]
    give = url.replace("/write", "/release")
    assert client.post(give, data=fields | {"language": "es", "read": "yes"}, base_url=APP).status_code == 303
    stored = client.get(f"/result/stored?visit={fields['visit']}", base_url=APP)
    pressed(client, forms(stored)["DocumentReference"])
    documents = sorted(
        in_chart(house, "DocumentReference", "sepsis"), key=lambda d: d["identifier"][0]["value"]
    )
    assert [d["identifier"][0]["value"].split("/", 1)[1] for d in documents] == [
        "patient-page/en/draft",
        "patient-page/es/given",
    ]
    attachment = documents[1]["content"][0]["attachment"]
    assert attachment["contentType"] == "application/pdf"
    assert attachment["language"] == "es"
    assert base64.b64decode(attachment["data"]).startswith(b"%PDF-")
    assert documents[1]["author"] == [{"reference": "Practitioner/okafor"}]
    assert {d["docStatus"] for d in documents} == {"preliminary"}  # a demonstration never writes a final one


def test_without_what_draws_pdf_the_page_itself_goes_in_without_script(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nothing_to_draw_with(html: str) -> bytes:
        raise PrintingUnavailable("install libpango")

    monkeypatch.setattr(handout, "pdf", nothing_to_draw_with)
    html = '<html><link rel="stylesheet" href="/static/handout.css">\n<script src="/x.js" defer></script><p>A</p>'
    page, kind = filing.on_paper(html)
    assert kind == "text/html"
    assert b"<script" not in page
    assert b"<style>" in page
    assert b"<p>A</p>" in page
