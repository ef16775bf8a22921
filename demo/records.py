"""The hospital and its records: FHIR resources in memory, read, searched, created.

`Hospital` is what the FHIR server and the order entry page share. The authored patients are written in
times relative to now; they are dated afresh when they have grown old, so that the ward is always today's,
while what apps wrote stays. Refuses with `Refused` (a status and an OperationOutcome), never with a bare
exception.
"""

from __future__ import annotations

import copy
import secrets
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from importlib import import_module
from typing import Any, Final
from urllib.parse import parse_qsl

from demo.access import access_of, patients_of
from demo.checks import CREATABLE, check
from demo.config import AUTHORED, Resource, Settings
from demo.exported import Jobs
from demo.faults import Faults
from demo.grants import Launches, Tokens
from demo.keys import Keys
from demo.matching import local
from demo.outcome import Refused
from demo.pages import Pages
from demo.parameters import PARAMETERS
from demo.search import Pairs, Query, included, read_query, run

WHEN: Final = ("issued", "recordedDate", "authoredOn", "date", "sent", "effectiveDateTime")
Visible = Callable[[Resource], bool]


def everything(_: Resource) -> bool:
    """The view of the hospital's own pages: every row."""
    return True


class Hospital:
    """The records, and what is handed out: launch ids, tokens, keys, pages; and faults for tests."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock = settings.clock
        self.keys = Keys()
        self.launches = Launches(settings.clock, settings.launch_seconds)
        self.tokens = Tokens(settings.clock, settings.refresh_token_seconds)
        self.pages = Pages(settings.clock)
        self.exports = Jobs()
        self.faults = Faults()
        self.started = settings.clock()
        self._lock = threading.RLock()
        self._authored = settings.patients or _authored("everyone")
        self._told_later = settings.later or (_authored("later") if settings.patients is None else _nothing)
        self._hidden: list[tuple[datetime, Resource]] = []
        self._created: dict[tuple[str, str], Resource] = {}
        self._rows: dict[str, dict[str, Resource]] = {}
        self._of_patient: dict[tuple[str, str], list[Resource]] = {}
        self._dated: datetime | None = None
        self._round = 0
        self.redate()

    def redate(self) -> None:
        """Write the authored patients' times anew if they are older than the settings allow."""
        with self._lock:
            now = self.clock()
            if self._dated is not None and now - self._dated < self.settings.redate_after:
                self._reveal(now)
                return
            self._round, self._dated = self._round + 1, now
            rows: dict[str, dict[str, Resource]] = {}
            for resource in [*map(self._stamped, self._authored(now)), *self._created.values()]:
                rows.setdefault(str(resource["resourceType"]), {})[str(resource["id"])] = resource
            self._rows, self._of_patient = rows, _by_patient(rows)
            self._hidden = [(when, self._stamped(row)) for when, row in self._told_later(now)]

    def _reveal(self, now: datetime) -> None:
        """What was to happen later and has happened by `now`; a row with a known id is its new version."""
        come = [row for when, row in self._hidden if when <= now]
        if come:
            self._hidden = [(when, row) for when, row in self._hidden if when > now]
            for row in come:
                self._rows.setdefault(str(row["resourceType"]), {})[str(row["id"])] = row
            self._of_patient = _by_patient(self._rows)

    def _stamped(self, resource: Resource) -> Resource:
        when = next((resource[name] for name in WHEN if isinstance(resource.get(name), str)), None)
        updated = when if when and "T" in when else _instant(self._dated or self.clock())
        meta = {"versionId": str(self._round), "lastUpdated": updated, **resource.get("meta", {})}
        return {**resource, "meta": meta}

    def read(self, type_: str, id_: str) -> Resource:
        """One resource, as a copy. Raises Refused: 404 for the type or the id."""
        self.redate()
        if type_ not in PARAMETERS:
            raise Refused(404, "not-supported", f"resource type '{type_}' is not known here")
        found = self._rows.get(type_, {}).get(id_)
        if found is None:
            raise Refused(404, "not-found", f"there is no {type_} with that id")
        return copy.deepcopy(found)

    def search(self, type_: str, parameters: Mapping[str, str] | Pairs = ()) -> list[Resource]:
        """Every match, without paging and `_include`, as copies. Raises Refused like the server does."""
        pairs = parameters.items() if isinstance(parameters, Mapping) else parameters
        query = self.query(type_, pairs)
        return copy.deepcopy(self.matches(query)[: query.count])

    def bundle(self, text: str, token: str = "") -> Resource:
        """The searchset Bundle for "Observation?patient=1&...", as the server would answer its first page.

        With `token` it holds what that token may see, and its `next` link is followed with that token.
        """
        type_, _, parameters = text.partition("?")
        query = self.query(type_, parse_qsl(parameters, keep_blank_values=True))
        if not token:
            return copy.deepcopy(self.first_page(query, everything, ("", "", "")))
        allowed = access_of(f"Bearer {token}", self.tokens, self.settings.fhir, self.clock())
        allowed.require(type_, "s")
        return copy.deepcopy(self.first_page(query, lambda row: allowed.may(row, "s"), allowed.holder))

    def query(self, type_: str, pairs: Pairs, *, lenient: bool = False) -> Query:
        """The parameters read and checked. Raises Refused."""
        return read_query(type_, pairs, base=self.settings.fhir, now=self.clock(), lenient=lenient)

    def matches(self, query: Query, visible: Visible = everything) -> list[Resource]:
        """The visible rows that satisfy `query`, sorted. Not copies."""
        self.redate()
        return run(query, filter(visible, self._candidates(query)))

    def _candidates(self, query: Query) -> Iterable[Resource]:
        if query.patients is None:
            return list(self._rows.get(query.type, {}).values())
        return [row for one in sorted(query.patients) for row in self._of_patient.get((query.type, one), ())]

    def first_page(self, query: Query, visible: Visible, holder: tuple[str, str, str]) -> Resource:
        """The searchset's first page; later ones are fetched by the opaque link in it."""
        asked = self.settings.page_size if query.count is None else query.count
        size = min(asked, self.settings.largest_page)

        def beside(rows: list[Resource]) -> list[Resource]:
            found = (self._at(one) for one in included(query, rows, self.settings.fhir))
            return [row for row in found if row is not None and visible(row) and row not in rows]

        return self.pages.first(query, self.matches(query, visible), size, self.settings.fhir, beside, holder)

    def _at(self, reference: str) -> Resource | None:
        type_, _, id_ = reference.partition("/")
        return self._rows.get(type_, {}).get(id_)

    def create(self, resource: Resource, if_none_exist: str = "",
               visible: Visible = everything) -> tuple[Resource, bool]:
        """Store a resource under a new id: (it, True); with `if_none_exist` perhaps (what is there, False).

        Raises Refused: 405 for a type that is not written here, 400 for what is wrong, 412 for more matches.
        """
        type_ = resource.get("resourceType")
        if type_ not in CREATABLE:
            raise Refused(405, "not-supported", f"{type_} is not created here; {', '.join(CREATABLE)} are")
        check(resource)
        with self._lock:
            self._references(resource)
            if if_none_exist:
                asked = if_none_exist.partition("?")[2] if "?" in if_none_exist else if_none_exist
                query = self.query(type_, parse_qsl(asked, keep_blank_values=True))
                if not query.tests:
                    raise Refused(400, "invalid", "If-None-Exist holds no search")
                there = self.matches(query, visible)
                if len(there) > 1:
                    raise Refused(412, "multiple-matches", "If-None-Exist matches more than one resource")
                if there:
                    return copy.deepcopy(there[0]), False
            return copy.deepcopy(self._store(type_, resource)), True

    def keep(self, resource: Resource) -> Resource:
        """Store what the hospital's own pages write (a signed order) under a new id; the stored copy."""
        with self._lock:
            return copy.deepcopy(self._store(str(resource["resourceType"]), resource))

    def _store(self, type_: str, resource: Resource) -> Resource:
        id_ = secrets.token_hex(8)
        meta = {**resource.get("meta", {}), "versionId": "1", "lastUpdated": _instant(self.clock())}
        stored = {**copy.deepcopy(resource), "id": id_, "meta": meta}
        self._created[type_, id_] = stored
        self._rows.setdefault(type_, {})[id_] = stored
        for patient in patients_of(stored):
            self._of_patient.setdefault((type_, patient), []).append(stored)
        return stored

    def _references(self, resource: Resource) -> None:
        encounters = resource.get("context", {}).get("encounter", ())
        named = [resource.get("subject"), resource.get("encounter")]
        named += encounters if isinstance(encounters, list) else [encounters]
        for one in named:
            told = local(str(one.get("reference", "")), self.settings.fhir) if isinstance(one, dict) else ""
            if told.partition("/")[0] in PARAMETERS and self._at(told) is None:
                raise Refused(400, "not-found", f"a reference to a {told.partition('/')[0]} that is not here")


def _authored(name: str) -> Callable[[datetime], list[Any]]:
    told: Callable[[datetime], list[Any]] = getattr(import_module(AUTHORED), name)
    return told


def _nothing(_: datetime) -> list[tuple[datetime, Resource]]:
    return []


def _by_patient(rows: dict[str, dict[str, Resource]]) -> dict[tuple[str, str], list[Resource]]:
    index: dict[tuple[str, str], list[Resource]] = {}
    for type_, of_type in rows.items():
        for resource in of_type.values():
            for patient in patients_of(resource):
                index.setdefault((type_, patient), []).append(resource)
    return index


def _instant(moment: datetime) -> Any:
    return moment.isoformat(timespec="milliseconds")
