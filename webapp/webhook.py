"""Alarms to a site's webhook: one POST an alarm, to the one address that was configured.

Refuses an address that is not https (loopback excepted), carries a user or a password, or has no host; follows no
redirect, so that a hook that was taken over cannot send us elsewhere; reads nothing of the answer but its status.
What goes out are figures and codes (`governance.alarms.notice`): nobody's name, no pseudonym.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx

from ehr.tables import loopback

SECONDS: Final = 5.0
TAKEN: Final = range(200, 300)


class WebhookRefused(Exception):
    """An address alarms must not be sent to, and why."""


class Webhook:
    """A webhook at `address`, asked through `client`. Raises WebhookRefused for an address that is not safe."""

    def __init__(self, client: httpx.Client, address: str) -> None:
        self._client, self._address = client, _safe(address)

    def __call__(self, notice: Mapping[str, Any]) -> bool:
        """Whether the hook took the alarm: a 2xx within SECONDS. Anything else leaves it owed."""
        try:
            request = self._client.build_request("POST", self._address, json=dict(notice), timeout=SECONDS)
            request.headers["Idempotency-Key"] = str(notice.get("id", ""))
            response = self._client.send(request, stream=True, follow_redirects=False)
        except httpx.HTTPError:
            return False
        response.close()
        return response.status_code in TAKEN


def _safe(address: str) -> str:
    try:
        parts = urlsplit(address)
        _ = parts.port
    except ValueError:
        raise WebhookRefused("the webhook's address cannot be read") from None
    if not parts.hostname:
        raise WebhookRefused("the webhook's address has no host")
    if parts.username is not None or parts.password is not None:
        raise WebhookRefused("the webhook's address carries a user or a password")
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback(parts.hostname)):
        raise WebhookRefused("the webhook's address is not https")
    return address
