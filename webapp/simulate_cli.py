"""What plays the synthetic year: `flask --app wsgi simulate --out DIR`, which is `make simulate`.

The folder holds a ledger of its own, the site's file, its gates and approvals, and `year.json`, written last: a
folder without it is not finished. Refuses a folder whose ledger holds anything.
"""

from __future__ import annotations

import gc
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import Final

import click
from flask import Flask
from flask.cli import with_appcontext

from ehr.tenants import load_tenants
from governance.code_maps import CodeMaps
from governance.errors import GovernanceError
from governance.playing import FINISHED, Note, play_into, told_of
from governance.simulated import SITE, Year
from governance.store import migrate, open_store
from webapp import mapping, reviewing
from webapp.simulated_site import AT

USUAL: Final = Year()
PAGE: Final = f"http://127.0.0.1:5000{AT}/gate/{SITE}"  # where `flask run` serves it


def install(app: Flask) -> None:
    """Add the command to the flask command line."""
    app.cli.add_command(simulate)


@click.command()
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Folder it is played into."
)
@click.option("--database", default="", help="A ledger elsewhere, as DATABASE_URL.  [default: DIR/ledger.db]")
@click.option("--seed", default=USUAL.seed, show_default=True, help="Another seed plays another year.")
@click.option("--days", default=USUAL.days, show_default=True, type=click.IntRange(1, 366), help="Of the year.")
@click.option(
    "--daily", default=USUAL.daily, show_default=True, type=click.FloatRange(1, 1000), help="Patients a day."
)
@with_appcontext
def simulate(out: Path, database: str, seed: int, days: int, daily: float) -> None:
    """Play a synthetic year at a synthetic hospital into a fresh ledger, in about a minute. Nobody in it is real."""
    began, year = time.perf_counter(), Year(seed=seed, days=days, daily=daily)
    out.mkdir(parents=True, exist_ok=True)
    try:
        store = open_store(database or f"sqlite:///{out / 'ledger.db'}")
        migrate(store)
        played = play_into(store, out, year, reviewing.why(UTC), noting(out))
        with click.progressbar(played, length=days, label="Simulated year") as shown, _uncollected():
            for _ in shown:
                pass
        store.close()
    except GovernanceError as error:
        raise click.ClickException(str(error)) from None
    (out / FINISHED).write_text(told_of(year), encoding="utf-8")
    click.echo(f"{days} simulated days in {time.perf_counter() - began:.0f} s: {out}")
    if not database:
        command = f"ORDERTIME_SIMULATED={shlex.quote(str(out))} {shlex.quote(sys.argv[0])} --app wsgi run"
        click.echo(f"To look at it:  {command}\nthen open       {PAGE}")


def noting(folder: Path) -> Note:
    """What notes the code map of the site in `folder`, as a start and `watch` do."""

    def note(maps: CodeMaps, by: str) -> None:
        mapping.noted_in(maps, load_tenants(folder / "tenants", production=False), by)

    return note


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the search for cycles: there are few, and it walks through all that is recalled again and again."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
