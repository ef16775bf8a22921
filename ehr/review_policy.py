"""Who signs a site's weekly review: the roles its decision needs.

Frozen data, and how it is read from `[review]` of the site's file.
"""

from __future__ import annotations

from dataclasses import dataclass

from ehr.tables import Table


@dataclass(frozen=True, slots=True)
class ReviewPolicy:
    """One site's wishes. `roles`: as the file of approvers spells them, one signer each; none: any two people."""

    roles: tuple[str, ...] = ()


def read_review_policy(table: Table) -> ReviewPolicy:
    """The policy in `[review]`. Raises TenantError."""
    policy = ReviewPolicy(roles=table.texts("roles"))
    table.finish()
    return policy
