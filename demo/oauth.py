"""The OAuth 2 core on Authlib: code flow with PKCE S256, refresh with rotation, client credentials,
revocation.

Refuses a launch without an S256 challenge, whatever the client; a code or refresh token used twice; a
client that proves itself in another way than it is registered for.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError, grants
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import UserInfo
from authlib.oidc.core.grants import OpenIDCode
from flask import Flask

from demo.assertion import ClientAssertion, FetchJson
from demo.clients import Client, find_client
from demo.grants import Code, Context, Grant, fresh
from demo.records import Hospital
from demo.scopes import rule

AUTHENTICATION: Final = ("none", "client_secret_basic", "private_key_jwt")
BACKEND_SECONDS: Final = 300


class S256Only(CodeChallenge):  # type: ignore[misc]  # authlib has no types
    """PKCE, demanded of every client; `plain` is not known."""

    DEFAULT_CODE_CHALLENGE_METHOD = ""
    SUPPORTED_CODE_CHALLENGE_METHOD = ("S256",)

    def validate_code_challenge(self, grant: Any, redirect_uri: str) -> None:
        """Raise InvalidRequestError without a well-formed S256 challenge."""
        sent = grant.request.payload.data
        if not sent.get("code_challenge") or sent.get("code_challenge_method") != "S256":
            raise InvalidRequestError("PKCE is required: send code_challenge and code_challenge_method=S256")
        super().validate_code_challenge(grant, redirect_uri)


class HeldCode:
    """A code as Authlib wants to ask about it."""

    def __init__(self, code: Code) -> None:
        self.held = code
        self.code_challenge, self.code_challenge_method = code.challenge, "S256"

    def get_redirect_uri(self) -> str:
        """Where it was sent."""
        return self.held.redirect_uri

    def get_scope(self) -> str:
        """What it grants."""
        return self.held.scope

    def get_nonce(self) -> str | None:
        """The nonce of the authorisation request."""
        return self.held.nonce

    def get_auth_time(self) -> int:
        """When the user was known, in seconds since 1970."""
        return int(self.held.issued_at.timestamp())

    def get_acr(self) -> None:
        """Nothing is claimed about how the user signed in."""

    def get_amr(self) -> None:
        """Nothing is claimed about how the user signed in."""


class HeldRefresh:
    """A refresh token as Authlib wants to ask about it."""

    def __init__(self, token: str, grant: Grant) -> None:
        self.token, self.held = token, grant

    def check_client(self, client: Client) -> bool:
        """Whether it was given to this client."""
        return self.held.client_id == client.client_id

    def get_scope(self) -> str:
        """What it grants."""
        return self.held.scope


class Bearer(BearerTokenGenerator):  # type: ignore[misc]  # authlib has no types
    """Opaque tokens; a refresh token only where online_access or offline_access was granted."""

    def __init__(self, launch_seconds: int) -> None:
        def lifetime(_: Client, grant_type: str) -> int:
            return BACKEND_SECONDS if grant_type == "client_credentials" else launch_seconds

        super().__init__(lambda **_: fresh(), lambda **_: fresh(), lifetime)

    def generate(self, grant_type: str, client: Client, user: Any = None, scope: str | None = None,
                 expires_in: int | None = None, include_refresh_token: bool = True) -> dict[str, Any]:
        """The token response before SMART's additions."""
        lasting = bool({"online_access", "offline_access"} & {*(scope or "").split()})
        token: dict[str, Any] = super().generate(grant_type, client, user, scope, expires_in,
                                                 include_refresh_token and lasting)
        return token


class Authorisation(AuthorizationServer):  # type: ignore[misc]  # authlib has no types
    """Authlib's authorisation server over this hospital's clients, codes and tokens."""

    def __init__(self, app: Flask, hospital: Hospital, fetch: FetchJson) -> None:
        self.hospital = hospital
        super().__init__(app, lambda client_id: find_client(hospital, client_id), self.keep)
        self.register_token_generator("default", Bearer(hospital.settings.access_token_seconds))
        assertion = ClientAssertion(hospital.settings.token_url, fetch, hospital.clock)
        self.register_client_auth_method(assertion.CLIENT_AUTH_METHOD, assertion)
        self.register_grant(LaunchGrant, [S256Only(required=True), IdToken(hospital)])
        self.register_grant(RotatingRefresh)
        self.register_grant(Backend)
        self.register_endpoint(Revocation)

    def keep(self, token: dict[str, Any], request: Any) -> None:
        """Remember what was issued; all tokens of one authorisation are one family."""
        code, refresh = request.authorization_code, request.refresh_token
        family = code.held.family if code else refresh.held.family if refresh else fresh()
        expires = self.hospital.clock() + timedelta(seconds=token["expires_in"])
        context: Context = request.user or Context()
        grant = Grant(request.client.client_id, token["scope"], context, expires, family)
        self.hospital.tokens.keep(token["access_token"], token.get("refresh_token"), grant)

    def launch_facts(self, context: Context, scope: str) -> dict[str, Any]:
        """What SMART adds to a token response: patient, encounter, banner, style, the app's own context."""
        style = f"{self.hospital.settings.url}/smart-style.json"
        facts: dict[str, Any] = {"need_patient_banner": context.need_patient_banner, "smart_style_url": style}
        if context.patient:
            facts["patient"] = context.patient
        if context.encounter and {"launch", "launch/encounter"} & {*scope.split()}:
            facts["encounter"] = context.encounter
        return facts | ({"appContext": context.app_context} if context.app_context is not None else {})


def narrowed(scope: str, context: Context, launched: bool) -> str:
    """The scope without what means nothing: `launch` outside the EHR, patient/ without a patient."""
    def meant(one: str) -> bool:
        found = rule(one)
        if found is not None and found.level == "patient":
            return bool(context.patient)
        return one != "launch" or launched

    return " ".join(one for one in scope.split() if meant(one))


class LaunchGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]  # authlib has no types
    """The code flow of a launch; the code remembers the launch's context."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTHENTICATION

    @staticmethod
    def validate_authorization_redirect_uri(request: Any, client: Client) -> str:
        """The registered redirect URI that was sent. Raises InvalidRequestError."""
        told = request.payload.redirect_uri
        if not told or not client.check_redirect_uri(told):
            raise InvalidRequestError("redirect_uri is not registered for this client")
        return str(told)

    def save_authorization_code(self, code: str, request: Any) -> None:
        """Keep the code with the scope this launch gives a meaning to."""
        sent, context, hospital = request.payload.data, request.user, self.server.hospital
        hospital.tokens.keep_code(Code(
            code, request.client.client_id, request.payload.redirect_uri,
            narrowed(request.scope, context, "launch" in sent), context,
            sent["code_challenge"], sent.get("nonce"), hospital.clock(), fresh(),
        ))

    def query_authorization_code(self, code: str, client: Client) -> HeldCode | None:
        """The code, spent by this look at it."""
        held = self.server.hospital.tokens.take_code(code, client.client_id)
        return HeldCode(held) if held else None

    def delete_authorization_code(self, authorization_code: HeldCode) -> None:
        """Nothing to do: looking at a code spends it."""

    def authenticate_user(self, authorization_code: HeldCode) -> Context:
        """Whom the launch was for."""
        return authorization_code.held.context

    def create_token_response(self) -> Any:
        """The token response, with what SMART adds."""
        status, token, headers = super().create_token_response()
        return status, token | self.server.launch_facts(self.request.user, token["scope"]), headers


class RotatingRefresh(grants.RefreshTokenGrant):  # type: ignore[misc]  # authlib has no types
    """A refresh token is used once and replaced."""

    TOKEN_ENDPOINT_AUTH_METHODS = AUTHENTICATION
    INCLUDE_NEW_REFRESH_TOKEN = True

    def authenticate_refresh_token(self, refresh_token: str) -> HeldRefresh | None:
        """What it stands for, while it is good."""
        held = self.server.hospital.tokens.look_refresh(refresh_token)
        return HeldRefresh(refresh_token, held) if held else None

    def authenticate_user(self, refresh_token: HeldRefresh) -> Context:
        """Whom the launch was for."""
        return refresh_token.held.context

    def issue_token(self, user: Context, refresh_token: HeldRefresh) -> Any:
        """A new pair, for the first of those who ask. Raises InvalidGrantError."""
        if not self.server.hospital.tokens.spend_refresh(refresh_token.token):
            raise InvalidGrantError("this refresh token has been used")
        return super().issue_token(user, refresh_token)

    def revoke_old_credential(self, refresh_token: HeldRefresh) -> None:
        """Nothing to do: it was spent before the new one was made."""

    def create_token_response(self) -> Any:
        """The token response, with what SMART adds."""
        status, token, headers = super().create_token_response()
        return status, token | self.server.launch_facts(self.request.user, token["scope"]), headers


class Backend(grants.ClientCredentialsGrant):  # type: ignore[misc]  # authlib has no types
    """SMART backend services: a signed assertion and nothing else."""

    TOKEN_ENDPOINT_AUTH_METHODS = ("private_key_jwt",)


class Revocation(RevocationEndpoint):  # type: ignore[misc]  # authlib has no types
    """RFC 7009: a client gives back what it was given, and all that came with it."""

    CLIENT_AUTH_METHODS = AUTHENTICATION

    def authenticate_token(self, request: Any, client: Client) -> str:
        """The token sent; whether it is known is nobody's business."""
        self.check_params(request, client)
        return str(request.form["token"])

    def revoke_token(self, token: str, request: Any) -> None:
        """Forget its family."""
        self.server.hospital.tokens.revoke(token, request.client.client_id)


class IdToken(OpenIDCode):  # type: ignore[misc]  # authlib has no types
    """The id_token: RS256, the FHIR base as issuer, fhirUser as an absolute address."""

    def __init__(self, hospital: Hospital) -> None:
        super().__init__(require_nonce=False)
        self._hospital = hospital

    def exists_nonce(self, nonce: str, request: Any) -> bool:
        """Never: a nonce is the client's to remember, it binds the id_token to its session."""
        return False

    def resolve_client_private_key(self, client: Client) -> Any:
        """The hospital's key, whoever asks."""
        return self._hospital.keys.identity

    def get_encode_header(self, client: Client) -> dict[str, Any]:
        """RS256 and the key's id."""
        return {"alg": "RS256", "typ": "JWT", "kid": self._hospital.keys.identity.kid}

    def get_client_claims(self, client: Client) -> dict[str, Any]:
        """Issuer, audience and times, by the hospital's clock."""
        settings, now = self._hospital.settings, int(self._hospital.clock().timestamp())
        return {"iss": settings.fhir, "aud": client.client_id, "iat": now,
                "exp": now + settings.access_token_seconds}

    def generate_user_info(self, user: Context, scope: str) -> UserInfo:
        """Who is at the screen, where the scope lets the app know."""
        info = UserInfo(sub=user.user.replace("/", "-") or "nobody")
        if user.user and {"fhirUser", "profile"} & {*scope.split()}:
            address = f"{self._hospital.settings.fhir}/{user.user}"
            info |= dict.fromkeys(("fhirUser", "profile"), address)
        return info
