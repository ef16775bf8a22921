"""Proving who we are to an authorisation server: nothing (public), HTTP Basic (secret), or a signed
assertion.

An assertion lives four minutes, names its key, and is never used twice (SMART App Launch 2.2, asymmetric
client authentication; RFC 7523). Refuses to put `client_id` beside a proof that already says it, and to
follow redirects.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode

import httpx
from authlib.oauth2.auth import ClientAuth
from joserfc import jwt

from ehr.answers import refusal
from ehr.errors import EhrError, LaunchDenied, LaunchRefused
from ehr.keys import algorithm
from ehr.site import Client
from ehr.transport import FORM, Budget, ask

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFE: Final = timedelta(minutes=4)  # the limit is five, counted on the server's clock
LARGEST_RESPONSE: Final = 256 * 1024  # bytes

Fresh = Callable[[int], str]  # bytes of randomness -> text safe in URLs; `secrets.token_urlsafe`


def client_assertion(
    who: Client, audience: str, *, now: datetime, fresh: Fresh = secrets.token_urlsafe
) -> str:
    """A new assertion for the token endpoint `audience`, signed with the client's own key."""
    if who.signing_key is None:
        raise ValueError("a client without a signing key makes no assertion")
    name = algorithm(who.signing_key)
    who.signing_key.ensure_kid()
    header = {"alg": name, "kid": who.signing_key.kid, "typ": "JWT"}
    iat = int(now.timestamp())
    claims = {
        "iss": who.client_id,
        "sub": who.client_id,
        "aud": audience,
        "iat": iat,
        "exp": iat + int(ASSERTION_LIFE.total_seconds()),
        "jti": fresh(24),
    }
    return jwt.encode(header, claims, who.signing_key, algorithms=[name])


def post_form(
    http: httpx.Client,
    url: str,
    who: Client,
    form: Mapping[str, str],
    *,
    now: datetime,
    budget: Budget,
    fresh: Fresh = secrets.token_urlsafe,
) -> dict[str, Any]:
    """The JSON an authorisation endpoint answers to `form` with our proof; {} for an empty answer.

    Never repeated: a code or a refresh token works once. Raises LaunchRefused with the OAuth error code in
    `causes`, EhrUnavailable, Throttled.
    """
    headers, body = _proven(url, who, dict(form), now, fresh)
    answer = ask(
        http,
        "POST",
        url,
        budget=budget,
        where="authorisation server",
        headers=headers,
        content=body.encode(),
        largest=LARGEST_RESPONSE,
    )
    if answer.good:
        return answer.document("token response") if answer.body.strip() else {}
    if answer.status == 429 or answer.status >= 500:
        raise refusal(answer, "authorisation server", now)
    try:
        document = answer.document("token response")
    except EhrError:
        document = {}
    raise oauth_refusal(document.get("error"), document.get("error_description"), f" [{answer.status}]")


def oauth_refusal(code: object, description: object, detail: str = "") -> LaunchRefused:
    """An OAuth error as ours: the code, if it looks like one, in the message; the description only in
    `said`.
    """
    known = code if isinstance(code, str) and re.fullmatch(r"[a-z_]{3,40}", code) else "no reason given"
    said = description if isinstance(description, str) else ""
    message = f"the hospital's authorisation server refused: {known}{detail}"
    kind = LaunchDenied if known == "access_denied" else LaunchRefused
    return kind(message, said=said[:2000], causes=(known,))


def _proven(
    url: str, who: Client, form: dict[str, str], now: datetime, fresh: Fresh
) -> tuple[dict[str, str], str]:
    """Headers and body of `form` with the client's proof."""
    headers = {"Accept": "application/json", "Content-Type": FORM}
    if who.auth == "private_key_jwt":
        form |= {
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": client_assertion(who, url, now=now, fresh=fresh),
        }
        return headers, urlencode(form)
    method = {"public": "none", "secret": "client_secret_basic"}[who.auth]  # nosec B105
    proof = ClientAuth(who.client_id, who.client_secret, method)
    _, headers, body = proof.prepare("POST", url, headers, urlencode(form))
    return headers, body
