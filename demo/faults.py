"""Bad weather on demand, for tests of what an app does in it. Off unless the hospital is started with faults.

A fault applies to requests whose path begins with `match`, `times` times (None: until cleared). Over HTTP:
POST /_faults {"kind": "error", "match": "/fhir/Observation", "status": 500, "times": 2}; GET /_faults lists
them and the requests seen; DELETE /_faults clears both. Kinds:

    error             `status` with an OperationOutcome
    gateway           502 with an HTML page, as a proxy answers
    stall             waits `seconds`, then answers as usual
    throttle          429; Retry-After when `retry_after` is given, RateLimit `t=` when `rate_limit` is
    redirect          302 to `to`
    malformed         200 with JSON that stops in the middle
    require-category  400 for an Observation search with neither category nor code
    category-only     400 for an Observation search without a category, whatever else it asks
    foreign           a searchset gets a row of another patient
    odd-row           a searchset gets an Observation that lacks status and code
    unsorted          a searchset's rows come backwards
    elsewhere         a searchset's next link leads to `to`
    loop              a searchset's next link leads to itself
    cut               the answer breaks off in the middle
    files-elsewhere   a finished export's first file lies at `to`
    export-errors     a finished export reports an error, and a row it does not send
    export-old        a finished export's data are of three hours ago

Refuses an unknown kind (ValueError). What is remembered of a request holds no token.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from time import sleep
from typing import Any, Final

from flask import Flask, Response, g, jsonify, redirect, request
from werkzeug.wrappers import Response as Answer

from demo.outcome import outcome

Resource = dict[str, Any]
FOREIGN: Final = "somebody-else"
BEFORE: Final = frozenset(
    {"error", "gateway", "stall", "throttle", "redirect", "malformed", "require-category", "category-only"}
)
MANIFEST: Final = frozenset({"files-elsewhere", "export-errors", "export-old"})
AFTER: Final = frozenset({"foreign", "odd-row", "unsorted", "elsewhere", "loop", "cut"}) | MANIFEST


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of bad weather, where it falls and how often."""

    kind: str
    match: str = "/fhir"
    times: int | None = None
    status: int = 500
    seconds: float = 0.0
    retry_after: str | None = None
    rate_limit: int | None = None
    to: str = "http://127.0.0.1:9/"

    def __post_init__(self) -> None:
        if self.kind not in BEFORE | AFTER:
            known = ", ".join(sorted(BEFORE | AFTER))
            raise ValueError(f"'{self.kind}' is no kind of fault; known are {known}")


@dataclass(frozen=True, slots=True)
class Seen:
    """A request that arrived: `query` as sent, `authorized` whether it carried an Authorization header."""

    method: str
    path: str
    query: str
    authorized: bool


class Faults:
    """The faults in force, the scopes withheld from every grant, and the latest thousand requests seen."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._held: list[Fault] = []
        self.withheld: frozenset[str] = frozenset()
        self.seen: deque[Seen] = deque(maxlen=1000)

    def add(self, kind: str, **how: Any) -> None:
        """Put a fault in force; `how` are the fields of Fault."""
        with self._lock:
            self._held.append(Fault(kind, **how))

    def clear(self) -> None:
        """Fair weather, and nothing remembered."""
        with self._lock:
            self._held, self.withheld = [], frozenset()
            self.seen.clear()

    def claim(self, path: str) -> Fault | None:
        """The first fault for this path, counted as used once."""
        with self._lock:
            for index, fault in enumerate(self._held):
                if not path.startswith(fault.match):
                    continue
                if fault.times is not None:
                    left = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                    self._held[index : index + 1] = left
                return fault
        return None

    def listed(self) -> Resource:
        """What is in force and what was seen."""
        return {"faults": [asdict(one) for one in self._held], "withheld": sorted(self.withheld),
                "seen": [asdict(one) for one in self.seen]}


def install(app: Flask, faults: Faults, wait: Callable[[float], None] = sleep) -> None:
    """Let faults fall on this app's /fhir and /auth, and open the hidden address /_faults."""

    @app.before_request
    def fall() -> Answer | None:
        if request.path == "/_faults":
            return None
        faults.seen.append(Seen(request.method, request.path, request.query_string.decode("latin-1"),
                                "Authorization" in request.headers))
        g.fault = faults.claim(request.path)
        return _before(g.fault, wait) if g.fault else None

    @app.after_request
    def bend(response: Response) -> Response:
        fault: Fault | None = g.get("fault")
        if fault and fault.kind == "cut":
            return _cut(response)
        if fault and fault.kind in AFTER and response.is_json and response.status_code == 200:
            body = response.get_json()
            if isinstance(body, dict) and fault.kind in MANIFEST and "transactionTime" in body:
                response.set_data(app.json.dumps(_misled(body, fault)))
            elif isinstance(body, dict) and body.get("resourceType") == "Bundle" and fault.kind not in MANIFEST:
                response.set_data(app.json.dumps(_bent(body, fault)))
        return response

    @app.route("/_faults", methods=["GET", "POST", "DELETE"])
    def told() -> tuple[Response, int] | Response:
        try:
            if request.method == "DELETE":
                faults.clear()
            elif request.method == "POST":
                body = dict(request.get_json())
                faults.withheld |= frozenset(body.pop("withhold", ()))
                if body:
                    faults.add(**body)
        except (TypeError, ValueError) as error:
            return jsonify(error=str(error)), 400
        return jsonify(faults.listed())


def _before(fault: Fault, wait: Callable[[float], None]) -> Answer | None:
    match fault.kind:
        case "error":
            return _said(fault.status, "exception", "the hospital is not well")
        case "gateway":
            return Response("<html><body><h1>502 Bad Gateway</h1></body></html>", 502, mimetype="text/html")
        case "stall":
            wait(fault.seconds)
        case "throttle":
            response = _said(429, "throttled", "too many requests")
            if fault.retry_after is not None:
                response.headers["Retry-After"] = fault.retry_after
            if fault.rate_limit is not None:
                response.headers["RateLimit"] = f'"requests";r=0;t={fault.rate_limit}'
            return response
        case "redirect":
            return redirect(fault.to)
        case "malformed":
            return Response('{"resourceType": "Bundle", "type": "searchset", "entry": [{"resour', 200,
                            mimetype="application/fhir+json")
        case "require-category":
            if request.path.endswith("/Observation") and not {"category", "code"} & {*request.values}:
                return _said(400, "required", "an Observation search needs a category or a code")
        case "category-only":
            if request.path.endswith("/Observation") and "category" not in request.values:
                return _said(400, "required", "an Observation search needs a category")
    return None


def _cut(response: Response) -> Response:
    """Half of the body under the whole one's length: the connection closes before the end."""
    body = response.get_data()
    response.set_data(body[: len(body) // 2])
    response.headers["Content-Length"] = str(len(body))
    return response


def _misled(manifest: Resource, fault: Fault) -> Resource:
    """A finished export's manifest, bent."""
    outputs = manifest["output"]
    match fault.kind:
        case "files-elsewhere":
            return {**manifest, "output": [{**outputs[0], "url": fault.to}, *outputs[1:]]}
        case "export-errors":
            more = [{**one, "count": one["count"] + 1} if one["type"] == "Encounter" else one for one in outputs]
            return {**manifest, "output": more, "error": [
                {**one, "url": one["url"].replace("/errors.", "/problems.")} for one in manifest["error"]
            ]}
        case _:
            old = datetime.fromisoformat(manifest["transactionTime"]) - timedelta(hours=3)
            return {**manifest, "transactionTime": old.isoformat()}


def _said(status: int, code: str, text: str) -> Response:
    response = jsonify(outcome(code, text))
    response.status_code, response.mimetype = status, "application/fhir+json"
    return response


def _bent(bundle: Resource, fault: Fault) -> Resource:
    entries: list[Resource] = bundle.get("entry", [])
    links = [one for one in bundle["link"] if one["relation"] != "next"]
    match fault.kind:
        case "unsorted":
            return {**bundle, "entry": entries[::-1]}
        case "elsewhere":
            return {**bundle, "link": [*links, {"relation": "next", "url": fault.to}]}
        case "loop":
            return {**bundle, "link": [*links, {"relation": "next", "url": links[0]["url"]}]}
        case "foreign":
            row: Resource = {**(entries[0]["resource"] if entries else {"resourceType": "Observation"})}
            row |= {"id": "foreign-row", "subject": {"reference": f"Patient/{FOREIGN}"}}
        case _:
            row = {"resourceType": "Observation", "id": "odd-row"}
    return {**bundle, "entry": [*entries, {"resource": row, "search": {"mode": "match"}}]}
