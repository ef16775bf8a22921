"""The same for both models, gates that are open, suspended and shut, and cards, from SQLite and from PostgreSQL."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from governance import export
from governance.export import ExportedSite
from governance.store import migrate, open_store
from inference.assessment import TROPONIN, VENTILATION, State
from tests.governance.governed import HEADS, THRESHOLDS, WEEKS, Governed, governed
from tests.governance.played import TENANT
from tests.governance.test_recomputed import SCRIPT, lacking, numbers, unlike


@dataclass
class Counted:
    """What the ledger kept, and what the script found in its export."""

    kept: Governed
    found: Any


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def counted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Counted:
    folder = tmp_path_factory.mktemp("both")
    url = f"sqlite:///{folder}/ledger.db" if request.param == "sqlite" else postgres(request)
    store = open_store(url)
    migrate(store)
    kept = governed(store)
    thresholds = {model: {outcome: THRESHOLDS[model]} for model, outcome in HEADS.items()}
    export.write(folder / "out", store, [ExportedSite(TENANT, "UTC", thresholds)], now=kept.ends)
    store.close()
    asked = [
        {"model": card.model, "version": card.version, "outcome": card.outcome, "at": card.at.isoformat(),
         "days": card.body["window"], "threshold": THRESHOLDS[card.model]}
        for card in kept.cards
    ]  # fmt: skip
    weeks = ",".join(week.name for week in WEEKS)
    command = [sys.executable, "-Es", str(SCRIPT), str(folder / "out"), TENANT, weeks, json.dumps(asked)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return Counted(kept, json.loads(ran.stdout))


def postgres(request: pytest.FixtureRequest) -> str:
    """A database of its own on the session's server."""
    server, name = str(request.getfixturevalue("postgres_at")), f"both_{uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    return server.removesuffix("postgres") + name


def test_the_ledger_has_gates_of_every_state(counted: Counted) -> None:
    assert counted.kept.states == {
        (VENTILATION, ""): [State.ACTIVE] * 3,
        (VENTILATION, "icu"): [State.SILENT] * 3,
        (TROPONIN, ""): [State.ACTIVE, State.SUSPENDED, State.SUSPENDED],
    }


def test_every_figure_of_every_weighing_is_found_again(counted: Counted) -> None:
    gates = counted.found["gates"]
    assert {(each["was"], each["state"]) for each in gates} == {
        ("silent", "silent"), ("silent", "active"), ("active", "active"),
        ("active", "suspended"), ("suspended", "suspended"),
    }  # fmt: skip
    for each in gates:
        kept = {key: each["kept"][key] for key in ("figures", "points", "proposed")}
        assert kept["figures"]["answers"] > 0
        assert len(list(numbers(kept))) > 100
        assert not unlike(kept, each)
        assert lacking(each["kept"]["missing"], each["missing"]) == []
        assert each["kept"]["live"] == (each["was"] == "active")


@pytest.mark.parametrize("week", [week.name for week in WEEKS])
def test_what_gates_lack_in_a_review_is_what_their_last_weighings_rows_lack(counted: Counted, week: str) -> None:
    names = ("model", "outcome", "care_unit")
    last = {tuple(each[name] for name in names): each["missing"] for each in counted.found["gates"]}
    told = json.loads(json.dumps(counted.kept.reviews[week]["gates"]))
    assert len(told) == len(last) == 3
    assert {short["code"] for each in told for short in each["missing"]} >= {"approvals", "false-alarms"}
    for each in told:
        assert lacking(each["missing"], last[tuple(each[name] for name in names)]) == []


@pytest.mark.parametrize("week", [week.name for week in WEEKS])
def test_every_count_of_both_models_reviews_is_found_again(counted: Counted, week: str) -> None:
    body, found = json.loads(json.dumps(counted.kept.reviews[week])), counted.found["reviews"][week]
    assert [each["model"] for each in body["models"]] == [VENTILATION, TROPONIN]
    parts = {key: body[key] for key in ("models", "cards", "feedback", "offers", "handed", "alarms", "clarity")}
    assert len(list(numbers(parts))) > 250
    assert not unlike(parts, found)
    words = ("version", "state", "status", "reason")
    for mine, theirs in zip(body["models"], found["models"], strict=True):
        assert mine["answers"]
        same = [[row[word] for word in words] for row in theirs["answers"]]
        assert [[row[word] for word in words] for row in mine["answers"]] == same
    if week == WEEKS[1].name:
        assert {(each["model"], each["state"]) for each in body["cards"]} == {
            (VENTILATION, "active"),
            (TROPONIN, "suspended"),
        }
        assert body["handed"] > 0
        assert sum(each["labelled"] for each in body["models"]) > 0
        assert {row["state"] for each in body["models"] for row in each["answers"]} == {"active", "suspended"}


def test_every_cell_of_every_audit_is_found_again(counted: Counted) -> None:
    audits = counted.found["audits"]
    assert len(audits) == 4
    for audit in audits:
        assert len(audit["kept"]["cells"]) >= 6
        assert not unlike(audit["kept"], audit["found"])


def test_every_figure_of_the_models_cards_is_found_again(counted: Counted) -> None:
    assert [card.model for card in counted.kept.cards] == [VENTILATION, TROPONIN]
    for card, found in zip(counted.kept.cards, counted.found["cards"], strict=True):
        body = {key: value for key, value in card.body.items() if key not in ("states", "from", "until")}
        body = json.loads(json.dumps(body))
        assert body["figures"]["sensitivity"]["low"] is not None
        assert len(list(numbers(body))) > 100
        assert not unlike(body, found)
        assert unlike(body | {"figures": body["figures"] | {"answers": body["figures"]["answers"] + 1}}, found)
