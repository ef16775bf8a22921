"""One site's TOML file -> Tenant, read strictly.

Refuses, naming file, key and remedy: unknown keys, plain http (loopback excepted outside production),
wildcard scopes and origins, variables, care units and assays nobody here knows, weak keys, contradicting thresholds,
a template's placeholder that was not filled in.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ehr.audit_policy import read_audit_policy
from ehr.board_policy import read_board_policy
from ehr.card_policy import read_card_policy
from ehr.errors import TenantError
from ehr.follow_policy import read_follow_policy
from ehr.keys import SigningKey, UnusableKey, read_key
from ehr.laboratory import SEXES, TROPONINS, LaboratoryAssay
from ehr.retention_policy import read_retention_policy
from ehr.review_policy import read_review_policy
from ehr.scopes import in_style
from ehr.site import (
    ALGORITHMS,
    DEFAULT_ALGORITHMS,
    MODELS,
    PLAIN_SCOPES,
    QUIRKS,
    RESOURCE_SCOPE,
    WRITABLE,
    Auth,
    CdsClient,
    Client,
    ModelPolicy,
    Tenant,
)
from ehr.tables import Table
from ehr.units import plain
from inference.assays import assay_table
from inference.assessment import State
from inference.features import CARE_UNITS
from inference.vocabulary import vocabulary


def load_tenant(path: Path, *, production: bool) -> Tenant:
    """The site described in one file. Raises TenantError on the first thing that is wrong."""
    table = Table(path.name, _toml(path), production=production)
    client, backend = _client(table, path.parent), None
    if table.has("backend"):
        below = table.table("backend")
        backend = _client(below, path.parent)
        below.finish()
    old = table.texts("previous_key_files")
    tenant = Tenant(
        id=table.text("id", remedy="give a short name of a-z, 0-9 and '-'", form=r"[a-z0-9][a-z0-9-]{0,39}"),
        name=table.text("name", remedy="give the name clinicians know the site by"),
        issuer=table.server("issuer"),
        client_id=client.client_id,
        auth=client.auth,
        client_secret=client.client_secret,
        signing_key=client.signing_key,
        scopes=client.scopes,
        fhir_servers=table.servers("fhir_servers"),
        backend=backend,
        previous_keys=tuple(_key(table, "previous_key_files", path.parent / name) for name in old),
        frame_ancestors=table.origins("frame_ancestors"),
        cds_clients=tuple(map(_cds_client, table.tables("cds_clients"))),
        cors_origins=table.origins("cors_origins"),
        local_codes=_local_codes(table.table("local_codes")),
        care_units=_care_units(table.table("care_units")),
        assays=_laboratory(table.table("assays")),
        confirmed_assays=frozenset(table.texts("confirmed_assays", allowed=_assays())),
        models=_models(table.table("models")),
        cards=read_card_policy(table.table("cards")),
        follow_up=read_follow_policy(table.table("follow_up")),
        review=read_review_policy(table.table("review")),
        board=read_board_policy(table.table("board"), backend=backend is not None),
        audits=read_audit_policy(table.table("audits")),
        retention=read_retention_policy(table.table("retention")),
        time_zone=_zone(table),
        write_back=frozenset(table.texts("write_back", allowed=WRITABLE)),
        note_type=_loinc(table, "note_type", "11506-3"),
        quirks=frozenset(table.texts("quirks", allowed=QUIRKS)),
        alarm_webhook=table.server("alarm_webhook", ""),
    )
    table.finish()
    return tenant


def _toml(path: Path) -> Mapping[str, object]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise TenantError(f"is not TOML: {error}", path.name) from None
    except (OSError, UnicodeDecodeError) as error:
        raise TenantError(f"cannot be read ({type(error).__name__}); save it as UTF-8", path.name) from None


def _client(table: Table, folder: Path) -> Client:
    auth = cast(Auth, table.choice("auth", ("public", "secret", "private_key_jwt"), "public"))
    client_id = table.text("client_id", remedy="give the id this app is registered under")
    secret, key = _secret(table, folder), None
    if table.has("signing_key_file"):
        key = _key(table, "signing_key_file", folder / table.text("signing_key_file"))
    if auth == "secret" and (not secret.isascii() or ":" in client_id):
        raise table.refuse("client_secret", "HTTP Basic carries ASCII alone, and no ':' in client_id")
    _proof(table, "client_secret_file", given=bool(secret), auth=auth, needed_by="secret")
    _proof(table, "signing_key_file", given=key is not None, auth=auth, needed_by="private_key_jwt")
    return Client(client_id, auth, secret, key, _scopes(table))


def _proof(table: Table, key: str, *, given: bool, auth: str, needed_by: str) -> None:
    if auth == needed_by and not given:
        raise table.refuse(key, f'is missing; auth = "{auth}" needs it')
    if auth != needed_by and given:
        raise table.refuse(key, f'has no use with auth = "{auth}"; set auth = "{needed_by}" or remove it')


def _secret(table: Table, folder: Path) -> str:
    if not table.has("client_secret_file"):
        return table.secret("client_secret")
    if table.has("client_secret"):
        raise table.refuse("client_secret", "stands beside client_secret_file; keep one of them")
    name = table.text("client_secret_file")
    try:
        secret = (folder / name).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise table.refuse(
            "client_secret_file", f"cannot be read ({type(error).__name__}); check '{name}'"
        ) from None
    if not secret:
        raise table.refuse("client_secret_file", f"names an empty file, '{name}'; put the secret into it")
    return secret


def _key(table: Table, key: str, path: Path) -> SigningKey:
    try:
        return read_key(path)
    except UnusableKey as error:
        raise table.refuse(key, str(error)) from None


def _scopes(table: Table) -> tuple[str, ...]:
    scopes = table.texts("scopes", required=True)
    for scope in scopes:
        if "*" in scope:
            raise table.refuse(
                "scopes", f"lists '{scope}'; name the resources, no wildcard is ever asked for"
            )
        if scope not in PLAIN_SCOPES and not RESOURCE_SCOPE.fullmatch(scope):
            raise table.refuse(
                "scopes", f"lists '{scope}'; write it like 'patient/Observation.rs' (or '.read')"
            )
    return in_style(scopes, table.choice("scope_style", ("v1", "v2", ""), ""))


def _cds_client(table: Table) -> CdsClient:
    client = CdsClient(
        iss=table.text("iss", remedy="give the 'iss' of the client's tokens"),
        jwks_url=table.server("jwks_url"),
        algorithms=table.texts("algorithms", allowed=ALGORITHMS) or DEFAULT_ALGORITHMS,
        audiences=table.texts("audiences"),
        tenant_claim=table.text("tenant_claim", ""),
    )
    table.finish()
    return client


def _local_codes(table: Table) -> Mapping[str, str]:
    known, codes = vocabulary(), {}
    for key in table:
        system, _, code = key.rpartition("|")
        if not system.strip() or not code.strip():
            raise table.refuse(key, 'write the key as "system|code"')
        variable = table.text(key)
        if variable not in known:
            near = difflib.get_close_matches(variable, known.variables, 1)
            hint = f"did you mean '{near[0]}'?" if near else "see inference/variables.toml"
            raise table.refuse(key, f"maps to '{variable}', which is no variable; {hint}")
        codes[key] = variable
    return MappingProxyType(codes)


def _care_units(table: Table) -> Mapping[str, str]:
    """A place's reference, identifier or name -> its kind; "" is a mixed or another unit."""
    kinds, seen = dict[str, str](), dict[str, str]()
    remedy = f'give one of {", ".join(CARE_UNITS)}, or "" for a mixed or another unit'
    for key in table:
        kind = kinds[key] = table.text(key, "", remedy=remedy)
        if kind not in (*CARE_UNITS, ""):
            raise table.refuse(key, f"is '{kind}'; {remedy}")
        if not key.strip():
            raise table.refuse(key, "names no place; write its reference, identifier or name")
        if seen.setdefault(plain(key), kind) != kind:
            raise table.refuse(key, "is listed twice, spelled differently, with two kinds; keep one")
    return MappingProxyType(kinds)


def _assays() -> frozenset[str]:
    """What a site can confirm: an assay with all its rows, or one row, "assay/rule"."""
    assays = assay_table().assays
    rows = {f"{name}/{row.rule}" for name, assay in assays.items() for row in assay.rules}
    return frozenset(rows | set(assays))


def _laboratory(table: Table) -> Mapping[str, LaboratoryAssay]:
    """The troponins of the site's own laboratory, by variable."""
    told = {name: _laboratory_assay(table.table(name), name) for name in TROPONINS if table.has(name)}
    table.finish()
    return MappingProxyType(told)


def _laboratory_assay(table: Table, variable: str) -> LaboratoryAssay:
    measures = [name for name, assay in assay_table().assays.items() if assay.variable == variable]
    known = ", ".join(sorted(measures)) or "none of this troponin"
    platform = table.text("platform", "", remedy=f"give an assay of inference/assays.toml: {known}")
    if platform and platform not in measures:
        raise table.refuse("platform", f"is '{platform}', no assay of {variable}; known are {known}")
    below = table.table("limits")
    limits = {sex: below.amount(sex) for sex in SEXES if below.has(sex)}
    below.finish()
    if limits and "all" not in limits and len(limits) < 2:
        raise table.refuse("limits", "gives one sex alone; give all, or female and male, in ng/L")
    table.finish()
    return LaboratoryAssay(platform, MappingProxyType(limits))


def _models(table: Table) -> Mapping[str, ModelPolicy]:
    """A policy for every model; one that the file does not name is silent."""
    policies = {name: _policy(table.table(name)) for name in MODELS}
    table.finish()
    return MappingProxyType(policies)


def _policy(table: Table) -> ModelPolicy:
    policy = ModelPolicy(
        state=State(table.choice("state", [state.value for state in State], State.SILENT.value)),
        threshold=table.share("threshold", 0.5),
        warn_at=table.share("warn_at") if table.has("warn_at") else None,
        critical_at=table.share("critical_at") if table.has("critical_at") else None,
        say_insufficient=table.flag("say_insufficient", False),
    )
    if policy.state in (State.ACTIVE, State.DEMONSTRATION) and not table.has("threshold"):
        raise table.refuse("threshold", "is missing; a model that speaks needs the site's own, such as 0.2")
    if policy.warn_at is not None and policy.warn_at < policy.threshold:
        raise table.refuse("warn_at", f"is below threshold {policy.threshold:g}; raise it or remove it")
    if policy.critical_at is not None and policy.critical_at < (policy.warn_at or policy.threshold):
        raise table.refuse("critical_at", "is below warn_at or threshold; raise it or remove it")
    table.finish()
    return policy


def _zone(table: Table) -> str:
    name = table.text("time_zone", remedy='give an IANA name such as "America/New_York"')
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise table.refuse("time_zone", f"is '{name}'; give an IANA name: \"America/New_York\"") from None
    return name


def _loinc(table: Table, key: str, default: str) -> str:
    """A LOINC code whose check digit (Luhn) holds: a slip would file the note elsewhere."""
    code = table.text(key, default, remedy="give a LOINC code such as 11506-3", form=r"\d{1,7}-\d")
    digits, _, check = code.partition("-")
    doubled = "".join(str(int(d) * (2 - i % 2)) for i, d in enumerate(reversed(digits)))
    if (10 - sum(map(int, doubled)) % 10) % 10 != int(check):
        raise table.refuse(key, f"is '{code}', whose check digit is wrong; look the code up again")
    return code
