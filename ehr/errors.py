"""Everything the EHR's language can refuse, as one tree.

    EhrError
    ├── TenantError         a site's file that must not be used: names the file, the key and the remedy
    ├── MalformedRequest    what came in is not what the specification says
    ├── MissingData         the request is sound, and what it needs was neither sent nor may be fetched
    ├── UntrustedCaller     a token, or the lack of one, that proves nothing
    ├── UnknownIssuer       a server that is on no tenant's list; nothing was sent to it
    ├── LaunchRefused       the hospital, or we, ended a launch
    ├── ForeignAddress      a link or redirect led outside the tenant's server; nothing was sent there
    ├── NotUnderstood       400, 405, 422: the hospital did not take what we asked
    ├── Unauthorised        401: the token is expired or was withdrawn
    ├── NotPermitted        403, or a scope that was not granted
    ├── NotFound            404, 410
    ├── Conflict            409, 412: somebody else changed or made it meanwhile
    ├── ExportFailed        a bulk export that ended without its files, or with files that cannot be used
    └── EhrUnavailable      no answer, 5xx, or an answer that cannot be used
        ├── Throttled           429: come back in `retry_after` seconds
        ├── BudgetSpent         the time this request may take is over
        ├── MalformedAnswer     not JSON, or not the JSON that was asked for
        └── AnswerTooLarge      more bytes than we are willing to hold

A message says what was wrong, where, and what would mend it. It never carries patient data, a token, or text
the hospital chose: that stays in `said`, which neither `str` nor `repr` shows. `causes` are FHIR issue codes.
"""

from __future__ import annotations


class EhrError(Exception):
    """Root of this package's refusals. `where` names the place: a file and key, a claim, a resource type.

    `status` is the hospital's HTTP status, 0 where it gave none.
    """

    status: int = 0

    def __init__(
        self, message: str, where: str = "", *, said: str = "", causes: tuple[str, ...] = ()
    ) -> None:
        super().__init__(f"{where}: {message}" if where else message)
        self.message = message
        self.where = where
        self.said = said  # the hospital's own words; may name a patient: never logged, never shown unescaped
        self.causes = causes


class TenantError(EhrError):
    """A tenant's file is wrong; `where` is the file and the key."""


class MalformedRequest(EhrError):
    """A request that is not what the specification says; `where` is the element."""


class MissingData(EhrError):
    """Needed data was not sent, and there is no leave to fetch it."""


class UntrustedCaller(EhrError):
    """A caller's token does not prove who is calling; `where` is the header or claim that failed."""


class UnknownIssuer(EhrError):
    """A FHIR server that is on no tenant's list. No request was made to it."""


class LaunchRefused(EhrError):
    """A launch ended before a session: by the hospital's answer, or because that answer cannot be trusted."""


class LaunchDenied(LaunchRefused):
    """Somebody said no at the hospital's own page, or closed it without choosing a patient (RFC 6749 access_denied)."""


class ForeignAddress(EhrError):
    """A link or redirect leads outside the tenant's server. Nothing was sent there."""


class NotUnderstood(EhrError):
    """The hospital answered 400, 405 or 422: it does not take this search or this resource."""


class Unauthorised(EhrError):
    """The hospital answered 401: the token is expired or was withdrawn."""


class NotPermitted(EhrError):
    """The hospital answered 403, or the grant lacks the scope."""


class NotFound(EhrError):
    """The hospital answered 404 or 410."""


class Conflict(EhrError):
    """The hospital answered 409 or 412: somebody else has changed or made it meanwhile."""


class ExportFailed(EhrError):
    """A bulk export that ended without its files, or whose files cannot be used."""


class EhrUnavailable(EhrError):
    """The hospital did not answer, or answered with a fault of its own."""


class Throttled(EhrUnavailable):
    """The hospital asks for patience: `retry_after` seconds, 0 when it did not say."""

    def __init__(
        self,
        message: str,
        where: str = "",
        *,
        retry_after: float = 0.0,
        said: str = "",
        causes: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, where, said=said, causes=causes)
        self.retry_after = retry_after


class BudgetSpent(EhrUnavailable):
    """The time one request may spend on all its reads is over."""


class MalformedAnswer(EhrUnavailable):
    """An answer that is not the JSON it should be."""


class AnswerTooLarge(EhrUnavailable):
    """An answer of more bytes than the limit."""
