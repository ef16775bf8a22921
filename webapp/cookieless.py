"""A launch and a visit in a frame whose browser keeps no cookie: the secret travels as a form field instead.

The launch's page leaves its secret in the frame's sessionStorage, where only this origin's pages in this tab find it,
and so does the page after the callback with the visit's. A page that misses its cookie asks the script for the secret
and has it posted: never in an address, and never the hospital's token. Only a visit that began so is opened so: where
a cookie survives, nothing but the cookie opens it. Refuses (SessionExpired) a post without the secret.
"""

from __future__ import annotations

from collections.abc import Mapping

from flask import Flask, Response, make_response, render_template, request

from webapp import words
from webapp.errors import SessionExpired

FRAMES = frozenset({"iframe", "frame", "embed", "object"})  # Sec-Fetch-Dest of a page within a page
SPOILT = "the browser kept neither a cookie nor what stands in for one"


class HandleNeeded(Exception):
    """No cookie came; the page may post the secret kept under `name`."""

    def __init__(self, name: str, again: str = "") -> None:
        super().__init__(name)
        self.name = name
        self.again = again  # where a window of its own would begin anew


def install(app: Flask) -> None:
    """Answer a page that misses its cookie with the question for what stands in for it."""
    app.register_error_handler(HandleNeeded, asking)


def framed() -> bool:
    """Whether the browser says that it shows this page within another one."""
    return request.headers.get("Sec-Fetch-Dest", "") in FRAMES


def name_of(kind: str, key: str) -> str:
    """What the secret is called in sessionStorage."""
    return f"{kind}:{key}"


def sent(name: str, again: str = "") -> str:
    """The secret that came in the form. Raises HandleNeeded where a page was only opened, SessionExpired."""
    handle = request.form.get("handle", "")
    if handle:
        return handle
    if request.method in ("GET", "HEAD"):
        raise HandleNeeded(name, again)
    raise SessionExpired(SPOILT)


def leaving(url: str, name: str, secret: str) -> Response:
    """A page that keeps `secret` and goes on to the hospital at `url`."""
    return _onward("leave", name, action="", keep=secret, leave=url)


def arriving(url: str, name: str, secret: str) -> Response:
    """A page that keeps `secret` and goes on to `url`, ours, by posting it."""
    return _onward("arrive", name, action=url, keep=secret)


def asking(need: HandleNeeded) -> Response:
    """A page that posts the secret, and what the address said, to where it was missed."""
    landed = (
        request.path == "/callback"
    )  # its address holds a code: that goes into the body, and out of the history
    fields = request.args.to_dict() if landed else {}
    action = request.path if landed else request.full_path.rstrip("?")
    return _onward("arrive", need.name, action=action, fields=fields, again=need.again)


def _onward(
    step: str,
    name: str,
    *,
    action: str,
    keep: str = "",
    leave: str = "",
    again: str = "",
    fields: Mapping[str, str] | None = None,
) -> Response:
    told = {
        part: words.say("en", f"small.onward-{part}") for part in ("title", "text", "lost", "link", "script")
    }
    body = render_template(
        "onward.html",
        step=step,
        name=name,
        action=action,
        keep=keep,
        leave=leave,
        again=again,
        fields=fields or {},
        language="en",
        link_on=words.say("en", "small.waiting-link"),
        **told,
    )
    return make_response(body)
