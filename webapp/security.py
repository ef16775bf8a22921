"""What every answer carries, and who may frame it.

Strict content security policy without inline script or style; `frame-ancestors` of the visit's tenant alone;
no referrer; nothing stored. Cookies are `__Host-`, partitioned, one per visit, and hold a random secret that
only this browser and the encrypted vault know. Forms carry a token bound to that secret.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import timedelta

from flask import Flask, Response, g, request

from webapp.errors import SessionExpired

KEPT = {"static": 3600, "launch.jwks": 300}  # seconds for which others may keep what is about no patient


def install(app: Flask) -> None:
    """Set the headers of every answer."""
    app.after_request(_headers)


def _headers(response: Response) -> Response:
    ancestors = " ".join(getattr(g, "frame_ancestors", ())) or "'none'"
    targets = " ".join(["'self'", *getattr(g, "form_targets", ())])
    style = " ".join(["'self'", *getattr(g, "style_hosts", ())])
    frames = " ".join(getattr(g, "frames", ())) or "'none'"
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; script-src 'self'; style-src {style}; img-src 'self' data:; font-src 'self'; "
        f"connect-src 'self'; form-action {targets}; base-uri 'none'; object-src 'none'; frame-src {frames}; "
        f"frame-ancestors {ancestors}"
    )
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Permissions-Policy"] = "camera=(), microphone=(), geolocation=()"
    response.headers["Cross-Origin-Resource-Policy"] = "same-site"
    kept = KEPT.get(request.endpoint or "", 0) if response.status_code == 200 else 0
    response.headers["Cache-Control"] = f"public, max-age={kept}" if kept else "no-store"
    if request.is_secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    return response


def fresh() -> str:
    """256 random bits, for states, visits and cookies."""
    return secrets.token_urlsafe(32)


def digest(value: str) -> str:
    """What the vault keeps of a cookie's secret: enough to recognise it, not to make it."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def cookie_name(kind: str, key: str) -> str:
    """One cookie per launch or visit, so that two patients in two tabs cannot mix."""
    return f"__Host-{kind}-{digest(key)[:10]}"


def set_cookie(response: Response, name: str, value: str, lasting: timedelta) -> None:
    """A cookie that survives in a cross-site frame (partitioned) and nowhere else."""
    response.set_cookie(
        name, value, max_age=lasting, path="/", secure=True, httponly=True, samesite="None", partitioned=True
    )


def drop_cookie(response: Response, name: str) -> None:
    """Forget a cookie; the attributes must be those it was set with."""
    set_cookie(response, name, "", timedelta(0))


def form_token(secret: str, visit: str) -> str:
    """The token a visit's forms carry; only a page of this visit in this browser can know it."""
    return hmac.new(secret.encode(), f"form:{visit}".encode(), hashlib.sha256).hexdigest()


def check_form_token(secret: str, visit: str, sent: str) -> None:
    """Raises SessionExpired unless `sent` is this visit's token."""
    if not hmac.compare_digest(form_token(secret, visit).encode(), sent.encode("utf-8", "replace")):
        raise SessionExpired("the form was not sent from this visit's page: open it again from the chart")
