"""The apps registered here, as Authlib wants to ask about them.

Refuses a redirect URI that is not registered byte for byte, and every scope the app may not have.
"""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from authlib.oauth2.rfc6749 import ClientMixin

from demo.config import Registration
from demo.scopes import granted

if TYPE_CHECKING:
    from demo.records import Hospital


class Client(ClientMixin):  # type: ignore[misc]  # authlib has no types
    """One registered app."""

    def __init__(self, known: Registration, withheld: frozenset[str] = frozenset()) -> None:
        self.known, self._withheld = known, withheld
        self.client_id = known.client_id

    def get_client_id(self) -> str:
        """Its id."""
        return self.client_id

    def get_default_redirect_uri(self) -> str | None:
        """None: SMART wants redirect_uri in every request."""
        return None

    def get_allowed_scope(self, scope: str | None) -> str | None:
        """The part of the asked scope it may have; None, which refuses, when that is nothing."""
        kept = granted(scope or "", self.known.kinds).split()
        return " ".join(one for one in kept if one not in self._withheld) or None

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        """Whether this is a registered address."""
        return redirect_uri in self.known.redirect_uris

    def check_client_secret(self, client_secret: str) -> bool:
        """Whether the secret is right, in constant time."""
        known = self.known.secret.encode()
        return bool(known) and secrets.compare_digest(known, client_secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        """Whether this is the one way the app is registered to prove itself."""
        return method == self.known.auth

    def check_response_type(self, response_type: str) -> bool:
        """Only the code flow."""
        return response_type == "code" and "authorization_code" in self.known.grants

    def check_grant_type(self, grant_type: str) -> bool:
        """Whether the app is registered for this grant."""
        return grant_type in self.known.grants


def find_client(hospital: Hospital, client_id: str) -> Client | None:
    """The registered app with this id."""
    for known in hospital.settings.clients:
        if known.client_id == client_id:
            return Client(known, hospital.faults.withheld)
    return None
