"""What the people who run it type: `flask --app wsgi score ...`, `db upgrade`, `audit export`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click
from flask import Flask, current_app
from flask.cli import AppGroup, with_appcontext

from ehr.audit import audit_event
from webapp.rooms import here

database = AppGroup("db", help="The ledger's tables.")
trail = AppGroup("audit", help="Who did what, and who was refused.")
MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%z"])


def install(app: Flask) -> None:
    """Add the commands to the flask command line."""
    app.cli.add_command(score)
    app.cli.add_command(database)
    app.cli.add_command(trail)


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
