"""The page of a standalone launch: which patient, and who is asking.

A form is taken once, and only for the very request whose page it stood on. Refuses (None) a form that is
incomplete or names a patient who is not here; the page is then shown again.
"""

from __future__ import annotations

import hashlib
import threading
from typing import Any, Final

from flask import Response, render_template, request, session

from demo.grants import Context, fresh, reference
from demo.records import Hospital

SIGNED_IN: Final = "clinician"  # where the order entry page's session keeps who signed in
CHOICES: Final = frozenset({"chosen_patient", "chosen_practitioner", "ticket"})


class Picker:
    """The picker of one hospital."""

    def __init__(self, hospital: Hospital) -> None:
        self._hospital = hospital
        self._lock = threading.Lock()
        self._tickets: dict[str, str] = {}

    def page(self, client_id: str, patient_wanted: bool) -> Response:
        """The page for the authorisation request being answered."""
        search = self._hospital.search
        return own_page(
            "picker.html", client=client_id, ticket=self._mint(), sent=_sent(), named=_named,
            patients=search("Patient", {"_sort": "family"}) if patient_wanted else [],
            practitioners=[] if session.get(SIGNED_IN) else search("Practitioner"),
        )

    def chosen(self, patient_wanted: bool) -> Context | None:
        """What the form that was sent says."""
        form = request.form
        if not self._take(form.get("ticket", "")):
            return None
        user = reference("Practitioner", str(session.get(SIGNED_IN) or form.get("chosen_practitioner", "")))
        if not patient_wanted:
            return Context(user=user) if user else None
        patient = form.get("chosen_patient", "")
        if not user or patient not in {row["id"] for row in self._hospital.search("Patient")}:
            return None
        return Context(patient, self._stay(patient), user)

    def _stay(self, patient: str) -> str:
        asked = {"patient": patient, "status": "in-progress", "_sort": "-date"}
        return next((str(row["id"]) for row in self._hospital.search("Encounter", asked)), "")

    def _mint(self) -> str:
        ticket = fresh()
        with self._lock:
            while len(self._tickets) > 1000:
                self._tickets.pop(next(iter(self._tickets)))
            self._tickets[ticket] = _digest()
        return ticket

    def _take(self, ticket: str) -> bool:
        with self._lock:
            return bool(ticket) and self._tickets.pop(ticket, None) == _digest()


def own_page(template: str, status: int = 200, **what: Any) -> Response:
    """A page of the authorisation server: never framed, never kept."""
    response = Response(render_template(template, **what), status)
    response.headers.update({
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
    })
    return response


def _sent() -> list[tuple[str, str]]:
    values = request.values
    return [(name, value) for name in values if name not in CHOICES for value in values.getlist(name)]


def _digest() -> str:
    return hashlib.sha256(repr(sorted(_sent())).encode()).hexdigest()


def _named(resource: dict[str, Any]) -> str:
    """A person's name as a list shows it: "Family, Given"."""
    name = (resource.get("name") or [{}])[0]
    parts = (name.get("family"), " ".join(name.get("given", ())))
    return str(name.get("text") or ", ".join(filter(None, parts)))
