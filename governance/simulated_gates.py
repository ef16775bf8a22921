"""The simulated hospital's gate file, and the two who sign in it. Their keys are made from a word: they guard nothing.

Three gates: ventilation in intensive care, which opens; ventilation on the ward, which is held shut by patients who
speak Spanish and are missed; and the troponin model, which is not good enough.
"""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from governance import simulated
from governance.approvals import sign
from governance.gate import Gate
from governance.simulated import SITE, VERSION
from inference.assessment import TROPONIN, VENTILATION

WINDOW: Final = 42  # days of live figures
POSITIVES: Final = 50
INTENSIVE: Final = Gate(
    *(SITE, VENTILATION, simulated.OUTCOME, VERSION, simulated.THRESHOLD, "icu"),
    positives=POSITIVES,
    smallest=20,
    window=WINDOW,
)
WARD: Final = Gate(
    *(SITE, VENTILATION, simulated.OUTCOME, VERSION, simulated.THRESHOLD, "ward"),
    positives=POSITIVES,
    window=WINDOW,
)
RISE: Final = Gate(
    *(SITE, TROPONIN, simulated.RISE, VERSION, simulated.RISE_THRESHOLD), positives=POSITIVES, window=WINDOW
)
GATES: Final = (INTENSIVE, WARD, RISE)
APPROVERS: Final = (
    ("Simulated physician", "chief medical information officer (simulated)"),
    ("Simulated nurse", "head of nursing quality (simulated)"),
)
ROLES: Final = tuple(role for _, role in APPROVERS)  # that must sign what is decided about a week
LABEL: Final = "# Simulated: written by `flask simulate`; nobody here is real, and the keys are no secret.\n"


def write_files(folder: Path) -> None:
    """The site's file, the gates without any approval, and the file of approvers."""
    (folder / "gates").mkdir(parents=True, exist_ok=True)
    approvers = "".join(_approver(name, role) for name, role in APPROVERS)
    (folder / "gates" / "approvers.toml").write_text(LABEL + approvers, encoding="utf-8")
    gates = "".join(_table("gates", asdict(gate)) for gate in GATES)
    (folder / "gates" / f"{SITE}.toml").write_text(LABEL + gates, encoding="utf-8")
    (folder / "tenants").mkdir(exist_ok=True)
    write_site(folder, "")


def write_site(folder: Path, code: str) -> None:
    """The site's own file; with `code` ("system|code") as lactate in its map, if there is one."""
    told = f'\n[local_codes]\n"{code}" = "lactate"\n' if code else ""
    (folder / "tenants" / f"{SITE}.toml").write_text(tenant_file() + told, encoding="utf-8")


def approve(folder: Path, gate: Gate, at: datetime) -> None:
    """Both sign `gate` at `at`, into the site's file; earlier approvals stay, and are too old to count again."""
    with (folder / "gates" / f"{SITE}.toml").open("a", encoding="utf-8") as file:
        for name, _ in APPROVERS:
            file.write("\n" + sign(gate, name, at, key_of(name)))


def key_of(name: str) -> Ed25519PrivateKey:
    """The signer's key, made from the name: it guards nothing."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(name.encode()).digest())


def _approver(name: str, role: str) -> str:
    key = b64encode(key_of(name).public_key().public_bytes_raw()).decode()
    told = {"name": name, "role": role, "key": key, "sites": [SITE]}
    return _table("approvers", told)


def _table(name: str, values: Mapping[str, object]) -> str:
    lines = [f"{key} = {json.dumps(value)}" for key, value in values.items() if key != "site" and value != ""]
    return "\n".join(["", f"[[{name}]]", *lines, ""])


def tenant_file() -> str:
    """The site as a tenant's file: it can be looked at, and nobody can call it or be called by it."""
    models = "".join(
        f'\n[models.{model}]\nstate = "active"\nthreshold = {threshold}\n'
        for model, threshold in ((VENTILATION, simulated.THRESHOLD), (TROPONIN, simulated.RISE_THRESHOLD))
    )
    return f'''{LABEL}
id = "{SITE}"
name = "Simulated hospital"
issuer = "https://simulated.invalid/fhir"
client_id = "simulated"
auth = "public"
scopes = ["launch"]
time_zone = "UTC"
{models}
[review]
roles = {json.dumps(ROLES)}
'''
