"""The SMART authorisation server's addresses: authorize, token, revoke, keys, and the page that picks a
patient.

An EHR launch is approved at once, without cookies and without a page: the launch id says who and whom, and
the browser is in a frame on another site. A standalone launch shows the picker. Refuses a wrong `aud`, a
missing `state`, an unknown or spent launch id (to the app's redirect URI), and an unregistered app or
redirect URI (on a page of its own: nothing is sent to an address that is not registered).
"""

from __future__ import annotations

import hashlib
import threading
from typing import Any, Final

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError
from flask import Blueprint, Flask, Response, jsonify, render_template, request, session

from demo.assertion import FetchJson
from demo.grants import Context, fresh, reference
from demo.oauth import server
from demo.records import Hospital

SIGNED_IN: Final = "clinician"  # where the order entry page's session keeps who signed in
CHOICES: Final = frozenset({"chosen_patient", "chosen_practitioner", "ticket"})
STYLE: Final = {  # SMART App Launch 2.2, styling
    "color_background": "#ffffff", "color_error": "#9e2d2d", "color_highlight": "#0b5c73",
    "color_modal_backdrop": "", "color_success": "#2f6b3a", "color_text": "#1c2a30",
    "dim_border_radius": "4px", "dim_font_size": "15px", "dim_spacing_size": "16px",
    "font_family_body": "'DejaVu Sans', Arial, sans-serif",
    "font_family_heading": "'DejaVu Sans', Arial, sans-serif",
}


def install(app: Flask, hospital: Hospital, fetch: FetchJson) -> None:
    """Put the authorisation server on `app`; `fetch` gets the JSON at an app's registered JWKS URL."""
    authorisation = server(app, hospital, fetch)
    auth = Blueprint("auth", __name__, url_prefix="/auth", template_folder="auth_pages")
    tickets = Tickets()

    @auth.route("/authorize", methods=["GET", "POST"])
    def authorize() -> Any:
        try:
            grant = authorisation.get_consent_grant(end_user=None)
            return _decide(grant)
        except OAuth2Error as error:
            if error.redirect_uri:
                return authorisation.handle_error_response(None, error)
            return _refusal(error.get_error_description() or error.error)
        except ValueError:  # authlib will not quote some characters in its own error texts
            return _refusal("the request holds characters that are not allowed")

    def _decide(grant: Any) -> Any:
        sent = request.values

        def refuse(kind: type[OAuth2Error], words: str) -> OAuth2Error:
            return kind(description=words, state=sent.get("state"), redirect_uri=grant.redirect_uri)

        if not sent.get("state"):
            raise refuse(InvalidRequestError, "state is required")
        if sent.get("aud") != hospital.settings.fhir:
            raise refuse(InvalidRequestError, "aud is not this FHIR server")
        asked = (grant.request.scope or "").split()
        if "launch" in sent:
            if "launch" not in asked:
                raise refuse(InvalidScopeError, "an EHR launch asks for the scope launch")
            context = hospital.launches.take(sent["launch"])
            if context is None:
                raise refuse(InvalidRequestError, "the launch id is unknown, used or expired")
        else:
            wanted = bool({"launch/patient", "launch/encounter"} & {*asked})
            chosen = _chosen(wanted)
            if chosen is None:
                return _picker(grant.request.client.client_id, wanted)
            context = chosen
        return authorisation.create_authorization_response(grant=grant, grant_user=context)

    def _chosen(patient_wanted: bool) -> Context | None:
        """What the picker's form says, if it is this server's own and complete."""
        form = request.form
        if not tickets.take(form.get("ticket", ""), _digest()):
            return None
        signed_in = session.get(SIGNED_IN) or form.get("chosen_practitioner", "")
        user = reference("Practitioner", str(signed_in))
        known = {row["id"] for row in hospital.search("Patient")} if patient_wanted else set()
        patient = form.get("chosen_patient", "")
        if not user or (patient_wanted and patient not in known):
            return None
        encounter = _current_encounter(patient) if patient_wanted else ""
        return Context(patient if patient_wanted else "", encounter, user, None, True)

    def _current_encounter(patient: str) -> str:
        rows = hospital.search("Encounter", {"patient": patient, "status": "in-progress", "_sort": "-date"})
        return str(rows[0]["id"]) if rows else ""

    def _picker(client_id: str, patient_wanted: bool) -> Any:
        page = render_template(
            "picker.html", client=client_id, ticket=tickets.mint(_digest()),
            sent=[(name, value) for name, value in request.values.items(multi=True) if name not in CHOICES],
            patients=hospital.search("Patient", {"_sort": "family"}) if patient_wanted else [],
            practitioners=[] if session.get(SIGNED_IN) else hospital.search("Practitioner"),
            named=_named,
        )
        return _framed(Response(page))

    @auth.post("/token")
    def token() -> Any:
        return authorisation.create_token_response()

    @auth.post("/revoke")
    def revoke() -> Any:
        return authorisation.create_endpoint_response("revocation")

    @auth.get("/jwks.json")
    def keys() -> Response:
        return jsonify(hospital.keys.identity_jwks())

    app.register_blueprint(auth)

    @app.get("/smart-style.json")
    def style() -> Response:
        return jsonify({name: value for name, value in STYLE.items() if value})

    @app.get("/cds-client/jwks.json")
    def cds_keys() -> Response:
        return jsonify(hospital.keys.cds_jwks())


class Tickets:
    """One-time marks that a picker's form came from the page this server showed for the same request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: dict[str, str] = {}

    def mint(self, digest: str) -> str:
        """A mark for this request."""
        mark = fresh()
        with self._lock:
            while len(self._held) > 1000:
                self._held.pop(next(iter(self._held)))
            self._held[mark] = digest
        return mark

    def take(self, mark: str, digest: str) -> bool:
        """Whether the mark was made for this request and not used yet."""
        with self._lock:
            return bool(mark) and self._held.pop(mark, None) == digest


def _digest() -> str:
    sent = sorted((name, value) for name, value in request.values.items(multi=True) if name not in CHOICES)
    return hashlib.sha256(repr(sent).encode()).hexdigest()


def _refusal(words: str) -> Response:
    return _framed(Response(render_template("refused.html", words=words), 400))


def _framed(response: Response) -> Response:
    response.headers.update({
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
    })
    return response


def _named(resource: dict[str, Any]) -> str:
    """A person's name as a list shows it: "Family, Given"."""
    name = (resource.get("name") or [{}])[0]
    parts = (name.get("family"), " ".join(name.get("given", ())))
    return str(name.get("text") or ", ".join(filter(None, parts)))
