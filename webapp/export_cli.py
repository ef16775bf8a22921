"""The export: `flask --app wsgi export --out DIR`, and `--check DIR`, which names what a folder lacks."""

from __future__ import annotations

from pathlib import Path

import click
from flask import Flask
from flask.cli import with_appcontext

from ehr.errors import TenantError, UnknownIssuer
from governance.errors import ExportRefusal, GovernanceError
from webapp.rooms import here


def install(app: Flask) -> None:
    """Add the command to the flask command line."""
    app.cli.add_command(export)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), help="The new folder; it appears when it is whole.")
@click.option("--site", default="", help="One hospital's alone, by its id.")
@click.option("--check", "there", type=click.Path(path_type=Path, exists=True), help="Look through a folder instead.")
@with_appcontext
def export(out: Path | None, site: str, there: Path | None) -> None:
    """Write the ledger as Parquet: every table that figures come from, and seismometer's folders of settled outcomes.

    Pseudonyms, no users, no words. Exit status 1 where a folder under --check is not whole.
    """
    from governance import export as archive  # pyarrow stays off the web process's import path
    from webapp import reviewing

    if (out is None) == (there is None):
        raise click.ClickException("name a folder to write with --out, or one to look through with --check")
    try:
        if there is not None:
            manifest = archive.checked(there)
            click.echo(f"{there}: whole, {len(manifest['files'])} files, made {manifest['made_at']}")
            return
        rooms = here()
        tenants = [rooms.tenants.by_id(site)] if site else list(rooms.tenants)
        sites = [
            archive.ExportedSite(each.id, each.time_zone, reviewing.thresholds(rooms, each)) for each in tenants
        ]
        manifest = archive.write(Path(out or ""), rooms.store, sites, now=rooms.clock())
    except (ExportRefusal, GovernanceError, TenantError, UnknownIssuer, OSError) as error:
        raise click.ClickException(str(error)) from None
    for name, count in manifest["rows"].items():
        click.echo(f"{name}: {count} rows")
