"""The page of all values behind one answer: what the model was given, row by row, and what was read and not used.

A page of its own, so that the result page stays light. From the ledger: nothing is read or computed again.
"""

from __future__ import annotations

from flask import Blueprint, Flask, Response, make_response, render_template, url_for

from webapp import audit, provenance, recall, visits, words
from webapp.rooms import here
from webapp.words import say

door = Blueprint("sources", __name__)


def install(app: Flask) -> None:
    """Open the door."""
    app.register_blueprint(door)


@door.route("/assessments/<key>/values", methods=["GET", "POST"])
def values(key: str) -> Response:
    """Every value of one answer, as used and as sent, with its resource. Posted by a frame without cookies."""
    rooms = here()
    visit = visits.current(rooms)
    recorded = recall.recorded(rooms, visit, key)
    found, zone = recorded.assessment, words.zone_of(visit.tenant.time_zone)
    audit.seen(rooms, "viewed", visit, recorded.id)
    page = render_template(
        "values.html",
        language="en",
        name=say("en", f"models.{found.model}.name"),
        version=found.version,
        as_of=say(
            "en", "page.as-of", as_of=words.moment(found.as_of, zone), offset=words.offset(found.as_of, zone)
        ),
        origins=provenance.origins(found, zone, provenance.LISTED),
        refused=[provenance.refused(row) for row in found.refused],
        seed=found.seed,
        digest=found.inputs_digest,
        record=recorded.id,
        back_url=url_for("pages.stored", visit=visit.id, _anchor=found.model),
    )
    return make_response(page)
