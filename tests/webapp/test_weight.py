"""A page with its style sheet and script stays under 150 KB, and its style sheets know no left and no right."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from inference.artefact import MANIFEST, newest
from inference.assessment import TROPONIN, VENTILATION, Reason, State
from inference.vocabulary import vocabulary
from tests.webapp import examples, pages
from tests.webapp.cases import BANNER, PAGES, page, shown
from tests.webapp.house import House, standing
from webapp import result

LIMIT = 150_000  # bytes, uncompressed
STATIC = pages.ROOT / "static"
OURS = sum((STATIC / name).stat().st_size for name in ("ordertime.css", "ordertime.js"))


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    yield from standing(tmp_path_factory.mktemp("house"))


@pytest.mark.parametrize("name", sorted(PAGES))
def test_every_state_of_the_page_is_light(name: str) -> None:
    assert len(page(name).encode()) + OURS < LIMIT


def everything(model: str) -> list[Reason]:
    """A reason for every input of the released model: hourly values for three days, or what the person is."""
    hours = [(72 - hour, 100.0 + hour % 7) for hour in range(72)]
    manifest = json.loads((newest(pages.ROOT / "inference" / "artifacts", model) / MANIFEST).read_text())
    inputs = [name for name in manifest["inputs"] if name in vocabulary().variables]
    return [
        examples.reason(name, 0.4 - 0.01 * place, *((ago, vocabulary().variables[name].low) for ago, _ in hours))
        for place, name in enumerate(inputs)
    ] + [examples.person_reason("sex", "sex", 0.2, "male")]


def test_the_page_of_a_patient_of_whom_everything_is_charted_is_light() -> None:
    found = []
    for example, model in ((examples.VENTILATION_ASSESSED, VENTILATION), (examples.TROPONIN_PLANNED, TROPONIN)):
        told = everything(model)
        assert len(told) > 25
        rows = tuple(row for each in told if each.latest is not None for row in [each.latest] * 3)
        why = examples.explanation("x-24h", -2.0, *told)
        found.append(replace(example, model=model, explanation=why, inputs=rows, refused=example.refused * 5))
    view = result.view(
        [shown(each, State.ACTIVE) for each in found],
        zone=examples.ZONE,
        opened=examples.OPENED,
        banner=BANNER,
    )
    html = pages.render("result.html", view=view, language="en")
    assert len(html.encode()) + OURS < LIMIT
    assert len(re.sub(r"\s+", " ", html)) > LIMIT / 2  # it is the full page


def test_the_page_of_a_patient_of_the_stand_in_hospital_is_light(house: House) -> None:
    for patient in ("pneumonia-worsening", "heart-failure-settling", "sepsis"):
        _, _, answer = house.result(patient)
        assert len(answer.get_data()) + OURS < LIMIT, patient


PHYSICAL = re.compile(
    r"(?:^|[\s;{])((?:margin|padding|border)-(?:left|right)[a-z-]*|left|right|(?:text-align|float|clear):\s*(?:left|right)"
    r"|border-(?:top|bottom)-(?:left|right)-radius)\s*[:;]"
)


def physical(css: str) -> list[str]:
    """Declarations that know left and right."""
    plain = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    found = [each[1] for each in PHYSICAL.finditer(plain)]
    for name, value in re.findall(r"(margin|padding|border-radius|inset):\s*([^;}]+)", plain):
        sides = value.split()
        if len(sides) == 4 and sides[1] != sides[3]:
            found.append(f"{name}: {value}")
    return found


def test_the_style_sheet_knows_no_left_and_no_right() -> None:
    for name in ("ordertime.css", "governing.css"):
        assert physical((STATIC / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "css",
    [
        "a { margin-left: 1px }".replace(" }", "; }"),
        "a { text-align: right; }",
        "a { left: 0; }",
        "a { padding: 1px 2px 3px 4px; }",
        "a { border-left-color: red; }",
    ],
)
def test_what_knows_left_from_right_is_found(css: str) -> None:
    assert physical(css)
    assert not physical(css.replace("left", "inline-start").replace("right", "end").replace("4px", "2px"))
