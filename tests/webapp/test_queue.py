"""What waits for a person: shown to named reviewers alone, labelled once, and read as data by what adapts a model."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from demo.patients import everyone
from governance.waiting import Referral
from inference.assessment import VENTILATION
from inference.features import layout_for
from tests.webapp.house import APP, House, standing, visit_of
from training.adaptation.export_reader import Export, Found, stays
from training.adaptation.rows import rows_of
from training.tasks import task

SICK = "pneumonia-worsening"
OTHER = "sepsis"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("queue"))


@pytest.fixture
def house(made: House) -> Iterator[House]:
    yield made
    made.clock.ahead = timedelta(0)


def asked(house: House, patient: str = SICK, hours_ago: float = 26) -> str:
    """An answer of a while ago that a rule could not settle; its id."""
    house.clock.ahead = -timedelta(hours=hours_ago)
    body = house.asked(patient, VENTILATION)
    assert house.post(f"/cds-services/{VENTILATION}", body).status_code == 200
    whose = house.rooms.ledger.pseudonym("demo", patient)
    now = house.clock()
    recent = house.rooms.ledger.recent("demo", whose, VENTILATION, now - timedelta(minutes=5))
    found = max((each for each in recent if each.made_at <= now), key=lambda each: each.made_at)
    house.clock.ahead = timedelta(0)
    outcomes = [name for name, _ in house.rooms.waiting.open(found.id)]
    assert outcomes, "the synthetic model gives a number for this patient"
    house.rooms.waiting.refer([Referral(found.id, name, "transferred") for name in outcomes])
    return found.id


def opened(house: House, user: str = "Practitioner/okafor") -> tuple[Any, str]:
    browser, address = house.launched(OTHER, user=user)
    return browser, visit_of(address)


def page(browser: Any, path: str, visit: str) -> Any:
    return browser.get(path, query_string={"visit": visit}, base_url=APP)


def token(text: str) -> str:
    found = re.search(r'name="csrf_token" value="(\w+)"', text)
    assert found is not None
    return found[1]


def label(house: House, key: str, browser: Any = None, visit: str = "", **form: str) -> Any:
    if browser is None:
        browser, visit = opened(house)
    text = page(browser, f"/queue/{key}", visit).get_data(as_text=True)
    sent = {"visit": visit, "csrf_token": token(text), "sentence": "Seen in the chart."} | form
    return browser.post(f"/queue/{key}/label", data=sent, base_url=APP)


def local(house: House, key: str, hours: float) -> str:
    """So many hours after the answer, on the hospital's clock as a form sends it."""
    told = house.rooms.waiting.one("demo", key)
    assert told is not None
    from webapp.words import zone_of

    return f"{(told.as_of + timedelta(hours=hours)).astimezone(zone_of('America/New_York')):%Y-%m-%dT%H:%M}"


def stands(house: House, key: str) -> dict[str, str]:
    return {outcome: found for outcome, found, _ in house.rooms.outcomes.settled(key)}


def test_a_reviewer_sees_what_waits_with_the_reason_and_no_name(house: House) -> None:
    key = asked(house)
    browser, visit = opened(house)
    answer = page(browser, "/queue", visit)
    text = answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert key[:8] in text
    assert "transferred to another facility" in text
    assert SICK not in text
    assert "Ashdown" not in text
    assert answer.headers["Cache-Control"] == "no-store"


def test_what_has_waited_longer_than_the_list_looks_back_is_counted_and_can_be_paged_through(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.queue.LOOKED_BACK", timedelta(hours=20))
    monkeypatch.setattr("webapp.queue.PAGE", 1)
    old, older, recent = asked(house), asked(house, hours_ago=25), asked(house, hours_ago=2)
    browser, visit = opened(house)
    text = page(browser, "/queue", visit).get_data(as_text=True)
    assert recent[:8] in text
    assert old[:8] not in text
    leads = re.search(r'href="(/queue\?[^"]*older=1[^"]*)">(\d+) more answers wait, older than', text)
    assert leads is not None
    found, way, listed = int(leads[2]), leads[1].replace("&amp;", "&"), list[str]()
    assert found >= 2
    while way:
        there = browser.get(way, base_url=APP).get_data(as_text=True)
        assert recent[:8] not in there
        listed += re.findall(r"/queue/([0-9a-f-]{36})", there)
        further = re.search(r'href="(/queue\?[^"]*after[^"]*)"', there)
        way = further[1].replace("&amp;", "&") if further else ""
    assert len(set(listed)) == found
    assert {old, older} <= set(listed)


@pytest.mark.parametrize("user", ["Practitioner/brandt", "Patient/sepsis"])
@pytest.mark.parametrize("path", ["/queue", "/queue/{key}"])
def test_nobody_else_sees_it(house: House, user: str, path: str) -> None:
    key = asked(house)
    browser, visit = opened(house, user)
    answer = page(browser, path.format(key=key), visit)
    assert answer.status_code == 403
    assert key[:8] not in answer.get_data(as_text=True)
    refused = browser.post(f"/queue/{key}/label", data={"visit": visit, "label": "no"}, base_url=APP)
    assert refused.status_code == 403
    assert stands(house, key) == {}


def test_without_a_visit_there_is_nothing(house: House) -> None:
    assert house.browser().get("/queue", base_url=APP).status_code == 401
    assert house.browser().get(f"/queue/{asked(house)}?visit=made-up", base_url=APP).status_code == 401


def test_the_answers_page_says_whose_it_was_and_each_look_is_noted_under_that_patient(house: House) -> None:
    key = asked(house)
    browser, visit = opened(house)
    text = page(browser, f"/queue/{key}", visit).get_data(as_text=True)
    assert f"Patient/{SICK}" in text
    assert "The stored answer" in text
    row = list(house.rooms.audit.read(tenant="demo"))[-1]
    assert (row.kind, row.door, row.assessment) == ("viewed", "/queue/<key>", key)
    assert row.patient == house.rooms.ledger.pseudonym("demo", SICK)


def test_one_label_settles_every_horizon_as_the_same_facts_do(house: House) -> None:
    key = asked(house)
    answer = label(house, key, label="yes", happened_at=local(house, key, 9))
    assert answer.status_code == 303, answer.get_data(as_text=True)
    assert stands(house, key) == {"ventilation-6h": "no", "ventilation-12h": "yes", "ventilation-24h": "yes"}
    found = list(house.rooms.outcomes.labelled("demo", VENTILATION, "ventilation-24h"))
    mine = next(each for each in found if each.assessment_id == key)
    assert (mine.source, mine.reason) == ("review", "reviewed")
    (said,) = [event for event in house.rooms.ledger.history(key) if event.kind == "labelled"]
    assert said.detail["sentence"] == "Seen in the chart."
    assert house.rooms.waiting.one("demo", key) is None


@pytest.mark.parametrize(
    ("form", "hours", "status", "words"),
    [
        ({"label": ""}, None, 400, "No label was chosen"),
        ({"label": "yes"}, None, 400, "When it happened is missing"),
        ({"label": "yes"}, 0.5, 400, "Label and time do not fit"),
        ({"label": "early"}, 3, 400, "Label and time do not fit"),
        ({"label": "yes"}, 25, 400, "after the answer&#39;s hours"),
        ({"label": "yes"}, -2, 400, "The ledger does not take this label"),
        ({"label": "yes", "happened_at": "yesterday"}, None, 400, "When it happened is missing"),
        ({"label": "no", "sentence": "  "}, None, 400, "The sentence is missing"),
        ({"label": "no", "sentence": "x" * 2001}, None, 400, "The sentence is missing"),
    ],
)
def test_what_contradicts_itself_is_refused_with_a_remedy_and_nothing_is_kept(
    house: House, form: dict[str, str], hours: float | None, status: int, words: str
) -> None:
    key = asked(house)
    when = {} if hours is None else {"happened_at": local(house, key, hours)}
    answer = label(house, key, **(when | form))
    assert answer.status_code == status
    assert words in answer.get_data(as_text=True)
    assert f"/queue/{key}" in answer.get_data(as_text=True)
    assert stands(house, key) == {}


def test_that_it_did_not_happen_cannot_be_said_before_its_hours_are_over(house: House) -> None:
    key = asked(house, hours_ago=1)
    assert "Its hours are not over" in label(house, key, label="no").get_data(as_text=True)
    key = asked(house, hours_ago=7)
    assert label(house, key, label="no").status_code == 303
    assert stands(house, key) == {"ventilation-6h": "no"}
    assert house.rooms.waiting.one("demo", key) is not None


def test_a_second_reviewer_who_says_otherwise_is_told_so_and_the_first_label_stays(house: House) -> None:
    key = asked(house)
    one, visit = opened(house)
    two, visit_of_two = opened(house, "Practitioner/iyer")
    text = page(two, f"/queue/{key}", visit_of_two).get_data(as_text=True)
    assert label(house, key, one, visit, label="no").status_code == 303
    sent = {"visit": visit_of_two, "csrf_token": token(text), "sentence": "No.", "label": "unknown"}
    answer = two.post(f"/queue/{key}/label", data=sent, base_url=APP)
    assert answer.status_code in (404, 409)
    assert set(stands(house, key).values()) == {"no"}


@pytest.fixture
def quiet(tmp_path: Path) -> Iterator[House]:
    """A house in which nobody has labelled anything."""
    yield from standing(tmp_path / "quiet")


def test_what_a_reviewer_says_in_the_queue_is_a_row_that_adaptation_reads_yes_and_no(
    quiet: House, tmp_path: Path
) -> None:
    house = quiet
    no, yes, chosen = asked(house), asked(house, patient=OTHER, hours_ago=12), task(VENTILATION)
    moments = {key: told.as_of for key in (no, yes) if (told := house.rooms.waiting.one("demo", key))}
    assert label(house, no, label="no").status_code == 303
    assert label(house, yes, label="yes", happened_at=local(house, yes, 9)).status_code == 303
    folder = bulk_export(house, tmp_path / "export")
    out = str(folder / "Procedure-labels.ndjson")
    done = house.app.test_cli_runner().invoke(
        args=["labels", "export", "--procedures", "--tenant", "demo", "--out", out]
    )
    assert done.exit_code == 0, done.output
    assert "which names patients" in done.output

    found = Found()
    read = stays(Export(folder, "stand-in"), found, tmp_path / "spool")
    table = rows_of(read, "stand-in", chosen, layout_for(chosen.inputs, chosen.name), {}).table
    assert found.reviewed >= 1
    of_no, hour = table.patient == f"stand-in/{SICK}", asked_at(folder, SICK, moments[no])
    assert any(abs(each - hour) < 1e-3 for each in table.landmark[of_no]), "a row of the answer's own moment"
    assert not table.y[of_no].any()
    of_yes, hour = table.patient == f"stand-in/{OTHER}", asked_at(folder, OTHER, moments[yes])
    near = of_yes & (abs(table.landmark - hour) <= 1)
    assert near.any()
    assert table.y[near][:, -1].all()


def bulk_export(house: House, folder: Path) -> Path:
    """What the hospital would export a day later, everybody having gone home."""
    folder.mkdir()
    gone = (house.clock() + timedelta(days=1)).isoformat()
    lines: dict[str, list[str]] = {}
    for row in everyone(house.clock()):
        if row["resourceType"] == "Encounter":
            row = row | {"status": "finished", "period": {**row["period"], "end": gone}}
        lines.setdefault(row["resourceType"], []).append(json.dumps(row) + "\n")
    for kind, written in lines.items():
        (folder / f"{kind}.ndjson").write_text("".join(written))
    return folder


def asked_at(folder: Path, patient: str, as_of: datetime) -> float:
    """Hours from the stay's beginning."""
    rows = map(json.loads, (folder / "Encounter.ndjson").read_text().splitlines())
    stay = next(row for row in rows if row["subject"]["reference"] == f"Patient/{patient}")
    return (as_of - datetime.fromisoformat(stay["period"]["start"])) / timedelta(hours=1)


def test_another_sites_form_labels_nothing(house: House) -> None:
    key = asked(house)
    browser, visit = opened(house)
    sent = {"visit": visit, "csrf_token": "f" * 64, "label": "no", "sentence": "x"}
    assert browser.post(f"/queue/{key}/label", data=sent, base_url=APP).status_code == 401
    assert browser.get(f"/queue/{key}/label", base_url=APP).status_code == 405
    assert stands(house, key) == {}


def test_the_result_page_leads_reviewers_there_and_nobody_else(house: House) -> None:
    for user, there in (("Practitioner/okafor", True), ("Practitioner/brandt", False)):
        browser, address = house.launched(OTHER, user=user)
        text = browser.get(address, base_url=APP).get_data(as_text=True)
        assert ("What waits for a person" in text) is there


def test_every_reason_has_words() -> None:
    from webapp import words

    source = Path("inference/sequel.py").read_text() + Path("ehr/aftermath.py").read_text()
    codes = set(re.findall(r'(?:Sequel\(OPEN, |return |yield Doubt\(\w+, )"([a-z]+(?:-[a-z]+)+)"', source))
    codes |= {"transferred", "departure-unsaid", "draw-not-read", "entered-in-error", "whose-not-known"}
    assert len(codes) > 12
    assert not {code for code in codes if not words.knows("en", f"queue.why.{code}")}
