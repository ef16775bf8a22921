"""Gates and approvals as a site's signed configuration: one TOML file a site, read, checked and signed.

Approvals are Ed25519 signatures. With a shared key (HMAC) whoever can check an approval could make one, and the
server that is to be held to it would hold the pen; so the server knows public keys alone, from the file of
approvers in the settings, and each approver keeps a private key elsewhere. What is signed is the site, the gate's
digest (every limit, the threshold, the model's version), the name and the moment.
"""

from __future__ import annotations

import json
import tomllib
from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from governance.errors import GateRefusal
from governance.gate import DEFINITIONS, Approved, Gate

SHARES: Final = ("threshold", "sensitivity", "false_alarms", "margin")
COUNTS: Final = ("positives", "days", "smallest", "window")
NEEDED: Final = ("model", "outcome", "version", "threshold")


@dataclass(frozen=True, slots=True)
class Approver:
    """Somebody who may approve, at the sites listed; "*" is every site."""

    name: str
    role: str
    key: Ed25519PublicKey
    sites: frozenset[str]


@dataclass(frozen=True, slots=True)
class SiteGates:
    """A site's gates, and the verified approvals of each by its digest. `refused`: approvals not believed, and why."""

    gates: tuple[Gate, ...]
    approved: Mapping[str, tuple[Approved, ...]]
    refused: tuple[str, ...]


def read_approvers(path: Path) -> Mapping[str, Approver]:
    """The approvers in a TOML file of `[[approvers]]` with name, role, key and sites. Raises GateRefusal."""
    found: dict[str, Approver] = {}
    for entry in _entries(path, "approvers"):
        try:
            key = Ed25519PublicKey.from_public_bytes(b64decode(entry["key"], validate=True))
            one = Approver(str(entry["name"]), str(entry["role"]), key, frozenset(map(str, entry["sites"])))
        except (KeyError, TypeError, ValueError):
            raise GateRefusal(
                f"{path.name}: an approver has name, role, key (Ed25519, base64) and sites"
            ) from None
        if one.name in found or any(one.key == other.key for other in found.values()):
            raise GateRefusal(f"{path.name}: {one.name} or their key is listed twice")
        found[one.name] = one
    return found


def read_gates(path: Path, site: str, approvers: Mapping[str, Approver], now: datetime) -> SiteGates:
    """The gates of `site` in its file; none where there is no file. Raises GateRefusal for a wrong gate.

    A wrong approval stops nothing and counts for nothing: it is told in `refused`.
    """
    if not path.is_file():
        return SiteGates((), {}, ())
    gates = tuple(_gate(entry, site, path) for entry in _entries(path, "gates"))
    if len({(gate.model, gate.outcome, gate.care_unit) for gate in gates}) < len(gates):
        raise GateRefusal(f"{path.name}: two gates are of the same model, outcome and unit")
    approved: dict[str, list[Approved]] = {gate.digest: [] for gate in gates}
    refused: list[str] = []
    for entry in _entries(path, "approvals"):
        try:
            digest, approval = _approval(entry, site, approved, approvers, now)
            approved[digest].append(approval)
        except GateRefusal as refusal:
            refused.append(str(refusal))
    return SiteGates(gates, {digest: tuple(each) for digest, each in approved.items()}, tuple(refused))


def sign(gate: Gate, name: str, at: datetime, key: Ed25519PrivateKey) -> str:
    """The `[[approvals]]` entry that approves `gate`, as TOML."""
    signature = b64encode(key.sign(_message(gate.site, gate.digest, name, at))).decode()
    quoted = {"gate": gate.digest, "name": name, "at": at.isoformat(), "signature": signature}
    lines = [f"{label} = {json.dumps(value)}" for label, value in quoted.items()]
    return "\n".join([f"# approves {gate.name} at {gate.site}", "[[approvals]]", *lines, ""])


def written(gate: Gate) -> str:
    """`gate` as the `[[gates]]` entry of its site's file."""
    told = {key: value for key, value in asdict(gate).items() if key != "site" and value != ""}
    return "\n".join(["[[gates]]", *(f"{key} = {json.dumps(value)}" for key, value in told.items()), ""])


def _entries(path: Path, name: str) -> Iterator[Mapping[str, Any]]:
    try:
        with path.open("rb") as file:
            entries = tomllib.load(file).get(name, [])
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise GateRefusal(f"{path.name} cannot be read as TOML: {error}") from None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise GateRefusal(f"{path.name}: write each of the {name} as [[{name}]]")
    yield from entries


def _gate(entry: Mapping[str, Any], site: str, path: Path) -> Gate:
    known = {field.name for field in fields(Gate)} - {"site"}
    for key in (*NEEDED, *entry):
        if key not in entry or key not in known:
            raise GateRefusal(f"{path.name}: a gate {'has no key' if key in entry else 'needs'} '{key}'")
    for key, value in entry.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if key in SHARES and not (number and 0 < value < 1):
            raise GateRefusal(f"{path.name}: {key} of a gate is a share between 0 and 1, such as 0.85")
        if key in COUNTS and not (isinstance(value, int) and number and value >= 1):
            raise GateRefusal(f"{path.name}: {key} of a gate is a whole number, 1 or more")
        if key not in SHARES + COUNTS and not isinstance(value, str):
            raise GateRefusal(f"{path.name}: {key} of a gate is a text")
    if entry.get("definition", DEFINITIONS[0]) not in DEFINITIONS:
        raise GateRefusal(f"{path.name}: definition of a gate is one of {', '.join(DEFINITIONS)}")
    return Gate(site=site, **entry)


def _approval(
    entry: Mapping[str, Any],
    site: str,
    gates: Mapping[str, Any],
    approvers: Mapping[str, Approver],
    now: datetime,
) -> tuple[str, Approved]:
    """The gate's digest and the approval, verified. Raises GateRefusal with the reason."""
    name, digest = str(entry.get("name", "")), str(entry.get("gate", ""))
    who = approvers.get(name)
    if who is None:
        raise GateRefusal(f"approval by '{name}': no approver of that name is in the settings")
    if not who.sites & {site, "*"}:
        raise GateRefusal(f"approval by {name}: approves at other sites than {site}")
    if digest not in gates:
        raise GateRefusal(f"approval by {name}: of a gate {digest[:12]}… that is not configured (any more)")
    try:
        at = datetime.fromisoformat(str(entry.get("at", "")))
        who.key.verify(
            b64decode(str(entry.get("signature", "")), validate=True), _message(site, digest, name, at)
        )
    except (ValueError, InvalidSignature):
        raise GateRefusal(
            f"approval by {name}: the signature is not theirs, or not of this gate and moment"
        ) from None
    if at.utcoffset() is None or at > now:
        raise GateRefusal(f"approval by {name}: dated {at.isoformat()}, which is no moment that has been")
    return digest, Approved(name, who.role, at)


def _message(site: str, digest: str, name: str, at: datetime) -> bytes:
    return json.dumps(["ordertime/approval/1", site, digest, name, at.isoformat()]).encode()
