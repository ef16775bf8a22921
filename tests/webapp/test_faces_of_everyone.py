"""The faces meet every authored patient, with the models as released: nothing they can say lacks words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from demo.patients import STORIES
from ehr.reader import read_record
from inference.assess import assess
from inference.assessment import TROPONIN, VENTILATION, Assessment, State
from inference.model import Model, load, newest
from tests.webapp import pages
from tests.webapp.card_lint import lint
from tests.webapp.cases import card, leaflet_of, shown
from webapp import result

NOW = datetime(2026, 11, 23, 11, 12, tzinfo=UTC)
ZONE = "America/New_York"
UCUM_ANNOTATION = re.compile(r"\{(score|fraction)\}")  # a unit as the hospital sent it, not a field left open


@pytest.fixture(scope="module")
def models() -> tuple[Model, ...]:
    artifacts = pages.ROOT / "inference" / "artifacts"
    return tuple(load(newest(artifacts, name), "cpu") for name in (VENTILATION, TROPONIN))


def answers(story: str, models: tuple[Model, ...]) -> list[Assessment]:
    resources: list[Mapping[str, Any]] = STORIES[story](NOW).resources
    patient = next(each["id"] for each in resources if each["resourceType"] == "Patient")
    chart = read_record(patient, resources).at(NOW)
    return [assess(chart, model, seed=1) for model in models]


@pytest.mark.parametrize("story", sorted(STORIES))
def test_every_patient_gets_sound_cards_a_page_and_a_leaflet_in_every_state(
    story: str, models: tuple[Model, ...]
) -> None:
    found = answers(story, models)
    for state in State:
        for each in found:
            made = card(each, state, threshold=0.05)
            assert made is None or lint(made) == ()
            for language in ("en", "es"):
                assert "{" not in pages.text(leaflet_of(each, state, language))
        view = result.view([shown(each, state) for each in found], zone=ZONE, opened=NOW)
        text = pages.text(pages.render("result.html", view=view, language="en"))
        assert "{" not in UCUM_ANNOTATION.sub("", text)
        assert "not used (" not in text
        for never in ("None", "nan", "Observation/None"):
            assert never not in text.split()


def test_the_card_of_a_worsening_patient_names_what_worsens(models: tuple[Model, ...]) -> None:
    ventilation = answers("pneumonia-worsening", models)[0]
    made = card(ventilation, State.ACTIVE, threshold=0.05)
    assert made is not None
    assert made["summary"].startswith(("Ventilator within 24", "NEWS2", "Ventilation: indeterminate"))
