"""What is done at the doors, and what a refusal must say: for the table of refusals.

Programs are told in an OperationOutcome (`diagnostics`: what was wrong; `details`: what mends it, for who runs the
client), people on a page (what happened, what to do, what the system said).
"""

from __future__ import annotations

import copy
import html
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from inference.assessment import VENTILATION
from tests.webapp.house import APP, House, visit_of

SICK = "pneumonia-worsening"
SERVICE = f"/cds-services/{VENTILATION}"
FEEDBACK = f"{SERVICE}/feedback"
MARK = "Zyxwvut-1931"  # stands for what a client might wrongly send: a name, a number


@dataclass(frozen=True, slots=True)
class Row:
    """What is done, and what must be answered: a status, words of what was wrong, words of what mends it."""

    name: str
    act: Callable[[Desk], Any]
    status: int
    wrong: str
    mend: str


@dataclass
class Desk:
    """A hospital's client and a clinician's browser, with an open visit of the sick patient."""

    house: House
    browser: Any = None
    address: str = ""
    key: str = ""
    token: str = ""
    made: dict[tuple[str, bool], Any] = field(default_factory=dict)

    def open(self, user: str = "Practitioner/okafor") -> Desk:
        self.browser, self.address = self.house.launched(SICK, user=user)
        page = self.browser.get(self.address, base_url=APP)
        text = page.get_data(as_text=True)
        found = re.search(r'<form class="asking" method="post" action="/assessments/([^/]+)/ask', text)
        token = re.search(r'name="csrf_token" value="(\w+)"', text)
        assert found is not None
        assert token is not None
        self.key, self.token = found[1], token[1]
        return self

    def body(self, hook: str = "patient-view", *, prefetch: bool = True) -> Any:
        """A sound request: made once, then only with another instance."""
        if (hook, prefetch) not in self.made:
            orders = None if hook == "patient-view" else []
            self.made[hook, prefetch] = self.house.asked(SICK, hook=hook, prefetch=prefetch, orders=orders)
        return copy.deepcopy(self.made[hook, prefetch]) | {"hookInstance": str(uuid.uuid4())}

    def hook(self, path: str = SERVICE, prefetch: bool = True, **changes: Any) -> Any:
        body = self.body(prefetch=prefetch) | changes
        return self.house.post(path, {key: value for key, value in body.items() if value is not None})

    def context(self, **changes: Any) -> Any:
        body = self.body()
        body["context"] |= changes
        return self.house.post(SERVICE, body)

    def orders(self, hook: str, **changes: Any) -> Any:
        body = self.body(hook)
        body["context"] |= {"selections": []} | changes
        return self.house.post(SERVICE, body)

    def granted(self, **changes: Any) -> Any:
        body = self.body()
        body["fhirAuthorization"] |= changes
        return self.house.post(SERVICE, body)

    def claimed(self, **changes: Any) -> Any:
        token = self.house.token(SERVICE, **changes)
        return self.house.post(SERVICE, self.body(), token=token)

    def told(self, **changes: Any) -> Any:
        row = {"card": "c", "outcome": "accepted", "outcomeTimestamp": "2026-11-23T00:00:00Z"} | changes
        return self.house.post(FEEDBACK, {"feedback": [row]})

    def get(self, path: str, **query: str) -> Any:
        return self.house.browser().get(path, query_string=query, base_url=APP)

    def seen(self, path: str, **query: str) -> Any:
        return self.browser.get(path, query_string={"visit": visit_of(self.address)} | query, base_url=APP)

    def labelled(self, key: str) -> Any:
        form = {"visit": visit_of(self.address), "csrf_token": self.token, "label": "no", "sentence": "x"}
        return self.browser.post(f"/queue/{key}/label", data=form, base_url=APP)

    def sent(self, what: str, client: Any = None, **fields: str) -> Any:
        form = {"visit": visit_of(self.address), "csrf_token": self.token} | fields
        path = f"/assessments/{self.key}/{what}" if what != "close" else "/close"
        return (client or self.browser).post(path, data=form, base_url=APP)

    def stormy(self, kind: str, act: Callable[[Desk], Any], match: str = "/fhir/", **more: Any) -> Any:
        self.house.weather(kind, match=match, **more)
        return act(self)

    def back(self, **query: str) -> Any:
        browser = self.house.browser()
        state = re.search(r"state=([^&]+)", self.house.callback(browser, SICK))
        assert state is not None
        return browser.get("/callback", query_string={"state": state[1]} | query, base_url=APP)


def unsent(desk: Desk) -> Any:
    return desk.hook(prefetch=False)


def yesterday(desk: Desk) -> Any:
    desk.house.fair()
    own = Desk(desk.house).open()
    desk.house.clock.ahead = timedelta(hours=9)
    return own.seen("/result")


def launch(desk: Desk) -> Any:
    return desk.get("/launch", iss=desk.house.hospital.settings.fhir, launch="x")


def again(desk: Desk) -> Any:
    return desk.seen("/result")


def prefetched(desk: Desk, vitals: Any) -> Any:
    body = desk.body()
    body["prefetch"]["vitals"] = vitals
    return desk.house.post(SERVICE, body)


def listed(desk: Desk) -> Any:
    return desk.house.post(SERVICE, desk.body() | {"prefetch": [MARK]})


def nobody(desk: Desk) -> Any:
    body = desk.body(prefetch=False)
    body["context"]["patientId"] = body["fhirAuthorization"]["patient"] = MARK
    return desk.house.post(SERVICE, body)


def untaken(desk: Desk) -> Any:
    body = desk.body(prefetch=False)
    body["fhirAuthorization"]["access_token"] = MARK
    return desk.house.post(SERVICE, body)


def identifying(house: House) -> set[str]:
    """What names the patient: id, names, birthday, numbers; and whatever was wrongly sent."""
    patient = house.hospital.read("Patient", SICK)
    names = [part for name in patient["name"] for part in [name["family"], *name["given"]]]
    numbers = [each["value"] for each in patient.get("identifier", [])]
    return {SICK, patient["birthDate"], MARK, *names, *numbers}


def shows_nobody(house: House, answer: Any) -> None:
    said = answer.get_data(as_text=True) + str(answer.headers)
    for each in identifying(house):
        assert each.lower() not in said.lower(), f"{each} stands in {said}"
    assert "Traceback" not in said
    assert answer.headers["Cache-Control"] == "no-store"


def told_to_a_program(answer: Any) -> tuple[str, str]:
    """What was wrong and what mends it, of an OperationOutcome with one issue."""
    body = answer.get_json()
    assert body["resourceType"] == "OperationOutcome"
    assert "cards" not in body
    (issue,) = body["issue"]
    assert issue["severity"] == "error"
    return issue["diagnostics"], issue["details"]["text"]


def told_to_a_person(answer: Any) -> tuple[str, str]:
    """What was wrong, with what the system said, and what to do, of a page."""
    text = html.unescape(answer.get_data(as_text=True))
    assert answer.mimetype == "text/html"
    title = re.search(r'role="alert".*?<h1>(.+?)</h1>\s*<p>(.+?)</p>', text, re.DOTALL)
    remedy = re.search(r'class="remedy"><strong>What to do:</strong> (.+?)</p>', text)
    said = re.search(r'class="said">(.+?)</p>', text)
    assert title is not None, text
    assert remedy is not None, text
    return f"{title[1]} {title[2]} {said[1] if said else ''}", remedy[1]
