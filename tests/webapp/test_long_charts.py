"""A chart longer than what is read: answered all the same, and said aloud on card, page and paper."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from ehr.records import MOST_ROWS
from inference.assessment import VENTILATION
from tests.webapp.house import APP, House, standing, visit_of
from webapp.provenance import LISTED

SICK = "pneumonia-worsening"
ROWS = MOST_ROWS + 1500
DENSE = ("8867-4", "9279-1", "59408-5")


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A hospital whose monitor has written a row every few seconds for a day."""
    for each in standing(tmp_path_factory.mktemp("house")):
        rows = each.hospital.search("Observation", {"patient": SICK, "category": "vital-signs"})
        charted = [row for row in rows if row["code"]["coding"][0]["code"] in DENSE][: len(DENSE)]
        now = each.clock()
        for number in range(ROWS):
            moment = (now - timedelta(hours=24 * number / ROWS)).isoformat()
            each.hospital.keep(
                {**charted[number % len(charted)], "effectiveDateTime": moment, "issued": moment}
            )
        yield each


def test_the_card_says_that_the_chart_was_longer(house: House) -> None:
    # CONFORMANCE 39
    answer = house.post(f"/cds-services/{VENTILATION}", house.asked(SICK, prefetch=False))
    assert answer.status_code == 200, answer.get_data(as_text=True)
    (card,) = answer.get_json()["cards"]
    assert "The chart was longer than what was read." in card["detail"]


def test_page_and_paper_say_it_and_stay_of_a_size_to_be_read(house: House) -> None:
    # CONFORMANCE 39
    began = time.monotonic()
    client, address, page = house.result(SICK)
    assert time.monotonic() - began < 10  # the hospital shares this process; about 2 s alone
    text = page.get_data(as_text=True)
    assert page.status_code == 200
    assert "The chart is longer than what was read" in text
    assert re.search(r"[\d,]+ older rows, not listed here", text)
    assert len(text) < 1_500_000
    assert text.count("Observation/") < 30 * LISTED
    key = re.findall(r"/assessments/([0-9a-f-]{36})/release", text)[0]
    for language, words in (("en", "only the newest part of your chart"), ("es", "solo lo más nuevo de su historia")):
        paper = client.get(f"/handout/{key}?visit={visit_of(address)}&language={language}", base_url=APP)
        assert words in paper.get_data(as_text=True)


def test_what_is_charted_rarely_is_not_hidden_by_what_is_charted_always(house: House) -> None:
    _, _, page = house.result(SICK)
    recorded = house.rooms.ledger.recall(
        re.findall(r"/assessments/([0-9a-f-]{36})/release", page.get_data(as_text=True))[0],
        tenant="demo",
        patient=SICK,
    )
    assert recorded is not None
    dense = [row for row in recorded.assessment.inputs if row.variable == "hr"]
    assert len(dense) > 1000
    seen = {row.variable for row in recorded.assessment.inputs}
    assert {"gcs", "temp", "sbp", "fio2"} <= seen
