"""A site's survey: its discovery documents read as a launch would read them, and what they mean for us.

Reads two open documents and the callers' key sets, with time limits, without a token, and follows no redirect to
another server. Refuses nothing: what goes wrong is a finding with a remedy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import httpx

from ehr import survey_fhir, survey_smart
from ehr.endpoints import DISCOVERY
from ehr.errors import (
    EhrError,
    ForeignAddress,
    MalformedAnswer,
    NotFound,
    NotPermitted,
    NotUnderstood,
    Throttled,
    Unauthorised,
)
from ehr.finding import Finding, blocks, limits, works
from ehr.site import CdsClient, Tenant
from ehr.tables import server_fault
from ehr.transport import Budget, FhirHttp, ask

SECONDS: Final = 20.0
BASE: Final = "check the FHIR base: it is what the EHR sends as `iss`, path included (.../fhir/r4)"
FAULTS: Final[tuple[tuple[type[EhrError], str, str], ...]] = (
    (NotFound, "there is none (404)", BASE),
    (
        ForeignAddress,
        "it redirects to another address, which was not followed",
        "write the address it leads to",
    ),
    (MalformedAnswer, "what comes is not JSON (a web page, or a redirect in a circle?)", BASE),
    (
        Unauthorised,
        "it asks for a token (401)",
        "the vendor opens it to all: discovery comes before any token",
    ),
    (
        NotPermitted,
        "it is not open to us (403)",
        "check the hospital's id in the path, and its firewall's list",
    ),
    (Throttled, "the server asks for patience (429)", "try again later"),
    (NotUnderstood, "the request is refused", BASE),
    (
        EhrError,
        "no usable answer came",
        "check name, network and certificate from this machine, then try again",
    ),
)


def survey(
    client: httpx.Client,
    issuer: str,
    *,
    production: bool,
    tenant: Tenant | None = None,
    budget: Budget | None = None,
) -> Iterator[Finding]:
    """What works and what does not at the FHIR base `issuer`; `tenant` is the file that names it, if any does."""
    fault = server_fault(issuer, production=production)
    if fault:
        yield blocks(f"'{issuer[:200]}' cannot be a hospital's server: {fault}", "give its https FHIR base")
        return
    if tenant is None:
        yield limits(
            "no tenant file names this server: a launch from it is refused",
            "copy tenants/example.toml.txt, or the vendor's from tenants/templates/, with this issuer",
        )
    elif issuer != tenant.issuer:
        yield limits(
            f"the file writes this server '{tenant.issuer}'",
            "write it in the file as the EHR sends it in `iss`: it goes back byte for byte as `aud`",
        )
    quirks = tenant.quirks if tenant else frozenset[str]()
    http = FhirHttp(issuer, None, client, budget or Budget(SECONDS), quirks=quirks)
    try:
        yield from survey_smart.judge(http.get(DISCOVERY, accept="application/json"), issuer, tenant)
    except EhrError as error:
        yield blocks(*_told("the SMART configuration", DISCOVERY, error))
    try:
        yield from survey_fhir.judge(http.get("metadata"), tenant)
    except EhrError as error:
        yield limits(*_told("the CapabilityStatement", "metadata", error))
    for caller in tenant.cds_clients if tenant else ():
        yield _keys(client, caller, http.budget)


def _told(what: str, path: str, error: EhrError) -> tuple[str, str]:
    said, remedy = next((rest for kind, *rest in FAULTS if isinstance(error, kind)), ("", ""))
    return f"{what} (<base>/{path}) cannot be read: {said}", remedy


def _keys(client: httpx.Client, caller: CdsClient, budget: Budget) -> Finding:
    """Whether a CDS client's key set can be read: without it none of its calls is believed."""
    try:
        answer = ask(client, "GET", caller.jwks_url, budget=budget, where="jwks_url", largest=256 * 1024)
        keys = answer.document("jwks_url").get("keys") if answer.good else None
    except EhrError:
        keys = None
    if isinstance(keys, list) and keys:
        return works(f"hooks: the key set of {caller.iss} can be read")
    return limits(
        f"hooks: the key set of {caller.iss} cannot be read, so its calls are refused with 401",
        "check jwks_url under [[cds_clients]] with the vendor",
    )
