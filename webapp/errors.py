"""Every fault as a status, a sentence and a remedy.

Machines (the CDS client) get an OperationOutcome: `diagnostics` says what was wrong, `details.text` how whoever runs
the client can mend it. People get a page that says what to do now. Neither carries a stack trace, a token or anything
about a patient. No fault becomes an empty answer.
"""

from __future__ import annotations

import logging
import math
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import structlog
from flask import Flask, Response, g, jsonify, render_template, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from ehr.errors import (
    AnswerTooLarge,
    Conflict,
    EhrError,
    EhrUnavailable,
    ForeignAddress,
    LaunchDenied,
    LaunchRefused,
    MalformedAnswer,
    MalformedRequest,
    MissingData,
    NotFound,
    NotPermitted,
    NotUnderstood,
    Throttled,
    Unauthorised,
    UnknownIssuer,
    UntrustedCaller,
)
from governance.errors import GovernanceError, LedgerUnavailable
from inference.errors import ArtifactError, OrdertimeError, QuestionError
from webapp import words
from webapp.handout import PrintingUnavailable
from webapp.rooms import here

log = structlog.get_logger()

Answered = tuple[int, str, str]
UNKNOWN: Answered = (500, "exception", "fault")
STATUS: tuple[tuple[type[Exception], Answered], ...] = (
    # error, status, FHIR issue type, words' key of what people and callers are told
    (MalformedRequest, (400, "invalid", "malformed")),
    (LaunchDenied, (400, "business-rule", "launch-denied")),
    (LaunchRefused, (400, "business-rule", "launch-refused")),
    (UntrustedCaller, (401, "login", "not-trusted")),
    (Unauthorised, (401, "expired", "session-expired")),
    (UnknownIssuer, (403, "forbidden", "unknown-hospital")),
    (NotPermitted, (403, "forbidden", "not-permitted")),
    (NotFound, (404, "not-found", "not-found")),
    (Conflict, (409, "conflict", "conflict")),
    (MissingData, (412, "required", "missing-data")),
    (Throttled, (503, "throttled", "hospital-busy")),
    (MalformedAnswer, (502, "processing", "hospital-odd")),
    (AnswerTooLarge, (502, "too-long", "hospital-odd")),
    (ForeignAddress, (502, "security", "hospital-odd")),
    (NotUnderstood, (502, "processing", "hospital-odd")),
    (EhrUnavailable, (502, "transient", "hospital-silent")),
    (EhrError, (502, "processing", "hospital-silent")),
    (LedgerUnavailable, (503, "transient", "ledger-unavailable")),
    (PrintingUnavailable, (503, "not-supported", "no-printing")),
    (GovernanceError, (500, "exception", "fault")),
    (QuestionError, (400, "invalid", "malformed")),
    (ArtifactError, (500, "exception", "model-missing")),
    (OrdertimeError, (500, "exception", "model-fault")),
)

HTTP = {404: "not-found", 405: "wrong-method", 413: "too-large", 415: "wrong-type"}


class SessionExpired(Exception):
    """The visit is over, or this browser is not the one it was opened in."""


class FormRefused(Exception):
    """A form that is not filled in as it must be, or not for this user: `key` names the sentence.

    `back_url` leads to the page it came from, where it can be mended.
    """

    def __init__(self, key: str, message: str, back_url: str, status: int = 400) -> None:
        super().__init__(message)
        self.key, self.back_url, self.status = key, back_url, status


class TooManyRequests(Exception):
    """More calls than a door takes; come back in `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


def install(app: Flask) -> None:
    """Answer every exception the doors raise."""
    app.register_error_handler(SessionExpired, _expired)
    app.register_error_handler(FormRefused, _form)
    app.register_error_handler(TooManyRequests, _too_many)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _any)


def _expired(error: Exception) -> Response:
    g.refused = "session-expired"
    return page(401, "session-expired", error)


def _form(error: FormRefused) -> Response:
    g.refused = error.key
    return page(error.status, error.key, error, back_url=error.back_url)


def _too_many(error: TooManyRequests) -> Response:
    g.refused = "too-many"
    wait = max(1, math.ceil(error.retry_after))
    said = f"too many calls ({error}): come back in {wait} s"
    answer = outcome(429, "throttled", said, "too-many") if for_machines() else page(429, "too-many", error)
    answer.headers["Retry-After"] = str(wait)
    return answer


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    g.refused = str(status)
    key = HTTP.get(status, "malformed" if status < 500 else "fault")
    if for_machines():
        answer = outcome(status, "processing", error.description or error.name, key)
    else:
        answer = page(status, key, error)
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        answer.headers["Allow"] = ", ".join(sorted(error.valid_methods))
    return answer


def noted(error: Exception) -> tuple[str, str]:
    """Log a fault that is said in a page already begun: the words' key, and the reference to find it by."""
    _, _, key, reference = _logged(error)
    return key, reference


def _logged(error: Exception) -> tuple[int, str, str, str]:
    """Status, issue type, words' key and reference of a fault, once it stands in the log."""
    status, issue, key = next((rest for kind, rest in STATUS if isinstance(error, kind)), UNKNOWN)
    known, reference = status != 500, uuid4().hex[:12]
    g.refused = key
    log.log(
        logging.WARNING if known else logging.ERROR,
        "refused" if known else "fault",
        status=status,
        error=type(error).__name__,
        reference=reference,
        path=request.url_rule.rule if request.url_rule else "",
        exc_info=not known,
    )
    return status, issue, key, reference


def _any(error: Exception) -> Response:
    status, issue, key, reference = _logged(error)
    known = status != 500
    if not for_machines():
        answer = page(status, key, error if known else None, reference)
    else:
        answer = outcome(
            status, issue, _said(error) if known else f"an internal fault, reference {reference}", key
        )
    if isinstance(error, Throttled) and error.retry_after:
        answer.headers["Retry-After"] = str(int(error.retry_after) or 1)
    if status == 401 and for_machines():
        answer.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    return answer


def _said(error: Exception) -> str:
    if isinstance(error, EhrUnavailable):
        wait = getattr(error, "retry_after", 0.0)
        again = f": ask again in {wait:.0f} s" if wait else ": ask again later"
        return f"the hospital's server gave no usable answer, so nothing is advised ({error}){again}"
    return str(error)


def for_machines() -> bool:
    """Whether the caller is a program: the CDS Hooks door and the health checks."""
    return request.path.startswith(
        ("/cds-services", "/sites/", "/healthz", "/readyz", "/metrics", "/.well-known")
    )


def outcome(status: int, issue: str, text: str, key: str) -> Response:
    """An OperationOutcome with one issue: what was wrong, and under `key` what mends it, for who runs the client."""
    told = {"severity": "error", "code": issue, "details": {"text": words.say("en", f"error.{key}.caller")}}
    body: dict[str, Any] = {
        "resourceType": "OperationOutcome",
        "issue": [told | {"diagnostics": text}],
    }
    answer = jsonify(body)
    answer.status_code = status
    return answer


def page(
    status: int, key: str, error: Exception | None = None, reference: str = "", *, back_url: str = ""
) -> Response:
    """What happened, what to do now, and where there is one, the way back; inside a hospital's frame too."""
    if not hasattr(g, "frame_ancestors"):
        g.frame_ancestors = _framing()
    detail = "" if error is None or isinstance(error, HTTPException) else str(error)
    body = render_template(
        "error.html",
        title=words.say("en", f"error.{key}.title"),
        text=words.say("en", f"error.{key}.text"),
        remedy=words.say("en", f"error.{key}.remedy"),
        detail=detail,
        reference=reference,
        back_url=back_url,
        language="en",
    )
    return Response(body, status=status, mimetype="text/html")


def _framing() -> tuple[str, ...]:
    """The origin that seems to frame us, if a hospital on the list has it: else nobody could read the refusal."""
    sent = urlsplit(request.headers.get("Referer", "")[:2000].partition("?")[0])
    framing = f"{sent.scheme}://{sent.netloc}"
    return tuple({framing for tenant in here().tenants if framing in tenant.frame_ancestors})
