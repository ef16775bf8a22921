"""From the page to the values: all of them on a page of their own, and an opinion that says why."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from tests.webapp import pages
from tests.webapp.house import APP, House, standing, visit_of

SICK = "pneumonia-worsening"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


def test_every_value_the_model_was_given_is_on_the_page_of_values(house: House) -> None:
    # CONFORMANCE 55
    client, address, page = house.result(SICK)
    link = re.search(r'href="(/assessments/[^"]+/values[^"]+)"', page.get_data(as_text=True))
    assert link is not None
    kept = house.rooms.vault.get("visit", visit_of(address))
    assert kept is not None
    found = house.rooms.ledger.recall(kept["about"]["answers"][0], tenant="demo", patient=SICK)
    assert found is not None
    said = client.get(link[1].replace("&amp;", "&"), base_url=APP)
    assert said.status_code == 200
    text = pages.text(said.get_data(as_text=True))
    for row in found.assessment.inputs:
        assert row.source.resource in text
    assert str(found.assessment.seed) in text
    assert found.assessment.inputs_digest in text


def test_another_browser_does_not_get_the_values(house: House) -> None:
    _, _, page = house.result(SICK)
    link = re.search(r'href="(/assessments/[^"]+/values[^"]+)"', page.get_data(as_text=True))
    assert link is not None
    refused = house.browser().get(link[1].replace("&amp;", "&"), base_url=APP)
    assert refused.status_code == 401
    assert "Observation/" not in refused.get_data(as_text=True)


def form(page: str) -> tuple[str, dict[str, str]]:
    action = re.search(r'action="([^"]+/opinion[^"]*)"', page)
    token = re.search(r'name="csrf_token" value="([^"]+)"', page)
    visit = re.search(r'name="visit" value="([^"]+)"', page)
    assert action is not None
    assert token is not None
    assert visit is not None
    return action[1].replace("&amp;", "&"), {"csrf_token": token[1], "visit": visit[1]}


@pytest.mark.parametrize(
    ("told", "status"),
    [
        ({"opinion": "disagree"}, 400),
        ({"opinion": "disagree", "reason": "never-heard-of"}, 400),
        ({"opinion": "disagree", "reason": "too-high"}, 303),
        ({"opinion": "disagree", "comment": "was on the ward yesterday"}, 303),
        ({"opinion": "agree"}, 303),
        ({"opinion": "agree", "comment": "walks with a frame"}, 303),
    ],
)
def test_who_disagrees_says_why_and_the_ledger_keeps_it(
    house: House, told: dict[str, str], status: int
) -> None:
    client, _, page = house.result(SICK)
    action, fields = form(page.get_data(as_text=True))
    assert client.post(action, data=fields | told, base_url=APP).status_code == status
    key = action.split("/")[2]
    kept = [event for event in house.rooms.ledger.history(key) if event.kind == "opinion"]
    assert len(kept) == (status == 303)
    for event in kept:
        assert event.detail == {"opinion": "", "reason": "", "comment": ""} | told
