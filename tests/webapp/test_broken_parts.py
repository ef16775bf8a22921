"""What the app stands on breaks under it: the database goes away, a model's file is not the released one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from inference.assessment import VENTILATION
from inference.model import newest
from tests.servers import free_port, postgres_server
from tests.webapp.house import APP, SECRET, House, standing
from webapp import create_app
from webapp.rooms import Rooms

ROOT = Path(__file__).resolve().parents[2]
SICK = "pneumonia-worsening"
SERVICE = f"/cds-services/{VENTILATION}"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


def test_a_database_that_goes_away_is_a_fault_at_every_door_and_nothing_is_said(house: House) -> None:
    # CONFORMANCE 91
    with ExitStack() as running, ExitStack() as server:
        settings = replace(house.rooms.settings, database_url=server.enter_context(postgres_server()))
        rooms = Rooms(settings, clock=house.clock, models=house.rooms.models)
        running.callback(lambda: rooms.store.engine.dispose())
        running.callback(lambda: rooms.http.close())
        there = replace(house, app=create_app(settings, rooms), rooms=rooms)
        assert there.post(SERVICE, there.asked(SICK)).get_json()["cards"]
        client, address = there.launched(SICK)
        assert client.get("/readyz").status_code == 200
        server.close()  # the server stops, as it would for an update at noon

        hook = there.post(SERVICE, there.asked(SICK))
        assert hook.status_code == 503, hook.get_data(as_text=True)
        assert hook.get_json()["resourceType"] == "OperationOutcome"
        assert "cards" not in hook.get_json()
        assert "/readyz" in hook.get_json()["issue"][0]["details"]["text"]
        page = client.get(address, base_url=APP)
        assert page.status_code == 503
        assert "Go on without Ordertime" in page.get_data(as_text=True)
        for answer in (hook, page):
            said = answer.get_data(as_text=True)
            assert "postgres" not in said.lower()
            assert "Ashdown" not in said
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert ready.get_json()["checks"]["database"] is False
        assert client.get("/healthz").status_code == 200


def test_workers_whose_model_is_not_the_released_one_do_not_start_and_name_the_file(
    house: House, tmp_path: Path
) -> None:
    artifacts = tmp_path / "artifacts"
    shutil.copytree(house.rooms.settings.artifacts, artifacts)
    graph = next(newest(artifacts, VENTILATION).glob("*.onnx"))
    graph.write_bytes(graph.read_bytes()[:-1] + b"\x00")
    environment = {
        "PATH": os.environ["PATH"],
        "ORDERTIME_MODE": "demonstration",
        "ORDERTIME_PUBLIC_URL": APP,
        "ORDERTIME_SECRET_KEY": SECRET,
        "ORDERTIME_TENANTS": str(house.rooms.settings.tenants),
        "ORDERTIME_ARTIFACTS": str(artifacts),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'ledger.db'}",
        "WEB_CONCURRENCY": "1",
    }
    command = [sys.executable, "-m", "gunicorn", "-c", "gunicorn.conf.py", "-b", f"127.0.0.1:{free_port()}"]
    done = subprocess.run(
        [*command, "wsgi:app"], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 3
    (line,) = [each for each in done.stderr.splitlines() if each.startswith("ordertime does not start: ")]
    assert str(graph) in line
    assert "restore it" in line
    assert "Traceback" not in done.stderr
