"""What the FHIR server says when it says no: an OperationOutcome with a status.

Refuses to carry stack traces: the text is written for the person who sent the request.
"""

from __future__ import annotations

from typing import Any


class Refused(Exception):
    """A request not answered with what it asked for: HTTP status, FHIR issue code, words, headers."""

    def __init__(self, status: int, code: str, text: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text
        self.headers = headers or {}


def outcome(code: str, text: str, severity: str = "error") -> dict[str, Any]:
    """An OperationOutcome with one issue; `code` from http://hl7.org/fhir/issue-type."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [{"severity": severity, "code": code, "diagnostics": text}],
    }


def unknown_parameter(text: str) -> Refused:
    """400 for a search the server does not understand (R4 search, handling=strict)."""
    return Refused(400, "not-supported", text)


def invalid(text: str) -> Refused:
    """400 for a value that cannot be read."""
    return Refused(400, "invalid", text)
