"""The unit board end to end: the hospital's Group read without a user, the forecast kept and scored, the page.

App and hospital speak over loopback; the hospital fetches the app's public keys over HTTP too.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import Result
from werkzeug.serving import make_server

from demo.patients import STORIES, everyone
from demo.tenant import BACKEND_SCOPES
from ehr.tenants import Tenants
from inference.assessment import VENTILATION, State
from tests.demo.standing_hospital import Quiet
from tests.webapp.house import APP, House, standing, visit_of
from webapp import boarding

LOOKED = "Practitioner/okafor"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """App and hospital, each on a port of its own."""
    server = make_server("127.0.0.1", 0, lambda *_: [], threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()

    def fetch(url: str) -> Any:
        return httpx.get(url.replace(APP, f"http://127.0.0.1:{server.port}")).raise_for_status().json()

    for made in standing(tmp_path_factory.mktemp("board"), fetch=fetch):
        server.app = made.app
        yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def fair(house: House) -> Iterator[None]:
    tenants, wait = house.rooms.tenants, house.rooms.wait
    yield
    house.fair()
    house.clock.ahead = timedelta(0)
    house.rooms.__dict__["tenants"] = tenants
    house.rooms.wait = wait


def run(house: House, *args: str) -> Result:
    return house.app.test_cli_runner().invoke(args=["board", "--tenant", "demo", *args])


def looked(house: House, *args: str) -> str:
    done = run(house, *args)
    assert done.exit_code == 0, done.output
    return done.output


def opened(house: House, user: str = LOOKED, site: str = "demo") -> Any:
    """The board's answer to somebody who has opened the app from a chart."""
    browser, address = house.launched("sepsis", user=user)
    return browser.get(f"/board/{site}?visit={visit_of(address)}", base_url=APP)


def board_of(browser: Any, address: str) -> str:
    return text_of(browser.get(f"/board/demo?visit={visit_of(address)}", base_url=APP))


def text_of(answer: Any) -> str:
    return str(answer.get_data(as_text=True)).replace("\u00a0", " ")


def configured(house: House, **changes: Any) -> None:
    """The demonstration's tenant, changed."""
    (tenant,) = house.rooms.tenants
    house.rooms.__dict__["tenants"] = Tenants((replace(tenant, **changes),))


def stands(house: House, state: State) -> None:
    (tenant,) = house.rooms.tenants
    policy = replace(tenant.models[VENTILATION], state=state)
    configured(house, models={**tenant.models, VENTILATION: policy})


def kept(house: House) -> tuple[Any, Any, Any]:
    found = boarding.kept(house.rooms, "demo", "monitored")
    assert found is not None
    return found


# --- one look


def test_everybody_in_the_group_is_read_without_a_user_and_counted_once(house: House) -> None:
    # CONFORMANCE 34
    said = looked(house)
    _, rows, _ = kept(house)
    assert {row.patient for row in rows} == set(STORIES)
    assert f"monitored: {len(STORIES)} patients of 24 beds" in said
    ventilated = [row for row in rows if row.counted == boarding.ON]
    assert "ventilated" in {row.patient for row in ventilated}
    assert all(row.since for row in ventilated)
    counted = {row.patient: row.counted for row in rows}
    assert counted["sepsis"] == boarding.RISK
    assert counted["almost-empty"] == counted["child-asthma"] == boarding.AVERAGE
    made = house.rooms.forecasts.last("demo", "monitored")
    assert [each.demand.hours for each in made] == [8.0, 12.0, 24.0]
    assert {each.look.in_use for each in made} == {len(ventilated)}
    assert all(each.demand.intervals[0.95][0] <= each.demand.mean <= each.demand.intervals[0.95][1] for each in made)


def test_what_the_command_says_names_nobody(house: House) -> None:
    said = looked(house, "--group", "monitored")
    _, rows, _ = kept(house)
    for row in rows:
        assert row.patient not in said or row.patient == "ventilated"
        assert row.name not in said
        assert row.record_number not in said


def test_the_answers_are_in_the_ledger_like_those_of_the_doors(house: House) -> None:
    looked(house)
    _, rows, _ = kept(house)
    sick = next(row for row in rows if row.patient == "sepsis")
    recorded = house.rooms.ledger.recall(sick.assessment, tenant="demo", patient="sepsis")
    assert recorded is not None
    assert recorded.door == "batch"
    assert recorded.shown_at is None
    assert recorded.assessment.headline is not None
    assert recorded.assessment.headline.probability == sick.probability


def test_an_export_in_files_gives_the_same_counts_and_its_bad_lines_are_counted(house: House, tmp_path: Path) -> None:
    looked(house)
    by_group = {row.patient: row.counted for row in kept(house)[1]}
    path = tmp_path / "unit.ndjson"
    rows = [json.dumps(row) for row in everyone(house.clock())]
    path.write_text("\n".join([*rows[:50], '{"resourceType": "Obser', *rows[50:]]) + "\n")
    said = looked(house, "--file", str(path))
    assert "bad lines, left out: 1" in said
    assert {row.patient: row.counted for row in kept(house)[1]} == by_group
    assert "1 line of the export could not be read" in text_of(opened(house))


# --- bad weather


def test_a_patient_whose_chart_cannot_be_read_is_named_and_counted_at_the_average(house: House) -> None:
    house.weather("error", match="/fhir/Patient/sepsis", status=500)
    said = looked(house)
    assert "not read: EhrUnavailable 1" in said
    lost = next(row for row in kept(house)[1] if row.patient == "sepsis")
    assert (lost.counted, lost.reason) == (boarding.UNREAD, "EhrUnavailable")
    assert {each.look.unread for each in house.rooms.forecasts.last("demo", "monitored")} == {1}
    house.fair()
    page = text_of(opened(house))
    assert "1 patient: the hospital did not answer. Counted by the average risk" in page
    assert "Look at the bedside" in page


def test_a_busy_hospital_is_waited_for_as_long_as_it_asks(house: House) -> None:
    waited: list[float] = []
    house.rooms.wait = waited.append
    house.weather("throttle", match="/fhir/Observation", times=2, retry_after="90")
    assert "not read" not in looked(house)
    assert waited
    assert set(waited) == {90.0}


def test_too_few_charts_are_no_forecast_and_the_page_says_so(house: House) -> None:
    before = house.rooms.forecasts.last("demo", "monitored")
    house.weather("error", match="/fhir/Observation", status=403)
    assert "no forecast: too few charts could be read" in looked(house)
    assert house.rooms.forecasts.last("demo", "monitored") == before
    house.fair()
    page = text_of(opened(house))
    assert f"No forecast: {len(STORIES)} of {len(STORIES)} charts could not be read." in page
    assert "the hospital does not let us read them" in page
    assert "in 8 h" not in page


def test_without_the_group_or_a_client_nothing_is_begun(house: House) -> None:
    (tenant,) = house.rooms.tenants
    gone = replace(tenant.board.units[0], group="nowhere")
    configured(house, board=replace(tenant.board, units=(gone,)))
    assert run(house).exit_code == 1
    assert "Group" in run(house).output
    configured(house, board=tenant.board, backend=None)
    assert "no [backend] client" in run(house).output


def test_a_scope_that_was_not_granted_is_said(house: House) -> None:
    assert "system/Group.rs" in BACKEND_SCOPES
    house.weather_withholds("system/Group.rs")
    done = run(house)
    assert done.exit_code == 1
    assert "Group" in done.output


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--group", "other"], "no unit of site demo is 'other'; there are monitored"),
        (["--unit", "other", "--file", __file__], "no unit of site demo is 'other'"),
        (["--group", "monitored", "--file", __file__], "give one"),
    ],
)
def test_the_command_says_what_it_cannot_do(house: House, args: list[str], said: str) -> None:
    done = run(house, *args)
    assert done.exit_code == 1
    assert said in done.output


def test_a_site_without_units_has_nothing_to_look_at(house: House) -> None:
    (tenant,) = house.rooms.tenants
    configured(house, board=replace(tenant.board, units=()))
    assert "has no [[board.units]]" in run(house).output


# --- scored afterwards


def test_an_earlier_forecast_is_scored_with_what_was_in_use_at_its_hour(house: House, tmp_path: Path) -> None:
    looked(house)
    made = house.rooms.forecasts.last("demo", "monitored")[0]
    house.clock.ahead = timedelta(minutes=1)  # a visit lasts eight hours
    browser, address = house.launched("sepsis", user=LOOKED)
    house.clock.ahead = timedelta(hours=8, seconds=30)
    path = tmp_path / "later.ndjson"
    path.write_text("".join(json.dumps(row) + "\n" for row in everyone(house.clock())))
    said = looked(house, "--file", str(path))
    truth = house.rooms.forecasts.last("demo", "monitored")[0].look.in_use
    found = house.rooms.forecasts.records("demo", "monitored", house.clock())[0]
    assert found.score is not None
    assert found.hours == made.demand.hours == 8.0
    assert found.score.error_of_persistence == abs(made.look.in_use - truth)  # nobody here comes off or goes on
    assert f"earlier, 8 h ahead: {found.score.forecasts} scored" in said
    assert f"8 h ahead, {found.score.forecasts} forecasts in 90 days" in board_of(browser, address)


# --- the page


def test_the_page_shows_who_is_at_risk_and_how_many_will_be_needed(house: House) -> None:
    looked(house)
    answer = opened(house)
    page = text_of(answer)
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert "Never a substitute for the bedside" in page
    assert "Demonstration" in page
    for hours in (8, 12, 24):
        assert f"in {hours} h" in page
    assert "80 % interval" in page
    assert "More than 4 needed" in page
    _, rows, _ = kept(house)
    ranked = sorted((row for row in rows if row.probability is not None), key=lambda row: -(row.probability or 0))
    places = [page.index(row.record_number) for row in ranked]
    assert places == sorted(places)
    assert page.count("as seen") == 0
    assert re.search(r"As seen \d+ \w+ 20\d\d", page)


@pytest.mark.parametrize(("user", "status"), [("Practitioner/brandt", 403), (LOOKED, 200)])
def test_only_those_whom_the_site_names_may_look(house: House, user: str, status: int) -> None:
    looked(house)
    answer = opened(house, user)
    assert answer.status_code == status
    assert ("100297" in text_of(answer)) == (status == 200)  # the septic patient's record number


def test_a_visit_of_one_site_opens_no_other_and_an_address_alone_nothing(house: House) -> None:
    assert opened(house, site="elsewhere").status_code == 403
    _, address = house.launched("sepsis", user=LOOKED)
    assert house.browser().get(f"/board/demo?visit={visit_of(address)}", base_url=APP).status_code == 401
    assert house.browser().get("/board/demo", base_url=APP).status_code == 401


def test_only_who_may_look_is_led_there(house: House) -> None:
    for user, there in ((LOOKED, True), ("Practitioner/brandt", False)):
        browser, address = house.launched("sepsis", user=user)
        page = browser.get(address, base_url=APP).get_data(as_text=True)
        assert ('href="/board/demo?visit=' in page) is there


def test_every_look_is_noted_for_its_user_and_each_patient_seen_and_a_refusal_too(house: House) -> None:
    looked(house)
    since = house.clock()
    opened(house)
    opened(house, "Practitioner/brandt")
    trail = [row for row in house.rooms.audit.read(tenant="demo", since=since) if row.door == "/board/<site>"]
    views = [row for row in trail if row.kind == "board"]
    user = house.rooms.ledger.user_pseudonym("demo", LOOKED)
    assert {row.user for row in views} == {user}
    seen = {house.rooms.ledger.pseudonym("demo", row.patient) for row in kept(house)[1]}
    assert {row.patient for row in views} == {"", *seen}
    (refused,) = (row for row in trail if row.kind == "refused")
    assert (refused.status, refused.user) == (403, house.rooms.ledger.user_pseudonym("demo", "Practitioner/brandt"))
    export = house.app.test_cli_runner().invoke(args=["audit", "export", "--tenant", "demo"]).output
    events = [json.loads(line) for line in export.splitlines()]
    deeds = {event["subtype"][0]["code"] for event in events if event["resourceType"] == "AuditEvent"}
    assert "board" in deeds


def test_a_look_that_cannot_be_noted_is_not_shown(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    from governance.errors import LedgerUnavailable

    def broken(*_: Any, **__: Any) -> None:
        raise LedgerUnavailable("the disk is full")

    looked(house)
    browser, address = house.launched("sepsis", user=LOOKED)
    monkeypatch.setattr(house.rooms.audit, "note_all", broken)
    answer = browser.get(f"/board/demo?visit={visit_of(address)}", base_url=APP)
    assert answer.status_code == 503
    assert "100297" not in text_of(answer)


@pytest.mark.parametrize("state", [State.SILENT, State.SUSPENDED])
def test_a_model_that_may_not_answer_shows_no_risk_and_no_forecast_and_scores_stay(house: House, state: State) -> None:
    stands(house, state)
    said = looked(house)
    assert f"the model is {state.value} here" in said
    assert " ventilators, 80 %" not in said
    page = text_of(opened(house))
    assert f"The ventilation model is {state.value} here" in page
    assert "No answer is not a low risk" in page
    assert "Not ventilated, by NEWS2" in page
    assert "Within 24 h" not in page
    assert "in 8 h" not in page
    shares = [row.probability for row in kept(house)[1] if row.probability is not None]
    assert shares
    table = page[page.index("Not ventilated, by NEWS2") : page.index("On a ventilator now")]
    assert not re.search(r"\d %", table)
    assert '<th scope="col">NEWS2</th>' in page


def test_a_look_made_while_shown_is_not_shown_once_the_model_is_suspended(house: House) -> None:
    looked(house)
    stands(house, State.SUSPENDED)
    page = text_of(opened(house))
    assert "suspended here" in page
    assert "in 8 h" not in page


def test_a_look_is_old_after_two_hours_and_gone_after_twelve(house: House) -> None:
    looked(house)
    browser, address = house.launched("sepsis", user=LOOKED)
    house.clock.ahead = timedelta(hours=3)
    assert "more than 2 hours old" in board_of(browser, address)
    house.clock.ahead = timedelta(hours=13)
    assert boarding.kept(house.rooms, "demo", "monitored") is None


def test_nothing_of_a_look_can_be_read_in_the_database(house: House) -> None:
    looked(house)
    _, rows, _ = kept(house)
    raw = Path(str(house.rooms.store.url.database)).read_bytes()
    wal = Path(f"{house.rooms.store.url.database}-wal")
    raw += wal.read_bytes() if wal.exists() else b""
    for row in rows:
        assert row.name.encode() not in raw
        number = row.record_number.encode()
        assert not re.search(rb"(?<![\d.])" + number + rb"(?!\d)", raw)  # a number of its own, no digits of another


