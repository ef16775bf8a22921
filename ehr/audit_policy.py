"""What a site says of the groups its audits tell apart: its sites, its own codes of insurance. From `[audits]`.

Only what is named here is ever told apart by site: an address or a name of the hospital's own goes into no audit.
Refuses, with key and remedy, a category of insurance that is none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from ehr.codes import code_table
from ehr.tables import Table
from ehr.units import plain

NONE: Final[Mapping[str, str]] = MappingProxyType({})
LONGEST_NAME: Final = 60


@dataclass(frozen=True, slots=True)
class AuditPolicy:
    """One site's groups. `sites`: an Organization's or a place's reference, identifier or name, as `plain` writes it ->
    the site's name in audits. `insurance`: "system|code", or a name, of Coverage.type -> a category.
    """

    sites: Mapping[str, str] = field(default_factory=lambda: NONE)
    insurance: Mapping[str, str] = field(default_factory=lambda: NONE)


def read_audit_policy(table: Table) -> AuditPolicy:
    """The policy in `[audits]`. Raises TenantError."""
    known = tuple(dict.fromkeys(code_table().insurance_stems.values()))
    sites, insurance = table.table("sites"), table.table("insurance")
    names = {plain(key): sites.text(key, form=rf".{{1,{LONGEST_NAME}}}") for key in sites}
    kinds = {plain(key): insurance.choice(key, known) for key in insurance}
    for below in (sites, insurance, table):
        below.finish()
    return AuditPolicy(MappingProxyType(names), MappingProxyType(kinds))
