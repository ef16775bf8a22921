"""How clear was the page: a code on what was given, used once, led back to nobody, and open to no abuse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text

from governance.clarity import SMALLEST
from tests.webapp.cases import leaflet
from tests.webapp.house import APP, House, standing
from tests.webapp.test_doors import form
from webapp import slips

PRINTED = re.compile(r"(?:code|código): ([0-9A-Z]{4}-[0-9A-Z]{4})")
SICK = "pneumonia-worsening"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    for house in standing(tmp_path_factory.mktemp("clear")):
        settings = house.rooms.settings
        house.rooms.settings = replace(settings, limits={**settings.limits, "clarity": 0, "launches": 0})
        yield house


def given(house: House, language: str = "en") -> tuple[str, str]:
    """A page given to a patient: its HTML and the code on it."""
    client, _, page = house.result(SICK)
    action, fields = form(page, "/release")
    answer = client.post(action, data=fields | {"language": language, "read": "yes"}, base_url=APP)
    html = client.get(answer.headers["Location"], base_url=APP).get_data(as_text=True)
    found = PRINTED.search(html)
    assert found, "no code on the page"
    return html, found[1]


def say(house: House, code: str, score: str = "4", **more: Any) -> Any:
    return house.browser().post("/c", data={"code": code, "score": score}, base_url=APP, **more)


def kept(house: House) -> list[dict[str, Any]]:
    with house.rooms.store.reading() as connection:
        return [dict(row) for row in connection.execute(text("SELECT * FROM clarity")).mappings()]


def test_a_reader_answers_once_by_the_code_on_the_page(house: House) -> None:
    before = len(kept(house))
    _, code = given(house)
    asked = house.browser().get("/c", base_url=APP).get_data(as_text=True)
    assert "Was the page clear?" in asked
    answer = say(house, code)
    assert answer.status_code == 200
    assert "Thank you" in answer.get_data(as_text=True)
    assert len(kept(house)) == before + 1
    again = say(house, code, "1")
    assert again.status_code == 404
    assert "it was used before" in again.get_data(as_text=True)
    assert len(kept(house)) == before + 1


def test_a_code_is_read_as_people_type_it(house: House) -> None:
    _, code = given(house)
    typed = f"  {code[:4].lower()} {code[5:].lower().replace('0', 'o').replace('1', 'l')} "
    assert slips.read(typed) == code.replace("-", "")
    assert say(house, typed).status_code == 200


def test_the_square_opens_the_form_with_the_code_in_the_pages_language(house: House) -> None:
    _, code = given(house, "es")
    answer = house.browser().get(f"/c/{code.replace('-', '')}", base_url=APP)
    html = answer.get_data(as_text=True)
    assert '<html lang="es"' in html
    assert f'value="{code}"' in html
    assert say(house, code).get_data(as_text=True).count("Gracias") == 1  # looking used nothing up


def test_every_print_of_one_page_carries_the_same_code_and_each_language_its_own(house: House) -> None:
    client, _, page = house.result(SICK)
    action, fields = form(page, "/release")
    codes = []
    for language in ("en", "es", "en"):
        sent = client.post(action, data=fields | {"language": language, "read": "yes"}, base_url=APP)
        shown = client.get(sent.headers["Location"], base_url=APP).get_data(as_text=True)
        codes += PRINTED.findall(shown)
    assert codes[0] == codes[2] != codes[1]
    assert say(house, codes[0]).status_code == 200
    client.post(action, data=fields | {"language": "en", "read": "yes"}, base_url=APP)
    assert say(house, codes[0]).status_code == 404  # given again, the code is not new


def test_a_page_that_was_not_given_has_no_code(house: House) -> None:
    client, _, page = house.result(SICK)
    action, fields = form(page, "/release")
    key = action.split("/")[2]
    html = client.get(f"/handout/{key}?visit={fields['visit']}", base_url=APP).get_data(as_text=True)
    assert 'class="square"' not in html
    code = slips.of(house.rooms, recall(house, key), "en").code
    assert say(house, code).status_code == 404  # and the one it would have is good for nothing


# --- what is kept


def test_what_is_kept_leads_back_to_nobody(house: House) -> None:
    _, code = given(house)
    plain = code.replace("-", "")
    say(house, code, "2")
    row = kept(house)[-1]
    assert set(row) == {"id", "tenant", "day", "model", "version", "kind", "language", "edition", "score"}
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", str(row["day"]))
    with house.rooms.store.reading() as connection:
        names = connection.execute(text("SELECT name FROM sqlite_master WHERE type='table'")).scalars()
        everything = {name: list(connection.execute(text(f'SELECT * FROM "{name}"'))) for name in names}  # noqa: S608
        events = connection.execute(text("SELECT * FROM events WHERE kind='clarity'")).mappings().all()
    assert plain not in str(everything)
    assert code not in str(everything)
    assert row["id"] not in str({name: rows for name, rows in everything.items() if name != "clarity"})
    told = dict(events[-1])
    assert (told["assessment_id"], told["pseudonym"], told["user_pseudonym"], told["detail"]) == (
        None,
        "",
        "",
        None,
    )
    assert str(told["at"]).endswith("00:00:00.000000")  # the day, no time of day


def test_a_used_code_leaves_nothing_in_the_vault(house: House) -> None:
    _, code = given(house)
    plain = code.replace("-", "")
    assert house.rooms.vault.get(slips.SHELF, plain) is not None
    say(house, code)
    assert house.rooms.vault.get(slips.SHELF, plain) is None


def test_the_answers_reach_the_review_by_version_and_language(house: House) -> None:
    book = house.rooms.clarity
    page = slips.waiting(house.rooms, given(house)[1].replace("-", ""))
    assert page is not None
    for score in (5, 4) * SMALLEST:
        book.keep(replace(page, version="9.9.9"), score)
    (group,) = [each for each in book.report().groups if each.version == "9.9.9"]
    assert (group.language, group.answers, group.mean) == ("en", 2 * SMALLEST, 4.5)


# --- abuse


def test_an_answer_is_one_to_five_and_nothing_else(house: House) -> None:
    _, code = given(house)
    before = len(kept(house))
    for score in ("0", "6", "", "²", "4.5", "-1", "five", "4 ", "４", "1e0", "44", "4" * 5000):
        assert say(house, code, score).status_code == 400, score
    assert len(kept(house)) == before
    assert say(house, code, "3").status_code == 200  # a wrong answer used nothing up


@pytest.mark.parametrize(
    "code", ["", "0", "AAAA-AAAA", "ZZZZZZZZ", "x" * 5000, "<script>", "' OR 1=1 --", "\x00" * 8, "ÄÄÄÄ-ÄÄÄÄ"]
)
def test_a_code_that_was_never_given_keeps_nothing(house: House, code: str) -> None:
    before = len(kept(house))
    answer = say(house, code)
    assert answer.status_code == 404
    assert len(kept(house)) == before
    assert "<script>" not in answer.get_data(as_text=True)


def test_wrong_and_used_codes_are_answered_alike(house: House) -> None:
    _, code = given(house)
    say(house, code)
    used, wrong = say(house, code), say(house, "AAAA-AAAA")
    shown = [re.sub(r'name="code" value="[^"]*"', "", each.get_data(as_text=True)) for each in (used, wrong)]
    assert shown[0] == shown[1]
    assert used.status_code == wrong.status_code


def test_of_many_at_once_one_answer_is_kept(house: House) -> None:
    _, code = given(house)
    before = len(kept(house))
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: say(house, code).status_code, range(16)))
    assert sorted(codes) == [200] + [404] * 15
    assert len(kept(house)) == before + 1


def test_who_asks_too_often_waits_and_is_told_so_in_the_readers_words(house: House) -> None:
    settings = house.rooms.settings
    house.rooms.settings = replace(settings, limits={**settings.limits, "clarity": 3})
    try:
        assert [say(house, "AAAA-AAAA").status_code for _ in range(3)] == [404] * 3
        answer = house.browser().get("/c", base_url=APP, headers={"Accept-Language": "es-MX,es;q=0.9"})
        assert answer.status_code == 429
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert "Pruebe otra vez en un minuto" in answer.get_data(as_text=True)
        elsewhere = say(house, "AAAA-AAAA", environ_overrides={"REMOTE_ADDR": "10.9.8.7"})
        assert elsewhere.status_code == 404
    finally:
        house.rooms.settings = settings


def test_a_code_has_its_time(house: House) -> None:
    _, code = given(house)
    try:
        house.clock.ahead += slips.LASTING + timedelta(minutes=1)
        assert say(house, code).status_code == 404
    finally:
        house.clock.ahead = timedelta(0)


def test_the_page_sets_no_cookie_runs_no_script_and_is_framed_by_nobody(house: House) -> None:
    answer = house.browser().get("/c", base_url=APP)
    assert "Set-Cookie" not in answer.headers
    assert "<script" not in answer.get_data(as_text=True)
    assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("accepted", "language"),
    [("es-MX,es;q=0.9", "es"), ("vi", "en"), ("", "en"), ("en;q=0.2, es;q=0.8", "es")],
)
def test_without_a_code_the_phones_language_is_taken(house: House, accepted: str, language: str) -> None:
    answer = house.browser().get("/c", base_url=APP, headers={"Accept-Language": accepted})
    assert f'<html lang="{language}"' in answer.get_data(as_text=True)
    chosen = house.browser().get("/c?language=es", base_url=APP, headers={"Accept-Language": accepted})
    assert '<html lang="es"' in chosen.get_data(as_text=True)


def test_another_secret_makes_other_codes(house: House) -> None:
    _, _, page = house.result(SICK)
    action, _ = form(page, "/release")
    key = action.split("/")[2]
    recorded = recall(house, key)
    one = slips.of(house.rooms, recorded, "en").code
    settings = house.rooms.settings
    house.rooms.settings = replace(settings, secret=b"z" * 32)
    try:
        assert slips.of(house.rooms, recorded, "en").code != one
    finally:
        house.rooms.settings = settings


def recall(house: House, key: str) -> Any:
    (tenant,) = house.rooms.tenants
    recorded = house.rooms.ledger.recall(key, tenant=tenant.id, patient=SICK)
    assert recorded is not None
    return recorded


def test_the_square_holds_the_address_that_is_printed_beside_it() -> None:
    segno = pytest.importorskip("segno")
    html = leaflet("ventilation", "en")
    rows = segno.make(
        "https://ordertime.example.org/c/K7QM3F2X", error="m", micro=False, boost_error=False
    ).matrix
    drawn = re.search(r'class="square".*?<path d="([^"]*)"', html)
    assert drawn
    found = {(int(x) - 2, int(y) - 2) for x, y in re.findall(r"M(\d+) (\d+)h1v1h-1z", drawn[1])}
    assert found == {(x, y) for y, row in enumerate(rows) for x, cell in enumerate(row) if cell}
