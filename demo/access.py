"""Who may see and do what: SMART scopes applied to each resource and each patient.

`Access` answers for one request. Refuses without a valid token (401) and beyond its scope (403); rows of
other patients are left out of a patient's search.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from demo.grants import Grant, Tokens
from demo.outcome import Refused
from demo.parameters import PARAMETERS
from demo.scopes import Rule, rules
from demo.search import Query, read_query

Resource = dict[str, Any]
VERBS: Final = {"c": "create", "r": "read", "s": "search"}
ABOUT_NOBODY: Final = frozenset(
    {"Practitioner", "PractitionerRole", "Organization", "Location", "Medication"}
)


def patients_of(resource: Resource) -> frozenset[str]:
    """The ids of the patients a resource is about."""
    if resource.get("resourceType") == "Patient":
        return frozenset({str(resource.get("id", ""))})
    found = (resource.get(name) for name in ("subject", "patient", "beneficiary"))
    references = (str(one.get("reference", "")) for one in found if isinstance(one, dict))
    return frozenset(one.rpartition("/")[2] for one in references if "Patient/" in one)


class Access:
    """What one token's grant allows."""

    def __init__(self, grant: Grant, base: str, now: datetime) -> None:
        self.grant = grant
        self._rules = [(one, _limit(one, base, now)) for one in rules(grant.scope)]

    @property
    def holder(self) -> tuple[str, str, str]:
        """Who a page of results may be given to: client, patient, user."""
        return (self.grant.client_id, self.grant.context.patient, self.grant.context.user)

    def require(self, type_: str, letter: str) -> None:
        """Raise Refused (403) unless some scope speaks of this type and interaction."""
        if not self.covers(type_, letter):
            raise Refused(403, "forbidden", f"the token's scope does not allow to {VERBS[letter]} {type_}")

    def covers(self, type_: str, letter: str) -> bool:
        """Whether some scope speaks of this type and interaction."""
        return any(one.covers(type_, letter) for one, _ in self._rules)

    def only_patient(self, type_: str, letter: str) -> str | None:
        """The one patient this type may be searched for; None when a user or system scope reaches further."""
        levels = {one.level for one, _ in self._rules if one.covers(type_, letter)}
        return self.grant.context.patient if levels <= {"patient"} else None

    def may(self, resource: Resource, letter: str) -> bool:
        """Whether this very resource is within a scope."""
        type_ = str(resource.get("resourceType", ""))
        return any(
            one.covers(type_, letter) and self._within(one, resource) and _satisfies(limits, type_, resource)
            for one, limits in self._rules
        )

    def _within(self, one: Rule, resource: Resource) -> bool:
        if one.level != "patient":
            return True
        about, type_ = patients_of(resource), resource.get("resourceType")
        if not about:
            return type_ in ABOUT_NOBODY or type_ == "Device"
        return bool(self.grant.context.patient) and about == {self.grant.context.patient}


def _limit(one: Rule, base: str, now: datetime) -> dict[str, Query]:
    """The query of a limited scope, per type; a type the query does not fit gets nothing from it."""
    if not one.query:
        return {}
    types = list(PARAMETERS) if one.type == "*" else [one.type]
    limits: dict[str, Query] = {}
    for type_ in types:
        try:
            limits[type_] = read_query(type_, one.query, base=base, now=now)
        except Refused:
            limits[type_] = Query(type_, tests=[lambda _: False])
    return limits


def _satisfies(limits: dict[str, Query], type_: str, resource: Resource) -> bool:
    return not limits or all(test(resource) for test in limits[type_].tests)


def access_of(header: str, tokens: Tokens, base: str, now: datetime) -> Access:
    """The access behind an Authorization header. Raises Refused (401) without a living Bearer token."""
    scheme, _, token = header.partition(" ")
    if scheme.casefold() != "bearer" or not token:
        raise Refused(401, "login", "a Bearer token is needed", {"WWW-Authenticate": "Bearer"})
    grant = tokens.grant(token.strip())
    if grant is None:
        raise Refused(401, "expired", "the token is unknown or has expired",
                      {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    return Access(grant, base, now)
