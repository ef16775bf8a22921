"""Signed decisions over real HTTP: two gunicorn workers, a stand-in hospital, the ledger in SQLite and PostgreSQL."""

from __future__ import annotations

import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from governance.approvals import written
from governance.changes import faults
from governance.gate import Gate
from governance.weeks import Week
from inference.assessment import VENTILATION
from tests.servers import postgres_at, postgres_url  # noqa: F401
from tests.webapp.crewed import two_workers
from tests.webapp.house import APP, standing
from tests.webapp.reviewed import SITE, Reviewed, _approvers
from webapp import create_app
from webapp.rooms import Rooms

PATIENT = "pneumonia-worsening"
WHY = 'The new monitor counts "high": <b>stop</b> until it is mapped.'
GATE = f"{VENTILATION}/ventilation-24h"
TIMES = 8  # calls, each on a connection of its own: both workers answer some of them


@dataclass
class Governed(Reviewed):
    """A house whose ledger two more workers share, and the port they listen on."""

    port: int = 0

    def get(self, path: str) -> list[str]:
        """What the workers answer, asked again and again."""
        answers = [httpx.get(f"http://127.0.0.1:{self.port}{path}", timeout=60) for _ in range(TIMES)]
        assert {answer.status_code for answer in answers} == {200}
        return [answer.text for answer in answers]

    def card(self, user: str = "Practitioner/okafor") -> dict[str, Any] | None:
        """The card that a CDS client is given, by one worker or the other."""
        path = f"/cds-services/{VENTILATION}"
        body = self.house.asked(PATIENT)
        body["context"]["userId"] = user
        bearer = {"Authorization": f"Bearer {self.house.token(path)}"}
        answer = httpx.post(f"http://127.0.0.1:{self.port}{path}", json=body, headers=bearer, timeout=60)
        assert answer.status_code == 200, answer.text
        cards: list[dict[str, Any]] = answer.json()["cards"]
        return cards[0] if cards else None

    def decide(self, week: Week, **options: str) -> str:
        """Review a week, and have both sign and record what is decided about it."""
        said = self.run("review", "make", SITE, week.name)
        assert said.exit_code == 0, said.output
        files = [str(self.signature(name, week, **options)) for name in ("Ada", "Ben")]
        done = self.run("review", "decide", SITE, week.name, *files)
        assert done.exit_code == 0, done.output
        return str(done.output)

    def approve(self, *more: str) -> None:
        """Both sign the gate, into the site's file."""
        path = self.house.rooms.settings.gates / f"{SITE}.toml"
        for name in ("Ada", "Ben"):
            key = str(self.folder / f"{name}.key")
            said = self.run("gate", "sign", SITE, GATE, "--as", name, "--key", key, *more)
            assert said.exit_code == 0, said.output
            with path.open("a") as file:
                file.write("\n" + said.output[said.output.index("[[approvals]]") :])

    def weigh(self) -> None:
        said = self.run("gate", "weigh")
        assert said.exit_code == 0, said.output


def answering(port: int) -> None:
    """Wait until the workers answer."""
    for _ in range(600):
        try:
            httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=60)
            return
        except httpx.HTTPError:
            time.sleep(0.1)
    pytest.fail("the workers did not start")


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty ledger of each kind."""
    return f"sqlite:///{tmp_path}/shared.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@pytest.fixture
def governed(url: str, tmp_path: Path) -> Iterator[Governed]:
    for house in standing(tmp_path):
        _approvers(house, tmp_path)
        gates = tmp_path / "gates"
        gates.mkdir()
        version = house.rooms.models[VENTILATION].version
        gate = Gate(SITE, VENTILATION, "ventilation-24h", version, 0.2)
        (gates / f"{SITE}.toml").write_text(written(gate))
        own = replace(house.rooms.settings, database_url=url, gates=gates)
        rooms = Rooms(own, clock=house.clock, models=house.rooms.models)
        app = create_app(own, rooms)
        app.test_client_class = house.app.test_client_class
        ours = replace(house, app=app, rooms=rooms)
        told = {
            "DATABASE_URL": url,
            "ORDERTIME_GATES": str(gates),
            "ORDERTIME_APPROVERS": str(own.approvers),
            "ORDERTIME_HOOK_DEADLINE": "20",
        }
        with two_workers(ours, tmp_path, **told) as port:
            answering(port)
            yield Governed(ours, Week.of(datetime.now(UTC).date()).before(1), tmp_path, port)
        rooms.store.close()
        rooms.http.close()


def test_a_signed_suspension_is_in_force_in_every_worker_at_once_and_says_who_when_and_why(
    governed: Governed,
) -> None:
    before = governed.card()
    assert before is not None
    assert "DEMO" in before["summary"]
    browser, address, shown = governed.house.result(PATIENT)
    assert "Suspended" not in shown.get_data(as_text=True)

    said = governed.decide(governed.week, decision="suspend", sentence=WHY, model=VENTILATION)
    assert "Takes effect at once" in said

    for number in range(TIMES):
        card = governed.card(f"Practitioner/{number}")  # each hears it once a day
        assert card is not None
        assert "is suspended" in card["summary"]
        assert "Ada (Chief medical information officer), Ben (Quality officer)" in card["detail"]
        assert "The new monitor counts" in card["detail"]
        assert "<b>" not in card["detail"].replace("\\<", "")
        again = governed.card(f"Practitioner/{number}")
        assert again is None or "suspended" not in again["summary"]
    for text in governed.get("/metrics"):
        whose = f'tenant="{SITE}",model="{VENTILATION}"'
        assert f'ordertime_model_state{{{whose},state="suspended"}} 1' in text
        assert f'ordertime_model_state{{{whose},state="demonstration"}} 0' in text
        (line,) = [line for line in text.splitlines() if line.startswith("ordertime_model_suspended_since{")]
        assert 'by="Chief medical information officer, Quality officer"' in line
        assert 'why="The new monitor counts \\"high\\"' in line
        assert "Ada" not in text  # people are named on pages, not in metrics
    for path in ("/about", f"/gate/{SITE}"):
        for text in governed.get(path):
            assert "Ada (Chief medical information officer), Ben (Quality officer)" in text
            assert "in the review of week" in text
            assert "The new monitor counts" in text
            assert "<b>stop" not in text
    _, _, page = governed.house.result(PATIENT)
    text = page.get_data(as_text=True)
    assert "Ada (Chief medical information officer), Ben (Quality officer)" in text
    assert "gives no answers" in text
    stored = browser.get(address.replace("/result?", "/result/stored?"), base_url=APP).get_data(as_text=True)
    assert "gives no answers" in stored  # also the answer that was given before
    assert "Ada (Chief" in stored

    governed.weigh()
    assert all("Ada (Chief" in text for text in governed.get(f"/gate/{SITE}"))  # weighing alone ends nothing
    governed.approve()
    governed.weigh()
    back = governed.card("Practitioner/afterwards")
    assert back is not None
    assert "DEMO" in back["summary"]
    assert all("ordertime_model_suspended_since{" not in text for text in governed.get("/metrics"))
    assert faults(governed.house.rooms.changes.lines()) == ()


def test_one_approver_stops_a_model_at_once_outside_a_review(governed: Governed) -> None:
    key = str(governed.folder / "Ada.key")
    why = ("--sentence", "Wrong SpO2 since midnight.")
    stop = ("gate", "suspend", SITE, VENTILATION)
    for wrong, said in (
        ((*stop, *why, "--as", "Ben", "--key", key), "the key is not that of Ben"),
        ((*stop, *why, "--as", "Eve", "--key", key), "no approver 'Eve'"),
        ((*stop, "--sentence", " ", "--as", "Ada", "--key", key), "say why"),
        (("gate", "suspend", SITE, "no-model", *why, "--as", "Ada", "--key", key), "none of the models"),
        (("gate", "suspend", "nowhere", *why, "--as", "Ada", "--key", key), "no site 'nowhere'"),
    ):
        refused = governed.run(*wrong)
        assert refused.exit_code == 1
        assert said in refused.output
    assert [line for line in governed.house.rooms.changes.lines() if line.kind == "suspended"] == []

    done = governed.run(*stop, *why, "--as", "Ada", "--key", key)
    assert done.exit_code == 0, done.output
    assert "Takes effect at once" in done.output
    for path in ("/about", f"/gate/{SITE}"):
        for text in governed.get(path):
            assert "by Ada (Chief medical information officer), outside the weekly review" in text
    card = governed.card()
    assert card is not None
    assert "is suspended" in card["summary"]
    assert "outside the weekly review" in card["detail"]
    governed.weigh()  # and is not ended by weighing alone
    assert all("outside the weekly review" in text for text in governed.get(f"/gate/{SITE}"))
    assert faults(governed.house.rooms.changes.lines()) == ()


def test_a_decided_threshold_is_shown_as_not_in_force_until_the_signed_file_has_it(governed: Governed) -> None:
    governed.weigh()
    about = {"decision": "change-threshold", "gate": GATE, "threshold": "0.35"}
    governed.decide(governed.week.before(1), sentence="Fewer false alarms.", **about)
    for text in governed.get(f"/gate/{SITE}"):
        assert "Decided, not in force" in text
        assert "Operating threshold 20.0" in text
        assert "Two of these sign, each with a key of their own: Ada (Chief medical" in text
    lines = text[text.index('<pre class="lines"') :]
    told = lines[lines.index("[[gates]]") : lines.index("</pre>")].replace("&#34;", '"')
    path = governed.house.rooms.settings.gates / f"{SITE}.toml"
    assert tomllib.loads(told)["gates"][0]["threshold"] == 0.35

    page = governed.folder / "r.html"  # the next week's review
    made = governed.run("review", "page", SITE, governed.week.name, "--out", str(page))
    assert made.exit_code == 0, made.output
    assert f"Decided and not in force: the gate {GATE} at a threshold of 0.35" in page.read_text()

    path.write_text(told)  # the lines as the page has them
    governed.approve("--threshold", "0.35")
    governed.weigh()
    governed.weigh()
    (line,) = [each for each in governed.house.rooms.changes.lines(SITE) if each.kind == "in-force"]
    assert "threshold 0.35 in force, as decided about week" in line.modification
    for text in governed.get(f"/gate/{SITE}"):
        assert "Decided, not in force" not in text
        assert "Operating threshold 35.0" in text


def test_workers_that_start_together_on_a_changed_map_write_one_line(governed: Governed) -> None:
    tenant = governed.house.rooms.settings.tenants / f"{SITE}.toml"
    assert [line for line in governed.house.rooms.changes.lines() if line.kind == "code-map"] == []
    text = tenant.read_text()
    tenant.write_text(f'{text}\n[local_codes]\n"urn:lab|LAC9" = "lactate"\n')
    told = {"DATABASE_URL": governed.house.rooms.settings.database_url}
    for _ in range(2):  # and starting again says nothing new
        with two_workers(governed.house, governed.folder, **told) as port:
            answering(port)
        lines = [line for line in governed.house.rooms.changes.lines() if line.kind == "code-map"]
        assert len(lines) == 1
    (line,) = lines
    assert (line.tenant, line.author) == (SITE, "start")
    assert "local_codes.urn:lab|LAC9: nothing to lactate" in line.modification
    assert f"tenants/{SITE}.toml" in line.protocol
    assert "It bears on the inputs lactate" in line.impact
    assert governed.run("changes", "verify").exit_code == 0
