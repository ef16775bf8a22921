"""What this FHIR server says it can do: its CapabilityStatement and its SMART configuration.

Both are read from the same tables the server runs on, so they cannot promise what it refuses.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from demo.checks import CREATABLE
from demo.config import Settings
from demo.parameters import PARAMETERS, parameters_of

Resource = dict[str, Any]
OAUTH_URIS: Final = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
SCOPES: Final = (
    "openid", "fhirUser", "profile", "launch", "launch/patient", "launch/encounter", "online_access",
    "offline_access", "patient/*.rs", "patient/*.cruds", "user/*.rs", "system/*.rs",
)
GROUP_EXPORT: Final = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/group-export"
SECURITY_SERVICE: Final = "http://terminology.hl7.org/CodeSystem/restful-security-service"
ASSERTION_ALGORITHMS: Final = ("RS384", "ES384")
CAPABILITIES: Final = (
    "launch-ehr", "launch-standalone", "authorize-post", "client-public", "client-confidential-symmetric",
    "client-confidential-asymmetric", "sso-openid-connect", "context-banner", "context-style",
    "context-ehr-patient", "context-ehr-encounter", "context-standalone-patient",
    "context-standalone-encounter", "permission-online", "permission-offline", "permission-patient",
    "permission-user", "permission-v1",
    "permission-v2",
)


def capability_statement(settings: Settings, started: datetime) -> Resource:
    """The CapabilityStatement at /fhir/metadata."""
    return {
        "resourceType": "CapabilityStatement", "status": "active",
        "date": started.isoformat(timespec="seconds"), "kind": "instance", "fhirVersion": "4.0.1",
        "format": ["json", "application/fhir+json"],
        "software": {"name": "Stand-in hospital", "version": "1"},
        "implementation": {"description": "Synthetic patients, for demonstration only", "url": settings.fhir},
        "rest": [
            {"mode": "server", "security": _security(settings), "resource": [_of(one) for one in PARAMETERS]},
        ],
    }


def _security(settings: Settings) -> Resource:
    doors = ("authorize", "token", "revoke")
    uris = [{"url": name, "valueUri": f"{settings.url}/auth/{name}"} for name in doors]
    coding = {"system": SECURITY_SERVICE, "code": "SMART-on-FHIR"}
    return {"extension": [{"url": OAUTH_URIS, "extension": uris}], "service": [{"coding": [coding]}]}


def _of(type_: str) -> Resource:
    known = parameters_of(type_)
    verbs = ("read", "search-type", "create") if type_ in CREATABLE else ("read", "search-type")
    said: Resource = {
        "type": type_, "versioning": "versioned", "readHistory": False, "updateCreate": False,
        "conditionalCreate": type_ in CREATABLE,
        "interaction": [{"code": one} for one in verbs],
        "searchParam": [{"name": name, "type": one.kind} for name, one in known.items()],
    }
    includes = [f"{type_}:{name}" for name, one in known.items() if one.kind == "reference"]
    operations = {"operation": [{"name": "export", "definition": GROUP_EXPORT}]} if type_ == "Group" else {}
    return said | ({"searchInclude": includes} if includes else {}) | operations


def smart_configuration(settings: Settings) -> Resource:
    """The document at /fhir/.well-known/smart-configuration (SMART App Launch 2.2, conformance)."""
    return {
        "issuer": settings.fhir, "jwks_uri": f"{settings.url}/auth/jwks.json",
        "authorization_endpoint": f"{settings.url}/auth/authorize", "token_endpoint": settings.token_url,
        "revocation_endpoint": f"{settings.url}/auth/revoke",
        "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
        "response_types_supported": ["code"], "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "private_key_jwt", "none"],
        "token_endpoint_auth_signing_alg_values_supported": list(ASSERTION_ALGORITHMS),
        "scopes_supported": list(SCOPES), "capabilities": list(CAPABILITIES),
    }


def openid_configuration(settings: Settings) -> Resource:
    """The document at /fhir/.well-known/openid-configuration; the issuer of id_tokens is the FHIR base."""
    shared = (
        "issuer", "jwks_uri", "authorization_endpoint", "token_endpoint", "response_types_supported",
        "grant_types_supported", "token_endpoint_auth_methods_supported", "code_challenge_methods_supported",
    )
    smart = smart_configuration(settings)
    return {name: smart[name] for name in shared} | {
        "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "fhirUser", "profile"],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "nonce", "fhirUser", "profile", "name"],
    }
