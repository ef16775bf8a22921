"""What a granted scope allows, in SMART's two spellings; and what to ask for in either kind of launch.

v2: `patient/Observation.rs`, an ordered part of `cruds`, perhaps limited by a query. v1: `.read` is `rs`,
`.write` is `cud`, `.*` all. The grant is the truth: it may be less, more or other than what was asked. What
cannot be read as either grants nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

V1: Final = {"read": "rs", "write": "cud", "*": "cruds"}
FORM: Final = re.compile(
    r"(?P<level>patient|user|system)/(?P<resource>\*|[A-Z][A-Za-z]+)"
    r"\.(?P<rights>read|write|\*|(?=[cruds])c?r?u?d?s?)(?:\?(?P<query>\S+))?"
)


@dataclass(frozen=True, slots=True)
class Permission:
    """One resource scope. `rights` are letters of "cruds"; `query` limits it, "" when nothing does."""

    level: str  # "patient", "user" or "system"
    resource: str  # a type, or "*"
    rights: str
    query: str = ""


@dataclass(frozen=True, slots=True)
class Permissions:
    """All a grant allows."""

    resources: tuple[Permission, ...]
    others: frozenset[str]  # "openid", "launch", "online_access", and what we do not know

    def may(self, resource: str, right: str, level: str = "") -> bool:
        """Whether `right` (one of "cruds") on `resource` was granted, at `level` or any; perhaps query-
        limited.
        """
        return any(right in found.rights for found in self._of(resource, level))

    def limits(self, resource: str, right: str) -> tuple[str, ...]:
        """The queries a right is limited to; empty when it is not granted, or not limited."""
        queries = [found.query for found in self._of(resource, "") if right in found.rights]
        return () if "" in queries else tuple(queries)

    def _of(self, resource: str, level: str) -> Iterable[Permission]:
        return (p for p in self.resources if p.resource in (resource, "*") and level in ("", p.level))


def permissions(scope: str) -> Permissions:
    """What the granted `scope` allows."""
    resources, others = [], set()
    for one in scope.split():
        found = FORM.fullmatch(one)
        if found:
            rights = V1.get(found["rights"], found["rights"])
            resources.append(Permission(found["level"], found["resource"], rights, found["query"] or ""))
        elif "/" not in one or one.startswith("launch/"):
            others.add(one)
    return Permissions(tuple(resources), frozenset(others))


def in_style(scopes: Iterable[str], style: str) -> tuple[str, ...]:
    """`scopes` in SMART's version "v1" or "v2"; "" leaves them as they are written.

    v1 has no finer rights than reading and writing, and no queries: it asks for the whole of either.
    """
    respelt = [_respelt(one, style) for one in scopes]
    return tuple(dict.fromkeys(one for several in respelt for one in several))


def _respelt(scope: str, style: str) -> list[str]:
    found = FORM.fullmatch(scope)
    if not style or not found:
        return [scope]
    base, rights = f"{found['level']}/{found['resource']}", V1.get(found["rights"], found["rights"])
    if style == "v1":
        names = (("read", "rs"), ("write", "cud"))
        return [f"{base}.{name}" for name, letters in names if set(rights) & set(letters)]
    return [f"{base}.{rights}" + (f"?{found['query']}" if found["query"] else "")]


def asked(scopes: Iterable[str], *, from_ehr: bool) -> str:
    """The scope string of a launch: `launch` in one from the EHR, `launch/patient` in a standalone one."""
    kept = list(dict.fromkeys(scopes))
    if from_ehr:
        kept = [one for one in kept if not one.startswith("launch/")]
        return " ".join(kept if "launch" in kept else ["launch", *kept])
    kept = [one for one in kept if one != "launch"]
    return " ".join(kept if "launch/patient" in kept else ["launch/patient", *kept])
