"""Launches in good order and out of it: long ones, several at once, one after the other, and those for nobody here."""

from __future__ import annotations

import html
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from flask.testing import FlaskClient
from joserfc.jwk import ECKey
from werkzeug.serving import make_server

from demo.app import create_hospital
from demo.config import settings_for
from demo.patients import everyone
from demo.records import Hospital
from demo.tenant import tenant_file
from inference.assessment import TROPONIN, VENTILATION
from tests.demo.standing_hospital import Quiet
from tests.ehr.peer import listening, stall
from tests.servers import free_port
from tests.webapp.house import APP, SECRET, House, standing, visit_of
from tests.webapp.scripted import TENANT, scripted
from webapp import create_app
from webapp.rooms import Rooms
from webapp.settings import from_environment

SICK, OTHER = "pneumonia-worsening", "sepsis"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


@pytest.fixture(autouse=True)
def _fair(house: House) -> Iterator[None]:
    path = house.rooms.settings.tenants / "demo.toml"
    before = path.read_text()
    yield
    house.fair()
    if path.read_text() != before:
        path.write_text(before)
        house.rooms.__dict__.pop("tenants", None)


def change_tenant(house: House, old: str, new: str) -> None:
    path = house.rooms.settings.tenants / "demo.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    house.rooms.__dict__.pop("tenants", None)


# --- nobody here


def odd_issuers(listener: str) -> list[str]:
    port = urlsplit(listener).port
    return [
        f"{listener}/fhir",
        f"http://user:secret@127.0.0.1:{port}/fhir",
        f"http://LOCALHOST:{port}/fhir/",
        f"http://localhost:8090@127.0.0.1:{port}/fhir",
        f"http://127.0.0.1:{port}#http://localhost:8090/fhir",
        f"//127.0.0.1:{port}/fhir",
        f"http://[::ffff:127.0.0.1]:{port}/fhir",
    ]


@pytest.mark.parametrize("door", ["/launch", "/standalone"])
def test_an_issuer_nobody_listed_hears_nothing(house: House, door: str) -> None:
    # CONFORMANCE 4
    with listening(stall) as (listener, arrived):
        for iss in odd_issuers(listener):
            answer = house.browser().get(door, query_string={"iss": iss, "launch": "x"}, base_url=APP)
            assert answer.status_code == 403, iss
            assert "Set-Cookie" not in answer.headers
    assert arrived == []


def test_a_hospital_that_publishes_no_oauth_extension_launches(house: House) -> None:
    # CONFORMANCE 1
    house.weather("error", match="/fhir/metadata", status=500)
    _, address = house.launched(SICK)
    assert address.startswith("/result")
    assert "/fhir/metadata" not in [one.path for one in house.hospital.faults.seen]


# --- long ones


MANY = "".join(f', "patient/Observation.rs?category=http://example.org|{n:04}"' for n in range(160))


def posted(answer: Any) -> tuple[str, dict[str, str]]:
    """Where the page's form goes, and what it carries."""
    text = answer.get_data(as_text=True)
    form = re.search(r'<form method="post" action="([^"]+)" data-send>(.*?)</form>', text, re.DOTALL)
    assert form is not None, text
    fields = re.findall(r'name="(\w+)" value="([^"]*)"', form[2])
    return html.unescape(form[1]), {name: html.unescape(value) for name, value in fields}


def test_a_scope_of_eight_kilobytes_goes_by_post_and_the_launch_comes_to_its_end(house: House) -> None:
    # CONFORMANCE 13
    change_tenant(house, '"patient/RiskAssessment.c"]', f'"patient/RiskAssessment.c"{MANY}]')
    client = house.browser()
    launch = house.hospital.launches.mint(patient=SICK, encounter="", user="Practitioner/okafor")
    query = {"iss": house.hospital.settings.fhir, "launch": launch}
    page = client.get("/launch", query_string=query, base_url=APP)
    assert page.status_code == 200
    action, fields = posted(page)
    assert len(fields["scope"]) > 8000
    assert fields["launch"] == launch
    assert action == f"{house.hospital.settings.url}/auth/authorize"
    policy = page.headers["Content-Security-Policy"]
    assert f"form-action 'self' https: {house.hospital.settings.url};" in policy
    assert "unsafe" not in policy
    back = httpx.post(action, data=fields)
    assert back.status_code in (302, 303), back.text
    assert len(back.headers["Location"]) < 2000
    done = client.get(back.headers["Location"].removeprefix(APP), base_url=APP)
    assert done.status_code == 303
    assert client.get(done.location, base_url=APP).status_code == 200


def test_other_pages_forms_go_to_this_app_alone(house: House) -> None:
    _, _, page = house.result(SICK)
    assert "form-action 'self';" in page.headers["Content-Security-Policy"]


# --- two at once


def test_launches_of_two_hospitals_in_one_browser_end_each_at_its_own(house: House) -> None:
    # CONFORMANCE 14
    folder = house.rooms.settings.tenants
    with scripted() as other:
        (folder / "scripted.toml").write_text(TENANT.format(url=other.url))
        house.rooms.__dict__.pop("tenants", None)
        try:
            client = house.browser()
            first = house.callback(client, SICK)  # A begins
            query = {"iss": f"{other.url}/fhir", "launch": "xyz"}
            going = client.get("/launch", query_string=query, base_url=APP)  # B begins
            state = parse_qs(urlsplit(going.location).query)["state"][0]
            one = client.get(first, base_url=APP)  # A comes back
            back = {"code": "c-1", "state": state}
            two = client.get("/callback", query_string=back, base_url=APP)  # B comes back
            visits = [house.rooms.vault.get("visit", visit_of(each.location)) for each in (one, two)]
            grants = [house.rooms.vault.get("grant", visit_of(each.location)) for each in (one, two)]
            pages = [client.get(each.location, base_url=APP).get_data(as_text=True) for each in (two, one)]
        finally:
            (folder / "scripted.toml").unlink()
            house.rooms.__dict__.pop("tenants", None)
    assert [each["tenant"] for each in visits if each] == ["demo", "scripted"]
    assert [each["patient"] for each in grants if each] == [SICK, "p1"]
    assert set(other.reads) == {"at-0"}  # the first hospital's token went nowhere else
    name = strings_of(house, SICK)[0]
    assert name in pages[1]
    assert name not in pages[0]


# --- one after the other


def strings_of(house: House, patient: str) -> list[str]:
    """What would give this patient away: names, record number, id."""
    row = house.hospital.read("Patient", patient)
    numbers = [each["value"] for each in row.get("identifier", ())]
    return [row["name"][0]["family"], row["birthDate"], patient, *numbers]


def every_page(client: FlaskClient, address: str) -> dict[str, str]:
    """The result, and all that its links and forms lead to by reading."""
    first = client.get(address, base_url=APP)
    assert first.status_code == 200
    found = {address: first.get_data(as_text=True)}
    links = re.findall(r'href="(/(?:handout|result)[^"]*)"', found[address])
    for link in {html.unescape(link) for link in links}:
        answer = client.get(link, base_url=APP)
        assert answer.status_code == 200, link
        assert answer.headers["Cache-Control"] == "no-store"
        printed = answer.mimetype == "application/pdf"
        found[link] = paper(answer.data) if printed else answer.get_data(as_text=True)
    return found


def paper(data: bytes) -> str:
    import io

    from pypdf import PdfReader

    return "".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages)


def test_a_launch_of_another_patient_in_the_same_frame_leaves_nothing_of_the_first(house: House) -> None:
    # CONFORMANCE 15
    client, first = house.launched(SICK)
    assert any(
        word in text for word in strings_of(house, SICK) for text in every_page(client, first).values()
    )
    _, second = house.launched(OTHER, client)
    pages = every_page(client, second)
    assert len(pages) >= 4  # the result, patient's pages and their PDFs
    assert any("handout" in link and ".pdf" in link for link in pages)
    for link, text in pages.items():
        assert strings_of(house, OTHER)[0] in text or "about" in link or ".css" in link
        for word in strings_of(house, SICK):
            assert word not in text, (link, word)


# --- what was granted, and to whom


def test_a_grant_without_observations_is_said_and_nothing_breaks(house: House) -> None:
    # CONFORMANCE 21
    withheld = [
        scope for scope in _demo_scopes(house) if scope.startswith("patient/") and "Patient" not in scope
    ]
    httpx.post(f"{house.hospital.settings.url}/_faults", json={"withhold": withheld}).raise_for_status()
    client, address = house.launched(SICK)
    answer = client.get(address, base_url=APP)
    assert answer.status_code == 403
    assert "did not grant reading observations" in answer.get_data(as_text=True)


def _demo_scopes(house: House) -> tuple[str, ...]:
    (tenant,) = house.rooms.tenants
    return tenant.scopes


@pytest.mark.parametrize("user", ["Patient/pneumonia-worsening", "RelatedPerson/daughter"])
def test_a_patient_or_a_relative_does_not_get_the_clinicians_pages(house: House, user: str) -> None:
    # CONFORMANCE 30
    client = house.browser()
    answer = client.get(house.callback(client, SICK, user=user), base_url=APP)
    page = client.get(answer.location, base_url=APP)
    assert page.status_code == 403
    assert "written for clinicians" in page.get_data(as_text=True)
    assert VENTILATION not in page.get_data(as_text=True)


# --- from a card


def card_id(house: House, patient: str, service: str = VENTILATION) -> str:
    """The opaque context of this patient's card."""
    (card,) = house.post(f"/cds-services/{service}", house.asked(patient)).get_json()["cards"]
    return str(card["links"][0]["appContext"])


def focus(house: House, patient: str, context: str | None) -> str:
    """The model that comes first on the page."""
    client = house.browser()
    answer = client.get(house.callback(client, patient, app_context=context), base_url=APP)
    page = client.get(answer.location, base_url=APP)
    assert page.status_code == 200
    found = re.search(r'<article class="model" id="([\w-]+)"', page.get_data(as_text=True))
    assert found is not None
    return found[1]


@pytest.mark.parametrize("context", [None, "not-an-id", "../../etc", "x" * 5000], ids=str)
def test_the_app_opens_without_a_cards_context_and_with_one_that_is_none(
    house: House, context: str | None
) -> None:
    # CONFORMANCE 82
    assert focus(house, SICK, context)


def test_a_cards_context_of_another_patient_brings_nothing_of_theirs(house: House) -> None:
    # CONFORMANCE 82
    theirs = card_id(house, SICK)
    client = house.browser()
    answer = client.get(house.callback(client, OTHER, app_context=theirs), base_url=APP)
    text = client.get(answer.location, base_url=APP).get_data(as_text=True)
    assert theirs not in text
    assert strings_of(house, SICK)[0] not in text
    assert strings_of(house, OTHER)[0] in text


@pytest.mark.parametrize(("hours", "first"), [(7, TROPONIN), (9, VENTILATION)])
def test_a_cards_context_is_followed_as_long_as_a_visit_lasts_and_no_longer(
    house: House, hours: float, first: str
) -> None:
    # CONFORMANCE 82
    house.clock.ahead = timedelta(hours=-hours)
    context = card_id(house, SICK, TROPONIN)
    house.clock.ahead = timedelta(0)
    assert focus(house, SICK, None) == VENTILATION
    assert focus(house, SICK, context) == first


# --- keys that change meanwhile


ASYMMETRIC = 'client_id = "ordertime-asymmetric"\nauth = "private_key_jwt"\nsigning_key_file = "{new}"\n'


class Rotating:
    """App and hospital on two real ports: the hospital reads the app's keys where they are published."""

    def __init__(self, folder: Path, hospital: Hospital, rooms: Rooms) -> None:
        self.folder, self.hospital, self.rooms = folder, hospital, rooms

    def use(self, new: str, *old: str) -> None:
        """Sign with `new` from now on, and still publish `old`."""
        for name in (new, *old):
            if not (self.folder / name).exists():
                (self.folder / name).write_bytes(ECKey.generate_key("P-384").as_pem(private=True))
        text = re.sub(r"\[backend\].*?\n\n", "", tenant_file(self.hospital.settings), flags=re.DOTALL)
        lines = ASYMMETRIC.format(new=new) + f"previous_key_files = {list(old)}\n".replace("'", '"')
        changed = text.replace('client_id = "ordertime"\nauth = "public"\n', lines)
        assert changed != text
        (self.folder / "demo.toml").write_text(changed)
        self.rooms.__dict__.pop("tenants", None)

    def kids(self) -> int:
        url = f"{self.hospital.settings.app_url}/.well-known/jwks.json"
        return len(httpx.get(url, trust_env=False).json()["keys"])

    def begun(self, http: httpx.Client) -> tuple[str, str]:
        """The address the hospital sends the browser back to, and the browser's cookie."""
        launch = self.hospital.launches.mint(patient=SICK, encounter="", user="Practitioner/okafor")
        query = {"iss": self.hospital.settings.fhir, "launch": launch}
        going = http.get(f"{self.hospital.settings.app_url}/launch", params=query)
        cookie = going.headers["Set-Cookie"].split(";")[0]
        return http.get(going.headers["Location"]).headers["Location"], cookie


@pytest.fixture
def rotating(tmp_path: Path, house: House) -> Iterator[Rotating]:
    ports = free_port(), free_port()
    told = replace(settings_for(*ports), patients=everyone)
    hospital_app = create_hospital(told)
    (tmp_path / "tenants").mkdir()
    settings = from_environment(
        {
            "ORDERTIME_MODE": "demonstration",
            "ORDERTIME_PUBLIC_URL": told.app_url,
            "ORDERTIME_SECRET_KEY": SECRET,
            "ORDERTIME_TENANTS": str(tmp_path / "tenants"),
            "DATABASE_URL": f"sqlite:///{tmp_path / 'ledger.db'}",
        }
    )
    rooms = Rooms(settings, models=house.rooms.models)
    servers = [
        make_server(host, port, app, threaded=True, request_handler=Quiet)
        for host, port, app in (
            ("localhost", ports[0], hospital_app),
            ("127.0.0.1", ports[1], create_app(settings, rooms)),
        )
    ]
    threads = [
        threading.Thread(target=each.serve_forever, kwargs={"poll_interval": 0.02}) for each in servers
    ]
    for thread in threads:
        thread.start()
    try:
        yield Rotating(tmp_path / "tenants", hospital_app.extensions["hospital"], rooms)
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            thread.join()
            server.server_close()
        rooms.http.close()


def test_the_published_keys_may_be_kept_for_some_minutes_and_no_answer_about_a_patient(house: House) -> None:
    # CONFORMANCE 19, 96
    client, address = house.launched(SICK)
    keys = client.get("/.well-known/jwks.json", base_url=APP)
    assert keys.headers["Cache-Control"] == "public, max-age=300"
    assert client.get(address, base_url=APP).headers["Cache-Control"] == "no-store"
    assert client.get("/.well-known/nothing", base_url=APP).headers["Cache-Control"] == "no-store"


def test_a_key_that_is_replaced_while_a_launch_is_under_way_breaks_no_launch(rotating: Rotating) -> None:
    # CONFORMANCE 18, 19
    rotating.use("one.pem")
    with httpx.Client(trust_env=False) as http:
        ends = []
        first, cookie = rotating.begun(http)
        ends.append(http.get(first, headers={"Cookie": cookie}).status_code)  # the hospital knows key one
        under_way, cookie = rotating.begun(http)
        rotating.use("two.pem", "one.pem")
        assert rotating.kids() == 2
        ends.append(http.get(under_way, headers={"Cookie": cookie}).status_code)
        rotating.use("two.pem")
        assert rotating.kids() == 1
        last, cookie = rotating.begun(http)
        ends.append(http.get(last, headers={"Cookie": cookie}).status_code)
    assert ends == [303, 303, 303]
