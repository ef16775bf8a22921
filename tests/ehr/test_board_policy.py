"""The unit board's settings: what is wrong with them stops the start, with the key and the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from ehr.board_policy import BoardPolicy, UnitPolicy
from ehr.errors import TenantError
from tests.ehr.test_tenants import PLAIN, load, pem

BACKEND = """
[backend]
client_id = "backend"
auth = "private_key_jwt"
signing_key_file = "key.pem"
scopes = ["system/Group.rs"]
"""
BOARD = """
[board]
people = ["Practitioner/charge", "PractitionerRole/1.2-b"]

[[board.units]]
id = "icu"
name = "ICU"
group = "icu-census"
beds = 18
ventilators = 12
arrivals_a_day = 1.5
mean_hours = 72
"""


def loaded(folder: Path, text: str) -> BoardPolicy:
    pem(folder, ECKey.generate_key("P-384"))
    (tenant,) = load(folder, PLAIN + text)
    return tenant.board


def test_a_board_names_its_people_and_what_each_unit_has(tmp_path: Path) -> None:
    assert loaded(tmp_path, BACKEND + BOARD) == BoardPolicy(
        frozenset({"Practitioner/charge", "PractitionerRole/1.2-b"}),
        (UnitPolicy("icu", "ICU", "icu-census", 18, 12, 1.5, 72.0),),
    )


def test_a_site_without_the_table_has_no_board(tmp_path: Path) -> None:
    assert loaded(tmp_path, "") == BoardPolicy()


def test_a_unit_that_is_handed_exports_needs_no_group_and_no_client(tmp_path: Path) -> None:
    board = loaded(tmp_path, BOARD.replace('group = "icu-census"\n', ""))
    assert board.units[0].group == ""


def test_a_unit_may_be_read_by_export_and_its_files_lie_where_the_site_lists(tmp_path: Path) -> None:
    listed = BOARD.replace("mean_hours = 72", 'mean_hours = 72\nread = "export"').replace(
        "[board]", '[board]\nfile_servers = ["https://files.example.org"]'
    )
    board = loaded(tmp_path, BACKEND + listed)
    assert (board.units[0].read, board.file_servers) == ("export", ("https://files.example.org",))
    for bent, said in (
        (listed.replace('read = "export"', 'read = "bulk"'), "searches, export"),
        (listed.replace('read = "export"', ""), "has no use without a unit"),
        (listed.replace('group = "icu-census"\n', ""), "without a group"),
        (listed.replace("https://files.example.org", "https://files.example.org/bucket"), "host and port alone"),
    ):
        with pytest.raises(TenantError, match=said):
            loaded(tmp_path, BACKEND + bent)


@pytest.mark.parametrize(
    ("line", "instead", "said"),
    [
        ("beds = 18", "beds = 0", r"\[board\] \[\[units\]\] number 1, key 'beds'.*whole number from 1"),
        ("beds = 18", "", "key 'beds'.*missing"),
        ("ventilators = 12", "ventilators = 1.5", "whole number from 0"),
        ("ventilators = 12", "ventilators = -1", "key 'ventilators'"),
        ("arrivals_a_day = 1.5", "arrivals_a_day = 1000", "from 0 to 200"),
        ("mean_hours = 72", "mean_hours = 0", "number above 0"),
        ("mean_hours = 72", "mean_hours = 90000", "such as 72"),
        ("mean_hours = 72", "", "key 'mean_hours'.*missing"),
        ('group = "icu-census"', 'group = "a/b"', "id of the hospital's Group"),
        ('id = "icu"', 'id = "ICU"', "a-z, 0-9"),
        ('"Practitioner/charge"', '"charge"', "as the hospital's fhirUser does"),
        ('"Practitioner/charge"', '"Patient/1"', "as the hospital's fhirUser does"),
        ("beds = 18", "beds = 18\nrooms = 3", "'rooms'.*is not a setting"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(tmp_path: Path, line: str, instead: str, said: str) -> None:
    assert line in BOARD
    with pytest.raises(TenantError, match=said):
        loaded(tmp_path, BACKEND + BOARD.replace(line, instead))


def test_a_group_needs_a_client_to_read_it_with(tmp_path: Path) -> None:
    with pytest.raises(TenantError, match=r"\[backend\] client"):
        loaded(tmp_path, BOARD)


def test_people_without_a_unit_and_units_that_are_one_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TenantError, match=r"\[\[board.units\]\]"):
        loaded(tmp_path, BOARD.split("[[")[0])
    again = "[[" + BOARD.split("[[")[1]
    with pytest.raises(TenantError, match="two units with the id 'icu'"):
        loaded(tmp_path, BACKEND + BOARD + again)
    with pytest.raises(TenantError, match="two units with the group"):
        loaded(tmp_path, BACKEND + BOARD + again.replace('id = "icu"', 'id = "icu-2"'))
