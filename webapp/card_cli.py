"""What those who govern type for a live model card: `flask --app wsgi card MODEL --tenant ID --out FILE.xml|.html`."""

from __future__ import annotations

from pathlib import Path

import click
from flask import Flask, current_app
from flask.cli import with_appcontext

from ehr.errors import UnknownIssuer
from governance.errors import GovernanceError
from governance.measures import WINDOW, Glance
from webapp import carding, words
from webapp.rooms import here


def install(app: Flask) -> None:
    """Add the command to the flask command line."""
    app.cli.add_command(card)


@click.command()
@click.argument("model")
@click.option("--tenant", "site", required=True, help="The hospital's id.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="FILE.xml or FILE.html"
)
@click.option("--days", default=WINDOW, show_default=True, type=click.IntRange(1, 366), help="Days measured.")
@with_appcontext
def card(model: str, site: str, out: Path, days: int) -> None:
    """Measure MODEL at a hospital from its ledger, keep what was found for the card's page, and write the card."""
    rooms = here()
    if out.suffix not in (".xml", ".html"):
        raise click.ClickException(f"{out.name}: write to a file that ends in .xml or .html")
    if model not in rooms.models:
        raise click.ClickException(f"no model '{model}'; here are {', '.join(rooms.models)}")
    try:
        tenant = rooms.tenants.by_id(site)
        zone = words.zone_of(tenant.time_zone)
        asked = carding.questions(rooms, tenant, model)
        taken = [rooms.measures.take(each, zone, days=days) for each in asked]
    except (UnknownIssuer, GovernanceError) as error:
        raise click.ClickException(str(error)) from None
    home = rooms.settings.public_url
    with current_app.test_request_context(base_url=home):
        made = carding.made(rooms, model, tenant, [Glance(each) for each in taken])
        out.write_text(
            carding.xml(made) if out.suffix == ".xml" else carding.page(made, f"{home}/"), encoding="utf-8"
        )
    for each in taken:
        found = each.body["figures"]
        said = f"{found['patients']} patients, {found['answers']} answers of {days} days"
        click.echo(f"{out}: {each.outcome}: {said}", err=True)
