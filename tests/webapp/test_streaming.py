"""The result page begins as soon as the chart is read: its head is on the way while the models are asked."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from sqlalchemy import text

from inference.errors import UnsoundOutput
from tests.webapp import pages
from tests.webapp.house import APP, House, standing
from webapp import reading, streaming
from webapp.ops import STAGES

SICK = "pneumonia-worsening"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


@pytest.fixture(autouse=True)
def _fair(house: House) -> None:
    house.fair()


def seconds(stage: str) -> float:
    (metric,) = STAGES.labels(stage).collect()
    return float(next(sample.value for sample in metric.samples if sample.name.endswith("_sum")))


def test_a_page_goes_in_two_pieces_cut_where_its_answers_begin() -> None:
    parts = ["<html><head>", "x", f"</head><body>{streaming.MARK}", "a", "b", "</main>"]
    assert list(streaming.pieces(parts)) == [f"<html><head>x</head><body>{streaming.MARK}", "ab</main>"]


def test_the_first_byte_takes_no_more_than_a_fifth_longer_than_the_reads(house: House) -> None:
    house.result(SICK)  # everything opened once
    client, address = house.launched(SICK)
    house.weather("stall", match="/fhir", seconds=0.15)
    before, began = seconds("read"), time.perf_counter()
    answer = client.get(address, base_url=APP, buffered=False)
    first = next(answer.iter_encoded())
    took, read = time.perf_counter() - began, seconds("read") - before
    rest = b"".join(answer.iter_encoded())
    answer.close()
    assert read > 0.1
    assert took <= 1.2 * read, (took, read)
    assert b"Ashdown" in first
    assert b"Demonstration" in first
    assert b"chart as of" in first
    assert b'class="figure"' not in first
    assert b'class="figure"' in rest


def test_the_whole_is_the_page_that_the_ledger_gives_again(house: House) -> None:
    client, address, page = house.result(SICK)
    again = client.get(address.replace("/result", "/result/stored"), base_url=APP)
    assert pages.text(page.get_data(as_text=True)) == pages.text(again.get_data(as_text=True))


def test_a_fault_after_the_first_byte_is_said_and_nothing_stands_in_its_place(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsound(*_: object) -> None:
        raise UnsoundOutput("NaN")

    client, address = house.launched(SICK)
    monkeypatch.setattr(reading, "asked", unsound)
    answer = client.get(address, base_url=APP)
    said = answer.get_data(as_text=True)
    assert "The model gave no usable answer" in said
    assert re.search(r"Reference <code>[0-9a-f]{12}</code>", said)
    assert 'class="model"' not in said
    assert "NaN" not in said
    assert said.rstrip().endswith("</html>")


@pytest.mark.parametrize("table", ["events", "audit"])
def test_a_ledger_or_trail_that_cannot_be_written_has_its_status(house: House, table: str) -> None:
    client, address = house.launched(SICK)
    with house.rooms.store.engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO elsewhere"))
    try:
        assert client.get(address, base_url=APP).status_code == 503
    finally:
        with house.rooms.store.engine.begin() as connection:
            connection.execute(text(f"ALTER TABLE elsewhere RENAME TO {table}"))


def test_a_hospital_that_does_not_answer_has_its_status(house: House) -> None:
    client, address = house.launched(SICK)
    house.weather("error", status=500)
    answer = client.get(address, base_url=APP)
    assert answer.status_code == 502
    assert "does not answer" in answer.get_data(as_text=True)


def test_a_question_for_the_head_alone_reads_no_chart(house: House) -> None:
    client, address = house.launched(SICK)
    before = seconds("read")
    assert client.head(address, base_url=APP).status_code == 200
    assert seconds("read") == before
