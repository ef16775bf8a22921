"""HTTP to a hospital: time limits on every call, few retries, patience when asked, tokens kept at home.

Client, clock, sleep and jitter are passed in; `Budget` bounds what one incoming request may spend on all its
calls. A token goes to the tenant's own FHIR base and nowhere else: links and redirects that lead away raise
ForeignAddress before anything is sent. `FhirHttp` never changes, so records may search in several threads.

Refuses: bodies above a limit (unpacked a little at a time), answers that are not JSON objects, waiting longer than
the budget.
"""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, cast
from urllib.parse import quote, urlencode, urljoin, urlsplit

import httpx
import orjson

from ehr.answers import Answer, patience, refusal
from ehr.documents import NotUnpacked, unpacked
from ehr.errors import (
    AnswerTooLarge,
    BudgetSpent,
    EhrError,
    EhrUnavailable,
    ForeignAddress,
    MalformedAnswer,
)
from ehr.pace import ending

CONNECT_SECONDS: Final = 2.0
READ_SECONDS: Final = 5.0
RETRIES: Final = 2
REDIRECTS: Final = 3
LARGEST_ANSWER: Final = 32 * 1024 * 1024  # bytes; a page of 1000 Observations is about 2 MB
FHIR_JSON: Final = "application/fhir+json"
FORM: Final = "application/x-www-form-urlencoded"

# httpx logs every URL at INFO, and a FHIR search URL names the patient; httpcore logs headers at DEBUG.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

Params = Mapping[str, str | Iterable[str]] | Iterable[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Budget:
    """Seconds that all calls of one incoming request may take together, from the moment it is made.

    `clock` is one that never runs backwards. Threads may share one: it never changes.
    """

    seconds: float
    clock: Callable[[], float] = time.monotonic
    started: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "started", self.clock())

    def left(self) -> float:
        """Seconds left; negative when it is over."""
        return self.seconds - (self.clock() - self.started)

    def need(self, where: str) -> float:
        """Seconds left. Raises BudgetSpent when there are none."""
        left = self.left()
        if left <= 0:
            raise BudgetSpent(f"the {self.seconds:g} s to wait for the hospital are spent", where)
        return left


@dataclass(frozen=True, slots=True)
class Created:
    """A resource the hospital now holds. `existed` when a conditional create found it there already."""

    id: str
    version: str
    existed: bool
    resource: Mapping[str, Any] = field(repr=False)


class _Dropped(EhrUnavailable):
    """The connection was refused or reset: a read may be asked again."""


def ask(
    client: httpx.Client,
    method: str,
    url: str,
    *,
    budget: Budget,
    where: str,
    headers: Mapping[str, str] | None = None,
    content: bytes | None = None,
    largest: int = LARGEST_ANSWER,
) -> Answer:
    """One request, one answer, whatever its status; no redirect is followed.

    `where` stands in messages instead of the URL, which may name a patient. Raises EhrUnavailable (no
    answer), BudgetSpent and AnswerTooLarge.
    """
    asked = {"Accept-Encoding": "gzip", **(headers or {})}
    try:
        with streaming(client, method, url, asked, budget=budget, where=where, content=content) as response:
            body = _body(response, budget, where, largest)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        slow = isinstance(error, httpx.TimeoutException | httpx.InvalidURL)
        kind = EhrUnavailable if slow else _Dropped
        # `from None`: the chained error's text holds the URL
        raise kind(f"the hospital did not answer ({type(error).__name__})", where) from None
    return Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, body)


@contextmanager
def streaming(
    client: httpx.Client,
    method: str,
    url: str,
    headers: Mapping[str, str],
    *,
    budget: Budget,
    where: str,
    content: bytes | None = None,
) -> Iterator[httpx.Response]:
    """One answer whose body is still to come; no redirect is followed, and the budget's end ends it.

    Raises BudgetSpent, and httpx's own errors, whose text holds the URL.
    """
    left = budget.need(where)
    timeout = httpx.Timeout(min(READ_SECONDS, left), connect=min(CONNECT_SECONDS, left))
    request = client.build_request(method, url, headers=headers, content=content, timeout=timeout)
    with ending(left):
        response = client.send(request, stream=True, follow_redirects=False)
        try:
            yield response
        finally:
            response.close()


def _body(response: httpx.Response, budget: Budget, where: str, largest: int) -> bytes:
    """The body, unpacked here: httpx would unpack a whole bomb, and packings within packings, before we could look."""
    parts, size = [], 0
    sent = cast("httpx.SyncByteStream", response.stream)
    try:
        for part in unpacked(response.headers.get("content-encoding", ""), sent):
            size += len(part)
            if size > largest:
                raise AnswerTooLarge(f"more than {largest} bytes; ask for fewer rows (_count)", where)
            budget.need(where)
            parts.append(part)
    except NotUnpacked as fault:
        raise MalformedAnswer(f"the answer {fault}", where) from None
    return b"".join(parts)


class FhirHttp:
    """One FHIR base, with the token of one launch or hook (None for an open server)."""

    def __init__(
        self,
        base: str,
        token: str | None,
        client: httpx.Client,
        budget: Budget,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        largest: int = LARGEST_ANSWER,
        quirks: frozenset[str] = frozenset(),
    ) -> None:
        self.base = base.rstrip("/")
        self.budget = budget
        self._token = token
        self._client = client
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._largest = largest
        self._quirks = quirks

    def __repr__(self) -> str:
        return f"FhirHttp({self.base!r})"

    def get(self, path_or_url: str, params: Params = (), *, accept: str = FHIR_JSON) -> dict[str, Any]:
        """The JSON at a path below the base, or at an absolute URL of this server (a `next` link).

        Raises ForeignAddress, Unauthorised, NotPermitted, NotFound, NotUnderstood, EhrUnavailable.
        """
        url = with_query(self.address(path_or_url), params)
        where = _where(path_or_url)
        return self._read("GET", url, where, {**self._headers(), "Accept": accept}).document(where)

    def search(self, resource_type: str, params: Params, *, post: bool = False) -> dict[str, Any]:
        """The first page of a search; `post` sends the parameters in the body, for long code lists.

        Asks the server to refuse parameters it does not know (`Prefer: handling=strict`), unless the tenant
        has the quirk "no-strict-search".
        """
        headers = self._headers()
        if "no-strict-search" not in self._quirks:
            headers["Prefer"] = "handling=strict"
        if not post:
            url = with_query(self.address(resource_type), params)
            return self._read("GET", url, resource_type, headers).document(resource_type)
        headers["Content-Type"] = FORM
        url = self.address(f"{resource_type}/_search")
        body = encoded(params).encode()
        return self._read("POST", url, resource_type, headers, body).document(resource_type)

    def answer(self, method: str, path_or_url: str, params: Params = (), **headers: str) -> Answer:
        """Whatever this server answers, asked once; underscores in the names of `headers` are dashes.

        Raises ForeignAddress, EhrUnavailable (no answer), BudgetSpent and AnswerTooLarge.
        """
        asked = {**self._headers(), **{name.replace("_", "-"): value for name, value in headers.items()}}
        url = with_query(self.address(path_or_url), params)
        return self._once(method, url, _where(path_or_url), asked, None)

    def now(self) -> datetime:
        """The time by which the hospital's dates are read."""
        return self._clock()

    def bearer(self, url: str) -> dict[str, str]:
        """The header that a request to `url` carries, checked. Raises ForeignAddress before a token is handed out."""
        self.address(url)
        return {} if self._token is None else {"Authorization": f"Bearer {self._token}"}

    def next_url(self, bundle: Mapping[str, Any]) -> str | None:
        """The opaque address of the next page, checked; None on the last. Raises ForeignAddress."""
        links = bundle.get("link")
        for link in links if isinstance(links, list) else ():
            if isinstance(link, Mapping) and link.get("relation") == "next" and link.get("url"):
                return self.address(str(link["url"]))
        return None

    def create(self, resource: Mapping[str, Any], *, if_none_exist: Params = ()) -> Created:
        """Make `resource`; with `if_none_exist` the server makes it only where that search finds none.

        Never repeated by itself. Raises Conflict, NotUnderstood, NotPermitted and the errors of `get`.
        """
        path = str(resource["resourceType"])
        return self._write("POST", path, resource, "If-None-Exist", encoded(if_none_exist))

    def update(self, resource: Mapping[str, Any], *, version: str) -> Created:
        """Replace `resource` while `version` is the current one. Raises Conflict when it no longer is."""
        path = f"{resource['resourceType']}/{resource['id']}"
        return self._write("PUT", path, resource, "If-Match", f'W/"{version}"')

    def address(self, path_or_url: str, after: str = "") -> str:
        """The absolute URL, if it is this server's own; a relative one is below the base (or `after`).

        Raises ForeignAddress for another scheme, host or port, for user-info, and for a path outside the base
        (tenants may share a host); the quirk "links-outside-base" allows other paths of the same host.
        """
        try:
            url = urljoin(after or f"{self.base}/", path_or_url)
            there, here = httpx.URL(url), httpx.URL(self.base)
        except (httpx.InvalidURL, ValueError):
            raise ForeignAddress("a link is not a URL; it was not followed", self.base) from None
        path, home = there.path, here.path.rstrip("/")  # httpx resolves dot segments and %-escapes in `path`
        own = origin(url) == origin(self.base) and not there.userinfo
        below = path == home or path.startswith(f"{home}/") or "links-outside-base" in self._quirks
        if not own or not below or ".." in path.split("/"):
            raise ForeignAddress("a link leads outside the hospital's FHIR server; not followed", self.base)
        return url

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": FHIR_JSON}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        return headers

    def _write(self, method: str, path: str, resource: Mapping[str, Any], header: str, value: str) -> Created:
        where = str(resource["resourceType"])
        headers = {**self._headers(), "Content-Type": FHIR_JSON, "Prefer": "return=representation"}
        if value:
            headers[header] = value
        answer = self._once(method, self.address(path), where, headers, orjson.dumps(resource))
        if not answer.good:
            raise refusal(answer, where, self._clock())
        return _created(answer, where, existed=method == "POST" and answer.status == 200)

    def _once(
        self, method: str, url: str, where: str, headers: Mapping[str, str], content: bytes | None
    ) -> Answer:
        return ask(
            self._client,
            method,
            url,
            budget=self.budget,
            where=where,
            headers=headers,
            content=content,
            largest=self._largest,
        )

    def _read(
        self, method: str, url: str, where: str, headers: Mapping[str, str], content: bytes | None = None
    ) -> Answer:
        """A GET or `_search`, asked again on dropped connections, 5xx and 429, at most RETRIES times."""
        for attempt in range(RETRIES + 1):
            wait = 0.1 * 2**attempt * (1 + self._jitter())
            try:
                answer = self._followed(method, url, where, headers, content)
            except _Dropped as error:
                fault: EhrError = error
            else:
                if answer.good:
                    return answer
                fault = refusal(answer, where, self._clock())
                if answer.status < 500 and answer.status != 429:
                    raise fault
                wait = max(wait, patience(answer.headers, self._clock()) or 0.0)
            if attempt == RETRIES or wait >= self.budget.left():
                raise fault
            self._sleep(wait)
        raise AssertionError("unreachable")

    def _followed(
        self, method: str, url: str, where: str, headers: Mapping[str, str], content: bytes | None
    ) -> Answer:
        """The answer behind at most REDIRECTS redirects within this server."""
        for _ in range(REDIRECTS + 1):
            answer = self._once(method, url, where, headers, content)
            target = answer.headers.get("location")
            if answer.status not in (301, 302, 303, 307, 308):
                return answer
            if method != "GET" or not target:
                break
            url = self.address(target, after=url)
        raise MalformedAnswer("the hospital's server redirects without end, or to nowhere", where)


def encoded(params: Params) -> str:
    """`params` as a query, all percent-encoded: some servers collapse a bare `//` in a code's system."""
    pairs = params.items() if isinstance(params, Mapping) else params
    flat = [(k, v) for k, value in pairs for v in ([value] if isinstance(value, str) else value)]
    return urlencode(flat, quote_via=quote, safe="")


def with_query(url: str, params: Params) -> str:
    """`url` with `params` after what it already asks."""
    query = encoded(params)
    if not query:
        return url
    return f"{url}{'&' if urlsplit(url).query else '?'}{query}"


def origin(url: str) -> tuple[str, str, int | None]:
    """Scheme, host in lower case, and port, the scheme's own where none is written."""
    parts = httpx.URL(url)
    return parts.scheme, parts.host.lower(), parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def _created(answer: Answer, where: str, *, existed: bool) -> Created:
    resource = answer.document(where) if answer.body.strip() else {}
    if resource.get("resourceType") == "OperationOutcome":
        resource = {}
    location = answer.headers.get("location", "") or answer.headers.get("content-location", "")
    parts = re.search(r"/([A-Za-z0-9.\-]{1,64})(?:/_history/([A-Za-z0-9.\-]{1,64}))?/?$", location)
    said_id, said_version = parts.groups() if parts else ("", "")
    meta = resource.get("meta")
    version = str(meta.get("versionId") or "") if isinstance(meta, dict) else ""
    return Created(str(resource.get("id") or said_id), version or said_version or "", existed, resource)


def _where(path_or_url: str) -> str:
    """The resource type a path or URL asks for, without the id."""
    parts = re.findall(r"(?:^|/)([A-Z][A-Za-z]{2,40})(?=[/?]|$)", path_or_url)
    return parts[-1] if parts else "FHIR server"
