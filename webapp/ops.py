"""For the people who run it: health, readiness, metrics, logs.

Nothing here names a patient or a user: logs carry the route, never the path; metrics count, never quote.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any

import structlog
from flask import Flask, Response, g, jsonify, request
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    REGISTRY,
    CollectorRegistry,
    Counter,
    Histogram,
    generate_latest,
    multiprocess,
)

from ehr.tenants import Tenant
from inference.assessment import State
from webapp import standing
from webapp.rooms import Rooms, here
from webapp.settings import Settings

ANSWERS = Counter("ordertime_answers_total", "Answers given, by route and status", ["route", "status"])
SECONDS = Histogram(
    "ordertime_answer_seconds",
    "Seconds to answer, by route",
    ["route"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2, 5, 10),
)
STAGES = Histogram(
    "ordertime_stage_seconds",
    "Seconds spent in each stage of a consultation",
    ["stage"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
)
CARDS = Counter("ordertime_cards_total", "Hook answers, by service and what was said", ["service", "said"])
FOREIGN = Counter("ordertime_foreign_rows_total", "Rows of another patient, dropped", ["door"])

WHY = 200  # characters of a decision's sentence in a label

log = structlog.get_logger()


def install(app: Flask) -> None:
    """The three addresses, and a line in the log for each answer."""
    app.add_url_rule("/healthz", "healthz", healthz)
    app.add_url_rule("/readyz", "readyz", readyz)
    app.add_url_rule("/metrics", "metrics", metrics)
    app.before_request(_begin)
    app.after_request(_end)


def healthz() -> Response:
    """The process answers."""
    return jsonify(status="ok")


def readyz() -> tuple[Response, int]:
    """The process can do its work: database, vault, models and tenants, each by name."""
    rooms = here()
    checks = {
        "database": rooms.store.ready,
        "vault": rooms.vault.ready,
        "models": lambda: bool(rooms.models),
        "tenants": lambda: bool(list(rooms.tenants)) or not rooms.settings.production,
    }
    found = {name: _holds(check) for name, check in checks.items()}
    models = (
        {name: {"version": model.version, "device": model.device} for name, model in rooms.models.items()}
        if found["models"]
        else {}
    )
    ready = all(found.values())
    return jsonify(
        status="ready" if ready else "not ready", checks=found, models=models
    ), 200 if ready else 503


def _holds(check: object) -> bool:
    try:
        return bool(check())  # type: ignore[operator]
    except Exception as error:  # readiness reports a fault, it does not have one
        log.warning("not ready", error=type(error).__name__)
        return False


def metrics() -> Response:
    """Counters of all workers, in Prometheus' text format."""
    registry: CollectorRegistry = REGISTRY
    if here().settings.metrics_folder:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry, path=here().settings.metrics_folder)  # type: ignore[no-untyped-call]
    lines = generate_latest(registry).decode()
    lines += "# HELP ordertime_model_state 1 for the state a model has at a tenant\n"
    lines += "# TYPE ordertime_model_state gauge\n"
    lines += "".join(_model_states(here()))
    lines += "# HELP ordertime_model_suspended_since Unix time of a signed decision that keeps a model suspended\n"
    lines += "# TYPE ordertime_model_suspended_since gauge\n"
    lines += "".join(_suspensions(here()))
    for name, count in here().ledger.counts().items():
        lines += f"# TYPE ordertime_ledger_{name} gauge\nordertime_ledger_{name} {count}\n"
    return Response(lines, mimetype=CONTENT_TYPE_LATEST)


def _model_states(rooms: Rooms) -> Iterator[str]:
    """What the doors go by: the tenant's file, held to the gates; a unit with a gate of its own has its own line."""
    for tenant in rooms.tenants:
        for name, model in rooms.models.items():
            found = standing.states(
                rooms.readings, tenant, name, model.outcomes[-1], model.version, rooms.clock()
            )
            for unit, now_is in found.items():
                where = f'tenant="{tenant.id}",model="{name}"' + (f',care_unit="{unit}"' if unit else "")
                for state in State:
                    yield f'ordertime_model_state{{{where},state="{state}"}} {int(now_is is state)}\n'


def _suspensions(rooms: Rooms) -> Iterator[str]:
    """When, by which roles and why: names of people stand on the pages, not in metrics."""
    for tenant in rooms.tenants:
        for name, model in rooms.models.items():
            made = standing.suspended_since(rooms.readings, tenant, name, model.outcomes[-1], standing.EVER)
            if made is not None:
                told = {"tenant": tenant.id, "model": name, "week": made.week, "line": str(made.line)}
                told |= {"by": made.roles, "why": made.sentence[:WHY]}
                labels = ",".join(f'{label}="{_quoted(value)}"' for label, value in told.items())
                yield f"ordertime_model_suspended_since{{{labels}}} {made.at.timestamp():.0f}\n"


def _quoted(value: str) -> str:
    """A label's value as Prometheus' text format writes it."""
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _begin() -> None:
    g.began = time.perf_counter()


def _end(response: Response) -> Response:
    route = request.url_rule.rule if request.url_rule else "(none)"
    seconds = time.perf_counter() - getattr(g, "began", time.perf_counter())
    ANSWERS.labels(route, str(response.status_code)).inc()
    SECONDS.labels(route).observe(seconds)
    if route not in ("/healthz", "/readyz", "/metrics", "/static/<path:filename>"):
        log.info("answered", route=route, status=response.status_code, ms=round(seconds * 1000, 1))
    return response


def _frames(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Where a fault happened, without what it said: an exception's words may quote a chart."""
    if event.pop("exc_info", None):
        fault = sys.exc_info()[2]
        event["frames"] = [f"{f.filename}:{f.lineno} {f.name}" for f in traceback.extract_tb(fault)]
    return event


def log_to_stderr(settings: Settings) -> None:
    """One JSON line an event; stand-ins are announced at start."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _frames,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[settings.log_level]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def announce_stand_ins(settings: Settings, tenants: Iterable[Tenant]) -> None:
    """Say each stand-in aloud, whatever the log level: nobody runs on one without being told."""
    for warning in settings.warnings:
        log.critical("stand-in", what=warning)
    for tenant in tenants:
        if tenant.issuer.startswith("http:"):
            log.critical("stand-in", what=f"site {tenant.id}: its issuer has no TLS; production refuses it")
