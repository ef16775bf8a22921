"""The tenants' files: what is trusted is written down, and a slip of the pen stops the start."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey, RSAKey

from ehr.errors import TenantError, UnknownIssuer
from ehr.keys import public_jwks
from ehr.tenants import Tenants, canonical, load_tenants
from inference.assessment import TROPONIN, VENTILATION, State

ROOT = Path(__file__).resolve().parents[2]
PLAIN = """
id = "general"
name = "General"
issuer = "https://ehr.example.org/fhir/r4"
client_id = "ordertime"
scopes = ["launch", "patient/Observation.rs"]
time_zone = "America/New_York"
"""
CALLER = """
[[cds_clients]]
iss = "https://ehr.example.org"
jwks_url = "https://ehr.example.org/jwks.json"
"""


def load(folder: Path, text: str = PLAIN, name: str = "general.toml", *, production: bool = True) -> Tenants:
    (folder / name).write_text(text, encoding="utf-8")
    return load_tenants(folder, production=production)


def with_line(line: str, *, instead_of: str = "") -> str:
    """PLAIN with a line more, or with one line changed; top-level keys come before any table."""
    rows = [row for row in PLAIN.splitlines() if not instead_of or not row.startswith(f"{instead_of} ")]
    return "\n".join([*rows, line])


def pem(folder: Path, key: RSAKey | ECKey, name: str = "key.pem") -> str:
    (folder / name).write_bytes(key.as_pem(private=True))
    return name


def short_rsa() -> bytes:
    key = rsa.generate_private_key(65537, 1024)  # noqa: S505  short on purpose
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


# --- a good file


def test_the_shortest_file_is_a_public_client_and_silent_models(tmp_path: Path) -> None:
    (tenant,) = load(tmp_path)
    assert (tenant.id, tenant.auth, tenant.issuer) == ("general", "public", "https://ehr.example.org/fhir/r4")
    assert tenant.scopes == ("launch", "patient/Observation.rs")
    assert {name: policy.state for name, policy in tenant.models.items()} == {
        VENTILATION: State.SILENT,
        TROPONIN: State.SILENT,
    }
    assert tenant.frame_ancestors == tenant.cors_origins == tenant.cds_clients == ()
    assert tenant.write_back == frozenset()
    assert tenant.care_units == {}


def test_the_example_is_a_file_that_loads_in_production(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    pem(tmp_path / "keys", ECKey.generate_key("P-384"), "example-general-2026.pem")
    (tenant,) = load(tmp_path, (ROOT / "tenants" / "example.toml.txt").read_text(encoding="utf-8"))
    assert tenant.auth == "private_key_jwt"
    assert tenant.backend is not None
    assert tenant.backend.client_id == "ordertime-backend"
    assert tenant.local_codes == {"urn:oid:1.2.840.113619.21.1.2|RESP": "rr"}
    assert tenant.care_units == {"Location/icu-3": "medical", "7 North": "cardiac surgery", "SICU": ""}
    assert tenant.assays["hs_troponin_i"].limits == {"female": 16, "male": 34}
    assert tenant.models[VENTILATION].warn_at == 0.4
    assert tenant.cds_clients[0].algorithms == ("ES384", "RS384")


def test_the_example_names_every_key_there_is(tmp_path: Path) -> None:
    example = (ROOT / "tenants" / "example.toml.txt").read_text(encoding="utf-8")
    with pytest.raises(TenantError) as refused:
        load(tmp_path, PLAIN + "zzzzzz = 1\n")
    known = str(refused.value).partition("known here: ")[2].split(", ")
    assert len(known) > 20
    assert [key for key in known if key not in example] == []


def test_the_example_is_not_loaded_where_it_lies() -> None:
    assert (ROOT / "tenants" / "example.toml.txt").exists()
    assert "example-general" not in [t.id for t in load_tenants(ROOT / "tenants", production=False)]


def test_a_secret_and_a_key_are_read_from_files_beside_the_tenants(tmp_path: Path) -> None:
    (tmp_path / "general.secret").write_text("s3cret-value\n")
    (tenant,) = load(tmp_path, with_line('auth = "secret"\nclient_secret_file = "general.secret"'))
    assert tenant.client.client_secret == "s3cret-value"
    name = pem(tmp_path, RSAKey.generate_key(2048))
    (tenant,) = load(tmp_path, with_line(f'auth = "private_key_jwt"\nsigning_key_file = "{name}"'))
    assert isinstance(tenant.signing_key, RSAKey)
    assert tenant.signing_key.kid


def test_a_key_may_be_a_jwk_and_keeps_its_name(tmp_path: Path) -> None:
    import json

    key = ECKey.generate_key("P-384", {"kid": "2026-a"})
    (tmp_path / "key.json").write_text(json.dumps(key.as_dict(private=True)))
    (tenant,) = load(tmp_path, with_line('auth = "private_key_jwt"\nsigning_key_file = "key.json"'))
    assert tenant.signing_key is not None
    assert tenant.signing_key.kid == "2026-a"


def test_neither_secret_nor_key_stands_in_a_repr(tmp_path: Path) -> None:
    (tenant,) = load(tmp_path, with_line('auth = "secret"\nclient_secret = "s3cret-value"'))
    assert "s3cret-value" not in f"{tenant!r} {tenant.client!r}"
    name = pem(tmp_path, ECKey.generate_key("P-384"))
    (tenant,) = load(tmp_path, with_line(f'auth = "private_key_jwt"\nsigning_key_file = "{name}"'))
    assert "ECKey" not in repr(tenant)


def test_published_keys_have_public_members_only() -> None:  # CONFORMANCE 19
    published = public_jwks([ECKey.generate_key("P-384"), RSAKey.generate_key(2048)])["keys"]
    assert {frozenset(key) for key in published} == {
        frozenset({"kty", "crv", "x", "y", "kid", "use", "alg"}),
        frozenset({"kty", "n", "e", "kid", "use", "alg"}),
    }
    assert [key["alg"] for key in published] == ["ES384", "RS384"]


def test_a_folder_without_sites_is_an_error_in_production_only(tmp_path: Path) -> None:
    assert len(load_tenants(tmp_path / "nowhere", production=False)) == 0
    with pytest.raises(TenantError, match=r"example\.toml\.txt"):
        load_tenants(tmp_path, production=True)


@pytest.mark.parametrize(
    ("style", "written", "asked"),
    [
        ("v1", "patient/Observation.rs", ["patient/Observation.read"]),
        ("v1", "patient/DocumentReference.c", ["patient/DocumentReference.write"]),
        ("v1", "patient/Task.cruds", ["patient/Task.read", "patient/Task.write"]),
        ("v1", "patient/Observation.rs?category=laboratory", ["patient/Observation.read"]),
        ("v2", "patient/Observation.read", ["patient/Observation.rs"]),
        ("v2", "patient/Task.write", ["patient/Task.cud"]),
        ("v2", "patient/Observation.rs?category=laboratory", ["patient/Observation.rs?category=laboratory"]),
        ("", "patient/Observation.read", ["patient/Observation.read"]),
    ],
)
def test_scopes_are_asked_for_in_the_version_the_site_registered(
    tmp_path: Path, style: str, written: str, asked: list[str]
) -> None:
    # CONFORMANCE 22
    lines = f'scopes = ["launch", "{written}"]\nscope_style = "{style}"'
    (tenant,) = load(tmp_path, with_line(lines, instead_of="scopes"))
    assert list(tenant.scopes) == ["launch", *asked]


def test_what_is_asked_for_twice_in_the_other_version_is_asked_for_once(tmp_path: Path) -> None:
    lines = 'scopes = ["patient/Patient.r", "patient/Patient.s"]\nscope_style = "v1"'
    assert load(tmp_path, with_line(lines, instead_of="scopes")).all[0].scopes == ("patient/Patient.read",)


def test_the_laboratorys_assays_are_the_sites_own(tmp_path: Path) -> None:
    text = '[assays.hs_troponin_i]\nplatform = "architect-hs-ctni"\nlimits = { female = 16, male = 34 }'
    (tenant,) = load(tmp_path, PLAIN + text)
    assay = tenant.assays["hs_troponin_i"]
    assert assay.platform == "architect-hs-ctni"
    assert [assay.limit(sex) for sex in ("female", "male", "unknown")] == [16, 34, None]


# --- what is refused, and how it is said


REFUSED = [
    ("issuer", 'issuer = "http://ehr.example.org/fhir"', "https"),
    ("issuer", 'issuer = "ftp://ehr.example.org/fhir"', "https"),
    ("issuer", 'issuer = "https://user:pw@ehr.example.org/fhir"', "user names"),
    ("issuer", 'issuer = "https://ehr.example.org/fhir?x=1"', "leave out"),
    ("issuer", 'issuer = "https://[::1/fhir"', "not a URL"),
    ("issuer", "issuer = 5", "https URL"),
    ("issuer", "", "missing"),
    ("id", 'id = "Big House"', "short name"),
    ("name", 'name = "  "', "name clinicians"),
    ("client_id", "", "registered"),
    ("auth", 'auth = "private_key"', "private_key_jwt"),
    ("client_secret_file", 'auth = "secret"', "missing"),
    ("client_secret_file", 'auth = "secret"\nclient_secret_file = "nowhere"', "cannot be read"),
    ("client_secret_file", 'client_secret = "x"', "no use"),
    ("client_secret", 'auth = "secret"\nclient_secret = "x"\nclient_secret_file = "y"', "keep one"),
    ("client_secret", 'auth = "secret"\nclient_secret = "geheim-ü"', "ASCII"),
    ("signing_key_file", 'auth = "private_key_jwt"', "missing"),
    ("signing_key_file", 'auth = "private_key_jwt"\nsigning_key_file = "nowhere.pem"', "cannot be read"),
    ("scopes", "scopes = []", "at least one"),
    ("scopes", 'scopes = ["patient/*.rs"]', "wildcard"),
    ("scopes", 'scopes = ["patient/*.read"]', "wildcard"),
    ("scopes", 'scopes = ["patient/Observation.sr"]', "patient/Observation.rs"),
    ("scopes", 'scopes = ["patient/Observation."]', "patient/Observation.rs"),
    ("scopes", 'scopes = ["launch", "launch"]', "twice"),
    ("scopes", 'scopes = "launch"', "list"),
    ("scope_style", 'scope_style = "2"', "v1, v2"),
    ("client_id", 'client_id = "<CLIENT ID>"', "put in the site's own"),
    ("frame_ancestors", 'frame_ancestors = ["https://<EPIC HOST>"]', "put in the site's own"),
    ("platform", '[assays.hs_troponin_i]\nplatform = "elecsys-hs-ctnt"', "architect-hs-ctni"),
    ("platform", '[assays.troponin_i]\nplatform = "architect-hs-ctni"', "no assay of troponin_i"),
    ("limits", "[assays.hs_troponin_i]\nlimits = { female = 16 }", "one sex alone"),
    ("all", "[assays.hs_troponin_t]\nlimits = { all = 0 }", "above 0"),
    ("women", "[assays.hs_troponin_t]\nlimits = { women = 9 }", "all, female, male"),
    ("hs_troponin", "[assays.hs_troponin]\nlimits = { all = 9 }", "did you mean"),
    ("time_zone", 'time_zone = "EST5"', "IANA"),
    ("time_zone", 'time_zone = "../../etc/passwd"', "IANA"),
    ("frame_ancestors", 'frame_ancestors = ["*"]', "https URL"),
    ("frame_ancestors", 'frame_ancestors = ["https://*.example.org"]', "wildcard"),
    ("frame_ancestors", 'frame_ancestors = ["https://ehr.example.org/path"]', "alone"),
    ("frame_ancestors", 'frame_ancestors = ["https://a.org; script-src *"]', "https URL"),
    ("cors_origins", 'cors_origins = ["null"]', "https URL"),
    ("confirmed_assays", 'confirmed_assays = ["elecsys"]', "elecsys-hs-ctnt"),
    ("quirks", 'quirks = ["slow"]', "no-strict-search"),
    ("write_back", 'write_back = ["Observation"]', "DocumentReference"),
    ("note_type", 'note_type = "11506-4"', "check digit"),
    ("frame_ancestor", 'frame_ancestor = ["https://a.org"]', "did you mean 'frame_ancestors'"),
    ("loinc", '[local_codes]\n"loinc" = "rr"', "system|code"),
    ("urn:x|R", '[local_codes]\n"urn:x|R" = "respiratory_rate"', "no variable"),
    ("urn:x|R", '[local_codes]\n"urn:x|R" = "spo3"', "did you mean 'spo2'"),
    ("MICU", '[care_units]\n"MICU" = "intensive"', 'coronary, cardiac surgery, medical, surgical, or ""'),
    ("MICU", '[care_units]\n"MICU" = ["medical"]', "coronary, cardiac surgery, medical, surgical"),
    ("Location", '[care_units]\nLocation.micu = "medical"', "coronary, cardiac surgery, medical, surgical"),
    (" ", '[care_units]\n" " = "medical"', "names no place"),
    ("micu", '[care_units]\n"MICU" = "medical"\n"micu" = ""', "keep one"),
    ("state", '[models.ventilation-need]\nstate = "on"', "demonstration"),
    ("threshold", '[models.ventilation-need]\nstate = "active"', "missing"),
    ("threshold", '[models.ventilation-need]\nthreshold = 20', "probability"),
    ("threshold", '[models.ventilation-need]\nthreshold = true', "probability"),
    ("threshold", '[models.ventilation-need]\nthreshold = nan', "probability"),
    ("warn_at", '[models.ventilation-need]\nthreshold = 0.4\nwarn_at = 0.2', "below"),
    ("critical_at", '[models.ventilation-need]\nthreshold = 0.4\ncritical_at = 0.2', "below"),
    ("thresold", '[models.ventilation-need]\nthresold = 0.4', "did you mean 'threshold'"),
    ("ventilation", '[models.ventilation]\nthreshold = 0.4', "did you mean 'ventilation-need'"),
    ("jwks_url", '[[cds_clients]]\niss = "x"', "missing"),
    ("jwks_url", '[[cds_clients]]\niss = "x"\njwks_url = "http://x.org/jwks"', "https"),
    ("algorithms", f'{CALLER}algorithms = ["HS256"]', "ES384"),
    ("algorithms", f'{CALLER}algorithms = ["none"]', "ES384"),
    ("audience", f'{CALLER}audience = ["y"]', "did you mean"),
    ("client_id", '[backend]\nauth = "public"\nscopes = ["system/Patient.rs"]', "missing"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "line", "remedy"), REFUSED, ids=lambda value: str(value)[:40])
def test_a_mistake_is_refused_by_file_key_and_remedy(
    tmp_path: Path, key: str, line: str, remedy: str
) -> None:
    with pytest.raises(TenantError) as refused:
        load(tmp_path, with_line(line, instead_of=key))
    told = str(refused.value)
    assert told.startswith("general.toml")
    assert f"'{key}'" in told
    assert remedy in told


def test_a_file_that_is_not_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(TenantError, match=r"general\.toml: is not TOML"):
        load(tmp_path, "id = general")
    (tmp_path / "general.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(TenantError, match=r"general\.toml: .*UTF-8"):
        load_tenants(tmp_path, production=False)


@pytest.mark.parametrize(
    ("key", "remedy"),
    [
        (short_rsa(), "2048"),
        (ECKey.generate_key("P-256").as_pem(private=True), "P-384"),
        (ECKey.generate_key("P-384").as_pem(private=False), "private"),
    ],
    ids=["short RSA", "P-256", "public half"],
)
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
def test_a_key_that_cannot_sign_for_smart_is_refused(
    tmp_path: Path, key: bytes, remedy: str
) -> None:  # CONFORMANCE 18
    (tmp_path / "key.pem").write_bytes(key)
    with pytest.raises(TenantError, match=remedy):
        load(tmp_path, with_line('auth = "private_key_jwt"\nsigning_key_file = "key.pem"'))


def test_a_secret_is_never_repeated_in_a_message(tmp_path: Path) -> None:
    with pytest.raises(TenantError) as refused:
        load(tmp_path, with_line('auth = "public"\nclient_secret = "s3cret-value"'))
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1:8090", "localhost:8090", "[::1]:8090", "[::ffff:127.0.0.1]:80"])
def test_plain_http_is_for_loopback_in_development(tmp_path: Path, host: str) -> None:  # CONFORMANCE 4
    text = with_line(f'issuer = "http://{host}/fhir"', instead_of="issuer")
    assert len(load(tmp_path, text, production=False)) == 1
    with pytest.raises(TenantError, match="production needs https"):
        load(tmp_path, text, production=True)


@pytest.mark.parametrize(
    "host", ["ehr.example.org", "localhost.example.org", "10.0.0.5", "127.0.0.1.example.org", "[::ffff:10.0.0.5]"]
)
def test_plain_http_elsewhere_is_refused_in_development_too(tmp_path: Path, host: str) -> None:
    with pytest.raises(TenantError, match="loopback"):
        load(tmp_path, with_line(f'issuer = "http://{host}/fhir"', instead_of="issuer"), production=False)


@pytest.mark.parametrize(
    ("other", "claim"),
    [
        (PLAIN.replace("/fhir/r4", "/other"), "id"),
        (PLAIN.replace('"general"', '"second"'), "issuer"),
        (PLAIN.replace('"general"', '"second"').replace("ehr.", "EHR.").replace("/r4", "/r4/"), "issuer"),
        (PLAIN.replace('"general"', '"second"').replace("/fhir/r4", "/other") + CALLER, "cds_clients"),
    ],
)
def test_two_sites_cannot_claim_the_same(tmp_path: Path, other: str, claim: str) -> None:
    load(tmp_path, PLAIN + CALLER)
    with pytest.raises(TenantError, match="keep one") as refused:
        load(tmp_path, other, "second.toml")
    assert f"'{claim}'" in str(refused.value)


# --- finding a site


@pytest.mark.parametrize(
    "iss",
    ["https://ehr.example.org/fhir/r4", "https://ehr.example.org/fhir/r4/", "https://EHR.Example.org/fhir/r4",
     "https://ehr.example.org:443/fhir/r4"],
)  # fmt: skip
def test_the_issuer_is_found_with_a_final_slash_or_another_case_of_host(
    tmp_path: Path, iss: str
) -> None:  # CONFORMANCE 4
    assert load(tmp_path).by_issuer(iss).id == "general"


@pytest.mark.parametrize(
    "iss",
    ["http://ehr.example.org/fhir/r4", "https://ehr.example.org/fhir", "https://ehr.example.org/fhir/R4",
     "https://user@ehr.example.org/fhir/r4", "https://ehr.example.org:8443/fhir/r4", "",
     "https://ehr.example.org/fhir/r4?x=1", "https://ehr.example.org/fhir/r4#x", "https://ehr.example.org/fhir/r4//",
     "https://ehr.example.org.evil.net/fhir/r4", "javascript:alert(1)", "https://[::1/x", "\thttps://ehr.example.org/fhir/r4",
     "https://ehr.example.org/fhir/x/../r4", "https://ehr.example.org:port/fhir/r4"],
)  # fmt: skip
def test_any_other_issuer_is_unknown(tmp_path: Path, iss: str) -> None:  # CONFORMANCE 4
    tenants = load(tmp_path)
    with pytest.raises(UnknownIssuer):
        tenants.by_issuer(iss)
    with pytest.raises(UnknownIssuer):
        tenants.by_fhir_server(iss)


def test_a_further_fhir_server_may_be_called_but_not_launched_from(tmp_path: Path) -> None:
    tenants = load(tmp_path, with_line('fhir_servers = ["https://api.example.org/r4"]'))
    assert tenants.by_fhir_server("https://api.example.org/r4/").id == "general"
    with pytest.raises(UnknownIssuer):
        tenants.by_issuer("https://api.example.org/r4")


def test_sites_of_one_vendor_are_told_apart_by_the_tenant_claim(tmp_path: Path) -> None:  # CONFORMANCE 87
    load(tmp_path, PLAIN + CALLER + 'tenant_claim = "north"\n')
    second = PLAIN.replace('"general"', '"second"').replace("/fhir/r4", "/second")
    tenants = load(tmp_path, second + CALLER + 'tenant_claim = "south"\n', "second.toml")
    assert tenants.by_cds_issuer("https://ehr.example.org", "north")[0].id == "general"
    assert tenants.by_cds_issuer("https://ehr.example.org", "south")[0].id == "second"
    for claim in ("", "west"):
        with pytest.raises(UnknownIssuer):
            tenants.by_cds_issuer("https://ehr.example.org", claim)


def test_an_unknown_id_is_unknown(tmp_path: Path) -> None:
    with pytest.raises(UnknownIssuer):
        load(tmp_path).by_id("elsewhere")


def test_the_canonical_form_keeps_the_path_byte_for_byte() -> None:
    assert canonical("HTTPS://A.org:443/Fhir/R4/") == "https://a.org/Fhir/R4"
    assert canonical("http://a.org:80") == canonical("http://a.org/") == "http://a.org"


# --- cards


def test_a_file_without_cards_repeats_none_for_a_while_and_offers_nothing(tmp_path: Path) -> None:
    # CONFORMANCE 80, 84
    (tenant,) = load(tmp_path)
    assert tenant.cards.quiet_minutes == 15
    assert tenant.cards.same_within == 0.05
    assert tenant.cards.offers == frozenset()
    assert len(tenant.cards.overrides) == 5


def test_a_site_says_how_it_wants_its_cards(tmp_path: Path) -> None:
    (tenant,) = load(
        tmp_path,
        PLAIN
        + """
[cards]
quiet_minutes = 0
same_within = 0.1
suggestions = ["repeat-troponin"]
override_reasons = []
[[cards.own_override_reasons]]
code = "seen"
system = "urn:oid:1.2"
display = "Seen"
[cards.order_codes.repeat-troponin]
code = "TNT"
system = "https://codes.example.org/orders"
display = "Troponin"
""",
    )
    assert (tenant.cards.quiet_minutes, tenant.cards.same_within) == (0, 0.1)
    assert tenant.cards.offers == {"repeat-troponin"}
    assert tenant.cards.overrides == ()
    assert tenant.cards.own_overrides[0].display == "Seen"
    assert tenant.cards.order_codes["repeat-troponin"].code == "TNT"


@pytest.mark.parametrize(
    ("rows", "key"),
    [
        ("quiet_minutes = -1", "quiet_minutes"),
        ("quiet_minutes = 1441", "quiet_minutes"),
        ('quiet_minutes = "long"', "quiet_minutes"),
        ("same_within = 0", "same_within"),
        ("same_within = 2", "same_within"),
        ('suggestions = ["intubate"]', "suggestions"),
        ('override_reasons = ["because"]', "override_reasons"),
        ("quiet_minuets = 5", "quiet_minuets"),
        ('[[cards.own_override_reasons]]\ncode = "a"\nsystem = "b"\ndisplay = "c"', "system"),
        ('[[cards.own_override_reasons]]\ncode = "a"\nsystem = "urn:b"', "display"),
        ('[cards.order_codes.intubate]\ncode = "a"', "intubate"),
    ],
)
def test_a_slip_in_cards_is_named_with_its_remedy(tmp_path: Path, rows: str, key: str) -> None:
    with pytest.raises(TenantError) as refused:
        load(tmp_path, f"{PLAIN}\n[cards]\n{rows}\n")
    assert f"key '{key}'" in str(refused.value)
    assert ";" in str(refused.value)
