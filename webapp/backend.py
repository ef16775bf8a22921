"""A hospital's record, read as ourselves: SMART backend services, at the site's pace, with a token that is renewed.

A 429 is waited for as long as the hospital asks, within the time the job has; a hospital that stays silent ends the
reading of this site. Refuses (SiteFault) a site without `[backend]`, and one whose grant cannot show what an outcome
needs: a "no" nobody could have seen otherwise is no answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final

import httpx

from ehr import smart
from ehr.endpoints import Endpoints
from ehr.errors import BudgetSpent, EhrError, LaunchRefused, NotPermitted, Throttled, Unauthorised
from ehr.records import Reading, read_after
from ehr.scopes import permissions
from ehr.tenants import Tenant
from ehr.transport import Budget, FhirHttp
from governance.outcomes import FORGIVEN
from webapp.rooms import Rooms

NEEDED: Final = ("Patient", "Encounter", "Observation", "Procedure")
INSURANCE: Final = "Coverage"  # read where it was granted, for audits by group alone
EARLY: Final = timedelta(seconds=45)  # a token this close to its end is renewed before it is used
ONE_PATIENT: Final = 120.0  # seconds that one patient's searches may take together
PATIENCE: Final = 5  # times in a row that a hospital may ask us to wait
SHORTEST_WAIT: Final = 1.0


class SiteFault(Exception):
    """Why nothing can be read at this site: words for the operator, with what mends it."""


class OutOfTime(Exception):
    """The hospital asked for more patience than the job has time."""


class Pace:
    """At most so many calls a minute, evenly: called before each request."""

    def __init__(self, a_minute: float, clock: Callable[[], float], wait: Callable[[float], None]) -> None:
        self._gap, self._clock, self._wait = 60.0 / a_minute, clock, wait
        self._next = clock()

    def __call__(self, _request: Any) -> None:
        """Wait for this request's turn."""
        now = self._clock()
        if now < self._next:
            self._wait(self._next - now)
        self._next = max(now, self._next) + self._gap


@dataclass
class Backend:
    """One site's record. `budget` is the whole job's."""

    rooms: Rooms
    tenant: Tenant
    budget: Budget
    _endpoints: Endpoints | None = None
    _grant: smart.Grant | None = field(default=None, repr=False)
    insured: bool = False  # whether the hospital lets us read who pays; known once there was a token
    _apart: timedelta = timedelta(0)  # how far the hospital's clock was ahead of ours when it last answered

    @contextmanager
    def paced(self) -> Iterator[None]:
        """The site's pace kept by every call within, and its clock looked at."""
        http = self.rooms.http
        before = dict(http.event_hooks)
        pace = Pace(self.tenant.follow_up.calls_a_minute, self.budget.clock, self.rooms.wait)
        http.event_hooks = {"request": [pace], "response": [self._clocked]}
        try:
            yield
        finally:
            http.event_hooks = before

    def read(self, patient: str, since: datetime, until: datetime) -> Reading:
        """What tells what became of one patient. Raises SiteFault, OutOfTime, EhrError."""
        renewed = False
        for patience in range(PATIENCE):
            try:
                return self._read(patient, since, until)
            except Unauthorised:
                if renewed:
                    raise SiteFault("the hospital takes no token of ours any more (401)") from None
                renewed, self._grant = True, None
            except NotPermitted as error:
                raise SiteFault(
                    f"the hospital does not let the backend client read {error.where or 'the record'} (403): grant "
                    f"system scopes for {', '.join(NEEDED)}"
                ) from None
            except Throttled as error:
                self._wait(max(error.retry_after, SHORTEST_WAIT * 2**patience))
        raise OutOfTime

    def _clocked(self, response: httpx.Response) -> None:
        """Compare the clocks, where the answer says when it was given (RFC 9110, Date)."""
        try:
            said = parsedate_to_datetime(response.headers.get("date", ""))
        except ValueError:
            return
        if said.tzinfo is not None:
            self._apart = said - self.rooms.clock()

    def _check_clock(self) -> None:
        """Raises SiteFault: with clocks apart, what came before an answer could pass for what came after it."""
        if abs(self._apart) > FORGIVEN:
            minutes = self._apart / timedelta(minutes=1)
            way = "ahead of" if minutes > 0 else "behind"
            raise SiteFault(
                f"clock-skew: the hospital's clock is {abs(minutes):.0f} minutes {way} ours: set the clocks right, "
                "outcomes would be dated wrong"
            )

    def _wait(self, seconds: float) -> None:
        if seconds >= self.budget.left():
            raise OutOfTime
        self.rooms.wait(seconds)

    def _read(self, patient: str, since: datetime, until: datetime) -> Reading:
        token = self._token()
        left = self.budget.left()
        if left <= 0:
            raise OutOfTime
        http = FhirHttp(
            self.tenant.issuer,
            token,
            self.rooms.http,
            Budget(min(ONE_PATIENT, left), self.budget.clock),
            clock=self.rooms.clock,
            sleep=self.rooms.wait,
            quirks=self.tenant.quirks,
        )
        try:
            found = read_after(
                http,
                patient,
                since=since,
                until=until,
                quirks=self.tenant.quirks,
                local_codes=self.tenant.local_codes,
                insurance=self.insured,
            )
            self._check_clock()
            return found
        except BudgetSpent:
            if self.budget.left() <= 0:
                raise OutOfTime from None
            raise

    def _token(self) -> str:
        """A token that will live through the reads. Raises SiteFault."""
        grant, now = self._grant, self.rooms.clock()
        if grant is None or (grant.expires_at is not None and grant.expires_at - EARLY <= now):
            grant = self._grant = self._granted(now)
        return grant.access_token

    def _granted(self, now: datetime) -> smart.Grant:
        try:
            if self._endpoints is None:
                self._endpoints = smart.discover(self.rooms.http, self.tenant)
            grant = smart.backend_token(self.rooms.http, self.tenant, self._endpoints, now=now)
        except LaunchRefused as error:
            raise SiteFault(str(error)) from None
        except EhrError as error:
            raise SiteFault(f"the hospital gives no token: {error}") from None
        may = permissions(grant.scope)
        lacking = [kind for kind in NEEDED if not (may.may(kind, "s") or (kind == "Patient" and may.may(kind, "r")))]
        if lacking:
            raise SiteFault(f"the hospital did not grant reading {', '.join(lacking)}: add it to [backend] scopes")
        self.insured = may.may(INSURANCE, "s")
        return grant
