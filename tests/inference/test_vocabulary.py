"""The vocabulary: complete, and refused by name where it is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference.errors import VocabularyError
from inference.vocabulary import KINDS, vocabulary

GOOD = """
[systems]
heart = "Heart markers"
[variables.hr]
label = "Heart rate"
system = "heart"
unit = "/min"
kind = "vital"
plausible = [1, 300]
absent = "not charted"
source = "monitor"
"""


def read(tmp_path: Path, text: str) -> object:
    path = tmp_path / "variables.toml"
    path.write_text(text)
    return vocabulary(path)


def test_every_variable_says_its_label_system_and_what_absence_means() -> None:
    words = vocabulary()
    for variable in words.variables.values():
        assert variable.label
        assert variable.absent
        assert variable.source
        assert variable.system in words.systems
        assert variable.kind in KINDS


def test_labels_are_not_used_twice() -> None:
    labels = [variable.label for variable in vocabulary().variables.values()]
    assert len(labels) == len(set(labels))


def test_troponins_are_four_variables_in_one_unit() -> None:
    names = ("troponin_t", "troponin_i", "hs_troponin_t", "hs_troponin_i")
    assert {vocabulary()[name].unit for name in names} == {"ng/L"}


def test_a_value_at_the_edge_is_plausible_and_one_beyond_it_is_not() -> None:
    fio2 = vocabulary()["fio2"]
    assert fio2.plausible(21)
    assert fio2.plausible(100)
    assert not fio2.plausible(0.4)
    assert not fio2.plausible(400)


def test_a_category_runs_over_its_levels() -> None:
    device = vocabulary()["oxygen_device"]
    assert device.plausible(len(device.levels) - 1)
    assert not device.plausible(len(device.levels))


def test_a_name_that_is_not_there_is_not_in_it() -> None:
    assert "hr" in vocabulary()
    assert "heart_rate" not in vocabulary()


@pytest.mark.parametrize("key", ["label", "system", "unit", "kind", "absent", "source"])
def test_a_missing_key_is_refused_by_variable_and_key(tmp_path: Path, key: str) -> None:
    text = "\n".join(line for line in GOOD.splitlines() if not line.startswith(f"{key} ="))
    with pytest.raises(VocabularyError, match=rf"\[hr\] has no '{key}'"):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ('system = "lungs"', 'system = "heart"', "lungs"),
        ('kind = "guess"', 'kind = "vital"', "guess"),
        ("plausible = [9, 9]", "plausible = [1, 300]", "empty"),
        ('kind = "category"', 'kind = "vital"', "levels"),
    ],
)
def test_a_wrong_value_is_refused_and_named(tmp_path: Path, wrong: str, right: str, said: str) -> None:
    with pytest.raises(VocabularyError, match=said):
        read(tmp_path, GOOD.replace(right, wrong))


def test_a_new_label_keeps_the_fingerprint_and_a_new_unit_or_range_does_not(tmp_path: Path) -> None:
    def fingerprint(name: str, text: str) -> str:
        folder = tmp_path / name
        folder.mkdir()
        path = folder / "variables.toml"
        path.write_text(text)
        return vocabulary(path).fingerprint

    original = fingerprint("a", GOOD)
    assert fingerprint("b", GOOD.replace("Heart rate", "Pulse")) == original
    assert fingerprint("c", GOOD.replace("/min", "Hz")) != original
    assert fingerprint("d", GOOD.replace("300", "350")) != original
