"""The unit board from one bulk export of the hospital's Group, over real HTTP and in bad weather."""

from __future__ import annotations

import json
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

from demo.patients import STORIES
from ehr.tenants import Tenants
from tests.demo.standing_hospital import Quiet
from tests.webapp.house import APP, House, standing, visit_of
from webapp import boarding, exporting, unlooked
from webapp.boarding import Kept
from webapp.unlooked import Unlooked


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """App and hospital, each on a port of its own; the unit is read by export."""
    server = make_server("127.0.0.1", 0, lambda *_: [], threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()

    def fetch(url: str) -> Any:
        return httpx.get(url.replace(APP, f"http://127.0.0.1:{server.port}")).raise_for_status().json()

    for made in standing(tmp_path_factory.mktemp("board"), fetch=fetch):
        server.app = made.app
        configured(made, read="export")
        yield made
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(autouse=True)
def waited(house: House) -> Iterator[list[float]]:
    """Waiting is noted, and does not happen."""
    tenants, wait, found = house.rooms.tenants, house.rooms.wait, list[float]()
    house.rooms.wait = found.append
    yield found
    house.fair()
    house.clock.ahead = timedelta(0)
    house.rooms.__dict__["tenants"] = tenants
    house.rooms.wait = wait
    house.rooms.vault.delete("export", "demo|monitored")
    house.hospital.exports._held.clear()
    house.hospital.exports.files_need_token = True


def configured(house: House, file_servers: tuple[str, ...] = (), **changes: Any) -> None:
    """The demonstration's tenant, its unit changed."""
    (tenant,) = house.rooms.tenants
    unit = replace(tenant.board.units[0], **changes)
    board = replace(tenant.board, units=(unit,), file_servers=file_servers)
    house.rooms.__dict__["tenants"] = Tenants((replace(tenant, board=board),))


def run(house: House) -> Result:
    return house.app.test_cli_runner().invoke(args=["board", "--tenant", "demo"])


def looked(house: House) -> str:
    done = run(house)
    assert done.exit_code == 0, done.output
    return done.output


def failed(house: House, status: int = 1) -> str:
    done = run(house)
    assert done.exit_code == status, done.output
    return done.output


def kept(house: House) -> Kept:
    found = boarding.kept(house.rooms, "demo", "monitored")
    assert found is not None
    return found


def asked(house: House, method: str, path: str) -> int:
    """How often the hospital was asked for it."""
    return sum(one.method == method and path in one.path for one in house.hospital.faults.seen)


def test_one_export_of_the_group_gives_the_board_that_searches_give(house: House, waited: list[float]) -> None:
    # CONFORMANCE 34
    configured(house, read="searches")
    looked(house)
    by_searches = {row.patient: (row.counted, row.probability) for row in kept(house)[1]}
    house.fair()
    configured(house, read="export")
    said = looked(house)
    at, rows, head = kept(house)
    assert "by an export of" in said
    assert {row.patient for row in rows} == set(STORIES)
    assert {row.patient: row.counted for row in rows} == {name: each[0] for name, each in by_searches.items()}
    for row in rows:
        number = by_searches[row.patient][1]
        assert (row.probability is None) == (number is None)
        assert row.probability is None or row.probability == pytest.approx(number, abs=1e-3)  # seconds have passed
    assert {each.look.at for each in house.rooms.forecasts.last("demo", "monitored")} == {at}
    assert not head["export_cut"]
    assert waited == [1.0, 1.0]  # as the hospital asks between two questions
    assert asked(house, "GET", "$export") == asked(house, "DELETE", "/_export/") == 1
    assert asked(house, "GET", "/fhir/Observation") == asked(house, "GET", "/fhir/Patient/") == 0
    assert len(house.hospital.exports) == 0
    assert house.rooms.vault.get("export", "demo|monitored") is None


def test_what_the_command_says_of_an_export_names_nobody(house: House) -> None:
    said = looked(house)
    for row in kept(house)[1]:
        assert row.name not in said
        assert row.record_number not in said


def test_files_that_need_no_token_get_none(house: House) -> None:
    for needed in (False, True):
        house.fair()
        house.hospital.exports.files_need_token = needed
        assert "not read" not in looked(house)
        files = [one for one in house.hospital.faults.seen if one.path.endswith(".ndjson")]
        assert files
        assert {one.authorized for one in files} == {needed}


@pytest.mark.parametrize("needs_token", [True, False])
def test_a_file_on_another_server_is_asked_for_nothing_and_the_export_is_deleted(
    house: House, needs_token: bool
) -> None:
    came: list[str] = []

    def elsewhere(environ: dict[str, Any], start: Any) -> list[bytes]:
        came.append(str(environ.get("HTTP_AUTHORIZATION")))
        start("200 OK", [])
        return [b""]

    server = make_server("127.0.0.1", 0, elsewhere, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    house.hospital.exports.files_need_token = needs_token
    try:
        place = f"http://127.0.0.1:{server.port}/rows.ndjson"
        house.weather("files-elsewhere", match="/fhir/_export", to=place)
        assert "outside the hospital's FHIR server" in failed(house)
        assert came == []
        assert asked(house, "DELETE", "/_export/") == 1
        # Listed by the site: a file that needs no token is fetched there, and none is sent.
        configured(house, file_servers=(f"http://127.0.0.1:{server.port}",))
        if needs_token:
            failed(house)
            assert came == []
        else:
            looked(house)
            assert came == ["None"]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_transfer_that_breaks_off_goes_on_where_it_broke_off(house: House) -> None:
    looked(house)
    counted = {row.patient: row.counted for row in kept(house)[1]}
    house.fair()
    house.weather("stall", match="/fhir/_export", times=3)  # three questions pass
    house.weather("cut", match="/fhir/_export", times=2)  # packed, and then plain
    said = looked(house)
    assert "not read" not in said
    assert "did not send" not in said
    assert {row.patient: row.counted for row in kept(house)[1]} == counted
    first = next(one.path for one in house.hospital.faults.seen if one.path.endswith(".ndjson"))
    assert asked(house, "GET", first) == 3


def test_a_busy_hospital_is_given_its_time_at_every_step(house: House, waited: list[float]) -> None:
    house.weather("throttle", match="/fhir/Group/monitored/$export", times=1, retry_after="70")
    house.weather("throttle", match="/fhir/_export", times=1, retry_after="80")
    looked(house)
    assert waited[:2] == [70.0, 80.0]


def test_passing_trouble_is_passed_and_lasting_trouble_is_a_fault_that_can_be_gone_on_with(house: House) -> None:
    house.weather("gateway", match="/fhir/_export", times=3)
    looked(house)
    house.weather("gateway", match="/fhir/_export")
    failed(house)
    house.fair()
    looked(house)
    assert asked(house, "GET", "$export") == 0  # no second export: the first was gone on with
    assert len(house.hospital.exports) == 0


def test_an_export_that_the_hospital_gave_up_is_said_and_deleted(house: House) -> None:
    house.weather("error", match="/fhir/_export", status=500, times=1)
    said = failed(house)
    assert "the hospital gave it up [500: exception]" in said
    assert asked(house, "DELETE", "/_export/") == 1
    looked(house)
    assert asked(house, "GET", "$export") == 2


def test_the_page_says_that_an_export_is_awaited_or_failed_until_there_is_a_newer_look(house: House) -> None:
    looked(house)
    house.weather("throttle", match="/fhir/_export", times=1, retry_after=str(int(exporting.MOST_SECONDS)))
    failed(house, 75)
    awaited, fault = unlooked.why(house.rooms, "demo", "monitored"), "export could not be used"
    assert awaited.export_since is not None
    assert "preparing a newer export since" in page(house)
    looked(house)
    assert unlooked.why(house.rooms, "demo", "monitored") == Unlooked()
    house.weather("error", match="/fhir/_export", status=500, times=1)
    failed(house)
    assert "A newer look was tried" in page(house)
    assert fault in page(house)
    looked(house)
    assert "A newer look was tried" not in page(house)
    assert "preparing a newer export" not in page(house)


def page(house: House) -> str:
    """The board, as somebody reads it who has opened the app from a chart."""
    browser, address = house.launched("sepsis", user="Practitioner/okafor")
    return str(browser.get(f"/board/demo?visit={visit_of(address)}", base_url=APP).get_data(as_text=True))


def test_a_hospital_that_does_not_export_is_said(house: House) -> None:
    house.weather("error", match="/fhir/Group/monitored/$export", status=404)
    assert "Group/$export" in failed(house)


def test_a_server_without_filters_is_asked_without_them(house: House) -> None:
    house.weather("error", match="/fhir/Group/monitored/$export", status=400, times=1)
    looked(house)
    queries = [one.query for one in house.hospital.faults.seen if "$export" in one.path]
    assert ["_typeFilter" in one for one in queries] == [True, False]


def test_a_run_without_time_is_gone_on_with_and_one_that_was_forgotten_begun_again(
    house: House,
) -> None:
    house.weather("throttle", match="/fhir/_export", times=1, retry_after=str(int(exporting.MOST_SECONDS)))
    assert "goes on where this ended" in failed(house, 75)
    looked(house)
    assert asked(house, "GET", "$export") == 1
    held = {"status": f"{house.hospital.settings.fhir}/_export/gone", "group": "monitored"}
    held["since"] = house.clock().isoformat()
    house.rooms.vault.put("export", "demo|monitored", held, 600)
    looked(house)
    assert asked(house, "GET", "$export") == 2


def test_an_export_of_another_hour_is_no_board(house: House) -> None:
    before = house.rooms.forecasts.last("demo", "monitored")
    house.weather("export-old", match="/fhir/_export")
    assert 'which is not "now"' in failed(house)
    assert house.rooms.forecasts.last("demo", "monitored") == before


def test_an_export_that_is_not_whole_is_said_and_its_charts_count_as_cut_short(house: House) -> None:
    house.weather("export-errors", match="/fhir/_export")
    said = looked(house)
    assert "errors the hospital reports in its export: exception 1" in said
    assert "rows the hospital counted and did not send: 1" in said
    head = kept(house)[2]
    assert head["export_cut"]
    sick = next(row for row in kept(house)[1] if row.patient == "sepsis")
    recorded = house.rooms.ledger.recall(sick.assessment, tenant="demo", patient="sepsis")
    assert recorded is not None
    assert recorded.assessment.truncated


def test_a_member_of_whom_nothing_was_sent_is_named_as_not_read(house: House) -> None:
    group = house.hospital._rows["Group"]["monitored"]
    member = {"entity": {"reference": "Patient/nobody-sent"}}
    house.hospital._rows["Group"]["monitored"] = {**group, "member": [*group["member"], member]}
    try:
        assert "not read: NotInExport 1" in looked(house)
    finally:
        house.hospital._rows["Group"]["monitored"] = group


def test_scopes_that_an_export_needs_are_named(house: House) -> None:
    house.weather_withholds("system/Procedure.rs")
    assert "reading Procedure was not granted" in failed(house)


def test_nothing_of_an_export_stays_on_the_disk(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    looked(house)
    house.weather("cut", match="/fhir/_export")
    failed(house)
    assert list(tmp_path.iterdir()) == []


def test_where_an_export_is_asked_after_is_sealed(house: House) -> None:
    house.weather("gateway", match="/fhir/_export")
    failed(house)
    held = house.rooms.vault.get("export", "demo|monitored")
    assert held is not None
    raw = Path(str(house.rooms.store.url.database)).read_bytes()
    assert json.dumps(held["status"]).encode() not in raw
    assert str(held["status"]).rpartition("/")[2].encode() not in raw
