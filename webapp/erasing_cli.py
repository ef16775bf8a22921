"""Erasure as commands: `flask --app wsgi erase SITE`, on request, and `retain`, by each site's own retention."""

from __future__ import annotations

from collections.abc import Sequence

import click
from flask import Flask
from flask.cli import with_appcontext

from ehr.errors import TenantError, UnknownIssuer
from governance.erasure import Erased
from governance.errors import GovernanceError
from webapp import review_page, reviewing
from webapp.rooms import Rooms, here
from webapp.sessions import VaultUnavailable


def install(app: Flask) -> None:
    """Add the commands to the flask command line."""
    app.cli.add_command(erase)
    app.cli.add_command(retain)


@click.command()
@click.argument("site")
@click.option("--sentence", required=True, help="By whose request, as the change log keeps it: names no patient.")
@click.option("--as", "author", required=True, help="Who erases: stands in the change log.")
@click.option(
    "--patient",
    prompt="Patient's id at the hospital (not shown)",
    hide_input=True,
    help="The id, as in Patient/ID; asked for when left out, so that it lies in no shell's history.",
)
@with_appcontext
def erase(site: str, sentence: str, author: str, patient: str) -> None:
    """Erase one patient of SITE: what names or describes them goes, counts and figures stay.

    Cannot be undone. Exit status 1 where nothing of that patient is here.
    """
    rooms, bare = here(), patient.strip().removeprefix("Patient/")
    if bare and bare in sentence:
        raise click.ClickException("the sentence names the patient; it stays in the change log: leave the id out")
    try:
        tenant = rooms.tenants.by_id(site)
        whose = rooms.ledger.pseudonym(tenant.id, bare)
        found = rooms.erasure.requested(tenant.id, whose, author=author, sentence=sentence)
    except UnknownIssuer:
        raise click.ClickException(f"no site '{site}' is configured here") from None
    except (GovernanceError, TenantError) as error:
        raise click.ClickException(str(error)) from None
    _papers(rooms, site, [each.week.name for each in reviewing.reviews(rooms).weeks(tenant.id)])
    if not found.patients:
        raise click.ClickException(f"nothing of that patient is in {site}'s ledger")
    click.echo(_said(tenant.id, found))


@click.command()
@with_appcontext
def retain() -> None:
    """Erase whoever's retention is over, at every site whose file has [retention]: for a schedule, daily."""
    rooms = here()
    try:
        for tenant in rooms.tenants:
            if tenant.retention.days is None:
                click.echo(f"{tenant.id}: no [retention] in its file; nothing goes by itself", err=True)
                continue
            found = rooms.erasure.retained(tenant.id, tenant.retention.days)
            click.echo(_said(tenant.id, found))
            _papers(rooms, tenant.id, found.reviews)
    except (GovernanceError, TenantError) as error:
        raise click.ClickException(str(error)) from None


def _papers(rooms: Rooms, site: str, weeks: Sequence[str]) -> None:
    """Throw away papers that were drawn of these weeks; who asks for one has it drawn again."""
    try:
        for week in weeks:
            review_page.thrown_away(rooms, site, week)
    except VaultUnavailable as error:
        named = ", ".join(weeks)
        raise click.ClickException(
            f"{site}: erased, but papers drawn of {named} may still be held, sealed, for up to a quarter: {error}"
        ) from None


def _said(site: str, found: Erased) -> str:
    weeks = f"; taken out of the reviews of {', '.join(found.reviews)}" if found.reviews else ""
    return f"{site}: {found.patients} patients erased with {found.answers} answers{weeks}"
