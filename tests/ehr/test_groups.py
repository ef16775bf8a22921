"""Who pays and which site, for audits alone: coarse, from what the tenant file names, and never guessed."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from joserfc.jwk import ECKey

from ehr import groups
from ehr.audit_policy import AuditPolicy
from ehr.bundles import belongs
from ehr.errors import TenantError
from tests.ehr.test_tenants import PLAIN, load, pem

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
ZONE = ZoneInfo("America/New_York")
TYPOLOGY = "https://nahdo.org/sopt"
ACT = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
PLAINLY = AuditPolicy()
SITES = AuditPolicy(
    MappingProxyType({"organization/north": "North", "general, south": "South", "location/icu-3": "East"}),
    MappingProxyType({"urn:plan|hmo-9": "Medicaid", "county plan": "other public"}),
)


def cover(code: str = "", system: str = TYPOLOGY, **changes: Any) -> dict[str, Any]:
    coded = {"coding": [{"system": system, "code": code}]} if code else {}
    return {"resourceType": "Coverage", "id": "1", "status": "active", "type": coded} | changes


def insurance(*rows: dict[str, Any], policy: AuditPolicy = PLAINLY) -> str:
    return groups.insurance(rows, NOON, ZONE, policy)


@pytest.mark.parametrize(
    ("code", "system", "kind"),
    [
        ("1", TYPOLOGY, "Medicare"),
        ("121", TYPOLOGY, "Medicare"),
        ("14", TYPOLOGY, "Medicare and Medicaid"),
        ("211", "urn:oid:2.16.840.1.113883.3.221.5", "Medicaid"),
        ("3223", TYPOLOGY, "other public"),
        ("4", TYPOLOGY, "other public"),
        ("512", TYPOLOGY, "private"),
        ("6", TYPOLOGY, "private"),
        ("81", TYPOLOGY, "self-pay"),
        ("71", TYPOLOGY, ""),
        ("95", TYPOLOGY, ""),
        ("EHCPOL", ACT, "private"),
        ("PUBLICPOL", ACT, "other public"),
        ("PPO", ACT, ""),
        ("pay", "http://terminology.hl7.org/CodeSystem/coverage-selfpay", "self-pay"),
        ("1", "urn:other", ""),
    ],
)
def test_a_kind_of_insurance_is_its_codes_coarsest_category(code: str, system: str, kind: str) -> None:
    assert insurance(cover(code, system)) == kind


def test_who_has_no_coverage_on_record_is_not_known_and_not_uninsured() -> None:
    assert insurance() == ""
    assert insurance(cover()) == ""


def test_what_is_not_in_force_does_not_count() -> None:
    assert insurance(cover("1", status="cancelled")) == ""
    assert insurance(cover("1", status="entered-in-error")) == ""
    for period, counts in (
        ({"start": "2026-11-20"}, True),
        ({"end": "2026-11-20"}, True),
        ({"start": "2026-11-21"}, False),
        ({"end": "2026-11-19"}, False),
        ({"start": "2026-11-20T23:00:00-05:00"}, True),
        ({"end": "2026-11"}, False),
    ):
        assert (insurance(cover("1", period=period)) == "Medicare") is counts


def test_of_several_the_first_in_order_counts_and_where_none_is_first_that_is_said() -> None:
    assert insurance(cover("1"), cover("512")) == "several"
    assert insurance(cover("1", order=2), cover("512", order=1)) == "private"
    assert insurance(cover("1", order=1), cover("2", order=2)) == "Medicare and Medicaid"
    assert insurance(cover("1"), cover("12"), cover("9")) == "Medicare"


def test_a_sites_own_code_or_words_go_before_the_tables() -> None:
    assert insurance(cover("HMO-9", "urn:plan"), policy=SITES) == "Medicaid"
    assert insurance(cover("512", type={"text": "County  Plan"}), policy=SITES) == "other public"
    both = {"coding": [{"system": TYPOLOGY, "code": "5"}, {"system": "urn:plan", "code": "HMO-9"}]}
    assert insurance(cover(type=both), policy=SITES) == "Medicaid"
    two = {"coding": [{"system": TYPOLOGY, "code": "5"}, {"system": TYPOLOGY, "code": "1"}]}
    assert insurance(cover(type=two)) == ""


@pytest.mark.parametrize(
    "odd", [{"type": "broken"}, {"type": {"coding": "broken"}}, {"period": "broken"}, {"period": {"start": 7}}]
)
def test_what_is_broken_is_not_known(odd: dict[str, Any]) -> None:
    assert insurance(cover("1") | odd) == ""


def test_a_coverage_belongs_to_its_beneficiary() -> None:
    row = cover("1", beneficiary={"reference": "Patient/p"}, subscriber={"reference": "Patient/q"})
    assert belongs(row, "p", "https://ehr.example.org")
    assert not belongs(row, "q", "https://ehr.example.org")


def stay(**changes: Any) -> dict[str, Any]:
    return {
        "resourceType": "Encounter",
        "id": "1",
        "status": "in-progress",
        "period": {"start": "2026-11-19T08:00:00Z"},
    } | changes


def place(*rows: dict[str, Any], policy: AuditPolicy = SITES, **places: Any) -> str:
    return groups.site(rows, places, NOON, ZONE, policy)


def test_a_site_is_told_by_who_provides_the_stay_as_the_tenant_file_names_it() -> None:
    north = {"reference": "https://ehr.example.org/fhir/Organization/north/_history/2"}
    assert place(stay(serviceProvider=north)) == "North"
    assert place(stay(serviceProvider={"display": "General,  South"})) == "South"
    assert place(stay(serviceProvider={"identifier": {"value": "Organization/north"}})) == "North"
    assert place(stay(serviceProvider={"display": "Somewhere"})) == ""
    assert place(stay(serviceProvider=north), policy=PLAINLY) == ""
    assert place(stay(serviceProvider="broken")) == ""


def test_where_nobody_is_named_the_place_at_that_moment_tells_the_site() -> None:
    here = {"location": {"reference": "Location/icu-3"}, "period": {"start": "2026-11-20T08:00:00Z"}}
    gone = {"location": {"display": "General, South"}, "period": {"end": "2026-11-20T08:00:00Z"}}
    assert place(stay(location=[gone, here])) == "East"


def test_a_stay_of_another_time_or_two_sites_at_once_tell_none() -> None:
    north, south = {"reference": "Organization/north"}, {"display": "General, South"}
    assert place(stay(serviceProvider=north, period={"start": "2026-11-21T08:00:00Z"})) == ""
    assert place(stay(serviceProvider=north, period={"start": "2026-11-18", "end": "2026-11-19"})) == ""
    assert place(stay(serviceProvider=north, status="cancelled")) == ""
    assert place(stay(serviceProvider=north), stay(serviceProvider=south)) == ""


def test_a_sites_groups_are_read_strictly(tmp_path: Path) -> None:
    pem(tmp_path, ECKey.generate_key("P-384"))
    told = '\n[audits.sites]\n"Organization/North" = "North"\n[audits.insurance]\n"urn:plan|HMO-9" = "Medicaid"\n'
    (tenant,) = load(tmp_path, PLAIN + told)
    assert tenant.audits == AuditPolicy({"organization/north": "North"}, {"urn:plan|hmo-9": "Medicaid"})
    for line, said in (
        ('[audits.insurance]\n"x|1" = "Aetna Gold"\n', "self-pay"),
        ('[audits.sites]\n"x" = ""\n', "x"),
        (f'[audits.sites]\n"x" = "{"n" * 61}"\n', "x"),
        ('[audits]\nplaces = 1\n', "places"),
    ):
        with pytest.raises(TenantError, match=said):
            load(tmp_path, PLAIN + "\n" + line)
