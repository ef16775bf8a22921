"""The table of conformance can be believed: each item is held by a test of the product, or says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import conformance
from tests.conformance import Citation, Item, Malformed, citations, faults, items, table

CITE = "# CONFORM" + "ANCE"
KNOWN = (Item(1, "A", "N", "One."), Item(2, "A", "L", "Two.", deviation="not ours to do"))
HELD = Citation("tests/ehr/test_a.py", "test_one", 1, 3)


def test_every_item_has_a_test_or_a_reason_and_every_citation_an_item() -> None:
    assert [item.number for item in items()] == list(range(1, 110))
    assert faults(items(), citations()) == []


def test_the_table_is_the_one_the_tests_make() -> None:
    written = conformance.TABLE.read_text(encoding="utf-8")
    assert written == table(items(), citations()), "run `make conformance`"


@pytest.mark.parametrize(
    ("cited", "said"),
    [
        ([], "item 1 has neither a test nor a deviation"),
        ([HELD, Citation("tests/ehr/test_a.py", "test_one", 3, 4)], "test_a.py:4: item 3 is unknown"),
        ([HELD, Citation("tests/ehr/test_a.py", "", 1, 9)], "test_a.py:9: belongs to no test"),
        ([HELD, Citation("tests/ehr/test_a.py", "test_one", 2, 5)], "item 2 has a deviation and a test"),
        ([Citation("tests/demo/test_a.py", "test_one", 1, 3)], "item 1 has neither a test nor a deviation"),
    ],
    ids=["no-test", "unknown-item", "loose", "both", "stand-in-only"],
)
def test_what_does_not_fit_is_said_with_its_place(cited: list[Citation], said: str) -> None:
    (fault,) = faults(KNOWN, cited)
    assert said in fault


def test_an_item_with_a_test_and_one_with_a_reason_fit_and_stand_in_the_table() -> None:
    assert faults(KNOWN, [HELD]) == []
    written = table(KNOWN, [HELD])
    assert "| 1 | N | One. | `tests/ehr/test_a.py::test_one` |" in written
    assert "| 2 | L | Two. | *Deviation:* not ours to do |" in written


def test_what_is_left_out_of_an_item_stands_beside_its_tests_and_not_beside_a_deviation() -> None:
    most = Item(1, "A", "N", "One.", apart="its last part, which nobody reads")
    assert faults((most,), [HELD]) == []
    assert "::test_one`<br>*Apart from:* its last part, which nobody reads |" in table((most,), [HELD])
    both = Item(2, "A", "L", "Two.", deviation="not ours to do", apart="its last part")
    assert faults((both,), []) == ["item 2 has a deviation and a part left out; keep one"]


def cited(folder: Path, text: str) -> list[tuple[str, int]]:
    (folder / "ehr").mkdir(exist_ok=True)
    (folder / "ehr" / "test_a.py").write_text(text)
    return [(each.test, each.item) for each in citations(folder, folder)]


def test_a_citation_belongs_to_the_test_it_stands_in_or_above(tmp_path: Path) -> None:
    text = f"""
{CITE} 1
@mark([
    1,  {CITE} 2
])
def test_first() -> None:  {CITE} 3, 4
    pass  {CITE} 5: in words


{CITE} 6

def test_second() -> None:
    text = "{CITE} 7"


def helper() -> None:  {CITE} 8
    pass
"""
    found = cited(tmp_path, text)
    assert found == [("test_first", n) for n in (1, 2, 3, 4, 5)] + [("", 6), ("", 8)]


@pytest.mark.parametrize("odd", [f"{CITE} 1 2", f"{CITE} 1 and 2", f"#{CITE[1:].strip()} 1", f"{CITE} 1,2"])
def test_a_citation_of_another_form_is_refused_with_its_line(tmp_path: Path, odd: str) -> None:
    with pytest.raises(Malformed, match=r"test_a\.py:2: write"):
        cited(tmp_path, f"def test_one() -> None:\n    pass  {odd}\n")


def test_an_item_without_a_sentence_is_refused(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('["A"]\n1 = { strength = "N" }\n')
    with pytest.raises(Malformed, match="item 1"):
        items(tmp_path / "c.toml")
