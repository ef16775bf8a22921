"""A CDS Hooks 2.0.1 client: how the hospital asks decision support and tells it what became of a card.

Discovery, prefetch resolved from the service's own templates against the hospital's own records, `fhirServer`
with a short-lived token, a JWT whose audience is the exact URL called, feedback. Refuses to be silent: a
service that does not answer, or answers badly, comes back as an `Answer` with its problem, never as "no
cards".
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx

Resource = dict[str, Any]
TOKEN = re.compile(r"\{\{\s*([\w.]+)\s*\}\}")
SECONDS = 5.0
LARGEST = 2_000_000  # bytes of an answer that are still read
INDICATORS = ("critical", "warning", "info")


@dataclass(frozen=True, slots=True)
class Service:
    """One entry of a service's discovery."""

    id: str
    hook: str
    title: str
    url: str
    prefetch: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Occasion:
    """Who is at the screen and whom it is about. Ids without their type."""

    patient: str
    encounter: str
    practitioner: str

    @property
    def user(self) -> str:
        """The CDS Hooks `userId`."""
        return f"Practitioner/{self.practitioner}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What one service said: its cards, or the problem and the HTTP status (0: no answer at all)."""

    service: Service
    instance: str
    cards: tuple[Resource, ...] = ()
    status: int = 200
    problem: str = ""
    milliseconds: int = 0


class ServiceProblem(Exception):
    """A service that could not be used: its status (0: no answer) and what it said."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Identity:
    """How the hospital proves itself and what it opens: `sign(audience)` a JWT, `authorise(occasion)` the
    `fhirAuthorization`, `resolve(query, occasion)` one prefetch query (None: there is no such resource)."""

    sign: Callable[[str], str]
    authorise: Callable[[Occasion], Resource]
    resolve: Callable[[str, Occasion], Resource | None]
    fhir_server: str


class CdsClient:
    """Calls the services found at `base` (".../cds-services").

    Discovery is kept for `keep` seconds; a call waits `seconds` for its answer.
    """

    def __init__(
        self,
        http: httpx.Client,
        base: str,
        identity: Identity,
        clock: Callable[[], datetime],
        *,
        keep: float = 60.0,
        seconds: float = SECONDS,
        instance: Callable[[], str] = lambda: str(uuid.uuid4()),
    ) -> None:
        self._http, self._base, self._identity = http, base, identity
        self._clock, self._keep, self._seconds, self._instance = clock, keep, seconds, instance
        self._found: tuple[datetime, tuple[Service, ...]] | None = None

    def services(self) -> tuple[Service, ...]:
        """What the service offers. Raises ServiceProblem."""
        now = self._clock()
        if self._found and (now - self._found[0]).total_seconds() < self._keep:
            return self._found[1]
        body = self._exchange("GET", self._base)
        entries = body.get("services")
        if not isinstance(entries, list):
            raise ServiceProblem(200, "the discovery holds no list of services")
        found = tuple(_service(self._base, one) for one in entries if isinstance(one, dict) and "id" in one)
        self._found = (now, found)
        return found

    def ask(self, hook: str, occasion: Occasion, **context: Any) -> list[Answer]:
        """Fire a hook at every service that listens to it, all at once; answers in the order of discovery."""
        try:
            listening = [one for one in self.services() if one.hook == hook]
        except ServiceProblem as problem:
            nobody = Service("", hook, "Decision support", self._base)
            return [Answer(nobody, "", status=problem.status, problem=str(problem))]
        if not listening:
            return []
        kept: dict[str, Any] = {}
        with ThreadPoolExecutor(max_workers=len(listening)) as pool:
            bodies = [self._body(one, occasion, context, kept) for one in listening]
            return list(pool.map(self._call, listening, bodies))

    def _body(
        self, service: Service, occasion: Occasion, context: Mapping[str, Any], kept: dict[str, Any]
    ) -> Resource:
        told = {
            "userId": occasion.user,
            "patientId": occasion.patient,
            "encounterId": occasion.encounter,
            **context,
        }
        body: Resource = {
            "hook": service.hook,
            "hookInstance": self._instance(),
            "fhirServer": self._identity.fhir_server,
            "fhirAuthorization": self._identity.authorise(occasion),
            "context": told,
        }
        prefetch = {}
        for key, template in service.prefetch.items():
            query = fill(
                template, {**{f"context.{name}": value for name, value in told.items()}, **_users(occasion)}
            )
            if query is None:
                continue  # a token we do not know: the key is left out, as the specification allows
            if query not in kept:
                kept[query] = self._prefetched(query, occasion)
            prefetch[key] = kept[query]
        if prefetch:
            body["prefetch"] = prefetch
        return body

    def _prefetched(self, query: str, occasion: Occasion) -> Resource | None:
        try:
            return self._identity.resolve(query, occasion)
        except ValueError as error:
            issue = {"severity": "error", "code": "processing", "diagnostics": str(error)}
            return {"resourceType": "OperationOutcome", "issue": [issue]}

    def _call(self, service: Service, body: Resource) -> Answer:
        instance, began = body["hookInstance"], self._clock()
        try:
            answer = self._exchange("POST", service.url, body)
            cards = answer.get("cards")
            if not isinstance(cards, list) or not all(isinstance(card, dict) for card in cards):
                raise ServiceProblem(200, "the answer holds no list of cards")
        except ServiceProblem as problem:
            return Answer(service, instance, (), problem.status, str(problem), self._since(began))
        ordered = sorted(cards, key=lambda card: _rank(str(card.get("indicator", ""))))
        return Answer(service, instance, tuple(ordered), 200, "", self._since(began))

    def _since(self, began: datetime) -> int:
        return round((self._clock() - began).total_seconds() * 1000)

    def feedback(self, service: Service, rows: Iterable[Resource]) -> None:
        """Tell the service what became of its cards. Raises ServiceProblem."""
        self._exchange("POST", f"{service.url}/feedback", {"feedback": list(rows)}, empty=True)

    def _exchange(
        self, method: str, url: str, body: Resource | None = None, *, empty: bool = False
    ) -> Resource:
        headers = {"Accept": "application/json", "Authorization": f"Bearer {self._identity.sign(url)}"}
        try:
            with self._http.stream(
                method, url, json=body, headers=headers, timeout=self._seconds
            ) as response:
                content = b"".join(_limited(response))
        except httpx.TimeoutException as error:
            raise ServiceProblem(0, f"no answer within {self._seconds:g} seconds") from error
        except httpx.HTTPError as error:
            raise ServiceProblem(0, f"no connection ({type(error).__name__})") from error
        return _read(response.status_code, content, empty=empty)


def fill(template: str, values: Mapping[str, Any]) -> str | None:
    """The template with its tokens replaced, percent-encoded; None when a token is unknown or empty."""
    for name in TOKEN.findall(template):
        value = values.get(name)
        if not isinstance(value, str | int) or value == "":
            return None
    return TOKEN.sub(lambda found: quote(str(values[found[1]]), safe=""), template)


def _users(occasion: Occasion) -> dict[str, str]:
    return {"userPractitionerId": occasion.practitioner}


def _service(base: str, entry: Mapping[str, Any]) -> Service:
    prefetch = entry.get("prefetch")
    templates = {str(key): str(one) for key, one in prefetch.items()} if isinstance(prefetch, dict) else {}
    title = str(entry.get("title") or entry["id"])
    return Service(str(entry["id"]), str(entry.get("hook", "")), title, f"{base}/{entry['id']}", templates)


def _rank(indicator: str) -> int:
    return INDICATORS.index(indicator) if indicator in INDICATORS else len(INDICATORS)


def _limited(response: httpx.Response) -> Iterable[bytes]:
    size = 0
    for piece in response.iter_bytes():
        size += len(piece)
        if size > LARGEST:
            raise ServiceProblem(response.status_code, "the answer is too large")
        yield piece


def _read(status: int, content: bytes, *, empty: bool) -> Resource:
    try:
        body = httpx.Response(status, content=content).json() if content else None
    except ValueError:
        body = None
    if not (200 <= status < 300 if empty else status == 200):
        raise ServiceProblem(
            status, _said(body) or httpx.codes.get_reason_phrase(status) or "no reason given"
        )
    if isinstance(body, dict):
        return body
    if empty:
        return {}
    raise ServiceProblem(status, "the answer is not a JSON object")


def _said(body: Any) -> str:
    """What an OperationOutcome says, in one line of at most 200 characters."""
    if not isinstance(body, dict) or not isinstance(body.get("issue"), list) or not body["issue"]:
        return ""
    first = body["issue"][0] if isinstance(body["issue"][0], dict) else {}
    details = first.get("details")
    text = (
        first.get("diagnostics")
        or (details.get("text") if isinstance(details, dict) else "")
        or first.get("code")
    )
    return str(text or "")[:200]
