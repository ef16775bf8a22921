"""What the hospital is told from outside: its ports, its clients, its clock. The demo's environment is read
here only.

Refuses a port that is not a number between 1 and 65535 (ConfigError, naming the variable).
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

Resource = dict[str, Any]

AUTHORED: Final = "demo.patients"
CLIENT_SECRET: Final = "demonstration-secret-of-a-stand-in-hospital"
PATIENT_SCOPES: Final = frozenset({
    "patient", "user", "openid", "fhirUser", "profile", "launch", "launch/patient", "launch/encounter",
    "online_access", "offline_access",
})
SYSTEM_SCOPES: Final = frozenset({"system"})


class ConfigError(Exception):
    """A setting the hospital cannot start with: the variable, what is wrong, what to set."""


@dataclass(frozen=True, slots=True)
class Registration:
    """An app the hospital knows.

    `auth` is "none", "client_secret_basic" or "private_key_jwt"; `kinds` are the scopes it may ask for: the
    special ones by name, resource scopes by their level ("patient", "user", "system").
    """

    client_id: str
    auth: str
    redirect_uris: tuple[str, ...] = ()
    secret: str = field(default="", repr=False)
    jwks_uri: str = ""
    grants: tuple[str, ...] = ("authorization_code", "refresh_token")
    kinds: frozenset[str] = PATIENT_SCOPES


@dataclass(frozen=True, slots=True)
class Settings:
    """The hospital's own settings. `url` and `app_url` have no trailing slash; lifetimes are in seconds.

    `patients` gives the resources for a moment; None means `demo.patients.everyone`. With `faults` the hidden
    address /_faults exists and requests are remembered, for tests of what an app does in bad weather.
    `quiet_minutes` is how long the app is asked not to repeat a card here; 0 shows every one. `later` gives what
    happens after the moment the patients are told at, each with its time, and stays hidden until then; None means
    `demo.patients.later` for the authored patients. `wait_hours` is how long the app waits for late charting.
    """

    url: str = "http://localhost:8090"
    app_url: str = "http://127.0.0.1:8000"
    clients: tuple[Registration, ...] = ()
    secret_key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    faults: bool = False
    patients: Callable[[datetime], list[Resource]] | None = None
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    access_token_seconds: int = 900
    refresh_token_seconds: int = 8 * 3600
    launch_seconds: int = 300
    page_size: int = 50
    largest_page: int = 200
    redate_after: timedelta = timedelta(hours=6)
    quiet_minutes: float = 5
    later: Callable[[datetime], list[tuple[datetime, Resource]]] | None = None
    wait_hours: float = 1

    @property
    def port(self) -> int:
        """The hospital's port."""
        return int(self.url.rpartition(":")[2])

    @property
    def app_port(self) -> int:
        """The app's port."""
        return int(self.app_url.rpartition(":")[2])

    @property
    def fhir(self) -> str:
        """The FHIR base: the issuer and the `aud` of every launch, byte for byte."""
        return f"{self.url}/fhir"

    @property
    def token_url(self) -> str:
        """Where codes and assertions are redeemed."""
        return f"{self.url}/auth/token"


def registrations(app_url: str) -> tuple[Registration, ...]:
    """The ways the app is registered here: public, with a secret, with its own keys, without a user."""
    back = (f"{app_url}/callback",)
    keys = f"{app_url}/.well-known/jwks.json"
    return (
        Registration("ordertime", "none", back),
        Registration("ordertime-secret", "client_secret_basic", back, secret=CLIENT_SECRET),
        Registration("ordertime-asymmetric", "private_key_jwt", back, jwks_uri=keys),
        Registration("ordertime-backend", "private_key_jwt", jwks_uri=keys, grants=("client_credentials",),
                     kinds=SYSTEM_SCOPES),
    )


def settings_for(ehr_port: int, app_port: int) -> Settings:
    """The settings of a hospital on these loopback ports, with the app beside it on another site."""
    app_url = f"http://127.0.0.1:{app_port}"
    return Settings(url=f"http://localhost:{ehr_port}", app_url=app_url, clients=registrations(app_url))


def from_environment(environment: Mapping[str, str]) -> Settings:
    """Settings from EHR_PORT (8090), APP_PORT (8000), EHR_REDATE_HOURS (6), EHR_FAULTS (unset). Raises ConfigError."""
    ehr_port, app_port = port(environment, "EHR_PORT", 8090), port(environment, "APP_PORT", 8000)
    if ehr_port == app_port:
        raise ConfigError("EHR_PORT and APP_PORT are the same; the hospital and the app need one each")
    settings = settings_for(ehr_port, app_port)
    redate = timedelta(hours=hours(environment, "EHR_REDATE_HOURS", 6))
    faults = environment.get("EHR_FAULTS", "") not in ("", "0")
    return replace(settings, faults=faults, redate_after=redate)


def hours(environment: Mapping[str, str], name: str, default: int) -> int:
    """The whole hours in variable `name`, 1 to 1000. Raises ConfigError when they are none."""
    told = environment.get(name, "").strip() or str(default)
    if not told.isdecimal() or not 0 < int(told) <= 1000:
        raise ConfigError(f"{name} is '{told}'; set it to whole hours between 1 and 1000")
    return int(told)


def port(environment: Mapping[str, str], name: str, default: int) -> int:
    """The port number in variable `name`. Raises ConfigError when it is none."""
    told = environment.get(name, "").strip() or str(default)
    if not told.isdecimal() or not 0 < int(told) < 65536:
        raise ConfigError(f"{name} is '{told}'; set it to a free port between 1024 and 65535")
    return int(told)
