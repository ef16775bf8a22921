"""What a SMART configuration promises for our launches, beside what the tenant file asks for. Pure.

Judges what is said; a list that is missing says nothing and is no fault, but for what the specification demands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ehr.endpoints import endpoint
from ehr.errors import LaunchRefused
from ehr.finding import Finding, blocks, limits, works
from ehr.keys import algorithm
from ehr.scopes import FORM, permissions
from ehr.site import Client, Tenant

METHODS: Final = {  # how the file names a way of proving who we are, how OAuth does, and SMART's capability
    "public": ("none", "client-public"),
    "secret": ("client_secret_basic", "client-confidential-symmetric"),
    "private_key_jwt": ("private_key_jwt", "client-confidential-asymmetric"),
}
LASTING: Final = {"online_access": "permission-online", "offline_access": "permission-offline"}
REGISTER: Final = "ask the hospital how the app is registered, and set auth in the tenant file to match"


def judge(said: Mapping[str, Any], issuer: str, tenant: Tenant | None) -> Iterator[Finding]:
    """The findings of one configuration. `tenant` None: no file names this server yet."""
    yield from _endpoints(said, issuer)
    yield _pkce(said)
    yield from _launches(_listed(said, "capabilities"))
    yield from _clients(said, tenant.client if tenant else None)
    yield from _versions(_listed(said, "capabilities"), tenant)
    if tenant:
        yield from _scopes(said, tenant.scopes)
        yield from _differences(said, tenant)
    yield _identity(said)
    yield from _refresh(said, tenant)
    yield _backend(said, tenant)


def _listed(said: Mapping[str, Any], key: str) -> frozenset[str]:
    value = said.get(key)
    return frozenset(one for one in value if isinstance(one, str)) if isinstance(value, list) else frozenset()


def _endpoints(said: Mapping[str, Any], issuer: str) -> Iterator[Finding]:
    for key in ("authorization_endpoint", "token_endpoint"):
        try:
            url = endpoint(said, key, issuer)
        except LaunchRefused as refused:
            yield blocks(refused.message, "the hospital's vendor publishes an https address there")
            continue
        if url:
            yield works(f"{key} is named")
        else:
            yield blocks(
                f"the SMART configuration names no {key}",
                "the hospital's vendor adds it; a launch needs both",
            )
    for key, lost in (
        ("revocation_endpoint", "closing a visit leaves its tokens to run out"),
        ("introspection_endpoint", "nothing here needs it"),
    ):
        if said.get(key):
            yield works(f"{key} is named")
        elif key == "revocation_endpoint":
            yield limits(f"no {key}: {lost}", "nothing to do; tokens are forgotten here all the same")
        else:
            yield works(f"no {key}: {lost}")


def _pkce(said: Mapping[str, Any]) -> Finding:
    methods = _listed(said, "code_challenge_methods_supported")
    if not methods:
        return limits(
            "PKCE is not listed; it is sent with S256 all the same",
            "if a launch ends with invalid_request, ask the vendor to take PKCE",
        )
    if "S256" not in methods:
        return blocks(
            "PKCE is offered without S256", "the hospital's vendor turns S256 on; nothing else is sent"
        )
    if "plain" in methods:
        return limits(
            "PKCE S256 is offered, and plain beside it", "SMART forbids plain; tell the vendor. S256 is used"
        )
    return works("PKCE S256")


def _launches(capabilities: frozenset[str]) -> Iterator[Finding]:
    if not capabilities:
        yield limits("capabilities are not listed, so launch types cannot be said", "try a launch")
        return
    ehr, alone = "launch-ehr" in capabilities, "launch-standalone" in capabilities
    if not ehr and not alone:
        yield blocks("neither launch-ehr nor launch-standalone is offered", "ask the vendor for launch-ehr")
    elif not ehr:
        yield limits(
            "only standalone launches are offered", "open the app at <public url>/standalone?iss=<issuer>"
        )
    else:
        yield works("launch from the EHR" + (", and standalone" if alone else ""))
    if ehr and "context-ehr-patient" not in capabilities:
        yield limits(
            "context-ehr-patient is not listed: a launch may name no patient, and then ends",
            "ask the vendor to send the patient with the launch",
        )
    if "authorize-post" in capabilities:
        yield works("authorize-post: long requests go by POST")


def _clients(said: Mapping[str, Any], client: Client | None) -> Iterator[Finding]:
    methods = _listed(said, "token_endpoint_auth_methods_supported")
    capabilities = _listed(said, "capabilities")
    offered = [name for name, pair in METHODS.items() if pair[0] in methods or pair[1] in capabilities]
    if not methods and not capabilities & {pair[1] for pair in METHODS.values()}:
        yield limits("how apps prove who they are is not said", REGISTER)
    elif client is None:
        yield works(f"ways to prove who we are: {', '.join(offered) or 'none that we know'}")
    elif client.auth in offered:
        yield works(f'auth = "{client.auth}"')
    else:
        known = ", ".join(offered) or "none that we know"
        yield blocks(f'auth = "{client.auth}" is not offered; offered: {known}', REGISTER)
    yield from _algorithms(said, client, "private_key_jwt" in offered)


def _algorithms(said: Mapping[str, Any], client: Client | None, offered: bool) -> Iterator[Finding]:
    taken = _listed(said, "token_endpoint_auth_signing_alg_values_supported")
    ours = algorithm(client.signing_key) if client and client.signing_key else ""
    if not taken or not (offered or ours):
        return
    shown = ", ".join(name for name in ("RS384", "ES384") if name in taken)
    if ours and ours not in taken:
        yield blocks(
            f"the signing key makes {ours}, and the server takes {shown or 'neither RS384 nor ES384'}",
            "make a key of the other kind (RSA for RS384, P-384 for ES384) and name it in signing_key_file",
        )
    elif not shown:
        yield limits("assertions with RS384 or ES384 are not listed", 'use auth = "secret" or "public" there')
    else:
        yield works(f"assertions signed with {ours or shown}")


def _versions(capabilities: frozenset[str], tenant: Tenant | None) -> Iterator[Finding]:
    offered = [name for name in ("v1", "v2") if f"permission-{name}" in capabilities]
    if not offered:
        yield limits(
            "which version of scopes is taken is not said", "set scope_style as the app is registered"
        )
        return
    written = {_version(scope) for scope in tenant.scopes} - {""} if tenant else set()
    wrong = written - set(offered)
    if wrong:
        yield blocks(
            f"the file asks in {', '.join(sorted(wrong))}, and the server takes {', '.join(offered)}: "
            "such scopes are dropped, and every read is refused",
            f'set scope_style = "{offered[-1]}"',
        )
    else:
        yield works(f"scopes {', '.join(offered)}")


def _version(scope: str) -> str:
    found = FORM.fullmatch(scope)
    if found is None:
        return ""
    return "v1" if found["rights"] in ("read", "write", "*") else "v2"


def _scopes(said: Mapping[str, Any], wanted: tuple[str, ...]) -> Iterator[Finding]:
    listed = _listed(said, "scopes_supported")
    if not listed:
        return
    offered = permissions(" ".join(listed))
    lacking = [scope for scope in wanted if not _offers(offered.others, offered, scope)]
    if lacking:
        yield limits(
            f"scopes that are asked for and not listed: {', '.join(lacking)}",
            "lists are often short: look at what a launch grants; what is withheld is said on the page",
        )
    else:
        yield works("every scope that is asked for is listed")


def _offers(others: frozenset[str], offered: Any, scope: str) -> bool:
    asked = permissions(scope)
    if not asked.resources:
        return scope in others
    (one,) = asked.resources
    return all(offered.may(one.resource, right, one.level) for right in one.rights)


def _differences(said: Mapping[str, Any], tenant: Tenant) -> Iterator[Finding]:
    capabilities = _listed(said, "capabilities")
    if "authorize-post" in tenant.quirks and "authorize-post" in capabilities:
        yield works('the quirk "authorize-post" is listed by the server too, and need not stand in the file')
    if "launch" not in tenant.scopes and "launch/patient" not in tenant.scopes:
        yield works("launch is not in the file's scopes; it is asked for in each launch all the same")


def _identity(said: Mapping[str, Any]) -> Finding:
    if "sso-openid-connect" in _listed(said, "capabilities") or (said.get("issuer") and said.get("jwks_uri")):
        return works("id_token: who is at the screen is known and proven")
    return limits(
        "no id_token is offered: nobody is known to be a clinician, and no page is released to a patient",
        "ask the vendor for sso-openid-connect (scopes openid and fhirUser)",
    )


def _refresh(said: Mapping[str, Any], tenant: Tenant | None) -> Iterator[Finding]:
    grants, capabilities = _listed(said, "grant_types_supported"), _listed(said, "capabilities")
    offered = [scope for scope, name in LASTING.items() if name in capabilities]
    possible = offered or "refresh_token" in grants
    asked = [scope for scope in LASTING if tenant and scope in tenant.scopes]
    again = "the page asks to be opened again when its token runs out"
    if not possible:
        yield limits(f"no refresh is offered: {again}", "ask the vendor for permission-online")
    elif tenant and not asked:
        yield limits(f"the file asks for no lasting access: {again}", "add online_access to scopes")
    elif asked and offered and not set(asked) & set(offered):
        yield limits(
            f"the file asks for {asked[0]}, and {', '.join(offered)} is offered: {again}",
            f"write {offered[0]} in scopes",
        )
    else:
        yield works("refresh: a page outlives its first token")


def _backend(said: Mapping[str, Any], tenant: Tenant | None) -> Finding:
    offered = "client_credentials" in _listed(said, "grant_types_supported")
    if tenant and tenant.backend and not offered:
        return limits(
            "the file has a [backend] client, and client_credentials is not listed",
            "ask the vendor whether backend services are open to this app",
        )
    return works("backend services" + ("" if offered else " are not listed; nothing here asks for them"))
