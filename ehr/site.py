"""One site: who it is, how we prove who we are to it, and what a model may do there. Frozen data.

Refuses nothing: `tenant_file` has checked every value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from ehr.audit_policy import AuditPolicy
from ehr.board_policy import BoardPolicy
from ehr.card_policy import CardPolicy
from ehr.follow_policy import FollowPolicy
from ehr.keys import SigningKey
from ehr.laboratory import LaboratoryAssay
from ehr.retention_policy import RetentionPolicy
from ehr.review_policy import ReviewPolicy
from inference.assessment import TROPONIN, VENTILATION, State

Auth = Literal["public", "secret", "private_key_jwt"]

MODELS: Final = (VENTILATION, TROPONIN)
ALGORITHMS: Final = frozenset({"ES256", "ES384", "RS256", "RS384"})
DEFAULT_ALGORITHMS: Final = ("ES384", "RS384")  # CDS Hooks 2.0, Trusting CDS Clients
WRITABLE: Final = ("DocumentReference", "RiskAssessment")
PLAIN_SCOPES: Final = frozenset(
    ["launch", "launch/patient", "launch/encounter", "openid", "fhirUser", "online_access", "offline_access"]
)
RESOURCE_SCOPE: Final = re.compile(
    r"(patient|user|system)/[A-Z][A-Za-z]+\.(read|write|(?=[cruds])c?r?u?d?s?)(\?[^\s*]+)?"
)
QUIRKS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "links-outside-base": "pages of a search are linked on the same host, but not below the FHIR base",
        "no-strict-search": "the server refuses `Prefer: handling=strict`",
        "post-search": "long code lists go in the body (POST _search)",
        "no-app-context": "the EHR drops or refuses appContext on a card's link",
        "category-required": "an Observation search needs a category, also beside a code",
        "patient-view-only": "the EHR fires patient-view and no hook of an order",
        "results-in-reports": "results are held inside DiagnosticReports, and found in no search of Observations",
        "one-id-one-hook": "the CDS client knows a service by its address: each hook needs an id of its own",
        "identity-issuer-elsewhere": "id_tokens name another issuer of the hospital's than its SMART configuration",
        "fresh-login": "a new launch would be answered with an earlier login's patient: each asks for a login",
        "authorize-post": "the authorisation server takes long requests by POST",
    }
)


@dataclass(frozen=True, slots=True)
class CdsClient:
    """A CDS client that may call us: how its tokens are signed and whom they name.

    `audiences` are accepted beside the URL called (some hospitals type theirs in). `tenant_claim` tells sites
    apart when a vendor signs for all its hospitals with one `iss`: it must equal the token's `tenant`.
    """

    iss: str
    jwks_url: str
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS
    audiences: tuple[str, ...] = ()
    tenant_claim: str = ""


@dataclass(frozen=True, slots=True)
class ModelPolicy:
    """What a model may do at a site. Probabilities are 0..1 and compared with the headline outcome's.

    At `threshold` and above a card is shown, at `warn_at` with the indicator "warning", at `critical_at` with
    "critical"; None: never. `say_insufficient`: a card also says when there is too little in the chart.
    """

    state: State = State.SILENT
    threshold: float = 0.5
    warn_at: float | None = None
    critical_at: float | None = None
    say_insufficient: bool = False


@dataclass(frozen=True, slots=True)
class Client:
    """Who we are to an authorisation server, and how we prove it."""

    client_id: str
    auth: Auth = "public"
    client_secret: str = field(default="", repr=False)
    signing_key: SigningKey | None = field(default=None, repr=False)
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tenant:
    """One site. `issuer` is its FHIR base; `local_codes` map "system|code" to a vocabulary variable, `care_units`
    a place's reference, identifier or name to a kind of care unit, "" for a mixed or another one; `assays` say what
    the laboratory runs, by troponin variable.
    """

    id: str
    name: str
    issuer: str
    client_id: str
    auth: Auth = "public"
    client_secret: str = field(default="", repr=False)
    signing_key: SigningKey | None = field(default=None, repr=False)
    scopes: tuple[str, ...] = ()
    fhir_servers: tuple[str, ...] = ()  # further bases a CDS client of this site may name
    backend: Client | None = None
    previous_keys: tuple[SigningKey, ...] = field(default=(), repr=False)  # still published while keys rotate
    frame_ancestors: tuple[str, ...] = ()
    cds_clients: tuple[CdsClient, ...] = ()
    cors_origins: tuple[str, ...] = ()
    local_codes: Mapping[str, str] = field(default_factory=dict)
    care_units: Mapping[str, str] = field(default_factory=dict)
    assays: Mapping[str, LaboratoryAssay] = field(default_factory=dict)
    confirmed_assays: frozenset[str] = frozenset()
    models: Mapping[str, ModelPolicy] = field(
        default_factory=lambda: {name: ModelPolicy() for name in MODELS}
    )
    cards: CardPolicy = field(default_factory=CardPolicy)
    follow_up: FollowPolicy = field(default_factory=FollowPolicy)
    review: ReviewPolicy = field(default_factory=ReviewPolicy)
    board: BoardPolicy = field(default_factory=BoardPolicy)
    audits: AuditPolicy = field(default_factory=AuditPolicy)
    retention: RetentionPolicy = field(default_factory=RetentionPolicy)
    time_zone: str = "UTC"
    write_back: frozenset[str] = frozenset()
    note_type: str = "11506-3"  # LOINC of a note that is written back: progress note
    quirks: frozenset[str] = frozenset()
    alarm_webhook: str = ""  # where alarms of the charts go; "" for nowhere

    @property
    def client(self) -> Client:
        """Who we are to this site's authorisation server in a launch."""
        return Client(self.client_id, self.auth, self.client_secret, self.signing_key, self.scopes)
