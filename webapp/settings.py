"""Settings: frozen, from the environment, and the only place where the environment is read.

Refuses to start half-configured: in production a missing, short or stand-in secret, a public URL without https, a
tenant folder that is not there, debugging or a database in memory is an error that names the variable and the
remedy. In development and demonstration the stand-ins are loud: `Settings.warnings` lists them, and the app says
each on standard error, whatever the log level.
`docs/settings.md` describes every variable; a test compares it with this file.
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from ehr.reach import NEVER, Network

MODES: Final = ("production", "demonstration", "development")
DEVICES: Final = ("auto", "cpu", "cuda")
ROOT: Final = Path(__file__).resolve().parent.parent
SHORTEST_SECRET: Final = 32
STAND_INS: Final = ("secret", "password", "change", "example", "default", "ordertime", "develop", "12345678")
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class SettingsError(Exception):
    """A setting that would make the app start wrong: the variable, what is wrong, and what to set."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything the app is told from outside. See docs/settings.md for each variable."""

    mode: str
    public_url: str
    tenants: Path
    secret: bytes = field(repr=False)
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    device: str
    artifacts: Path
    hook_deadline: float  # seconds after which a hook answers 503 rather than late
    read_budget: float  # seconds all FHIR reads of one launch may take together
    visit_hours: float
    log_level: str
    limits: Mapping[str, int]  # of each door, calls a minute; 0: no limit
    proxies: int  # how many proxies of ours write X-Forwarded-For
    networks: tuple[Network, ...]  # private ones that hospitals' servers are in
    metrics_folder: str  # where the workers' counters meet; "" for a single process
    gates: Path  # folder with one gate file a site, approvals in it
    approvers: Path  # file of those who may approve, with their public keys
    simulated: Path | None = None  # folder of a simulated year, shown under /simulated
    warnings: tuple[str, ...] = ()

    @property
    def production(self) -> bool:
        """Whether every stand-in is refused."""
        return self.mode == "production"


VARIABLES: Final[Mapping[str, str]] = {
    "ORDERTIME_MODE": "development",
    "ORDERTIME_PUBLIC_URL": "http://127.0.0.1:8000",
    "ORDERTIME_TENANTS": str(ROOT / "tenants"),
    "ORDERTIME_SECRET_KEY": "",  # nosec B105  none: production refuses to start so
    "DATABASE_URL": f"sqlite:///{ROOT / 'var' / 'ordertime.db'}",
    "REDIS_URL": "",
    "INFERENCE_DEVICE": "auto",
    "ORDERTIME_ARTIFACTS": str(ROOT / "inference" / "artifacts"),
    "ORDERTIME_HOOK_DEADLINE": "2.0",
    "ORDERTIME_READ_BUDGET": "8.0",
    "ORDERTIME_VISIT_HOURS": "8",
    "ORDERTIME_LOG_LEVEL": "INFO",
    "ORDERTIME_HOOKS_A_MINUTE": "6000",
    "ORDERTIME_FEEDBACK_A_MINUTE": "6000",
    "ORDERTIME_LAUNCHES_A_MINUTE": "1200",
    "ORDERTIME_PAPERS_A_MINUTE": "30",
    "ORDERTIME_CLARITY_A_MINUTE": "60",
    "ORDERTIME_PROXIES": "0",
    "ORDERTIME_PRIVATE_NETWORKS": "",
    "PROMETHEUS_MULTIPROC_DIR": "",
    "ORDERTIME_GATES": str(ROOT / "gates"),
    "ORDERTIME_APPROVERS": str(ROOT / "gates" / "approvers.toml"),
    "ORDERTIME_SIMULATED": "",
}
LIMITED: Final = (
    "hooks",
    "feedback",
    "launches",
    "papers",
    "clarity",
)  # doors with a limit; why so much: docs/settings.md


def from_environment(environment: Mapping[str, str]) -> Settings:
    """The settings in `environment`. Raises SettingsError on the first one the app must not start with."""
    told = {name: environment.get(name, "").strip() or default for name, default in VARIABLES.items()}
    mode = _one_of("ORDERTIME_MODE", told["ORDERTIME_MODE"], MODES)
    warnings: list[str] = []
    settings = Settings(
        mode=_announced(mode, told["ORDERTIME_PUBLIC_URL"], warnings),
        public_url=_public_url(told["ORDERTIME_PUBLIC_URL"], mode),
        tenants=_folder("ORDERTIME_TENANTS", told["ORDERTIME_TENANTS"], needed=mode != "development"),
        secret=_secret(told["ORDERTIME_SECRET_KEY"], mode, warnings),
        database_url=_database(
            told["DATABASE_URL"], mode, bool(environment.get("DATABASE_URL", "").strip()), warnings
        ),
        redis_url=told["REDIS_URL"],
        device=_one_of("INFERENCE_DEVICE", told["INFERENCE_DEVICE"], DEVICES),
        artifacts=_folder("ORDERTIME_ARTIFACTS", told["ORDERTIME_ARTIFACTS"], needed=True),
        hook_deadline=_seconds("ORDERTIME_HOOK_DEADLINE", told["ORDERTIME_HOOK_DEADLINE"]),
        read_budget=_seconds("ORDERTIME_READ_BUDGET", told["ORDERTIME_READ_BUDGET"]),
        visit_hours=_seconds("ORDERTIME_VISIT_HOURS", told["ORDERTIME_VISIT_HOURS"]),
        log_level=_one_of(
            "ORDERTIME_LOG_LEVEL", told["ORDERTIME_LOG_LEVEL"].upper(), ("DEBUG", "INFO", "WARNING", "ERROR")
        ),
        limits=MappingProxyType(
            {
                name: _count(f"ORDERTIME_{name.upper()}_A_MINUTE", told[f"ORDERTIME_{name.upper()}_A_MINUTE"])
                for name in LIMITED
            }
        ),
        proxies=_count("ORDERTIME_PROXIES", told["ORDERTIME_PROXIES"]),
        networks=_networks("ORDERTIME_PRIVATE_NETWORKS", told["ORDERTIME_PRIVATE_NETWORKS"]),
        metrics_folder=told["PROMETHEUS_MULTIPROC_DIR"],
        gates=Path(told["ORDERTIME_GATES"]),
        approvers=Path(told["ORDERTIME_APPROVERS"]),
        simulated=_simulated(told["ORDERTIME_SIMULATED"], mode),
        warnings=tuple(warnings),
    )
    _no_debugging(settings, environment)
    return settings


def _no_debugging(settings: Settings, environment: Mapping[str, str]) -> None:
    if not settings.production:
        return
    if environment.get("FLASK_DEBUG", "") not in ("", "0"):
        raise SettingsError("FLASK_DEBUG is set in production: unset it, the debugger runs code for anybody")
    if settings.log_level == "DEBUG":
        raise SettingsError(
            "ORDERTIME_LOG_LEVEL is DEBUG in production: set it to INFO; libraries say too much"
        )


def _announced(mode: str, public_url: str, warnings: list[str]) -> str:
    """`mode`, with a warning unless it is production."""
    if mode != "production":
        warnings.append(f"ORDERTIME_MODE is {mode}: stand-ins serve; set it to production for real patients")
        if urlsplit(public_url).hostname not in LOOPBACK:
            warnings.append(f"ORDERTIME_PUBLIC_URL is reached from other machines, and the mode is {mode}")
    return mode


def _one_of(name: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise SettingsError(f"{name} is '{value}'; set it to one of {', '.join(allowed)}")
    return value


def _public_url(value: str, mode: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise SettingsError(
            f"ORDERTIME_PUBLIC_URL is '{value}'; set the https address the EHR reaches the app at"
        )
    if mode == "production" and parts.scheme != "https":
        raise SettingsError("ORDERTIME_PUBLIC_URL is not https; in production patient data needs TLS")
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        raise SettingsError(
            "ORDERTIME_PUBLIC_URL is http on another machine; only loopback may do without TLS"
        )
    return value.rstrip("/")


def _folder(name: str, value: str, *, needed: bool) -> Path:
    path = Path(value)
    if needed and not path.is_dir():
        raise SettingsError(
            f"{name} is '{value}', which is not a folder; create it or point {name} elsewhere"
        )
    return path


def _simulated(value: str, mode: str) -> Path | None:
    if value and mode == "production":
        raise SettingsError("ORDERTIME_SIMULATED is set in production: unset it, nobody in it is real")
    return Path(value) if value else None


def _secret(value: str, mode: str, warnings: list[str]) -> bytes:
    if not value:
        if mode == "production":
            raise SettingsError("ORDERTIME_SECRET_KEY is not set; generate one with `openssl rand -hex 32`")
        warnings.append(
            "ORDERTIME_SECRET_KEY is not set: a random one serves until this process ends, and each worker has another"
        )
        return secrets.token_bytes(SHORTEST_SECRET)
    if len(value) < SHORTEST_SECRET or len(set(value)) < 8:
        raise SettingsError(
            f"ORDERTIME_SECRET_KEY is too short or too plain: {SHORTEST_SECRET} random characters or more, "
            "for example from `openssl rand -hex 32`"
        )
    stand_in = next((word for word in STAND_INS if word in value.lower()), "")
    if stand_in:
        raise SettingsError(
            f"ORDERTIME_SECRET_KEY holds '{stand_in}', as a stand-in does: generate one with `openssl rand -hex 32`"
        )
    return value.encode()


def _database(value: str, mode: str, told: bool, warnings: list[str]) -> str:
    if mode == "production" and (not told or ":memory:" in value or value == "sqlite://"):
        raise SettingsError(
            "DATABASE_URL is not set, or lives in memory; name the file or the PostgreSQL to keep"
        )
    if not told:
        warnings.append("DATABASE_URL is not set: the ledger is kept in var/ordertime.db")
    return value


def _count(name: str, value: str) -> int:
    if not value.isascii() or not value.isdigit() or len(value) > 7:
        raise SettingsError(f"{name} is '{value}'; set a whole number, 0 for none")
    return int(value)


def _networks(name: str, value: str) -> tuple[Network, ...]:
    """The networks written in CIDR, with commas between. Raises SettingsError, also for those nobody may call."""
    found: list[Network] = []
    for text in filter(None, (part.strip() for part in value.split(","))):
        try:
            network = ipaddress.ip_network(text)
        except ValueError:
            raise SettingsError(
                f"{name} holds '{text}'; write networks as 10.20.0.0/16, with commas between"
            ) from None
        if network.prefixlen == 0 or any(_overlap(network, never) for never in NEVER):
            raise SettingsError(f"{name} holds '{text}', where no hospital is: list its own network alone")
        found.append(network)
    return tuple(found)


def _overlap(one: Network, other: Network) -> bool:
    """Whether the two share an address."""
    if isinstance(one, ipaddress.IPv4Network):
        return isinstance(other, ipaddress.IPv4Network) and one.overlaps(other)
    return isinstance(other, ipaddress.IPv6Network) and one.overlaps(other)


def _seconds(name: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e6:
        raise SettingsError(f"{name} is '{value}'; set a positive number")
    return number
