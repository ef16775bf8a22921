"""The house for people: a Flask app that knows HTTP and no arithmetic.

`create_app` is its table of contents. Doors (`hooks`, `launch`, `pages`) call the spine (`consult`); the spine
calls the rooms (`ehr`, `inference`, `governance`); faces (`cards`, `result`, `handout`) turn an assessment into
words. Doors never import one another, faces import inference's types alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp.settings import ROOT, Settings

if TYPE_CHECKING:
    from webapp.rooms import Rooms

MAX_BODY = 8 * 1024 * 1024  # a hook with a prefetch of some thousand Observations; more is refused with 413


def create_app(settings: Settings, rooms: Rooms | None = None) -> Flask:
    """The app. `rooms` is given by tests that bring their own clock, transport or models."""
    # Imported here, so that a face or a batch process can be used without opening every door.
    from webapp import (
        audit,
        boards,
        clear,
        cli,
        cookieless,
        errors,
        gallery,
        governing,
        hooks,
        launch,
        model_cards,
        models,
        ops,
        pages,
        queue,
        review,
        security,
        simulated_site,
        sources,
    )
    from webapp.rooms import Rooms
    from webapp.unturned import unturned

    app = Flask("ordertime", template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static"))
    app.config.update(MAX_CONTENT_LENGTH=MAX_BODY, MAX_FORM_MEMORY_SIZE=100_000, MAX_FORM_PARTS=50)
    if settings.proxies:  # ours: the address they saw is the caller's
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.proxies, x_proto=0, x_host=0)  # type: ignore[method-assign]
    app.url_map.merge_slashes = False  # `//host` is nobody's redirect
    app.jinja_env.finalize = unturned  # no name turns the words after it
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    ops.log_to_stderr(settings)
    rooms = rooms or Rooms(settings)
    ops.announce_stand_ins(settings, rooms.tenants)  # a site that must not be trusted stops the start here
    Rooms.install(app, rooms)

    errors.install(app)  # every fault: a status, a sentence, a remedy
    cookieless.install(app)  # frames whose browser keeps no cookie
    audit.install(app)  # every refusal, for the auditor
    security.install(app)  # headers, cookies, who may frame us
    ops.install(app)  # /healthz /readyz /metrics
    hooks.install(app)  # the CDS Hooks door: discovery, services, feedback
    launch.install(app)  # the SMART door: /launch /callback /.well-known/jwks.json
    pages.install(app)  # /result /handout/<id>
    models.install(app)  # /about
    model_cards.install(app)  # /models/<model>/card
    sources.install(app)  # /assessments/<id>/values
    governing.install(app)  # /gate/<site>
    queue.install(app)  # /queue: what waits for a person
    review.install(app)  # /review/<site>, /audits/<site>
    boards.install(app)  # /board/<site>
    clear.install(app)  # /c: how clear was the patient's page, for its readers
    if settings.mode == "demonstration":
        gallery.install(app)  # /gallery: every state of every face
    simulated_site.install(app, settings, create_app)  # /simulated: the synthetic year's own pages
    cli.install(app)  # flask --app wsgi score, db-upgrade
    return app
