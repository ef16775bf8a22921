"""What the people who run it type: `flask --app wsgi score ...`, `db upgrade`, `audit export`, `tenant check`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext

from ehr.audit import audit_event
from ehr.errors import TenantError, UnknownIssuer
from ehr.finding import launches
from ehr.tenants import Tenant
from webapp import (
    board_cli,
    card_cli,
    erasing_cli,
    export_cli,
    following_cli,
    governing_cli,
    review_cli,
    simulate_cli,
    watch_cli,
)
from webapp.rooms import Rooms, here

database = AppGroup("db", help="The ledger's tables.")
trail = AppGroup("audit", help="Who did what, and who was refused.")
MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%z"])
sites = AppGroup("tenant", help="The hospitals this app is opened from.")


def install(app: Flask) -> None:
    """Add the commands to the flask command line."""
    app.cli.add_command(score)
    app.cli.add_command(database)
    app.cli.add_command(trail)
    app.cli.add_command(sites)
    governing_cli.install(app)
    review_cli.install(app)
    export_cli.install(app)
    following_cli.install(app)
    simulate_cli.install(app)
    watch_cli.install(app)
    card_cli.install(app)
    board_cli.install(app)
    erasing_cli.install(app)


@click.command()
@click.option(
    "--bulk-export",
    "export",
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder with a FHIR R4 bulk export: Patient*.ndjson, Observation*.ndjson, ..., each also .gz.",
)
@click.option(
    "--as-of",
    "moments",
    required=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="CSV with the columns patient,as_of (ISO 8601 with a zone); many moments a patient.",
)
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="FILE.csv or FILE.parquet"
)
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 64), help="Processes.")
@click.option(
    "--hours-ahead",
    type=float,
    help="Hours from each moment to the planned troponin draw, 0.5 to 24.  [default: not stated]",
)
@with_appcontext
def score(export: Path, moments: Path, out: Path, workers: int, hours_ahead: float | None) -> None:
    """Assess patients of a bulk export at many moments: the same spine without a browser."""
    from webapp import score as batch  # pyarrow and rich stay off the web process's import path

    try:
        artifacts = here().settings.artifacts
        summary = batch.score(
            export, moments, out, artifacts=artifacts, workers=workers, hours_ahead=hours_ahead
        )
    except batch.ScoreError as error:
        raise click.ClickException(str(error)) from None
    click.echo(str(summary), err=True)


@database.command("upgrade")
@with_appcontext
def upgrade() -> None:
    """Bring the tables to this version's. The app also does so at start; this does it before."""
    _ = here().store
    click.echo(f"{current_app.name}: the tables are those of this version", err=True)


@trail.command("export")
@click.option("--since", type=MOMENT, help="The first moment: a day (UTC), or ISO 8601 with a zone.")
@click.option("--until", type=MOMENT, help="The moment after the last.")
@click.option("--tenant", default="", help="One hospital's alone, by its id.")
@with_appcontext
def export(since: datetime | None, until: datetime | None, tenant: str) -> None:
    """The audit trail on standard output: FHIR R4 AuditEvents, one a line, oldest first. Names nobody."""
    for row in here().audit.read(tenant=tenant, since=_zoned(since), until=_zoned(until)):
        event = audit_event(
            row.id,
            row.at,
            row.kind,
            tenant=row.tenant,
            door=row.door,
            status=row.status,
            reason=row.reason,
            user=row.user,
            patient=row.patient,
            assessment=row.assessment,
        )
        click.echo(json.dumps(event))


def _zoned(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


@sites.command("check")
@click.argument("site")
@with_appcontext
def check(site: str) -> None:
    """Read what a hospital publishes, and say what will and will not work.

    SITE is a configured site's id, or a FHIR base URL. Nothing but its open discovery documents is read. The exit
    status is 1 when a launch cannot work.
    """
    from ehr.survey import survey  # with fhirclient's models, which stay off the web process's import path

    rooms = here()
    issuer, tenant = _named(rooms, site)
    click.echo(f"{issuer}, {f'site {tenant.id}' if tenant else 'not a configured site'}")
    found = list(survey(rooms.http, issuer, production=rooms.settings.production, tenant=tenant))
    for finding in found:
        click.echo(str(finding))
    good = launches(found)
    click.echo("a launch can work" if good else "a launch cannot work: see what blocks it")
    raise SystemExit(0 if good else 1)


def _named(rooms: Rooms, site: str) -> tuple[str, Tenant | None]:
    """The FHIR base to look at, and the site's file where one names it."""
    try:
        tenants = rooms.tenants
    except TenantError as error:
        raise click.ClickException(str(error)) from None
    if "://" in site:
        try:
            return site, tenants.by_issuer(site)
        except UnknownIssuer:
            return site, None
    try:
        tenant = tenants.by_id(site)
    except UnknownIssuer:
        known = ", ".join(each.id for each in tenants) or "none"
        raise click.ClickException(
            f"'{site}' is neither a URL nor a configured site; configured: {known}"
        ) from None
    return tenant.issuer, tenant
