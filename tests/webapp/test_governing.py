"""Those who govern, over real HTTP and on the command line: gates, states, the change log and tampering with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Thread
from types import MappingProxyType, SimpleNamespace
from typing import Any

import httpx
import pytest
from flask import Flask
from sqlalchemy import text
from werkzeug.serving import make_server

from governance.approvals import read_gates
from governance.changes import Change
from governance.simulated import OUTCOME, RISE, SITE, VERSION
from governance.simulated_gates import write_files
from governance.weeks import Week
from inference.assessment import TROPONIN, VENTILATION
from webapp import create_app, reviewing
from webapp.rooms import Rooms
from webapp.settings import ROOT, SettingsError, from_environment

GATE = f"{VENTILATION}/{OUTCOME}/icu"


@pytest.fixture
def house(tmp_path: Path) -> Iterator[Flask]:
    """A site with three gates that nothing was recorded for yet."""
    write_files(tmp_path)
    told = {
        "DATABASE_URL": f"sqlite:///{tmp_path}/ledger.db",
        "ORDERTIME_TENANTS": str(tmp_path / "tenants"),
        "ORDERTIME_GATES": str(tmp_path / "gates"),
        "ORDERTIME_APPROVERS": str(tmp_path / "gates" / "approvers.toml"),
        "ORDERTIME_SECRET_KEY": "Kq3-8Zt1_xVw7Lr0pBn5Ym2Ds9Hc4Fj6",
    }
    seconds = iter(range(10**6))
    clock = lambda: datetime(2026, 1, 7, 5, tzinfo=UTC) + timedelta(seconds=next(seconds))  # noqa: E731
    models: Any = MappingProxyType(
        {
            name: SimpleNamespace(version=VERSION, outcomes=(outcome,), hours=(24,), manifest={"inputs": []})
            for name, outcome in ((VENTILATION, OUTCOME), (TROPONIN, RISE))
        }
    )
    rooms = Rooms(from_environment(told), clock=clock, models=models)
    app = create_app(rooms.settings, rooms)
    yield app
    rooms.store.close()


@pytest.fixture
def address(house: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, house, threaded=True)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


def typed(app: Flask, *words: str) -> tuple[int, str]:
    result = app.test_cli_runner().invoke(args=list(words))
    return result.exit_code, result.output


def test_the_gates_page_says_what_every_gate_lacks_once_weighed(house: Flask, address: str) -> None:
    before = httpx.get(f"{address}/gate/{SITE}")
    assert before.status_code == 200
    assert "No answer is not a low risk" not in before.text
    status, said = typed(house, "gate", "weigh")
    assert (status, said.count(": silent; missing: sensitivity")) == (0, 3)
    page = httpx.get(f"{address}/gate/{SITE}")
    assert page.text.count("of 2 named people have approved") == 3
    assert page.headers["Content-Security-Policy"]
    assert httpx.get(f"{address}/gate/elsewhere").status_code == 404


def test_metrics_and_the_models_page_say_what_the_doors_go_by_not_what_the_file_asks(
    house: Flask, address: str
) -> None:
    typed(house, "gate", "weigh")
    said = httpx.get(f"{address}/metrics").text
    whose = f'tenant="{SITE}",model="{VENTILATION}"'
    assert f'ordertime_model_state{{{whose},state="silent"}} 1' in said  # the file asks for "active"
    assert f'ordertime_model_state{{{whose},state="active"}} 0' in said
    assert f'ordertime_model_state{{{whose},care_unit="icu",state="silent"}} 1' in said


def test_an_approval_is_signed_with_a_key_made_here_and_counts_for_its_gate_alone(
    house: Flask, tmp_path: Path
) -> None:
    key = tmp_path / "ada.key"
    status, public = typed(house, "gate", "key", "--out", str(key))
    assert (status, key.stat().st_mode & 0o077) == (0, 0)
    assert typed(house, "gate", "key", "--out", str(key))[0] == 1  # never written over
    approvers = tmp_path / "gates" / "approvers.toml"
    listed = f'\n[[approvers]]\nname = "Ada"\nrole = "CMIO"\nkey = "{public.strip()}"\nsites = ["{SITE}"]\n'
    approvers.write_text(approvers.read_text() + listed)
    status, entry = typed(house, "gate", "sign", SITE, GATE, "--as", "Ada", "--key", str(key))
    assert (status, "[[approvals]]" in entry) == (0, True)
    gates = tmp_path / "gates" / f"{SITE}.toml"
    gates.write_text(gates.read_text() + "\n" + entry)
    typed(house, "gate", "weigh")
    rooms: Rooms = house.extensions["ordertime"]
    icu = rooms.readings.last(SITE, VENTILATION, OUTCOME, "icu")
    ward = rooms.readings.last(SITE, VENTILATION, OUTCOME, "ward")
    assert icu is not None
    assert ward is not None
    assert [each["name"] for each in icu.body["approvals"]] == ["Ada"]
    assert ward.body["approvals"] == []
    gates.write_text(gates.read_text().replace("threshold = 0.1\n", "threshold = 0.05\n"))
    typed(house, "gate", "weigh")
    moved = rooms.readings.last(SITE, VENTILATION, OUTCOME, "icu")
    assert moved is not None
    assert moved.body["approvals"] == []  # another limit is another gate
    assert "not configured (any more)" in " ".join(moved.body["refused"])


def test_a_key_or_a_gate_that_is_none_is_named(house: Flask, tmp_path: Path) -> None:
    torn = tmp_path / "torn.key"
    torn.write_text("no key")
    assert typed(house, "gate", "sign", SITE, GATE, "--as", "Ada", "--key", str(torn))[0] == 1
    good = tmp_path / "good.key"
    typed(house, "gate", "key", "--out", str(good))
    status, said = typed(house, "gate", "sign", SITE, "no/gate", "--as", "Ada", "--key", str(good))
    assert (status, f"{SITE} has no gate 'no/gate'" in said) == (1, True)


def test_the_change_log_is_proven_and_a_tampered_line_is_named(house: Flask, tmp_path: Path) -> None:
    typed(house, "gate", "weigh")
    status, said = typed(house, "changes", "verify")
    assert (status, said.startswith("3 lines, each as it was written")) == (0, True)
    assert "gate-configured by gate weigh" in typed(house, "changes", "list")[1]
    lines = typed(house, "changes", "list", "--json")[1].splitlines()
    head = json.loads(lines[-1])["digest"]
    log = tmp_path / "log.jsonl"

    def verified(kept: list[str], *more: str) -> tuple[int, str]:
        log.write_text("\n".join(kept))
        return typed(house, "changes", "verify", "--file", str(log), *more)

    assert verified(lines, "--head", head)[0] == 0
    tampered = json.loads(lines[1]) | {"modification": "nothing to see"}
    status, said = verified([lines[0], json.dumps(tampered), lines[2]])
    assert (status, "line 2 was changed" in said) == (1, True)
    status, said = verified([lines[0], lines[2]])
    assert (status, "line 2 is missing" in said) == (1, True)
    status, said = verified(lines[:2], "--head", head)  # the end cut off
    assert (status, "the log was cut or rewritten" in said) == (1, True)
    status, said = verified([lines[0], "{half"])
    assert (status, "row 2 of log.jsonl is no line" in said) == (1, True)


def test_a_file_of_the_log_is_held_to_the_log_at_hand(house: Flask, tmp_path: Path) -> None:
    typed(house, "gate", "weigh")
    log = tmp_path / "log.jsonl"
    lines = typed(house, "changes", "list", "--json")[1].splitlines()
    last = json.loads(lines[-1])

    def verified(kept: list[str]) -> tuple[int, str]:
        log.write_text("".join(f"{line}\n" for line in kept))
        return typed(house, "changes", "verify", "--file", str(log))

    def forged(**told: Any) -> str:
        line = Change(**last | told | {"at": datetime.fromisoformat(last["at"])})
        return json.dumps(asdict(replace(line, digest=line.sealed())) | {"at": last["at"]})

    status, said = verified(lines)
    assert (status, "the log here is the same, and ends there too" in said) == (0, True)
    status, said = verified(lines[:2])  # an end cut off at a line's end: an older copy looks the same
    assert (status, "the log here goes on for 1 more, from " in said) == (0, True)
    status, said = verified([*lines, forged(number=4, previous=last["digest"])])
    assert (status, "the log here ends at line 3, and the copy goes on" in said) == (1, True)
    status, said = verified([*lines[:2], forged(impact="none")])
    assert (status, "line 3 of the copy is not line 3 of the log here" in said) == (1, True)


def test_a_log_whose_end_was_cut_off_since_a_review_is_not_proven(house: Flask) -> None:
    typed(house, "gate", "weigh")
    rooms: Rooms = house.extensions["ordertime"]
    reviewing.reviews(rooms).keep(SITE, Week.read("2026-W01"), {})
    assert typed(house, "changes", "verify")[0] == 0
    with rooms.store.writing() as connection:
        connection.execute(text("DROP TRIGGER changes_refuses_delete"))
        connection.execute(text("DELETE FROM changes WHERE number = 3"))
    status, said = typed(house, "changes", "verify")
    assert (status, "the log ends at line 2, and the review of week 2026-W01" in said) == (1, True)
    with rooms.store.writing() as connection:
        connection.execute(text("DELETE FROM changes"))
    status, said = typed(house, "changes", "verify")
    assert (status, "the log has no line, and the review of week 2026-W01" in said) == (1, True)


def test_the_year_is_played_into_an_empty_ledger_alone(house: Flask, tmp_path: Path) -> None:
    out = str(tmp_path / "year")
    told = ("simulate", "--out", out, "--days", "9", "--daily", "6")
    status, said = typed(house, *told)
    assert (status, "9 simulated days" in said) == (0, True)
    assert f"http://127.0.0.1:5000/simulated/gate/{SITE}" in said  # where to look at it
    assert json.loads((tmp_path / "year" / "year.json").read_text())["simulated"] is True
    status, said = typed(house, *told)
    assert (status, "played into an empty one" in said) == (1, True)


def test_the_simulated_hospital_is_shown_beside_the_app_and_says_so_on_every_page(
    house: Flask, tmp_path: Path
) -> None:
    folder = tmp_path / "year"
    rooms: Rooms = house.extensions["ordertime"]
    app = create_app(replace(rooms.settings, simulated=folder), rooms)
    client = app.test_client()
    waiting = client.get(f"/simulated/gate/{SITE}")
    assert (waiting.status_code, waiting.headers["Retry-After"]) == (503, "20")
    typed(house, "simulate", "--out", str(folder), "--days", "12", "--daily", "6")
    page = client.get(f"/simulated/gate/{SITE}")
    assert page.status_code == 200
    assert 'class="simulated"' in page.text
    assert "Simulated hospital" in page.text
    assert "/simulated/static/ordertime.css" in page.text
    assert page.text.count("of 2 named people have approved") == 3
    weeks = client.get(f"/simulated/review/{SITE}")
    assert "/simulated/review/simulated/2026-W01" in weeks.text  # reviewed on the first Monday of the year
    for path in (f"review/{SITE}/2026-W01", f"audits/{SITE}"):
        answer = client.get(f"/simulated/{path}")
        assert (answer.status_code, 'class="simulated"' in answer.text) == (200, True), path
        assert all(f'href="/simulated/{name}/{SITE}"' in answer.text for name in ("gate", "review", "audits")), path
    assert client.get(f"/review/{SITE}").status_code == 401  # of real patients, named reviewers alone
    assert client.get("/simulated/launch").status_code == 404
    assert 'class="simulated"' not in client.get(f"/gate/{SITE}").text


def test_production_refuses_a_simulated_hospital() -> None:
    with pytest.raises(SettingsError, match="ORDERTIME_SIMULATED is set in production"):
        from_environment({
            "ORDERTIME_MODE": "production",
            "ORDERTIME_PUBLIC_URL": "https://ordertime.hospital.example",
            "ORDERTIME_TENANTS": str(ROOT / "tenants"),
            "ORDERTIME_SECRET_KEY": "Kq3-8Zt1_xVw7Lr0pBn5Ym2Ds9Hc4Fj6",
            "DATABASE_URL": "sqlite:///ordertime.db",
            "ORDERTIME_SIMULATED": "year",
        })  # fmt: skip


def test_the_example_gate_file_is_one_that_is_read(tmp_path: Path) -> None:
    site = read_gates(ROOT / "gates" / "example.toml.txt", "example-general", {}, datetime.now(UTC))
    assert [gate.name for gate in site.gates] == [f"{VENTILATION}/{OUTCOME}"]
    assert site.refused == ()
