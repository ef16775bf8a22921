"""The FHIR R4 server at /fhir: metadata, read, search by GET and POST, opaque pages, create.

Every request but metadata and .well-known needs a Bearer token and stays within its scope. Refuses with an
OperationOutcome and a status: 401 and 403 for the token, 404 for types and ids, 400 for parameters and
bodies, 405 for interactions, 406 and 415 for other formats.
"""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Flask, Response, request
from werkzeug.exceptions import HTTPException

from demo.access import Access, access_of
from demo.capability import capability_statement, openid_configuration, smart_configuration
from demo.outcome import Refused, outcome
from demo.parameters import PARAMETERS
from demo.records import Hospital

Resource = dict[str, Any]
FHIR_JSON = "application/fhir+json"
READABLE = (FHIR_JSON, "application/json")


def blueprint(hospital: Hospital) -> Blueprint:
    """The server over this hospital's records."""
    fhir = Blueprint("fhir", __name__, url_prefix="/fhir")
    settings = hospital.settings

    def access() -> Access:
        header = request.headers.get("Authorization", "")
        return access_of(header, hospital.tokens, settings.fhir, hospital.clock())

    @fhir.before_request
    def spoken() -> None:
        wanted = request.accept_mimetypes
        if wanted and not wanted.best_match(READABLE):
            raise Refused(406, "not-supported", "only JSON is spoken here")

    @fhir.get("/metadata")
    def metadata() -> Response:
        return answer(capability_statement(settings, hospital.started))

    @fhir.get("/.well-known/smart-configuration")
    def smart() -> Response:
        return answer(smart_configuration(settings), mimetype="application/json")

    @fhir.get("/.well-known/openid-configuration")
    def openid() -> Response:
        return answer(openid_configuration(settings), mimetype="application/json")

    @fhir.get("/<type_>/<id_>")
    def read(type_: str, id_: str) -> Response:
        allowed = access()
        if type_ in PARAMETERS:
            allowed.require(type_, "r")
        resource = hospital.read(type_, id_)
        if not allowed.may(resource, "r"):
            raise Refused(403, "forbidden", f"the token's scope does not reach this {type_}")
        return answer(resource, headers=_version(resource))

    def found(type_: str, pairs: list[tuple[str, str]]) -> Response:
        allowed = access()
        query = hospital.query(type_, pairs, lenient="handling=lenient" in request.headers.get("Prefer", ""))
        allowed.require(type_, "s")
        only = allowed.only_patient(type_, "s")
        if only is not None and query.patients is not None and query.patients != {only}:
            raise Refused(403, "forbidden", "the token is for another patient than the one asked for")
        return answer(hospital.first_page(query, lambda row: allowed.may(row, "s"), allowed.holder))

    @fhir.get("/<type_>")
    def search(type_: str) -> Response:
        return found(type_, list(request.args.items(multi=True)))

    @fhir.post("/<type_>/_search")
    def search_by_post(type_: str) -> Response:
        if request.mimetype != "application/x-www-form-urlencoded":
            raise Refused(415, "not-supported", "_search takes application/x-www-form-urlencoded")
        return found(type_, [*request.args.items(multi=True), *request.form.items(multi=True)])

    @fhir.get("/_page/<token>")
    def page(token: str) -> Response:
        allowed = access()
        query, bundle = hospital.pages.later(token, allowed.holder)
        allowed.require(query.type, "s")
        return answer(bundle)

    @fhir.post("/<type_>")
    def create(type_: str) -> Response:
        allowed = access()
        if type_ not in PARAMETERS:
            raise Refused(404, "not-supported", f"resource type '{type_}' is not known here")
        resource = _body(type_)
        allowed.require(type_, "c")
        if not allowed.may(resource, "c"):
            raise Refused(403, "forbidden", "the token's scope does not reach what this resource is about")
        stored, new = hospital.create(resource, request.headers.get("If-None-Exist", ""),
                                      lambda row: allowed.may(row, "c"))
        place = f"{settings.fhir}/{type_}/{stored['id']}/_history/{stored['meta']['versionId']}"
        return answer(stored, 201 if new else 200, headers={**_version(stored), "Location": place})

    return fhir


def answer(body: Resource, status: int = 200, *, mimetype: str = FHIR_JSON,
           headers: dict[str, str] | None = None) -> Response:
    """A JSON answer that no cache keeps."""
    response = Response(json.dumps(body, ensure_ascii=False), status, mimetype=mimetype)
    response.headers.update({"Cache-Control": "no-store", **(headers or {})})
    return response


def install_errors(app: Flask) -> None:
    """Every refusal under /fhir becomes an OperationOutcome; elsewhere Flask's own pages stay."""

    @app.errorhandler(Refused)
    def refused(error: Refused) -> Response:
        return answer(outcome(error.code, error.text), error.status, headers=error.headers)

    @app.errorhandler(HTTPException)
    def raised(error: HTTPException) -> Response | HTTPException:
        if not request.path.startswith("/fhir"):
            return error
        status = error.code or 500
        otherwise = "exception" if status >= 500 else "invalid"
        code = {404: "not-found", 405: "not-supported"}.get(status, otherwise)
        kept = {name: value for name, value in error.get_headers() if name == "Allow"}
        words = error.name if status >= 500 else str(error.description)
        return answer(outcome(code, words), status, headers=kept)


def _version(resource: Resource) -> dict[str, str]:
    return {"ETag": f'W/"{resource["meta"]["versionId"]}"'}


def _body(type_: str) -> Resource:
    if request.mimetype not in READABLE:
        raise Refused(415, "not-supported", f"send {FHIR_JSON}")
    try:
        resource = json.loads(request.get_data(), parse_constant=_no_number)
    except ValueError as error:
        raise Refused(400, "structure", "the body is not JSON") from error
    if not isinstance(resource, dict) or resource.get("resourceType") != type_:
        raise Refused(400, "structure", f"the body is not a {type_}")
    return resource


def _no_number(text: str) -> Any:
    raise ValueError(f"{text} is no JSON number")
