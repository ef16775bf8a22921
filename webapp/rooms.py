"""What the doors share: settings, tenants, models, ledger, vault, transport and clock.

Each is made on first use in the process that uses it (ONNX sessions and database connections must not cross a
fork); `warm` makes them all, before a worker takes its first request.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, cast

import httpx
from flask import Flask, current_app

from ehr.capability import Capabilities
from ehr.pace import PacedTransport
from ehr.reach import Reach
from ehr.tenants import Tenants, load_tenants
from ehr.trust import KeySource
from governance.audit import AuditTrail
from governance.changes import Changes
from governance.clarity import ClarityBook
from governance.erasure import Erasure
from governance.forecasts import Forecasts
from governance.ledger import Ledger
from governance.measures import Measures
from governance.outcomes import Outcomes
from governance.readings import Readings
from governance.review import Reviews
from governance.store import Store, migrate, open_store
from governance.waiting import WaitingList
from inference import model as models_of_inference
from inference.assessment import TROPONIN, VENTILATION
from inference.model import Model
from webapp import mapping
from webapp.sessions import Vault
from webapp.settings import Settings

MODELS = (VENTILATION, TROPONIN)


class Rooms:
    """The rooms behind the doors, each opened once a process."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        wait: Callable[[float], None] = time.sleep,
        transport: httpx.BaseTransport | None = None,
        models: Mapping[str, Model] | None = None,
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.wait = wait
        self._transport = transport
        self._models = models

    @classmethod
    def install(cls, app: Flask, rooms: Rooms) -> None:
        """Make `rooms` reachable from the doors of `app`."""
        app.extensions["ordertime"] = rooms

    def warm(self) -> None:
        """Open everything: a request never waits for a model to load. A map that changed since is noted."""
        _ = self.tenants, self.models, self.ledger, self.vault, self.http, self.keys
        mapping.noted_at_start(self)

    @cached_property
    def tenants(self) -> Tenants:
        """The hospitals we trust, from the tenant folder."""
        return load_tenants(self.settings.tenants, production=self.settings.production)

    @cached_property
    def models(self) -> Mapping[str, Model]:
        """The newest artefact of each model, loaded and checked."""
        if self._models is not None:
            return self._models
        newest, load = models_of_inference.newest, models_of_inference.load
        return {name: load(newest(self.settings.artifacts, name), self.settings.device) for name in MODELS}

    @cached_property
    def cards(self) -> Mapping[str, Mapping[str, Any]]:
        """Each model's card and evaluation, as they ship with its artefact."""
        newest = models_of_inference.newest
        folders = {name: newest(self.settings.artifacts, name) for name in MODELS}
        return {
            name: {part: json.loads((folder / f"{part}.json").read_text()) for part in ("card", "evaluation")}
            for name, folder in folders.items()
        }

    @cached_property
    def store(self) -> Store:
        """The database, migrated to this version's tables."""
        store = open_store(self.settings.database_url)
        migrate(store)
        return store

    @cached_property
    def ledger(self) -> Ledger:
        """What was said, by which model, to whom."""
        return Ledger(self.store, self.settings.secret, clock=self.clock)

    @cached_property
    def audit(self) -> AuditTrail:
        """Who did what with it, and who was refused."""
        return AuditTrail(self.store, self.ledger, clock=self.clock)

    @cached_property
    def outcomes(self) -> Outcomes:
        """What became of the patients."""
        return Outcomes(self.store, clock=self.clock)

    @cached_property
    def erasure(self) -> Erasure:
        """What must go, and how."""
        reviews = Reviews(self.store, self.settings.secret, clock=self.clock)
        return Erasure(self.store, reviews, self.changes, clock=self.clock)

    @cached_property
    def waiting(self) -> WaitingList:
        """What waits for a person."""
        return WaitingList(self.store, clock=self.clock)

    @cached_property
    def measures(self) -> Measures:
        """What the models came to at the sites."""
        return Measures(self.store, self.outcomes, clock=self.clock)

    @cached_property
    def forecasts(self) -> Forecasts:
        """How many ventilators were forecast, and how that did."""
        return Forecasts(self.store)

    @cached_property
    def readings(self) -> Readings:
        """What the gates came to."""
        return Readings(self.store)

    @cached_property
    def changes(self) -> Changes:
        """What was changed, by whom and by which rule."""
        return Changes(self.store, clock=self.clock)

    @cached_property
    def clarity(self) -> ClarityBook:
        """How clear readers found the patient's page."""
        return ClarityBook(self.store, clock=self.clock)

    @cached_property
    def vault(self) -> Vault:
        """Short-lived encrypted state that all workers share."""
        return Vault(self.store, self.settings.secret, redis_url=self.settings.redis_url, clock=self.clock)

    @cached_property
    def http(self) -> httpx.Client:
        """One pool of connections; follows no redirect by itself, verifies TLS, and calls no inner address unasked."""
        reach = Reach(inside=not self.settings.production, networks=self.settings.networks)
        limits = httpx.Limits(max_connections=40, max_keepalive_connections=20)
        timeout = httpx.Timeout(5.0, connect=2.0)
        transport = self._transport or PacedTransport(reach, limits=limits, trust_env=False)
        return httpx.Client(transport=transport, timeout=timeout, follow_redirects=False, trust_env=False)

    @cached_property
    def capabilities(self) -> Capabilities:
        """What each hospital's server can create, as its CapabilityStatement says."""
        return Capabilities(self.http, self.clock)

    @cached_property
    def keys(self) -> KeySource:
        """The CDS clients' public keys, fetched from their tenants' own addresses and kept a while."""
        return KeySource(self.http)


def here() -> Rooms:
    """The rooms of the app that answers this request."""
    return cast(Rooms, current_app.extensions["ordertime"])
