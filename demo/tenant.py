"""The app's tenant file for this hospital: whom it trusts and how, written where the app will look.

It is text in the app's documented format; nothing of the app is imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from demo.config import Settings

SCOPES: Final = (
    "launch", "openid", "fhirUser", "online_access", "patient/Patient.r", "patient/Encounter.rs",
    "patient/Observation.rs", "patient/Condition.rs", "patient/Procedure.rs", "patient/Device.rs",
    "patient/DeviceUseStatement.rs", "patient/DiagnosticReport.rs", "patient/DocumentReference.c",
    "patient/RiskAssessment.c",
)

OFFERS: Final = ("repeat-troponin", "arterial-blood-gas", "venous-blood-gas", "respiratory-review")


def tenant_file(settings: Settings) -> str:
    """The tenant as TOML."""
    scopes, offers = (", ".join(f'"{one}"' for one in listed) for listed in (SCOPES, OFFERS))
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

[models.ventilation-need]
state = "demonstration"
threshold = 0.2

[models.troponin-trend]
state = "demonstration"
threshold = 0.3
"""


def write_tenant(settings: Settings, folder: Path) -> Path:
    """Write demo.toml into `folder`, whole or not at all; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path, draft = folder / "demo.toml", folder / "demo.toml.draft"
    draft.write_text(tenant_file(settings), encoding="utf-8")
    return draft.replace(path)
