"""Who may call, from where, and what is told back: CDS Hooks' trust, CORS and feedback over HTTP."""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from ehr.tenants import Tenants
from inference.assessment import VENTILATION
from tests.ehr.peer import signed
from tests.webapp.house import APP, House
from tests.webapp.wired import Caller, cards, refused

pytestmark = pytest.mark.usefixtures("fair")
SICK = "pneumonia-worsening"
SERVICE = f"/cds-services/{VENTILATION}"
FEEDBACK = f"{SERVICE}/feedback"


# --- who calls


def bent(house: House, header: dict[str, Any] | None = None, key: Any = None, alg: str = "ES384", **told: Any) -> str:
    """A token of the hospital's own, with something wrong with it; a claim or header given as None is left out."""
    now = int(house.clock().timestamp())
    claims = {"iss": house.hospital.settings.url, "aud": APP + SERVICE, "iat": now, "exp": now + 300}
    claims |= {"jti": uuid.uuid4().hex} | told
    kept = {name: value for name, value in claims.items() if value is not None}
    return signed(kept, key or house.keys.cds, alg, **{"kid": house.keys.cds.kid, **(header or {})})


def by_hand(house: House, header: str, signature: bytes = b"x" * 96) -> str:
    """A token put together by hand: `header` as its text stands, KID for the kid on file."""
    claims = bent(house).split(".")[1]
    head = header.replace("KID", house.keys.cds.kid).encode()
    parts = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in (head, signature)]
    return f"{parts[0]}.{claims}.{parts[1]}"


STRANGER, RSA = ECKey.generate_key("P-384"), RSAKey.generate_key(2048)


@pytest.mark.parametrize(
    ("token", "where"),
    [
        (lambda h, n: bent(h, key=STRANGER), "signature"),
        (lambda h, n: bent(h, {"kid": "nobody"}), "kid"),
        (lambda h, n: bent(h, {"kid": None}), "kid"),
        (lambda h, n: bent(h, {"kid": "../../etc/passwd"}), "kid"),
        (lambda h, n: bent(h, {"kid": "' OR 1=1 --"}), "kid"),
        (lambda h, n: bent(h, key=RSA, alg="RS384"), "alg"),  # the site lists ES384 alone
        (lambda h, n: bent(h, key=RSA, alg="PS384"), "alg"),
        (lambda h, n: bent(h, key=ECKey.generate_key("P-256"), alg="ES256"), "alg"),
        (lambda h, n: bent(h, {"jku": "https://evil.example/jwks.json"}), "jku"),
        (lambda h, n: bent(h, {"jwk": STRANGER.as_dict(private=False)}, key=STRANGER), "signature"),
        (lambda h, n: bent(h, {"x5c": ["MIIB"], "x5u": "https://evil.example"}, key=STRANGER), "signature"),
        (lambda h, n: bent(h, iss="https://evil.example"), "iss"),
        (lambda h, n: bent(h, iss=None), "iss"),
        (lambda h, n: bent(h, aud=f"{APP}/cds-services"), "aud"),
        (lambda h, n: bent(h, aud=APP + SERVICE + "/"), "aud"),
        (lambda h, n: bent(h, aud=[]), "aud"),
        (lambda h, n: bent(h, exp=n - 61, iat=n - 300), "exp"),
        (lambda h, n: bent(h, iat=n + 62, exp=n + 200), "iat"),
        (lambda h, n: bent(h, nbf=n + 62), "nbf"),
        (lambda h, n: bent(h, exp=n + 901), "exp"),
        (lambda h, n: bent(h, exp=None), "exp"),
        (lambda h, n: bent(h, iat=None), "iat"),
        (lambda h, n: bent(h, exp="soon"), "exp"),
        (lambda h, n: bent(h, jti=None), "jti"),
        (lambda h, n: by_hand(h, '{"alg":"ES384","kid":"KID","crit":["b64"],"b64":false}'), "crit"),
        (lambda h, n: by_hand(h, '{"alg":"ES384","kid":"KID","crit":[]}'), "crit"),
        (lambda h, n: by_hand(h, '{"alg":"ES384","kid":"KID","b64":false}'), "signature"),
        (lambda h, n: by_hand(h, '{"alg":"none","alg":"ES384","kid":"KID"}'), "signature"),
        (lambda h, n: by_hand(h, '{"alg":"ES384","alg":"none","kid":"KID"}'), "alg"),
        (lambda h, n: by_hand(h, '{"alg":"ES384","kid":"KID"}', b""), "signature"),
        (lambda h, n: by_hand(h, '{"alg":"ES384","kid":"KID"}', bytes(96)), "signature"),  # r = s = 0
        (lambda h, n: by_hand(h, '{"alg":"ES384","kid":"KID","cty":"JWT"}', bent(h).encode()), "signature"),
        (lambda h, n: f"{bent(h)}.{'x' * 8}.{'y' * 8}", "token"),  # five parts: an encrypted one
        (lambda h, n: bent(h).replace(".", ".=", 1), ""),
        (lambda h, n: bent(h)[:-4] + "AAAA", "signature"),
    ],
)  # fmt: skip
def test_a_token_with_anything_wrong_is_401_and_says_what(
    caller: Caller, house: House, token: Callable[[House, int], str], where: str
) -> None:
    # CONFORMANCE 86, 87, 91
    now = int(house.clock().timestamp())
    refused(caller.post(SERVICE, house.asked(SICK), token=token(house, now)), 401, where)


def test_a_sound_token_opens_once_and_clocks_may_differ_by_a_minute(caller: Caller, house: House) -> None:
    # CONFORMANCE 86, 87
    now, body = int(house.clock().timestamp()), house.asked(SICK)
    for good in (
        bent(house),
        bent(house, aud=["https://elsewhere.example", APP + SERVICE]),
        bent(house, exp=now - 50, iat=now - 300),
        bent(house, iat=now + 50, exp=now + 300),
        bent(house, nbf=now, exp=now + 890),
    ):
        assert caller.post(SERVICE, body, token=good).status_code == 200
        refused(caller.post(SERVICE, body, token=good), 401, "jti")
    other = bent(house, aud=APP + FEEDBACK)
    refused(caller.post(SERVICE, body, token=other), 401, "aud")


# --- browsers, feedback


@pytest.mark.parametrize("path", ["/cds-services", SERVICE, FEEDBACK, "/cds-services/none/such"])
def test_a_listed_browser_client_may_ask_and_may_read_its_refusals_too(
    caller: Caller, house: House, path: str
) -> None:
    # CONFORMANCE 89
    (tenant,) = house.rooms.tenants
    house.rooms.tenants = Tenants((replace(tenant, cors_origins=("https://ehr.example.org",)),))
    for origin, lets in (("https://ehr.example.org", True), ("https://evil.example", False), ("null", False)):
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        preflight = caller.options(path, **asked)
        refusal = caller.post(path, {}, token="", Origin=origin)
        assert preflight.status_code == (404 if path.endswith("such") else 204)
        assert refusal.status_code in (401, 404, 405)
        for answer in (preflight, refusal):
            assert answer.headers.get("access-control-allow-origin") == (origin if lets else None)
            assert "Origin" in answer.headers["vary"]
            assert "access-control-allow-credentials" not in answer.headers


def test_feedback_of_every_form_is_taken_and_kept_once(caller: Caller, house: House) -> None:
    # CONFORMANCE 68, 90
    one, two = (cards(caller.post(SERVICE, house.asked(patient)))[0] for patient in (SICK, "sepsis"))
    moment = house.clock().isoformat()
    reason = {"reason": {"code": "data-wrong", "system": "urn:x"}, "userComment": "<b>Mrs Secret</b>"}
    rows = [
        {"card": one["uuid"], "outcome": "overridden", "outcomeTimestamp": moment, "overrideReason": reason},
        {"card": two["uuid"], "outcome": "overridden", "outcomeTimestamp": moment},
        {"card": one["uuid"], "outcome": "accepted", "outcomeTimestamp": moment, "acceptedSuggestions": [{"id": "s"}]},
        {"card": str(uuid.uuid4()), "outcome": "overridden", "outcomeTimestamp": moment,
         "overrideReason": {"userComment": "no code"}},
    ]  # fmt: skip
    first = caller.post(FEEDBACK, {"feedback": rows})
    assert (first.status_code, first.json()) == (200, {"received": 4, "recorded": 4})
    again = caller.post(FEEDBACK, {"feedback": [*rows, rows[0]]})
    assert again.json() == {"received": 5, "recorded": 0}
    assert "Secret" not in first.text + caller.get("/metrics").text
    stored = b"".join(path.read_bytes() for path in house.rooms.settings.tenants.parent.glob("ledger.db*"))
    assert b"Mrs Secret" not in stored


# --- what goes with every answer


def test_no_answer_about_anybody_is_kept_on_its_way(caller: Caller, house: House) -> None:
    # CONFORMANCE 96
    answers = [
        caller.post(SERVICE, house.asked(SICK)),
        caller.post(SERVICE, {}, token=""),
        caller.post(FEEDBACK, {}),
        caller.get("/result?visit=x"),
        caller.get("/handout/x.pdf?visit=x"),
        caller.get("/callback?state=x"),
    ]
    for answer in answers:
        assert answer.headers["cache-control"] == "no-store", answer.url
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["x-content-type-options"] == "nosniff"
