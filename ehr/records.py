"""Reading one patient's chart over FHIR: the searches that the prefetch asks for, in parallel, page by page.

A page's `next` link is followed as it is, on the same server only, until the look-back is covered; what was
cut short is said (`truncated`), and the newest rows of every quantity that did not come are asked for by code, the
standard one and the site's own, so that a quantity charted every second does not hide one charted twice a day. Every
row's subject is checked; another patient's rows are dropped and counted. Whichever search ends first, the rows come
in one order.

Refuses to go on (raises) without the Observations, without a session, or for a patient the hospital does not
have. What else fails, a type the server does not offer or does not let us read, is named in `problems`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import parse_qsl, quote

from ehr.bundles import belongs, has_more, issue_codes, more_than, reaches_far
from ehr.codes import code_table
from ehr.errors import (
    BudgetSpent,
    EhrError,
    EhrUnavailable,
    ForeignAddress,
    MalformedAnswer,
    MalformedRequest,
    NotFound,
    NotPermitted,
    NotUnderstood,
    Throttled,
    Unauthorised,
)
from ehr.laboratory import TROPONINS
from ehr.lexicon import Lexicon, lexicon
from ehr.prefetch import ORDERS, ORDERS_TEMPLATE, PATIENT, templates
from ehr.transport import FhirHttp

THREADS: Final = 4
MOST_PAGES: Final = 25  # of one search
MOST_ROWS: Final = 5000
NEWEST_ROWS: Final = 200  # of the quantities that a cut search did not bring
CODES_AT_ONCE: Final = 60  # in one such search
ROOM: Final = 2400  # characters of an address that its codes may take: servers and proxies stop at 4,000 or so
CATEGORIES: Final = "vital-signs,laboratory"
ASKED_BY_CODE: Final = frozenset({"variable", "coma"})
NEEDED: Final = frozenset({"vitals", "laboratory"})
AFTER: Final = ("encounters", "procedures", "deviceuse", "devices")  # searched for an outcome, beside codes
SPARED: Final = frozenset({"deviceuse", "devices"})
TOLD_BY: Final = frozenset({"oxygen_device", *TROPONINS})
INCLUDED: Final[Mapping[str, str]] = MappingProxyType({"deviceuse": "DeviceUseStatement:device"})
OPTIONAL: Final = frozenset({"_sort", "_include", "_count"})  # left out when a server does not take them
NO_CODES: Final[Mapping[str, str]] = MappingProxyType({})
FHIR_ID: Final = re.compile(r"[A-Za-z0-9\-.]{1,64}")
Params = dict[str, str]


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything one patient's chart held, as far as it was read.

    `truncated`: the hospital has more than was read. `foreign`: rows of other patients that were dropped.
    `problems`: what could not be read, as type and error, never the hospital's own words.
    """

    resources: tuple[dict[str, Any], ...] = field(repr=False)
    truncated: bool = False
    foreign: int = 0
    problems: tuple[str, ...] = ()


def read_patient(
    http: FhirHttp,
    patient: str,
    *,
    as_of: datetime,
    quirks: frozenset[str] = frozenset(),
    local_codes: Mapping[str, str] = NO_CODES,
) -> Reading:
    """Read `patient` (a bare id) as the models need it; `local_codes` are the tenant's own. Raises EhrError as the
    module says.
    """
    if not FHIR_ID.fullmatch(patient) or patient in (".", ".."):
        raise MalformedRequest("is no FHIR id", "patient")
    search = _Search(http, patient, as_of, quirks)
    with ThreadPoolExecutor(max_workers=THREADS) as pool:
        # The two long searches first: they take the time.
        keys = sorted(templates(quirks), key=lambda key: key not in NEEDED)
        futures = [pool.submit(search.read, key) for key in keys]
        found = [future.result() for future in futures]
        if any(reading.truncated for key, reading in zip(keys, found, strict=True) if key in NEEDED):
            rows = (row for reading in found for row in reading.resources)
            found += pool.map(search.newest, unseen(rows, local_codes))
    return Reading(
        tuple(row for reading in found for row in reading.resources),
        any(reading.truncated for reading in found),
        sum(reading.foreign for reading in found),
        tuple(problem for reading in found for problem in reading.problems),
    )


def read_orders(http: FhirHttp, patient: str, *, as_of: datetime, quirks: frozenset[str] = frozenset()) -> Reading:
    """The orders in force for `patient` (a bare id). Raises EhrError."""
    kind, _, rest = ORDERS_TEMPLATE.replace(PATIENT, patient).partition("?")
    return _Search(http, patient, as_of, quirks).rows(ORDERS, kind, dict(parse_qsl(rest)))


def read_after(
    http: FhirHttp,
    patient: str,
    *,
    since: datetime,
    until: datetime,
    quirks: frozenset[str] = frozenset(),
    local_codes: Mapping[str, str] = NO_CODES,
    insurance: bool = False,
) -> Reading:
    """What tells what became of `patient` (a bare id) between two moments: the person, stays, procedures, devices, and
    by code ventilator settings, oxygen devices and troponins. One search after the other. With `insurance` also who
    pays, for audits alone.

    A server that has no device uses, or shows none, is done without, and so is who pays. Raises EhrError for anything
    else that fails.
    """
    if not FHIR_ID.fullmatch(patient) or patient in (".", ".."):
        raise MalformedRequest("is no FHIR id", "patient")
    search = _Search(http, patient, until, quirks)
    found = [search.person(), *map(search.needed, AFTER)]
    span = (("date", f"ge{since.isoformat()}"), ("date", f"le{until.isoformat()}"))
    found += [search.between(codes, span) for codes in after_codes(local_codes)]
    found += [search.coverage()] if insurance else []
    return Reading(
        tuple(row for reading in found for row in reading.resources),
        any(reading.truncated for reading in found),
        sum(reading.foreign for reading in found),
        tuple(problem for reading in found for problem in reading.problems),
    )


def after_codes(local_codes: Mapping[str, str] = NO_CODES) -> list[tuple[str, ...]]:
    """The codes, as a search writes them, of what shows ventilation and of troponins, in pieces a URL can hold."""
    words = lexicon(local_codes)
    own = ((system, code) for system, _, code in (key.rpartition("|") for key in local_codes) if system and code)
    standard = ((system, code) for system, code in code_table().meanings if system == code_table().loinc)
    codes = [_token(*each) for each in dict.fromkeys((*own, *standard)) if _tells(words, each)]
    return [tuple(codes[start : start + CODES_AT_ONCE]) for start in range(0, len(codes), CODES_AT_ONCE)]


def _tells(words: Lexicon, code: tuple[str, str]) -> bool:
    meaning = words.meaning(*code)
    return meaning is not None and (meaning.kind in ("mode", "tidal") or meaning.name in TOLD_BY)


class _Search:
    """One patient's searches. Holds nothing that changes: threads share it."""

    def __init__(self, http: FhirHttp, patient: str, as_of: datetime, quirks: frozenset[str]) -> None:
        self.http, self.patient, self.as_of, self.quirks = http, patient, as_of, quirks
        self.post = "post-search" in quirks

    def read(self, key: str) -> Reading:
        """One key's rows; an error that the chart can do without becomes a problem."""
        kind, params = query(key, self.patient, self.quirks)
        try:
            return self.person() if key == "patient" else self.rows(key, kind, params)
        except Unauthorised:
            raise
        except EhrError as error:
            gone = key == "patient" and not isinstance(error, NotPermitted)
            if gone or key in NEEDED:
                raise
            # What the server lacks or withholds cannot be cut short; what it failed to send was.
            cut = isinstance(error, EhrUnavailable)
            return Reading((), cut, 0, (f"{kind}: {type(error).__name__}",))

    def needed(self, key: str) -> Reading:
        """One key's rows; only what a server need not have may be missing."""
        kind, params = query(key, self.patient, self.quirks)
        try:
            return self.rows(key, kind, params)
        except (NotFound, NotPermitted, NotUnderstood) as error:
            if key not in SPARED:
                raise
            return Reading((), problems=(f"{kind}: {type(error).__name__}",))

    def coverage(self) -> Reading:
        """Who pays, as far as that can be had: it tells nothing of what became of anybody."""
        try:
            found = self.rows("coverage", "Coverage", {"patient": self.patient})
        except (Unauthorised, Throttled, BudgetSpent):
            raise
        except EhrError as error:
            return Reading((), problems=(f"Coverage: {type(error).__name__}",))
        return Reading(found.resources, False, found.foreign, found.problems)

    def newest(self, codes: tuple[str, ...]) -> Reading:
        """The newest rows of these codes ("system|code"): one page, whatever else there is."""
        params = {
            "patient": self.patient,
            "code": ",".join(codes),
            "_sort": "-date",
            "_count": str(NEWEST_ROWS),
        }
        pages = _Pages(self, "Observation")
        try:
            pages.take(self._by_code(params))
        except Unauthorised:
            raise
        except EhrError as error:
            return Reading((), True, 0, (f"Observation by code: {type(error).__name__}",))
        return Reading(tuple(pages.rows), True, pages.foreign, tuple(pages.problems))

    def between(self, codes: tuple[str, ...], span: Iterable[tuple[str, str]]) -> Reading:
        """All rows of these codes in a span of time."""
        pages, params = _Pages(self, "Observation"), [("patient", self.patient), ("code", ",".join(codes)), *span]
        category = ("category", CATEGORIES)
        try:
            page = self.http.search("Observation", params, post=self.post)
        except NotUnderstood:
            page = self.http.search("Observation", [*params, category], post=self.post)
        cut = pages.follow(page, dated=False)
        return Reading(tuple(pages.rows), cut, pages.foreign, tuple(pages.problems))

    def _by_code(self, params: Params) -> dict[str, Any]:
        """A search by code; asked again with a category where the server takes none without."""
        try:
            return self.http.search("Observation", params, post=self.post)
        except NotUnderstood:
            return self.http.search("Observation", {**params, "category": CATEGORIES}, post=self.post)

    def person(self) -> Reading:
        """The Patient itself."""
        row = self.http.get(f"Patient/{self.patient}")
        if row.get("resourceType") != "Patient":
            raise MalformedAnswer("the answer is no Patient", "Patient")
        ours = row.get("id") == self.patient
        return Reading((row,) if ours else (), foreign=int(not ours))

    def rows(self, key: str, kind: str, params: Params) -> Reading:
        """All rows of one search, page by page."""
        pages, problems = _Pages(self, kind), []
        try:
            page = self.http.search(kind, params, post=self.post)
        except NotUnderstood:  # a server that refuses a parameter it does not know: ask again, plainly
            plain = {name: value for name, value in params.items() if name not in OPTIONAL}
            page = self.http.search(kind, plain, post=self.post)
            problems.append(f"{kind}: asked again without {', '.join(sorted(OPTIONAL & set(params)))}")
        cut = pages.follow(page, dated=key in NEEDED)
        return Reading(tuple(pages.rows), cut, pages.foreign, (*problems, *pages.problems))


class _Pages:
    """The rows of one search, page by page."""

    def __init__(self, search: _Search, kind: str) -> None:
        self.search, self.kind = search, kind
        self.rows: list[dict[str, Any]] = []
        self.foreign = 0
        self.problems: list[str] = []

    def follow(self, page: dict[str, Any], *, dated: bool) -> bool:
        """Take `page` and those after it. Whether the hospital had more that was not read."""
        http, seen = self.search.http, set[str]()
        while True:
            self.take(page)
            try:
                link = http.next_url(page)
            except ForeignAddress:
                self.problems.append(f"{self.kind}: the next page is on another server; not followed")
                return True
            if dated and has_more(page) and reaches_far(self.rows, self.search.as_of):
                return False
            if link is None:
                return more_than(page, len(self.rows) + self.foreign)
            if link in seen or len(seen) + 1 >= MOST_PAGES or len(self.rows) >= MOST_ROWS:
                why = "pages go in a circle" if link in seen else f"more than {len(self.rows)} rows"
                self.problems.append(f"{self.kind}: {why}")
                return True
            seen.add(link)
            try:
                page = http.get(link)
            except Unauthorised:
                raise
            except EhrError as error:
                self.problems.append(f"{self.kind}: a further page: {type(error).__name__}")
                return True

    def take(self, page: dict[str, Any]) -> None:
        """Keep this patient's matches and what was included with them; count the rest."""
        entries = page.get("entry") or []
        if page.get("resourceType") != "Bundle" or not isinstance(entries, list):
            raise MalformedAnswer("the answer to a search is no Bundle", self.kind)
        for entry in entries:
            row = entry.get("resource") if isinstance(entry, dict) else None
            if not isinstance(row, dict):
                continue
            search = entry.get("search")
            mode = search.get("mode") if isinstance(search, dict) else None
            kind = row.get("resourceType")
            if kind == "OperationOutcome" or mode == "outcome":
                self.problems += [f"{self.kind}: the server says {code}" for code in issue_codes(row)]
            elif mode != "include" and kind != self.kind:
                continue  # a server that ignores what was asked
            elif belongs(row, self.search.patient, self.search.http.base):
                self.rows.append(row)
            else:
                self.foreign += 1


def unseen(rows: Iterable[Mapping[str, Any]], local_codes: Mapping[str, str] = NO_CODES) -> list[tuple[str, ...]]:
    """The codes, as a search writes them, of quantities that none of these rows carries, in pieces a URL can hold.

    What the site maps counts as the table's own codes do, and a standard code it maps otherwise is what it says.
    """
    words = lexicon(local_codes)
    there = {variable for row in rows for variable in _variables(row, words)}
    standard = ((system, code) for system, code in code_table().meanings if system == code_table().loinc)
    own = ((system, code) for system, _, code in (key.partition("|") for key in local_codes) if system and code)
    codes = [_token(*each) for each in dict.fromkeys((*own, *standard)) if _missed(words, each, there)]
    return list(_pieces(codes))


def _pieces(codes: Iterable[str]) -> Iterator[tuple[str, ...]]:
    """As many at once as an address holds; a site's own codes may be long ones."""
    piece: list[str] = []
    taken = 0
    for code in codes:
        length = len(quote(code, safe="")) + len("%2C")
        if piece and (taken + length > ROOM or len(piece) == CODES_AT_ONCE):
            yield tuple(piece)
            piece, taken = [], 0
        piece.append(code)
        taken += length
    if piece:
        yield tuple(piece)


def _missed(words: Lexicon, code: tuple[str, str], there: set[str]) -> bool:
    meaning = words.meaning(*code)
    return meaning is not None and meaning.kind in ASKED_BY_CODE and meaning.name not in there


def _token(system: str, code: str) -> str:
    """A code as a search parameter, what separates parameters escaped (R4 search, escaping)."""
    return "|".join(re.sub(r"([\\,$|])", r"\\\1", part) for part in (system, code))


def _variables(row: Mapping[str, Any], words: Lexicon) -> Iterator[str]:
    """What a row, or one of its components, is read as; nothing where it is not built as FHIR asks."""
    parts = row.get("component")
    for part in (row, *(parts if isinstance(parts, list) else ())):
        concept = part.get("code") if isinstance(part, Mapping) else None
        codings = concept.get("coding") if isinstance(concept, Mapping) else None
        for coding in codings if isinstance(codings, list) else ():
            if isinstance(coding, Mapping):
                meaning = words.meaning(str(coding.get("system") or ""), str(coding.get("code")))
                if meaning is not None:
                    yield meaning.name


def query(key: str, patient: str, quirks: frozenset[str] = frozenset()) -> tuple[str, Params]:
    """Type and parameters of one key's search, unencoded; transport encodes them."""
    kind, _, rest = templates(quirks)[key].replace(PATIENT, patient).partition("?")
    params = dict(parse_qsl(rest))
    if key in INCLUDED:
        params["_include"] = INCLUDED[key]
    return kind.split("/")[0], params
