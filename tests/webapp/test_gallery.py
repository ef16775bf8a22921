"""The gallery: every state of every face from stored assessments, and only where the app is a demonstration."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.webapp import examples, pages
from tests.webapp.cases import HANDOUTS, PAGES, assessments
from webapp import create_app
from webapp.gallery import FACES, papers, results
from webapp.gallery.stored import FOLDER, OPENED, ZONE
from webapp.rooms import Rooms
from webapp.settings import from_environment

SECRET = "kV9x0pQ2mN7bL4cZ8wR1tY6uJ3hG5fDs"


def client(folder: Path, mode: str) -> FlaskClient:
    told = {
        "ORDERTIME_MODE": mode,
        "DATABASE_URL": f"sqlite:///{folder / 'x.db'}",
        "ORDERTIME_SECRET_KEY": SECRET,
    }
    (folder / "tenants").mkdir(exist_ok=True)
    return create_app(from_environment({**told, "ORDERTIME_TENANTS": str(folder / "tenants")})).test_client()


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    return client(tmp_path_factory.mktemp("gallery"), "demonstration")


@pytest.mark.parametrize("mode", ["development", "production"])
def test_it_is_closed_where_the_app_is_no_demonstration(tmp_path: Path, mode: str) -> None:
    settings = from_environment(
        {"DATABASE_URL": f"sqlite:///{tmp_path / 'x.db'}", "ORDERTIME_TENANTS": str(tmp_path)}
    )
    app = create_app(replace(settings, mode=mode), Rooms(settings))
    assert "gallery" not in app.blueprints
    assert app.test_client().get("/gallery").status_code == 404


def test_the_stored_assessments_are_those_the_tests_speak_of() -> None:
    kept = {path.name: path.read_bytes() for path in FOLDER.glob("*.json")}
    assert kept == assessments()
    assert (ZONE, OPENED) == (examples.ZONE, examples.OPENED)


def test_every_state_that_a_golden_file_holds_hangs_in_it() -> None:
    held = {name for name in PAGES if name != "excluded"}  # two answers of one model: two plates here
    assert held <= set(results.CASES)
    assert set(HANDOUTS) <= set(papers.STATES)


@pytest.mark.parametrize("face", [each.name for each in FACES])
def test_every_plate_is_drawn_and_hangs_on_the_wall(gallery: FlaskClient, face: str) -> None:
    wall = gallery.get(f"/gallery?face={face}").get_data(as_text=True)
    (found,) = [each for each in FACES if each.name == face]
    plates = found.plates()
    assert len({plate.name for plate in plates}) == len(plates)
    for plate in plates:
        address = f"/gallery/{face}/{plate.name}"
        answer = gallery.get(address)
        assert answer.status_code == 200, plate
        assert pages.text(answer.get_data(as_text=True)).strip()
        assert f'<iframe src="{address}"' in wall


def test_only_the_wall_may_frame_a_plate(gallery: FlaskClient) -> None:
    plate = gallery.get("/gallery/result/assessed").headers["Content-Security-Policy"]
    assert "frame-ancestors 'self'" in plate
    assert "frame-src 'none'" in plate
    wall = gallery.get("/gallery").headers["Content-Security-Policy"]
    assert "frame-src 'self'" in wall
    assert "frame-ancestors 'none'" in wall


@pytest.mark.parametrize("address", ["/gallery/result/nothing", "/gallery/nothing/assessed"])
def test_a_plate_that_does_not_hang_there_is_not_found(gallery: FlaskClient, address: str) -> None:
    assert gallery.get(address).status_code == 404


def test_a_card_in_the_gallery_is_the_card_that_is_sent_and_silence_is_shown_too(
    gallery: FlaskClient,
) -> None:
    said = gallery.get("/gallery/card/ventilation-assessed-active").get_data(as_text=True)
    assert "Ventilator within 24" in said
    silent = gallery.get("/gallery/card/ventilation-child-active").get_data(as_text=True)
    assert "No card: there is nothing to add." in silent
