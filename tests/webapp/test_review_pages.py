"""The weekly review: for named reviewers alone on the web, without a login at the command line; signed, and proven."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from ehr.audit_policy import AuditPolicy
from ehr.tenants import Tenants
from governance.changes import faults
from tests.webapp.house import APP, visit_of
from tests.webapp.reviewed import SITE, Reviewed, reviewed
from webapp import handout, review_page, reviewing


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reviewed]:
    for made in reviewed(tmp_path_factory.mktemp("reviewed")):
        for week in (made.week, made.week.before(1)):
            said = made.run("review", "make", SITE, week.name)
            assert said.exit_code == 0, said.output
        yield made


def seen(house: Reviewed, path: str, user: str = "Practitioner/okafor") -> Any:
    """What a user of the hospital is answered at `path`, in a visit of their own."""
    browser, address = house.house.launched("pneumonia-worsening", user=user)
    return browser.get(path, query_string={"visit": visit_of(address)}, base_url=APP)


def test_a_named_reviewer_reads_the_week_with_every_section(house: Reviewed) -> None:
    answer = seen(house, f"/review/{SITE}/{house.week.name}")
    text = answer.get_data(as_text=True)
    assert answer.status_code == 200
    for part in (
        "Open questions", "what was said", "what happened", "misses to look at", "false alarms to look at",
        "Cards, and what clinicians did", "In their own words", "Drift and alarms", "The gates", "audit by group",
        "How clear the patient&#39;s page was", "Not decided yet",
    ):  # fmt: skip
        assert part in text, part
    assert "raised the number" in text
    assert "Likely cause: the codes of lactate changed" in text
    assert "style=" not in text


def test_the_list_leads_to_each_week(house: Reviewed) -> None:
    text = seen(house, f"/review/{SITE}").get_data(as_text=True)
    assert text.index(house.week.name) < text.index(house.week.before(1).name)
    assert f"/review/{SITE}/{house.week.name}?visit=" in text


def test_the_paper_has_the_same_words_and_is_tagged(house: Reviewed) -> None:
    answer = seen(house, f"/review/{SITE}/{house.week.name}.pdf")
    assert answer.mimetype == "application/pdf"
    reader = PdfReader(io.BytesIO(answer.get_data()))
    text = " ".join(page.extract_text() for page in reader.pages)
    assert f"Weekly review, {house.week.name}" in text
    assert "For named reviewers only" in text
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"]


def test_the_paper_is_drawn_by_the_job_and_again_where_a_word_of_it_differs(
    house: Reviewed, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    sheets = handout.sheets
    monkeypatch.setattr(handout, "sheets", lambda html: drawn.append(html) or sheets(html))
    answer = seen(house, f"/review/{SITE}/{house.week.name}.pdf")
    assert answer.get_data().startswith(b"%PDF")
    assert drawn == []
    rooms, (tenant,) = house.house.rooms, house.house.rooms.tenants
    kept = reviewing.reviews(rooms).last(SITE, house.week)
    assert kept is not None
    with house.house.app.test_request_context():
        html = review_page.paper(rooms, tenant, kept)
        assert review_page.printed(rooms, SITE, house.week.name, html) == answer.get_data()
        other = review_page.printed(rooms, SITE, house.week.name, html.replace("Not decided yet", "Decided"))
        assert review_page.printed(rooms, SITE, house.week.name, html.replace("Not decided yet", "Decided")) == other
        monkeypatch.setattr(review_page, "PART", 1_000)  # a long paper lies in many places
        third = review_page.printed(rooms, SITE, house.week.name, html.replace("Not decided yet", "Undecided"))
        assert review_page.printed(rooms, SITE, house.week.name, html.replace("Not decided yet", "Undecided")) == third
        assert len(third) > 10_000
    assert len(drawn) == 2
    review_page.thrown_away(rooms, SITE, house.week.name)
    place = f"{SITE}|{house.week.name}"
    slots = [place, *(f"{place}|{part}" for part in range(len(third) // 1_000 + 1))]
    assert [rooms.vault.get("paper", slot) for slot in slots] == [None] * len(slots)
    assert "Decided" in PdfReader(io.BytesIO(other)).pages[0].extract_text()


def test_the_way_to_the_reviews_is_shown_to_reviewers_alone(house: Reviewed) -> None:
    for user, shown in (("Practitioner/okafor", True), ("Practitioner/somebody-else", False)):
        browser, address = house.house.launched("pneumonia-worsening", user=user)
        text = browser.get(address, base_url=APP).get_data(as_text=True)
        assert (f'href="/review/{SITE}?visit=' in text) is shown


@pytest.mark.parametrize("path", ["", "/2026-W01", "/2026-W01.pdf"])
def test_nobody_else_reads_a_review(house: Reviewed, path: str) -> None:
    refused = seen(house, f"/review/{SITE}{path}", user="Practitioner/somebody-else")
    assert refused.status_code == 403
    assert "for named reviewers" in refused.get_data(as_text=True)
    assert house.house.browser().get(f"/review/{SITE}{path}", base_url=APP).status_code == 401


def test_a_visit_of_one_hospital_opens_no_other_hospitals_review(house: Reviewed) -> None:
    assert seen(house, f"/review/north/{house.week.name}").status_code == 404


@pytest.mark.parametrize(
    ("week", "says"), [("2019-W01", "review make demo 2019-W01"), ("2026-W54", "as 2026-W21"), ("today", "as 2026-W21")]
)
def test_a_week_that_is_not_there_says_what_to_do(house: Reviewed, week: str, says: str) -> None:
    answer = seen(house, f"/review/{SITE}/{week}")
    assert answer.status_code == 404
    assert says in answer.get_data(as_text=True)


def test_who_read_and_who_was_refused_is_noted_for_the_auditor(house: Reviewed) -> None:
    seen(house, f"/review/{SITE}/{house.week.name}.pdf")
    seen(house, f"/review/{SITE}", user="Practitioner/somebody-else")
    trail = [row for row in house.house.rooms.audit.read(tenant=SITE) if row.door.startswith("/review")]
    assert {"viewed", "printed", "refused"} <= {row.kind for row in trail}
    assert "not-a-reviewer" in {row.reason for row in trail}


def test_audits_are_open_and_tell_of_groups_alone(house: Reviewed) -> None:
    answer = house.house.browser().get(f"/audits/{SITE}", base_url=APP)
    text = answer.get_data(as_text=True)
    assert answer.status_code == 200
    for part in ("Sex", "Age", "Language", "too few", "Missed, of patient-days with the outcome", "best group"):
        assert part in text, part
    assert "Patient " not in text
    assert house.house.browser().get("/audits/nowhere", base_url=APP).status_code == 404


def test_what_audits_cannot_tell_apart_is_said_with_what_would_mend_it(house: Reviewed) -> None:
    (tenant,) = house.house.rooms.tenants
    assert tenant.backend is not None
    scopes = tuple(one for one in tenant.backend.scopes if "Coverage" not in one)
    bare = replace(tenant, audits=AuditPolicy(), backend=replace(tenant.backend, scopes=scopes))
    none = replace(bare, backend=None)
    told = {"file": house.house.rooms.tenants, "bare": Tenants((bare,)), "none": Tenants((none,))}
    seen = {}
    for name, tenants in told.items():
        house.house.rooms.__dict__["tenants"] = tenants
        seen[name] = house.house.browser().get(f"/audits/{SITE}", base_url=APP).get_data(as_text=True)
    house.house.rooms.__dict__["tenants"] = told["file"]
    for lacking in ("bare", "none"):
        assert "does not ask to read it. Add system/Coverage.rs to the scopes of [backend]" in seen[lacking]
    assert "system/Coverage.rs" not in seen["file"]
    assert re.search(r"Nobody is told apart by .*insurance: not known of any patient here", seen["file"], re.IGNORECASE)


def test_an_audit_is_made_again_for_a_new_version_and_not_for_the_same_week(house: Reviewed) -> None:
    assert house.run("equity", "run", SITE).exit_code == 0
    assert house.run("equity", "run", SITE).output.count("four fifths") == 0


def test_the_command_line_writes_the_page_without_a_login(house: Reviewed, tmp_path: Path) -> None:
    for name in ("r.html", "r.pdf"):
        said = house.run("review", "page", SITE, house.week.name, "--out", str(tmp_path / name))
        assert said.exit_code == 0, said.output
    text = (tmp_path / "r.html").read_text()
    assert "Weekly review" in text
    assert "<link" not in text
    assert (tmp_path / "r.pdf").read_bytes().startswith(b"%PDF")
    assert house.run("review", "page", SITE, "2026-W99", "--out", str(tmp_path / "x.pdf")).exit_code == 1


def test_a_week_that_is_not_over_is_refused_by_name(house: Reviewed) -> None:
    said = house.run("review", "make", SITE, house.week.before(-1).name)
    assert said.exit_code == 1
    assert "is not over" in said.output


def test_signed_by_two_it_is_decided_logged_proven_and_shown(house: Reviewed) -> None:
    week = house.week.before(1)
    files = [str(house.signature(name, week)) for name in ("Ada", "Ben")]
    alone = house.run("review", "decide", SITE, week.name, files[0])
    assert (alone.exit_code, "not signed by 1 more named people" in alone.output) == (1, True)
    said = house.run("review", "decide", SITE, week.name, *files)
    assert said.exit_code == 0, said.output
    assert house.run("changes", "verify").exit_code == 0
    (line,) = [line for line in house.house.rooms.changes.lines(SITE) if line.kind == "reviewed"]
    assert line.author == "Ada (Chief medical information officer), Ben (Quality officer)"
    assert "All as before" in line.modification
    assert line.impact == "Nothing changes."
    text = seen(house, f"/review/{SITE}/{week.name}").get_data(as_text=True)
    assert "Ben, Quality officer, signed" in text
    assert f"Line {line.number} of the change log" in text
    assert "no longer be believed" not in text
    assert house.run("review", "make", SITE, week.name).exit_code == 1
    again = house.run("review", "decide", SITE, week.name, *files)
    assert "decided already" in again.output
    assert not faults(house.house.rooms.changes.lines())


def test_a_tampered_or_wrong_signature_is_named_and_nothing_is_recorded(house: Reviewed) -> None:
    good, other = house.signature("Ada", house.week), house.signature("Ben", house.week)
    lines = len(list(house.house.rooms.changes.lines()))
    for changed, says in (
        (other.read_text().replace("continue", "retrain"), "signature by Ben: it is of another decision"),
        (other.read_text().replace('name = "Ben"', 'name = "Eve"'), "no approver of that name"),
        (other.read_text().replace('signature = "', 'signature = "AAAA'), "signature by Ben: it is not theirs"),
        (json.dumps({"signatures": []}), "is TOML of"),
    ):
        path = house.folder / "changed.toml"
        path.write_text(changed)
        said = house.run("review", "decide", SITE, house.week.name, str(good), str(path))
        assert said.exit_code == 1
        assert says in said.output, said.output
    assert len(list(house.house.rooms.changes.lines())) == lines


def test_words_and_decisions_with_markup_in_them_are_words_on_page_and_paper(house: Reviewed, tmp_path: Path) -> None:
    rooms = house.house.rooms
    (tenant,) = rooms.tenants
    week = house.week.before(2)
    attack = "<script>alert(1)</script><img src=x onerror=alert(2)> {{ 7 * 7 }} <b>Maria Muster</b> </li>"
    kept = reviewing.made(rooms, tenant, week)
    told = {"at": kept.body["made_at"], "where": "card", "model": "", "said": "overridden", "reason": "<i>x</i>"}
    kept = reviewing.reviews(rooms).keep(SITE, week, {**kept.body, "remarks": [told | {"text": attack}]})
    for name in ("Ada", "Ben"):
        house.signature(name, week, decision="other", sentence=f"{attack} decided")
    files = [str(house.folder / f"{name}-{week.name}.toml") for name in ("Ada", "Ben")]
    assert house.run("review", "decide", SITE, week.name, *files).exit_code == 0
    page = seen(house, f"/review/{SITE}/{week.name}").get_data(as_text=True)
    said = house.run("review", "page", SITE, week.name, "--out", str(tmp_path / "r.html"))
    assert said.exit_code == 0, said.output
    for html in (page, (tmp_path / "r.html").read_text()):
        assert html.count("&lt;script&gt;alert(1)&lt;/script&gt;&lt;img src=x onerror=alert(2)&gt; {{ 7 * 7 }}") == 2
        assert "alert(1)</script>" not in html
        assert "<img" not in html
        assert "a name that somebody wrote stands here too" in html
    paper = PdfReader(io.BytesIO(seen(house, f"/review/{SITE}/{week.name}.pdf").get_data()))
    text = " ".join(" ".join(sheet.extract_text() for sheet in paper.pages).split())
    assert text.count("<script>alert(1)</script><img src=x onerror=alert(2)>") == 2


def test_a_week_in_which_nothing_was_said_does_not_look_like_a_good_one(house: Reviewed) -> None:
    week = house.week.before(5)
    assert house.run("review", "make", SITE, week.name).exit_code == 0
    text = seen(house, f"/review/{SITE}/{week.name}").get_data(as_text=True)
    assert "No model gave an answer this week. Was nobody asked" in text
    assert "that no alarm stands here says nothing" in text
    assert "No chart alarmed this week" not in text
    assert not re.search(r"\b(nan|None|inf)\b", text)
    assert "0.0 %" not in text


def attacked(house: Reviewed, *files: str) -> str:
    """What `review decide` says of an attack; nothing may be recorded by it."""
    before = house.house.rooms.changes.count()
    said = house.run("review", "decide", SITE, house.week.name, *files)
    assert said.exit_code == 1, said.output
    assert house.house.rooms.changes.count() == before
    assert reviewing.decisions(house.house.rooms).of(SITE, house.week.name) is None
    return str(said.output)


def test_the_same_person_twice_is_one_who_signed(house: Reviewed) -> None:
    one = house.signature("Ada", house.week)
    other = one.with_name("again.toml")
    other.write_text(one.read_text())
    later = house.signature("Ada", house.week, sentence="All as before: the week shows nothing new.")
    for files in ((one, one), (one, other), (other, later)):
        assert "not signed by 1 more named people" in attacked(house, *map(str, files))


def test_a_signature_of_another_week_or_site_is_refused(house: Reviewed) -> None:
    week = house.week.before(1)
    files = [house.signature(name, house.week) for name in ("Ada", "Ben")]
    for old, new in (
        (f'week = "{house.week.name}"', f'week = "{week.name}"'),  # the words of another week under the same signature
        (f'site = "{SITE}"', 'site = "north"'),
    ):
        for path in files:
            path.with_name(f"moved-{path.name}").write_text(path.read_text().replace(old, new))
        attacked(house, *(str(path.with_name(f"moved-{path.name}")) for path in files))
    other = [str(house.signature(name, week)) for name in ("Ada", "Ben")]
    assert f"and what is kept of week {house.week.name} is" in attacked(house, *other)


def test_an_approver_of_another_site_signs_nothing_here(house: Reviewed) -> None:
    files = [str(house.signature(name, house.week)) for name in ("Ada", "Ben")]
    path = house.house.rooms.settings.approvers
    listed = path.read_text()
    try:
        path.write_text(listed[::-1].replace(f'"{SITE}"'[::-1], '"north"'[::-1], 1)[::-1])  # the last listed: Ben's
        assert f"signature by Ben: signs at other sites than {SITE}" in attacked(house, *files)
    finally:
        path.write_text(listed)


def test_a_role_that_nobody_who_signed_holds_is_missing(house: Reviewed) -> None:
    files = [str(house.signature(name, house.week)) for name in ("Ada", "Ben")]
    tenants = house.house.rooms.tenants
    (tenant,) = tenants
    try:
        for roles in (("Quality officer", "Head of pharmacy"), ("Quality officer", "Quality officer")):
            asked = replace(tenant, review=replace(tenant.review, roles=roles))
            house.house.rooms.__dict__["tenants"] = Tenants((asked,))
            assert f"not signed by {roles[1]}" in attacked(house, *files)
    finally:
        house.house.rooms.__dict__["tenants"] = tenants


def test_signatures_under_an_older_version_of_a_week_decide_nothing_about_a_newer_one(house: Reviewed) -> None:
    files = [str(house.signature(name, house.week)) for name in ("Ada", "Ben")]
    assert house.run("review", "make", SITE, house.week.name).exit_code == 0  # its figures changed since
    assert f"and what is kept of week {house.week.name} is" in attacked(house, *files)


def test_nothing_is_signed_or_decided_over_the_web(house: Reviewed) -> None:
    for path in (f"/review/{SITE}/{house.week.name}/decide", f"/review/{SITE}/{house.week.name}/sign"):
        assert house.house.browser().post(path, base_url=APP).status_code in (404, 405)
    week = f"/review/{SITE}/{house.week.name}"
    assert house.house.browser().post(week, data={"decision": "continue"}, base_url=APP).status_code in (401, 403)


def test_an_export_is_written_whole_and_a_changed_one_is_named(house: Reviewed, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = house.run("export", "--out", str(out))
    assert said.exit_code == 0, said.output
    assert "demo/answers: " in said.output
    assert house.run("export", "--check", str(out)).exit_code == 0
    (out / SITE / "cards.parquet").write_bytes(b"x")
    told = house.run("export", "--check", str(out))
    assert (told.exit_code, "cards.parquet is not as it was written" in told.output) == (1, True)
    assert "is there already" in house.run("export", "--out", str(out)).output


def test_an_erasure_throws_away_what_was_drawn_before(house: Reviewed) -> None:
    rooms = house.house.rooms
    seen(house, f"/review/{SITE}/{house.week.name}.pdf")
    assert rooms.vault.get("paper", f"{SITE}|{house.week.name}")
    sentence = ("--sentence", "at the patient's request", "--as", "Ada North")
    said = house.run("erase", SITE, "--patient", "pneumonia-worsening", *sentence)
    assert said.exit_code == 0, said.output
    assert rooms.vault.get("paper", f"{SITE}|{house.week.name}") is None
    assert rooms.vault.get("paper", f"{SITE}|{house.week.name}|0") is None


def test_a_week_that_nobody_reviewed_yet_says_so_and_leads_back_to_the_list(house: Reviewed) -> None:
    week = house.week.before(9).name
    for path in (f"/review/{SITE}/{week}", f"/review/{SITE}/{week}.pdf"):
        answer = seen(house, path)
        text = answer.get_data(as_text=True)
        assert answer.status_code == 404
        assert "This week has not been reviewed yet" in text
        assert f'href="/review/{SITE}?visit=' in text
    odd = seen(house, f"/review/{SITE}/2026-W99")
    assert odd.status_code == 404
    assert "There is nothing here" in odd.get_data(as_text=True)
