"""The daily job that watches the models: `flask --app wsgi watch`, and `watch answer` for what it raised.

May be run as often as one likes, and after any pause: finished days are told once, alarms raised once, what the
webhook did not take is owed and tried again. One site's trouble does not stop the others; it is said, and the exit
status is 1.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

import click
from flask import Flask
from flask.cli import with_appcontext

from ehr.tenants import Tenant
from governance.alarms import Alarm, Alarms
from governance.audits import Audits
from governance.code_maps import CodeMaps
from governance.daily import Daily
from governance.errors import GovernanceError
from governance.rounds import Memory, Report, Watched, go
from governance.spoken import Spoken
from inference.errors import OrdertimeError
from webapp import carding, mapping, words
from webapp.rooms import Rooms, here
from webapp.webhook import Webhook, WebhookRefused

DAY: Final = click.DateTime(["%Y-%m-%d"])


def install(app: Flask) -> None:
    """Add the commands to the flask command line."""
    app.cli.add_command(watch)


@click.group(invoke_without_command=True)
@click.option("--site", default="", help="This site alone, by its id.")
@click.pass_context
@with_appcontext
def watch(context: click.Context, site: str) -> None:
    """Note changed code maps, tell finished days, run the charts, raise and deliver alarms, audit weekly: daily."""
    if context.invoked_subcommand is not None:
        return
    rooms, troubled = here(), False
    try:
        for line in mapping.noted(rooms, "watch"):
            click.echo(f"{line.tenant or 'as shipped'}: code map changed; line {line.number} of the change log")
    except GovernanceError as error:
        click.echo(f"code maps: {error}", err=True)
        troubled = True
    for tenant in rooms.tenants:
        if site in ("", tenant.id):
            troubled = _watched(rooms, tenant) or troubled
    raise SystemExit(1 if troubled else 0)


@watch.command("list")
@click.argument("site")
@with_appcontext
def list_alarms(site: str) -> None:
    """The alarms of SITE, newest first, and what was decided about each."""
    for alarm in _alarms(here()).listed(site):
        click.echo(f"{alarm.id} {_told(alarm)}; {_since(alarm)}")


@watch.command("answer")
@click.argument("site")
@click.argument("alarm")
@click.option("--decision", required=True, help='What was decided, in a few words: "code-mapped".')
@click.option("--by", required=True, help="Who decided: kept as a pseudonym.")
@click.option("--from", "begins", type=DAY, help="The day its chart begins anew.  [default: today]")
@with_appcontext
def answer(site: str, alarm: str, decision: str, by: str, begins: datetime | None) -> None:
    """Answer the alarm ALARM of SITE: its chart begins anew, and may then alarm again."""
    rooms = here()
    try:
        tenant = rooms.tenants.by_id(site)
        today = rooms.clock().astimezone(words.zone_of(tenant.time_zone)).date()
        day = begins.date() if begins else today
        if day > today:
            raise click.ClickException(f"{day} is still to come: a chart begins anew today or earlier")
        who = rooms.ledger.user_pseudonym(tenant.id, by)
        new = _alarms(rooms).answer(tenant.id, alarm, user=who, decision=decision, from_day=day)
    except OrdertimeError as error:
        raise click.ClickException(str(error)) from None
    if not new:
        raise click.ClickException("this alarm was answered before; the first answer stands")
    click.echo(f"answered: {decision}; its chart begins anew on {day}")


def memory(rooms: Rooms) -> Memory:
    """What the round reads and writes."""
    spoken = Spoken(rooms.store, rooms.settings.secret)
    alarms, audits = _alarms(rooms), Audits(rooms.store, clock=rooms.clock)
    maps = CodeMaps(rooms.store, rooms.changes, clock=rooms.clock)
    return Memory(spoken, Daily(rooms.store), rooms.outcomes, alarms, audits, rooms.changes, maps)


def subjects(rooms: Rooms, tenant: Tenant) -> tuple[Watched, ...]:
    """What is watched at a site: each model's headline, at the threshold its gate approved, else the site's own."""
    found = []
    for name, model in rooms.models.items():
        outcome, hours = model.outcomes[-1], model.hours[-1]
        reading = rooms.readings.last(tenant.id, name, outcome)
        own = tenant.models[name].threshold
        threshold = float(reading.body["gate"]["threshold"]) if reading is not None else own
        inputs = tuple(model.manifest["inputs"])
        zone = words.zone_of(tenant.time_zone)
        found.append(
            Watched(tenant.id, name, model.version, outcome, hours, threshold, inputs, zone)
        )
    return tuple(found)


def _watched(rooms: Rooms, tenant: Tenant) -> bool:
    """One site's round and delivery; whether there was trouble."""
    try:
        for what in subjects(rooms, tenant):
            report = go(memory(rooms), what, rooms.clock())
            click.echo(f"{tenant.id} {what.model} {what.version}: {_said(report)}")
            for alarm in report.raised:
                click.echo(f"  {_told(alarm)}")
        for measure in carding.kept_up(rooms, tenant):
            click.echo(f"{tenant.id} {measure.model} {measure.version}: {measure.outcome} measured for its card")
        return _delivered(rooms, tenant)
    except GovernanceError as error:
        click.echo(f"{tenant.id}: {error}", err=True)
        return True


def _delivered(rooms: Rooms, tenant: Tenant) -> bool:
    """Hand what is owed to the site's webhook; whether any is still owed."""
    alarms = _alarms(rooms)
    owed = _owed(alarms, tenant)
    if not owed:
        return False
    if not tenant.alarm_webhook:
        click.echo(f"{tenant.id}: {owed} alarms wait; no alarm_webhook is configured, `watch list` shows them")
        return False
    why = ""
    try:
        taken = alarms.deliver(tenant.id, Webhook(rooms.http, tenant.alarm_webhook))
    except (OrdertimeError, WebhookRefused) as error:  # a name that leads inside, an address nobody may call
        taken, why = 0, f" ({error})"
    left = _owed(alarms, tenant)  # asked anew: another run may be posting
    click.echo(f"{tenant.id}: {taken} alarms delivered, {left} owed to the next run{why}")
    return left > 0


def _owed(alarms: Alarms, tenant: Tenant) -> int:
    return sum(each.delivered_at is None for each in alarms.listed(tenant.id))


def _alarms(rooms: Rooms) -> Alarms:
    return Alarms(rooms.store, clock=rooms.clock)


def _said(report: Report) -> str:
    parts = [f"{report.days} days told", f"{report.charts} charts, {report.waiting} without a baseline yet"]
    parts += [f"{report.unreadable} answers could not be read"] if report.unreadable else []
    parts += [f"{len(report.raised)} alarms raised"]
    parts += [f"audit of the week of {report.audited}"] if report.audited else []
    return "; ".join(parts)


def _told(alarm: Alarm) -> str:
    found = alarm.finding
    about = " ".join(part for part in (found.chart, found.subject) if part)
    cause = f", likely cause {found.cause} {found.what}".rstrip() if found.cause else ""
    way = "up" if found.direction > 0 else "down"
    return f"{alarm.model} {about} {way} on {found.crossed_on}, since {found.began_on}{cause}"


def _since(alarm: Alarm) -> str:
    begins: date | None = alarm.from_day
    return f"answered: {alarm.decision}, anew from {begins}" if alarm.answered_at else "stands"
