"""One secret, many keys."""

from __future__ import annotations

import hashlib
import hmac

import pytest

from governance.errors import SetupError, Unreadable
from governance.keys import Pseudonyms, Seal, derive
from tests.governance.answers import NOON, SECRET


def test_keys_are_derived_as_rfc_5869_says() -> None:
    extracted = hmac.new(b"ordertime/1", SECRET, hashlib.sha256).digest()
    expanded = hmac.new(extracted, b"some label" + b"\x01", hashlib.sha256).digest()
    assert derive(SECRET, "some label") == expanded


def test_a_short_secret_is_refused_with_the_remedy() -> None:
    with pytest.raises(SetupError, match="openssl rand"):
        derive(b"short", "label")


def test_a_pseudonym_is_stable_and_belongs_to_its_label_parts_and_secret() -> None:
    name = Pseudonyms(SECRET, "people").of("patient", "north", "123")
    assert name == Pseudonyms(SECRET, "people").of("patient", "north", "123")
    others = {
        Pseudonyms(SECRET, "people").of("patient", "south", "123"),
        Pseudonyms(SECRET, "people").of("user", "north", "123"),
        Pseudonyms(SECRET, "slots").of("patient", "north", "123"),
        Pseudonyms(SECRET + b"x", "people").of("patient", "north", "123"),
    }
    assert len(others | {name}) == 5
    assert "123" not in name or len(name) == 64


def test_parts_cannot_be_shifted_into_each_other() -> None:
    people = Pseudonyms(SECRET, "people")
    lists = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ('a","b', "c"), ("a", 'b","c')]
    assert len({people.of(*parts) for parts in lists}) == len(lists)


def test_what_was_sealed_opens_in_its_place_with_its_secret_only() -> None:
    sealed = Seal(SECRET, "notes").close(b"body", place="row 1", at=NOON)
    assert Seal(SECRET, "notes").open(sealed, place="row 1") == b"body"
    assert b"body" not in sealed
    for seal, place, token in (
        (Seal(SECRET, "notes"), "row 2", sealed),
        (Seal(SECRET, "other"), "row 1", sealed),
        (Seal(SECRET + b"x", "notes"), "row 1", sealed),
        (Seal(SECRET, "notes"), "row 1", sealed[:-8] + b"AAAAAAA="),
        (Seal(SECRET, "notes"), "row 1", b""),
    ):
        with pytest.raises(Unreadable):
            seal.open(token, place=place)
