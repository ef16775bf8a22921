"""What a schedule runs: `flask --app wsgi follow-up`, and what is done with labels: `labels export`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
from flask import Flask
from flask.cli import AppGroup, with_appcontext
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from ehr.errors import TenantError, UnknownIssuer
from ehr.tenants import Tenant
from governance.errors import GovernanceError
from webapp import labels as data
from webapp.following import Job, Summary
from webapp.rooms import Rooms, here

MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%z"])
USUAL = timedelta(days=35)
labels = AppGroup("labels", help="What became of the patients, as data.")


def install(app: Flask) -> None:
    """Add the commands to the flask command line."""
    app.cli.add_command(follow_up)
    app.cli.add_command(labels)


@click.command("follow-up")
@click.option("--tenant", default="", help="One hospital's alone, by its id.  [default: all with a [backend]]")
@click.option(
    "--since", type=MOMENT, help="Answers from then on: a day (UTC), or ISO 8601 with a zone.  [default: 35 days ago]"
)
@click.option("--limit", default=0, type=click.IntRange(0), help="Patients at most.  [default: all]")
@click.option(
    "--minutes", default=50.0, show_default=True, type=click.FloatRange(0.01, 1440), help="Then stop, cleanly."
)
@with_appcontext
def follow_up(tenant: str, since: datetime | None, limit: int, minutes: float) -> None:
    """Find what became of those the models answered about: for a schedule, hourly or daily.

    Safe to run again at any time, also after it was killed. Exit status: 0 nothing is left that could be done now,
    75 something is (run again), 1 a fault.
    """
    rooms, console = here(), Console(stderr=True)
    start = _zoned(since) or rooms.clock() - USUAL
    summaries = []
    for site in _sites(rooms, tenant):
        if site.backend is None:
            click.echo(f"{site.id}: no [backend] client in its tenant file; nothing is followed up", err=True)
            continue
        try:
            summaries.append(_followed(Job(rooms, site, start, limit, minutes * 60), console))
        except GovernanceError as error:
            raise click.ClickException(f"{site.id}: {error}") from None
        click.echo(str(summaries[-1]))
    if tenant and not summaries:
        raise SystemExit(1)
    statuses = {summary.status for summary in summaries}
    raise SystemExit(1 if 1 in statuses else max(statuses, default=0))


@labels.command("export")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="FILE.jsonl or .parquet")
@click.option("--tenant", default="", help="One hospital's alone, by its id.  [default: all]")
@click.option("--since", type=MOMENT, help="Answers from then on: a day (UTC), or ISO 8601 with a zone.")
@click.option(
    "--procedures",
    is_flag=True,
    help="Only what persons found of ventilation, its beginnings, hours without one and hours of which it cannot be "
    "known, as Procedures for the folder of a bulk export (FILE is Procedure-labels.ndjson): `python -m training "
    "adapt` reads them. Names patients.",
)
@with_appcontext
def export(out: Path, tenant: str, since: datetime | None, procedures: bool) -> None:
    """Every label that stands, a person's before a rule's; pseudonymous unless --procedures is given."""
    rooms = here()
    sites = [site.id for site in _sites(rooms, tenant)]
    if procedures and len(sites) != 1:
        raise click.ClickException("--procedures is for one hospital's export: name it by --tenant")
    found = data.standing(rooms.outcomes, sites, _zoned(since))
    try:
        if not procedures:
            click.echo(f"{data.export(found, out)} labels in {out}", err=True)
            return
        told = data.procedures(found, rooms.ledger, out)
    except (data.LabelsError, GovernanceError) as error:
        raise click.ClickException(str(error)) from None
    no_row = ", ".join(f"{label} {count}" for label, count in sorted(told.no_row.items())) or "none"
    without = f"{told.without_one} answers without one and {told.not_to_be_known} that cannot be known"
    said = f"{told.beginnings} beginnings, {without} in {out}, which names patients"
    click.echo(f"{said}; labels without a row: {no_row}", err=True)
    if told.unreadable:
        raise click.ClickException(f"{told.unreadable} labels are of patients who cannot be opened with this secret")


def _zoned(moment: datetime | None) -> datetime | None:
    return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)


def _followed(job: Job, console: Console) -> Summary:
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        task = bar.add_task(job.tenant.id, total=None)
        job.step = lambda total: bar.update(task, total=total, advance=1)
        job.say = lambda line: bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        return job.run()


def _sites(rooms: Rooms, name: str) -> list[Tenant]:
    try:
        return [rooms.tenants.by_id(name)] if name else list(rooms.tenants)
    except (TenantError, UnknownIssuer) as error:
        raise click.ClickException(str(error)) from None
