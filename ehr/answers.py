"""What a hospital's server answered: its JSON, its refusals as our errors, its plea for patience as seconds.

Refuses to put the server's own words into a message: an OperationOutcome may name a patient.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

from ehr.documents import NotJson, TooManyParts, read_json
from ehr.errors import (
    AnswerTooLarge,
    Conflict,
    EhrError,
    EhrUnavailable,
    MalformedAnswer,
    NotFound,
    NotPermitted,
    NotUnderstood,
    Throttled,
    Unauthorised,
)

OWN_WORDS: Final = 2000  # characters of an OperationOutcome that are kept


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: status, headers (names in lower case) and the whole body."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def good(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300

    def document(self, where: str) -> dict[str, Any]:
        """The body as a JSON object. Raises MalformedAnswer naming the content type, never the content."""
        try:
            document = read_json(self.body)
        except TooManyParts as fault:
            raise AnswerTooLarge(f"the answer holds {fault}; ask for fewer rows (_count)", where) from None
        except NotJson:
            kind = self.headers.get("content-type", "no content type").split(";")[0][:60]
            raise MalformedAnswer(f"the answer ({kind}) is not JSON", where) from None
        if not isinstance(document, dict):
            raise MalformedAnswer("the answer is not a JSON object", where)
        return document


_REFUSALS: Final[Mapping[int, tuple[type[EhrError], str]]] = {
    400: (NotUnderstood, "the hospital did not understand this request"),
    401: (Unauthorised, "the hospital no longer accepts this session"),
    403: (NotPermitted, "not permitted by your EHR"),
    404: (NotFound, "the hospital has no such record"),
    405: (NotUnderstood, "the hospital does not offer this"),
    409: (Conflict, "the record was changed meanwhile"),
    410: (NotFound, "the record was deleted"),
    412: (Conflict, "the record is no longer as it was read"),
    422: (NotUnderstood, "the hospital did not accept this record"),
}
_REFUSED: Final[tuple[type[EhrError], str]] = (NotUnderstood, "the hospital refused this request")
_FAILED: Final[tuple[type[EhrError], str]] = (EhrUnavailable, "the hospital's server failed")


def refusal(answer: Answer, where: str, now: datetime) -> EhrError:
    """The error a status outside 2xx stands for, with the OperationOutcome's codes; its words in `said`."""
    causes, said = outcome(answer.body)
    detail = f" [{answer.status}{': ' if causes else ''}{', '.join(causes)}]"
    if answer.status == 429:
        wait = patience(answer.headers, now) or 0.0
        words = f"the hospital asks us to slow down{detail}"
        fault: EhrError = Throttled(words, where, retry_after=wait, said=said, causes=causes)
    else:
        kind, words = _REFUSALS.get(answer.status, _FAILED if answer.status >= 500 else _REFUSED)
        fault = kind(words + detail, where, said=said, causes=causes)
    fault.status = answer.status
    return fault


def patience(headers: Mapping[str, str], now: datetime) -> float | None:
    """Seconds a server asks us to wait; None when it does not say.

    Retry-After in seconds or as a date (RFC 9110 10.2.3), else `RateLimit: "requests";r=0;t=51`, all that
    some servers send (draft-ietf-httpapi-ratelimit-headers).
    """
    stated = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}", stated):
        return float(stated)
    if stated:
        try:
            until = parsedate_to_datetime(stated)
        except ValueError:
            pass
        else:
            until = until if until.tzinfo else until.replace(tzinfo=UTC)  # "-0000" means UTC, RFC 5322 3.3
            return max(0.0, (until - now).total_seconds())
    window = re.search(r"(?:^|[;,\s])(?:t|reset)=(\d{1,9})", headers.get("ratelimit", ""))
    return float(window[1]) if window else None


def outcome(body: bytes) -> tuple[tuple[str, ...], str]:
    """Issue codes (lower-case letters and dashes only) and words of an OperationOutcome; empty for others."""
    try:
        issues = [row for row in read_json(body)["issue"] if isinstance(row, dict)]
    except (ValueError, KeyError, TypeError):
        return (), ""
    codes = dict.fromkeys(str(row.get("code", "")) for row in issues)
    known = tuple(code for code in codes if re.fullmatch(r"[a-z-]{3,30}", code))
    return known, " | ".join(filter(None, map(_words, issues)))[:OWN_WORDS]


def _words(issue: Mapping[str, Any]) -> str:
    details = issue.get("details")
    text = details.get("text") if isinstance(details, dict) else ""
    return str(issue.get("diagnostics") or text or "")
