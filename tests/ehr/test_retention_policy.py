"""How long it is kept whose answers were whose: a site's own days, and none that audits would trip over."""

from __future__ import annotations

from pathlib import Path

import pytest

from ehr.errors import TenantError
from ehr.retention_policy import RetentionPolicy
from tests.ehr.test_tenants import PLAIN, load


def loaded(folder: Path, text: str) -> RetentionPolicy:
    (tenant,) = load(folder, PLAIN + text)
    return tenant.retention


def test_nothing_goes_by_itself_where_a_site_says_nothing(tmp_path: Path) -> None:
    assert loaded(tmp_path, "") == RetentionPolicy(None)


def test_a_site_says_after_how_many_days(tmp_path: Path) -> None:
    assert loaded(tmp_path, "\n[retention]\ndays = 3650\n") == RetentionPolicy(3650.0)


@pytest.mark.parametrize("days", ["0", "119", "-1", "40000", '"ten"', "true"])
def test_days_that_cannot_be_are_refused(tmp_path: Path, days: str) -> None:
    with pytest.raises(TenantError, match="days"):
        loaded(tmp_path, f"\n[retention]\ndays = {days}\n")


def test_a_key_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TenantError, match="weeks"):
        loaded(tmp_path, "\n[retention]\nweeks = 20\n")
