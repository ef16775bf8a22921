"""`erase` and `retain` as they are typed: one patient on request, everybody whose retention is over, and the log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inference.assessment import VENTILATION
from tests.webapp.followed import Followed, built, followed

SAID = ("--sentence", "at the patient's request, privacy office no. 7", "--as", "Ada North")


@pytest.fixture(scope="module")
def artifacts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("artifacts"))


@pytest.fixture
def there(tmp_path: Path, artifacts: Path) -> Any:
    with followed(tmp_path, f"sqlite:///{tmp_path}/ledger.db", artifacts) as told:
        told.ask((("pneumonia-worsening", VENTILATION), ("sepsis", VENTILATION)))
        yield told


def test_a_patient_is_erased_and_everything_after_it_goes_on(there: Followed, tmp_path: Path) -> None:
    done = there.run("erase", "demo", "--patient", "Patient/sepsis", *SAID)
    assert (done.returncode, done.stdout) == (0, "demo: 1 patients erased with 1 answers\n"), done.stderr
    assert "sepsis" not in done.stdout + done.stderr
    again = there.run("erase", "demo", "--patient", "sepsis", *SAID)
    assert again.returncode == 1
    assert "nothing of that patient" in again.stderr
    verified = there.run("changes", "verify")
    assert verified.returncode == 0, verified.stderr
    assert "patients erased with 1 answers" in there.run("changes", "list", "--tenant", "demo").stdout
    followed_up = there.run("follow-up")
    assert followed_up.returncode == 0, followed_up.stdout
    assert "demo: 1 patients read" in followed_up.stdout
    assert "for a person 0" in followed_up.stdout
    out = tmp_path / "out"
    assert there.run("export", "--out", str(out)).returncode == 0
    assert there.run("export", "--check", str(out)).returncode == 0


def test_who_is_asked_for_is_asked_and_no_sentence_names_the_patient(there: Followed) -> None:
    runner = there.house.app.test_cli_runner()
    asked = runner.invoke(args=["erase", "demo", *SAID], input="sepsis\n")
    assert asked.exit_code == 0, asked.output
    assert "sepsis" not in asked.output
    named = runner.invoke(args=["erase", "demo", "--patient", "x-ray", "--sentence", "of x-ray", "--as", "Ada"])
    assert named.exit_code == 1
    assert "names the patient" in named.output
    strange = runner.invoke(args=["erase", "nowhere", "--patient", "sepsis", *SAID])
    assert "no site 'nowhere'" in strange.output


def test_retention_is_a_sites_own(there: Followed) -> None:
    none = there.run("retain")
    assert (none.returncode, none.stdout) == (0, "")
    assert "no [retention]" in none.stderr
    there.tenant(lambda text: f"{text}\n[retention]\ndays = 120\n")
    early = there.run("retain")
    assert early.stdout == "demo: 0 patients erased with 0 answers\n", early.stderr
