"""The app's tenant file for this hospital: whom it trusts and how, written where the app will look.

It is text in the app's documented format; nothing of the app is imported. The key of the app's backend client is made
beside it, once, readable by its owner alone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from demo.config import Settings
from demo.patients.groups import MONITORED

SCOPES: Final = (
    "launch", "openid", "fhirUser", "online_access", "patient/Patient.r", "patient/Encounter.rs",
    "patient/Observation.rs", "patient/Condition.rs", "patient/Procedure.rs", "patient/Device.rs",
    "patient/DeviceUseStatement.rs", "patient/DiagnosticReport.rs", "patient/DocumentReference.c",
    "patient/RiskAssessment.c",
)

BACKEND_SCOPES: Final = tuple(
    f"system/{type_}.rs" for type_ in ("Group", "Patient", "Encounter", "Observation", "Condition", "Procedure",
                                       "Device", "DeviceUseStatement", "DiagnosticReport", "Coverage")
)
BACKEND_KEY: Final = "keys/demo-backend.pem"
REVIEWERS: Final = ("Practitioner/okafor", "Practitioner/iyer")
BOARD: Final = ("Practitioner/iyer", "Practitioner/okafor")  # who may look at the unit board

OFFERS: Final = ("repeat-troponin", "arterial-blood-gas", "venous-blood-gas", "respiratory-review")


def tenant_file(settings: Settings) -> str:
    """The tenant as TOML."""
    scopes, offers, backend, reviewers = (
        ", ".join(f'"{one}"' for one in listed) for listed in (SCOPES, OFFERS, BACKEND_SCOPES, REVIEWERS)
    )
    return f"""\
# Written by the demonstration at every start; changes here are lost.
id = "demo"
name = "Stand-in hospital (synthetic patients)"
issuer = "{settings.fhir}"
client_id = "ordertime"
auth = "public"
scopes = [{scopes}]
frame_ancestors = ["{settings.url}"]
cors_origins = []
time_zone = "America/New_York"
write_back = ["DocumentReference", "RiskAssessment"]

[[cds_clients]]
iss = "{settings.url}"
jwks_url = "{settings.url}/cds-client/jwks.json"
algorithms = ["ES384"]

[cards]
quiet_minutes = {settings.quiet_minutes:g}
suggestions = [{offers}]

[backend]
client_id = "ordertime-backend"
auth = "private_key_jwt"
signing_key_file = "{BACKEND_KEY}"
scopes = [{backend}]

[follow_up]
wait_hours = {settings.wait_hours:g}
calls_a_minute = 1200
reviewers = [{reviewers}]

[audits.sites]
"Organization/stand-in" = "Main building"

[models.ventilation-need]
state = "demonstration"
threshold = 0.2

[models.troponin-trend]
state = "demonstration"
threshold = 0.3
"""


def board_part() -> str:
    """The unit board that the app reads for without a user: the tables to add to the tenant."""
    people = ", ".join(f'"{one}"' for one in BOARD)
    return f"""
[board]
people = [{people}]

[[board.units]]
id = "{MONITORED}"
name = "Monitored beds"
group = "{MONITORED}"
beds = 24
ventilators = 4
arrivals_a_day = 0.8
mean_hours = 72
"""


def write_tenant(settings: Settings, folder: Path) -> Path:
    """Write demo.toml into `folder`, whole or not at all, and beside it the key it names; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    _keep_key(folder / BACKEND_KEY)
    path, draft = folder / "demo.toml", folder / "demo.toml.draft"
    draft.write_text(tenant_file(settings) + board_part(), encoding="utf-8")
    return draft.replace(path)


def _keep_key(path: Path) -> None:
    """A key for the app's backend services, readable by its owner only; one that is there stays."""
    if path.exists():
        return
    path.parent.mkdir(exist_ok=True, mode=0o700)
    made = ec.generate_private_key(ec.SECP384R1())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
