"""What those who govern type: `flask --app wsgi gate weigh|sign|suspend|key`, `changes list|verify`."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from datetime import datetime
from functools import partial
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask
from flask.cli import AppGroup, with_appcontext

from ehr.errors import UnknownIssuer
from ehr.tenants import Tenant
from governance import brake, held
from governance.approvals import Approver, SiteGates, read_approvers, sign
from governance.changes import Change, faults, walked
from governance.errors import GateRefusal, GovernanceError, LedgerUnavailable, ReviewRefusal, Unreadable
from governance.gate import Gate
from governance.readings import Reading
from governance.weighing import Memory, weigh
from webapp import deciding, reviewing, words
from webapp.rooms import Rooms, here

gate = AppGroup("gate", help="Whether a model may answer here.")
log = AppGroup("changes", help="The change log.")
FILE = click.Path(path_type=Path, dir_okay=False)


def install(app: Flask) -> None:
    """Add the commands to the flask command line."""
    app.cli.add_command(gate)
    app.cli.add_command(log)


@gate.command("weigh")
@with_appcontext
def weigh_all() -> None:
    """Weigh every site's gates against its ledger: for a schedule, daily."""
    rooms = here()
    try:
        for tenant in rooms.tenants:
            for reading in weighed(rooms, tenant):
                click.echo(_said(reading))
    except GovernanceError as error:
        raise click.ClickException(str(error)) from None


@gate.command("key")
@click.option(
    "--out", required=True, type=FILE, help="Where the private key goes; the public one is printed."
)
def key(out: Path) -> None:
    """Make an approver's key: theirs alone, kept away from the server."""
    if out.exists():
        raise click.ClickException(f"{out} is there already; a key is never written over")
    made = Ed25519PrivateKey.generate()
    out.touch(mode=0o600)
    out.write_text(made.private_bytes_raw().hex())
    click.echo(b64encode(made.public_key().public_bytes_raw()).decode())


@gate.command("sign")
@click.argument("site")
@click.argument("name")
@click.option("--as", "approver", required=True, help="The approver's name, as in the file of approvers.")
@click.option(
    "--key", "private", required=True, type=click.Path(path_type=Path, exists=True), help="Private key."
)
@click.option(
    "--threshold", type=float, help="Sign the gate as it will be with this threshold.  [default: as configured]"
)
@with_appcontext
def sign_one(site: str, name: str, approver: str, private: Path, threshold: float | None) -> None:
    """Print the approval of the gate NAME (model/outcome, or model/outcome/unit) of SITE, to add to its file."""
    rooms = here()
    try:
        own = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private.read_text().strip()))
        found = _to_sign(rooms, site, name, threshold)
    except (ValueError, GateRefusal) as error:
        raise click.ClickException(str(error)) from None
    click.echo(sign(found, approver, rooms.clock().replace(microsecond=0), own))


@gate.command("suspend")
@click.argument("site")
@click.argument("model", default="")
@click.option("--sentence", required=True, help="Why; it is shown on open pages, so name no patient in it.")
@click.option("--as", "name", required=True, help="The approver's name, as in the file of approvers.")
@click.option(
    "--key", "private", required=True, type=click.Path(path_type=Path, exists=True), help="Private key."
)
@with_appcontext
def suspend(site: str, model: str, sentence: str, name: str, private: Path) -> None:
    """Stop MODEL at SITE at once in every worker, without MODEL all of them: one approver's word is enough.

    The way back is the gate's own, on two approvals given afterwards.
    """
    rooms = here()
    try:
        tenant = rooms.tenants.by_id(site)
    except UnknownIssuer:
        raise click.ClickException(f"no site '{site}' is configured here") from None
    if model and model not in tenant.models:
        raise click.ClickException(f"'{model}' is none of the models: {', '.join(tenant.models)}")
    try:
        own = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private.read_text().strip()))
        listed = _approvers(rooms)
        if name not in listed:
            raise click.ClickException(f"no approver '{name}' is in {rooms.settings.approvers}")
        at = rooms.clock().replace(microsecond=0)
        what = brake.Stop(tenant.id, model, sentence, at)
        line = brake.stop(rooms.store, rooms.changes, what, listed[name], own)
    except (ValueError, GovernanceError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"line {line.number} of the change log: {line.modification}\n  by {line.author}; {line.impact}")


@log.command("list")
@click.option("--tenant", default="", help="Only this site's.")
@click.option("--json", "raw", is_flag=True, help="One JSON object a line, as `verify --file` reads it.")
@with_appcontext
def list_lines(tenant: str, raw: bool) -> None:
    """Every line of the change log, oldest first."""
    for line in here().changes.lines(tenant):
        told = {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in asdict(line).items()
        }
        plain = f"{line.number} {line.at.isoformat()} {line.tenant} {line.kind} by {line.author}\n  {line.modification}"
        click.echo(json.dumps(told) if raw else f"{plain}\n  {line.protocol}\n  {line.impact}")


@log.command("verify")
@click.option("--head", default="", help="A digest written down earlier, which must still be in the log.")
@click.option(
    "--file", "path", type=click.Path(path_type=Path, exists=True), help="A log from `list --json`."
)
@with_appcontext
def verify(head: str, path: Path | None) -> None:
    """Prove the chain: name each line that was changed, dropped or moved. Exit status 1 if any was.

    The log is held to what kept reviews and decisions say of it too, so that an end cut off before the last of them is
    found; and a FILE to the log itself, where the database at hand has one.
    """
    rooms = here()
    lines = rooms.changes.lines if path is None else partial(_lines, path)
    chain = walked(lines(), head)
    said = [] if chain.sound else list(faults(lines(), head))
    told = [f"{chain.count} lines, each as it was written; last digest {chain.last or 'none'}"]
    try:
        if path is None:
            said += _held(rooms)
        else:
            more, note = _beside(rooms, lines)
            said, told = [*said, *more], [*told, *note]
    except (Unreadable, ReviewRefusal) as error:
        said.append(f"what kept reviews say of the log cannot be known: {error}")
    except LedgerUnavailable as error:
        if path is None:
            raise click.ClickException(str(error)) from None
        told.append(f"not held to the log itself: {error}")
    for each in said:
        click.echo(each, err=True)
    if said:
        raise SystemExit(1)
    for each in told:
        click.echo(each)


def _held(rooms: Rooms) -> list[str]:
    """Where the log at hand is not as reviews, decisions and suspensions have it."""
    found = held.holds(rooms.store, reviewing.reviews(rooms))
    return [*held.loose(rooms.changes.lines(), found), *held.unsigned(rooms.store, rooms.changes.lines())]


def _beside(rooms: Rooms, lines: Callable[[], Iterator[Change]]) -> tuple[list[str], list[str]]:
    """A file's lines beside the log at hand: what is wrong, and what is to be known."""
    if not rooms.changes.count():
        lost = _held(rooms)
        return lost, [] if lost else ["not held to the log itself: the database at hand has none"]
    differs = held.beside(lines(), rooms.changes.lines())
    if differs.after is None:
        return list(differs.faults), [] if differs.faults else ["the log here is the same, and ends there too"]
    at = differs.after.at.isoformat(timespec="seconds")
    note = f"the log here goes on for {differs.more} more, from {at}: the file was made before that, or its end cut off"
    return [], [note]


def weighed(rooms: Rooms, tenant: Tenant) -> tuple[Reading, ...]:
    """Weigh the gates of one site. Raises GovernanceError."""
    asked = {name: policy.state for name, policy in tenant.models.items()}
    memory = Memory(rooms.outcomes, rooms.readings, rooms.changes)
    zone = words.zone_of(tenant.time_zone)
    return weigh(memory, _gates(rooms, tenant.id), asked, tenant=tenant.id, zone=zone, clock=rooms.clock)


def _to_sign(rooms: Rooms, site: str, name: str, threshold: float | None) -> Gate:
    """The gate as it is signed: as the file has it, or as its page writes it. Raises GateRefusal."""
    if threshold is not None and not 0 < threshold < 1:
        raise GateRefusal("a threshold is a share between 0 and 1, such as 0.25")
    gates = _gates(rooms, site)
    found = deciding.configured(gates, name)
    if found is not None:
        return found if threshold is None else replace(found, threshold=threshold)
    try:
        tenant = rooms.tenants.by_id(site)
    except UnknownIssuer:
        raise GateRefusal(f"no site '{site}' is configured here") from None
    if threshold is None:
        raise GateRefusal(f"{site} has no gate '{name}'; with --threshold a new one is signed, as its page writes it")
    if lacking := deciding.unknown(rooms, tenant, name, gates):
        raise GateRefusal(f"{site} can have no gate '{name}': {lacking}")
    return deciding.new(rooms, tenant, name, threshold)


def _gates(rooms: Rooms, site: str) -> SiteGates:
    return deciding.site_gates(rooms, site)


def _approvers(rooms: Rooms) -> Mapping[str, Approver]:
    path = rooms.settings.approvers
    return read_approvers(path) if path.is_file() else {}


def _said(reading: Reading) -> str:
    lacking = ", ".join(dict.fromkeys(each["code"] for each in reading.body["missing"])) or "nothing"
    name = "/".join(part for part in (reading.model, reading.outcome, reading.care_unit) if part)
    return f"{reading.tenant} {name} {reading.version}: {reading.state.value}; missing: {lacking}"


def _lines(path: Path) -> Iterator[Change]:
    """The lines of a file. Raises ClickException naming the one that cannot be read."""
    with path.open(encoding="utf-8") as file:
        for number, text in enumerate(file, 1):
            try:
                line = Change(**json.loads(text))
                yield replace(line, at=datetime.fromisoformat(str(line.at)))
            except (ValueError, TypeError):
                raise click.ClickException(f"row {number} of {path.name} is no line of a change log") from None
