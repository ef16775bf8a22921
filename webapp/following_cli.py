"""What a schedule runs: `flask --app wsgi follow-up`, and what is done with labels: `labels export`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
from flask import Flask
from flask.cli import with_appcontext
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from ehr.errors import TenantError, UnknownIssuer
from ehr.tenants import Tenant
from governance.errors import GovernanceError
from webapp.following import Job, Summary
from webapp.rooms import Rooms, here

MOMENT = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S%z"])
USUAL = timedelta(days=35)


def install(app: Flask) -> None:
    """Add the commands to the flask command line."""
    app.cli.add_command(follow_up)


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
    start = rooms.clock() - USUAL if since is None else since if since.tzinfo else since.replace(tzinfo=UTC)
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
