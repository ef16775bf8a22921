"""The SMART authorisation server's addresses: authorize, token, revoke, keys, and the page that picks a
patient.

An EHR launch is approved at once, without cookies and without a page: the launch id says who and whom, and
the browser is in a frame on another site. A standalone launch shows the picker. Refuses a wrong `aud`, a
missing `state`, an unknown or spent launch id (to the app's redirect URI), and an unregistered app or
redirect URI (on a page of its own: nothing is sent to an address that is not registered).
"""

from __future__ import annotations

from typing import Any, Final

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError
from flask import Blueprint, Flask, Response, jsonify, request

from demo.assertion import FetchJson
from demo.oauth import Authorisation
from demo.picker import Picker, own_page
from demo.records import Hospital

STYLE: Final = {  # SMART App Launch 2.2, styling
    "color_background": "#ffffff", "color_error": "#9e2d2d", "color_highlight": "#0b5c73",
    "color_modal_backdrop": "#1c2a30", "color_success": "#2f6b3a", "color_text": "#1c2a30",
    "dim_border_radius": "4px", "dim_font_size": "15px", "dim_spacing_size": "16px",
    "font_family_body": "'Liberation Sans', Arial, sans-serif",
    "font_family_heading": "'Liberation Sans', Arial, sans-serif",
}


def install(app: Flask, hospital: Hospital, fetch: FetchJson) -> None:
    """Put the authorisation server on `app`; `fetch` gets the JSON at an app's registered JWKS URL."""
    authorisation = Authorisation(app, hospital, fetch)
    picker = Picker(hospital)
    auth = Blueprint("auth", __name__, url_prefix="/auth", template_folder="auth_pages")

    @auth.route("/authorize", methods=["GET", "POST"])
    def authorize() -> Any:
        try:
            return decided(authorisation, picker)
        except OAuth2Error as error:
            if error.redirect_uri:
                return authorisation.handle_error_response(None, error)
            return own_page("refused.html", 400, words=error.get_error_description() or error.error)
        except ValueError:  # authlib will not quote some characters in its own error texts
            return own_page("refused.html", 400, words="the request holds characters that are not allowed")

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
        return jsonify(STYLE)

    @app.get("/cds-client/jwks.json")
    def cds_keys() -> Response:
        return jsonify(hospital.keys.cds_jwks())


def decided(authorisation: Authorisation, picker: Picker) -> Any:
    """The answer to an authorisation request: a redirect with a code, or the picker. Raises OAuth2Error."""
    grant = authorisation.get_consent_grant(end_user=None)
    hospital, sent = authorisation.hospital, request.values
    asked = {*(grant.request.scope or "").split()}

    def refuse(kind: type[OAuth2Error], words: str) -> OAuth2Error:
        return kind(description=words, state=sent.get("state"), redirect_uri=grant.redirect_uri)

    if not sent.get("state"):
        raise refuse(InvalidRequestError, "state is required")
    if sent.get("aud") != hospital.settings.fhir:
        raise refuse(InvalidRequestError, "aud is not this FHIR server")
    if "launch" in sent:
        if "launch" not in asked:
            raise refuse(InvalidScopeError, "an EHR launch asks for the scope launch")
        context = hospital.launches.take(sent["launch"])
        if context is None:
            raise refuse(InvalidRequestError, "the launch id is unknown, used or expired")
    else:
        patient_wanted = bool({"launch/patient", "launch/encounter"} & asked)
        context = picker.chosen(patient_wanted)
        if context is None:
            return picker.page(grant.request.client.client_id, patient_wanted)
    return authorisation.create_authorization_response(grant=grant, grant_user=context)
