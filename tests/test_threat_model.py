"""docs/threat-model.md names tests that exist."""

from __future__ import annotations

import re

from tests.test_architecture import ROOT

MODEL = (ROOT / "docs" / "threat-model.md").read_text(encoding="utf-8")


def test_every_test_it_names_exists() -> None:
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    named = set(re.findall(r"`(test_\w+)`", MODEL))
    assert len(named) > 50
    assert named <= there, named - there
    for path in re.findall(r"`(tests/[\w/]+\.py)`", MODEL):
        assert (ROOT / path).is_file(), path


def test_it_says_what_remains_for_somebody_who_must_decide() -> None:
    for part in ("What is to be protected", "Who", "Ways in", "Threats", "What remains"):
        assert re.search(rf"^## {part}", MODEL, re.MULTILINE), part
