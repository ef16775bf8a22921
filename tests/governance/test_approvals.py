"""Gates as signed configuration: what is signed is what counts, and nothing else is believed."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance.approvals import SiteGates, read_approvers, read_gates, sign
from governance.errors import GateRefusal
from governance.gate import Gate

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEYS = {
    name: Ed25519PrivateKey.from_private_bytes(bytes([number] * 32))
    for number, name in enumerate(["Ada", "Ben"])
}
GATE = Gate("north", "ventilation-need", "ventilation-24h", "0.2.0", 0.2)
WRITTEN = """
[[gates]]
model = "ventilation-need"
outcome = "ventilation-24h"
version = "0.2.0"
threshold = 0.2
"""


def approvers(folder: Path, sites: str = '["north"]') -> Path:
    path = folder / "approvers.toml"
    keys = {name: b64encode(key.public_key().public_bytes_raw()).decode() for name, key in KEYS.items()}
    path.write_text(
        "".join(
            f'[[approvers]]\nname = "{name}"\nrole = "CMIO"\nkey = "{key}"\nsites = {sites}\n'
            for name, key in keys.items()
        )
    )
    return path


def read(folder: Path, text: str, site: str = "north", sites: str = '["north"]') -> SiteGates:
    path = folder / f"{site}.toml"
    path.write_text(text)
    return read_gates(path, site, read_approvers(approvers(folder, sites)), NOW)


def test_a_gate_approved_by_two_is_read_with_its_defaults(tmp_path: Path) -> None:
    signed = "".join(sign(GATE, name, NOW - timedelta(days=1), key) for name, key in KEYS.items())
    found = read(tmp_path, WRITTEN + signed)
    assert found.gates == (GATE,)
    assert [each.name for each in found.approved[GATE.digest]] == ["Ada", "Ben"]
    assert found.refused == ()


def test_no_file_is_no_gate(tmp_path: Path) -> None:
    assert read_gates(tmp_path / "x.toml", "x", {}, NOW) == SiteGates((), {}, ())


def test_a_limit_changed_after_the_signature_loses_the_approvals(tmp_path: Path) -> None:
    signed = sign(GATE, "Ada", NOW, KEYS["Ada"])
    found = read(tmp_path, WRITTEN + "sensitivity = 0.8\n" + signed)
    assert list(found.approved.values()) == [()]
    assert "not configured (any more)" in found.refused[0]


@pytest.mark.parametrize(
    ("signed", "says"),
    [
        (sign(GATE, "Ada", NOW, KEYS["Ben"]), "signature is not theirs"),
        (sign(GATE, "Eve", NOW, KEYS["Ada"]), "no approver of that name"),
        (sign(GATE, "Ada", NOW, KEYS["Ada"]).replace("2026-06-01", "2026-05-01"), "signature is not theirs"),
        (sign(GATE, "Ada", NOW + timedelta(hours=1), KEYS["Ada"]), "no moment that has been"),
        (sign(replace(GATE, site="south"), "Ada", NOW, KEYS["Ada"]), "not configured"),
        ('[[approvals]]\nname = "Ada"\n', "not configured"),
    ],
)
def test_an_approval_that_must_not_be_believed_counts_for_nothing_and_says_why(
    tmp_path: Path, signed: str, says: str
) -> None:
    found = read(tmp_path, WRITTEN + signed)
    assert found.approved[GATE.digest] == ()
    assert says in found.refused[0]


def test_an_approver_of_another_site_approves_nothing_here(tmp_path: Path) -> None:
    found = read(tmp_path, WRITTEN + sign(GATE, "Ada", NOW, KEYS["Ada"]), sites='["south"]')
    assert "other sites" in found.refused[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (WRITTEN.replace("threshold = 0.2", ""), "needs 'threshold'"),
        (WRITTEN.replace("0.2\n", "20\n"), "share between 0 and 1"),
        (WRITTEN + "positives = 0\n", "whole number"),
        (WRITTEN + "days = true\n", "whole number"),
        (WRITTEN + 'definition = "daily"\n', "one of patient-day"),
        (WRITTEN + "sensitvity = 0.8\n", "no key 'sensitvity'"),
        (WRITTEN + WRITTEN, "the same model"),
        ("[[gates", "TOML"),
        ("gates = 3", r"\[\[gates\]\]"),
    ],
)
def test_a_gate_file_with_a_slip_is_refused_by_its_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(GateRefusal, match=says):
        read(tmp_path, text)


def test_one_person_under_two_names_is_refused(tmp_path: Path) -> None:
    path = approvers(tmp_path)
    first = path.read_text().split("[[approvers]]")[1]
    path.write_text(f"[[approvers]]{first}[[approvers]]{first.replace('Ada', 'Another')}")
    with pytest.raises(GateRefusal, match="twice"):
        read_approvers(path)
