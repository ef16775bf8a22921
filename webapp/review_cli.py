"""What reviewers and a schedule type: `review make|page|sign|decide`, `equity run`. No login on the web is needed."""

from __future__ import annotations

from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext

from ehr.errors import TenantError, UnknownIssuer
from ehr.tenants import Tenant
from governance import decisions
from governance.decisions import KINDS, Decision
from governance.errors import GateRefusal, GovernanceError, ReviewRefusal
from governance.review import Review
from governance.weeks import Week
from webapp import carding, deciding, handout, review_page, reviewing
from webapp.rooms import Rooms, here

review = AppGroup("review", help="The weekly review: put together, read, signed, decided.")
equity = AppGroup("equity", help="Audits by group.")
FILE = click.Path(path_type=Path, dir_okay=False)
HERE = click.Path(path_type=Path, dir_okay=False, exists=True)


def install(app: Flask) -> None:
    """Add the commands to the flask command line."""
    app.cli.add_command(review)
    app.cli.add_command(equity)


@review.command("make")
@click.argument("site", default="")
@click.argument("week", default="")
@with_appcontext
def make(site: str, week: str) -> None:
    """Put a week's review together and keep it: for a schedule, on Mondays.

    Without SITE every site's, without WEEK (2026-W21) the last whole week's. A decided week stays as it was signed.
    """
    rooms, wrong = here(), 0
    for tenant in _sites(rooms, site):
        try:
            kept = reviewing.made(rooms, tenant, Week.read(week) if week else reviewing.latest(rooms, tenant))
            carding.kept_up(rooms, tenant)
            review_page.drawn(rooms, tenant, kept)
        except ReviewRefusal as refusal:
            click.echo(f"{tenant.id}: {refusal}", err=True)
            wrong = 1
        except GovernanceError as error:
            raise click.ClickException(f"{tenant.id}: {error}") from None
        else:
            many = len(kept.body["questions"])
            click.echo(f"{tenant.id} {kept.week.name}: {many} open questions; digest {kept.digest}")
    raise SystemExit(wrong)


@review.command("page")
@click.argument("site")
@click.argument("week")
@click.option("--out", required=True, type=FILE, help="FILE.pdf or FILE.html")
@with_appcontext
def page(site: str, week: str, out: Path) -> None:
    """Write a week's review to a file; one that was never put together is put together first."""
    rooms = here()
    (tenant,) = _sites(rooms, site)
    if out.suffix not in (".pdf", ".html"):
        raise click.ClickException("--out is a file that ends in .pdf or .html")
    try:
        kept = _kept(rooms, tenant, week) or reviewing.made(rooms, tenant, Week.read(week))
        with current_app.test_request_context():
            html = review_page.paper(rooms, tenant, kept)
        out.write_bytes(handout.sheets(html) if out.suffix == ".pdf" else review_page.alone(html).encode())
    except (GovernanceError, handout.PrintingUnavailable, OSError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{out}: week {kept.week.name} of {tenant.id}, digest {kept.digest}", err=True)


@review.command("sign")
@click.argument("site")
@click.argument("week")
@click.option("--decision", "kind", required=True, type=click.Choice(KINDS), help="What is decided.")
@click.option("--sentence", required=True, help="What and why; a suspension's is shown on open pages.")
@click.option("--impact", default="", help="What it does: the impact assessment.  [default: the decision's own]")
@click.option("--model", default="", help="The model it is about.  [default: all]")
@click.option("--gate", default="", help="change-threshold: the gate, model/outcome or model/outcome/unit.")
@click.option("--threshold", default="", help="change-threshold: the new threshold, such as 0.25.")
@click.option("--as", "name", required=True, help="The signer's name, as in the file of approvers.")
@click.option("--key", "private", required=True, type=HERE, help="The signer's private key, from `gate key`.")
@with_appcontext
def sign(
    site: str, week: str, kind: str, sentence: str, impact: str, model: str, gate: str, threshold: str, name: str,
    private: Path,
) -> None:  # fmt: skip
    """Print a signature under a decision about a week's review as it is kept now.

    A decision to suspend takes effect once it is recorded; its sentence then stands on open pages, so name no patient
    in it. One to change a threshold names the gate and the threshold.
    """
    rooms = here()
    (tenant,) = _sites(rooms, site)
    model = model or gate.partition("/")[0]
    if model and model not in tenant.models:
        raise click.ClickException(f"'{model}' is none of the models: {', '.join(tenant.models)}")
    _can_be(rooms, tenant, gate)
    try:
        own = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(private.read_text().strip()))
        kept = _there(rooms, tenant, week)
        told = Decision(tenant.id, kept.week.name, kept.digest, kind, sentence, impact, model, gate, threshold)
        click.echo(decisions.sign(told, name, rooms.clock().replace(microsecond=0), own))
    except (ValueError, GovernanceError) as error:
        raise click.ClickException(str(error)) from None


@review.command("decide")
@click.argument("site")
@click.argument("week")
@click.argument("files", nargs=-1, required=True, type=HERE)
@with_appcontext
def decide(site: str, week: str, files: tuple[Path, ...]) -> None:
    """Record the decision that FILES hold the signatures of; it becomes a line of the change log.

    Every signature is checked, and one that is wrong is named and stops the recording.
    """
    rooms = here()
    (tenant,) = _sites(rooms, site)
    try:
        signed = decisions.read(path.read_text(encoding="utf-8") for path in files)
        kept, approvers = _there(rooms, tenant, week), reviewing.approvers(rooms)
        decision, signatures = decisions.verified(signed, kept, approvers, rooms.clock())
        _can_be(rooms, tenant, decision.gate)
        _, line = reviewing.decisions(rooms).record(decision, signatures, tenant.review.roles)
    except (UnicodeDecodeError, GovernanceError) as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"line {line.number} of the change log: {line.modification}\n  by {line.author}; digest {line.digest}")
    click.echo(f"  {line.impact}")
    review_page.drawn(rooms, tenant, kept)


@equity.command("run")
@click.argument("site", default="")
@with_appcontext
def run(site: str) -> None:
    """Audit every version that is due by group: for a schedule, daily. New versions at once, the others weekly."""
    rooms = here()
    try:
        for tenant in _sites(rooms, site):
            for kept in reviewing.audited(rooms, tenant):
                below = sum((cell["four_fifths"] or 1.0) < 0.8 for cell in kept.body["cells"])
                click.echo(f"{tenant.id} {kept.model} {kept.version} {kept.outcome}: {below} groups below four fifths")
    except GovernanceError as error:
        raise click.ClickException(str(error)) from None


def _sites(rooms: Rooms, name: str) -> list[Tenant]:
    try:
        return [rooms.tenants.by_id(name)] if name else list(rooms.tenants)
    except (TenantError, UnknownIssuer):
        raise click.ClickException(f"no site '{name}' is configured here") from None


def _can_be(rooms: Rooms, tenant: Tenant, gate: str) -> None:
    """Raises ClickException for a gate that no line of configuration could ever make."""
    if not gate:
        return
    try:
        gates = deciding.site_gates(rooms, tenant.id)
    except GateRefusal:
        gates = deciding.NO_GATES
    if lacking := deciding.unknown(rooms, tenant, gate, gates):
        raise click.ClickException(f"{tenant.id} can have no gate '{gate}': {lacking}")


def _kept(rooms: Rooms, tenant: Tenant, week: str) -> Review | None:
    return reviewing.reviews(rooms).last(tenant.id, Week.read(week))


def _there(rooms: Rooms, tenant: Tenant, week: str) -> Review:
    kept = _kept(rooms, tenant, week)
    if kept is None:
        raise ReviewRefusal(f"week {week} of {tenant.id} has not been reviewed: run `review make {tenant.id} {week}`")
    return kept
