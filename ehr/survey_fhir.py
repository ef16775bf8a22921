"""What a CapabilityStatement promises for the searches and writes the app makes. Pure.

The searches are those of the prefetch templates, so that this survey cannot forget one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from ehr.finding import Finding, blocks, limits, works
from ehr.notes import may_create
from ehr.prefetch import ESSENTIAL, templates
from ehr.site import WRITABLE, Tenant

UNSAID: Final = frozenset({"_sort", "_count"})  # left out again where a server refuses them
LOST: Final[Mapping[str, str]] = {
    "Procedure": "an intubation charted as a procedure is not seen",
    "DeviceUseStatement": "breathing support charted as a device in use is not seen",
    "Device": "what a device in use is, is not seen",
    "Condition": "diagnoses that scores and rules ask for are not seen",
}


def judge(said: Mapping[str, Any], tenant: Tenant | None) -> Iterator[Finding]:
    """The findings of one statement."""
    version = said.get("fhirVersion")
    if isinstance(version, str) and version.startswith("4."):
        yield works(f"FHIR {version[:12]}")
    else:
        told = str(version)[:12] if isinstance(version, str) else "no version"
        yield blocks(f"FHIR R4 is needed; the server says {told}", "give the address of its R4 base")
    resources = _resources(said)
    if not resources:
        yield limits("what can be read is not listed", "try a launch; what fails is named on the page")
        return
    yield from _reads(resources, tenant)
    yield from _writes(said, tenant)


def _resources(said: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    servers = [one for one in _rows(said, "rest") if one.get("mode", "server") == "server"]
    rows = [row for one in servers for row in _rows(one, "resource")]
    return {str(row.get("type")): row for row in rows}


def _rows(holder: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    """The objects of a list; none where it is something else."""
    value = holder.get(key)
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _searches(tenant: Tenant | None) -> dict[str, tuple[set[str], bool]]:
    """Each type's search parameters, and whether there is no chart without it."""
    wanted: dict[str, tuple[set[str], bool]] = {}
    for key, query in templates(tenant.quirks if tenant else frozenset()).items():
        kind, _, rest = query.partition("?")
        names, needed = wanted.get(kind.split("/")[0], (set(), False))
        names |= {name for name, _ in parse_qsl(rest)} - UNSAID
        wanted[kind.split("/")[0]] = (names, needed or key in ESSENTIAL)
    return wanted


def _reads(resources: Mapping[str, Mapping[str, Any]], tenant: Tenant | None) -> Iterator[Finding]:
    good = []
    for kind, (names, needed) in _searches(tenant).items():
        row = resources.get(kind)
        verb = "search-type" if names else "read"
        if row is None or (
            _codes(row, "interaction", "code") and verb not in _codes(row, "interaction", "code")
        ):
            lost = f"{kind} cannot be read" + (f": {LOST[kind]}" if kind in LOST else "")
            yield (blocks if needed else limits)(lost, f"ask the vendor for {kind} ({verb})")
            continue
        known = _codes(row, "searchParam", "name")
        lacking = sorted(names - known) if known else []
        if lacking:
            yield limits(
                f"{kind} searches by {', '.join(lacking)} are not listed",
                "an unlisted parameter may be refused or ignored; rows are filtered again here",
            )
        else:
            good.append(kind)
    if good:
        yield works(f"reads: {', '.join(sorted(good))}")


def _codes(row: Mapping[str, Any], key: str, member: str) -> set[str]:
    return {str(one.get(member)) for one in _rows(row, key)}


def _writes(said: Mapping[str, Any], tenant: Tenant | None) -> Iterator[Finding]:
    resources = _resources(said)
    for kind in WRITABLE:
        offered = kind in resources and "create" in _codes(resources[kind], "interaction", "code")
        if tenant is None or kind not in tenant.write_back:
            yield works(f"writing back {kind}: {'offered' if offered else 'not offered'}, and not asked for")
        elif not offered:
            yield limits(
                f"writing back {kind} is in the file, and the server does not offer it: there is no button",
                f"take {kind} out of write_back, or ask the vendor for create",
            )
        elif not may_create(kind, tenant, " ".join(tenant.scopes), said):
            yield limits(
                f"writing back {kind} is in the file, and no scope asks for it: there is no button",
                f'add "patient/{kind}.c" to scopes',
            )
        else:
            yield works(f"writing back {kind}, by a button")
