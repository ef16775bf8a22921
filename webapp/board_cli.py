"""What a schedule runs for the unit board: `flask --app wsgi board --tenant ID [--group GROUP | --file NDJSON ...]`.

Says counts and how earlier forecasts did, and names nobody: its output ends up in logs.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click
from flask import Flask
from flask.cli import with_appcontext

from ehr.board_policy import EXPORT, UnitPolicy
from ehr.errors import EhrError, UnknownIssuer
from ehr.tenants import Tenant
from governance.errors import GovernanceError
from governance.forecasts import NARROW, WIDE, Record
from webapp import board_view, boarding, unlooked
from webapp.backend import OutOfTime
from webapp.boarding import AVERAGE, ON, RISK, UNREAD, Seen
from webapp.exporting import Exported
from webapp.rooms import Rooms, here

RUN_AGAIN = 75  # EX_TEMPFAIL


def install(app: Flask) -> None:
    """Add the command to the flask command line."""
    app.cli.add_command(board)


@click.command()
@click.option("--tenant", "site", required=True, help="The hospital's id.")
@click.option("--group", default="", help="Id of the hospital's Group.  [default: each unit's own]")
@click.option(
    "--file",
    "files",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="NDJSON of a bulk export of one unit, also .gz; may be given several times.",
)
@click.option("--unit", "name", default="", help="The unit that --file is of, by its id.")
@with_appcontext
def board(site: str, group: str, files: tuple[Path, ...], name: str) -> None:
    """Look at a hospital's units: who is there, how many ventilators will be needed, how earlier forecasts did.

    Exit status: 0 every unit was looked at, 75 the hospital is not done with an export (run again), 1 a fault.
    """
    rooms, left, faults = here(), False, list[str]()
    if group and files:
        raise click.ClickException("--group and --file are two ways to read a unit; give one")
    try:
        tenant = rooms.tenants.by_id(site)
        for unit in _units(tenant, group, name, by_file=bool(files)):
            try:
                seen = _seen(rooms, tenant, unit, files)
            except OutOfTime:
                click.echo(f"{unit.id}: the hospital is not done; run again, which goes on where this ended", err=True)
                left = True
                continue
            except EhrError as fault:  # the other units have their own
                unlooked.failed(rooms, tenant.id, unit.id, fault)
                faults.append(str(fault))
                continue
            unlooked.looked(rooms, tenant.id, unit.id)
            click.echo("\n".join(_said(rooms, tenant, unit, seen)))
    except (UnknownIssuer, EhrError, GovernanceError) as error:
        raise click.ClickException(str(error)) from None
    if faults:
        raise click.ClickException("; ".join(dict.fromkeys(faults)))
    if left:
        raise SystemExit(RUN_AGAIN)


def _seen(rooms: Rooms, tenant: Tenant, unit: UnitPolicy, files: tuple[Path, ...]) -> Seen:
    if files:
        return boarding.by_files(rooms, tenant, unit, files)
    look = boarding.by_export if unit.read == EXPORT else boarding.by_group
    return look(rooms, tenant, unit, unit.group)


def _units(tenant: Tenant, group: str, name: str, *, by_file: bool) -> tuple[UnitPolicy, ...]:
    """The units to look at. Raises ClickException naming what to configure or to give."""
    units = tenant.board.units
    if not units:
        raise click.ClickException(f"site {tenant.id} has no [[board.units]]; describe the unit in its file")
    known = ", ".join(f"{unit.id} (group {unit.group or 'none'})" for unit in units)
    if group or name:
        found = [unit for unit in units if (group and group in (unit.group, unit.id)) or (name and name == unit.id)]
        if not found:
            raise click.ClickException(f"no unit of site {tenant.id} is '{group or name}'; there are {known}")
        return (found[0],)
    if by_file:
        if len(units) > 1:
            raise click.ClickException(f"say which unit the files are of: --unit ID, one of {known}")
        return units
    read = tuple(unit for unit in units if unit.group)
    if not read:
        raise click.ClickException(f"no unit of site {tenant.id} has a group; give --file, or configure one")
    return read


def _said(rooms: Rooms, tenant: Tenant, unit: UnitPolicy, seen: Seen) -> list[str]:
    counts, look = seen.counts, seen.look
    told = [
        f"{unit.id}: {look.patients} patients of {unit.beds} beds; {counts[ON]} on a ventilator of "
        f"{unit.ventilators}; {counts[RISK]} by the model's risk, {counts[AVERAGE]} without a number",
    ]
    if counts[UNREAD]:
        faults = Counter(row.reason for row in seen.rows if row.counted == UNREAD)
        told.append(f"  not read: {', '.join(f'{name} {many}' for name, many in sorted(faults.items()))}")
    if seen.others:
        told.append(f"  members that are no patients here: {seen.others}")
    if seen.export is not None:
        told += _of_export(seen.export)
    if seen.bad_lines:
        told.append(f"  bad lines, left out: {seen.bad_lines}")
    if not seen.demands:
        told.append("  no forecast: too few charts could be read")
    elif look.state in board_view.SHOWING:
        told += [
            f"  in {made.hours:g} h: {made.mean:.1f} ventilators, 80 % {_range(made.intervals[NARROW])}, "
            f"95 % {_range(made.intervals[WIDE])}"
            for made in seen.demands
        ]
    else:
        told.append(f"  a forecast was kept and is not shown: the model is {look.state.value} here")
    records = rooms.forecasts.records(tenant.id, unit.id, rooms.clock(), version=look.version)
    return told + [_did(each) for each in records]


def _of_export(export: Exported) -> list[str]:
    """What the hospital's export lacked, by codes and counts."""
    told = [f"  by an export of {export.as_of:%Y-%m-%d %H:%M} UTC, {len(export.files)} files"]
    if export.issues:
        said = ", ".join(f"{code} {many}" for code, many in sorted(export.issues.items()))
        told.append(f"  errors the hospital reports in its export: {said}; charts count as cut short")
    if export.missing:
        told.append(f"  rows the hospital counted and did not send: {export.missing}; charts count as cut short")
    if not export.deleted:
        told.append("  the hospital did not agree to delete the export")
    return told


def _did(each: Record) -> str:
    if each.score is None:
        return f"  earlier, {each.hours:g} h ahead: none scored yet, {each.unscored} cannot be"
    score = each.score
    return (
        f"  earlier, {each.hours:g} h ahead: {score.forecasts} scored, {each.unscored} cannot be; inside 80 % "
        f"{score.coverage[NARROW]:.0%}, inside 95 % {score.coverage[WIDE]:.0%}; off by {score.error:.2f}, no change by "
        f"{score.error_of_persistence:.2f}"
    )


def _range(ends: tuple[int, int]) -> str:
    return f"{ends[0]} to {ends[1]}"
