"""From the hospital's bundle to what is read: chest pain, a troponin ordered and none back yet.

After a deliberate change: `python -m tests.webapp.test_bundle_to_faces`, and read the difference.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from ehr.reader import read_record
from inference.assess import assess
from inference.assessment import Assessment, State, Status
from inference.model import load
from tests.planned import build_planned
from tests.webapp import pages
from tests.webapp.card_lint import lint
from tests.webapp.cases import card, leaflet_of, shown
from webapp import result

BUNDLES = Path(__file__).with_name("bundles")
NOW = datetime(2026, 11, 23, 11, 12, tzinfo=UTC)
ZONE = "America/New_York"
FILES = ("page.txt", "card.json", "handout-en.txt", "handout-es.txt")


def resources() -> list[Mapping[str, Any]]:
    bundle = json.loads((BUNDLES / "before-first.json").read_text(encoding="utf-8"))
    return [entry["resource"] for entry in bundle["entry"]]


def answered(artifacts: Path) -> Assessment:
    """The synthetic trend model's answer to the bundle's chart, for a first draw an hour and a half ahead."""
    chart = read_record("p1", resources()).at(NOW)
    return assess(chart, load(build_planned(artifacts), "cpu"), seed=7, hours_ahead=1.5)


def faces(found: Assessment) -> dict[str, str]:
    """Every face of it, as it is read."""
    banner = result.Banner("Halloran, Noor", date(1961, 4, 17), "female", "")
    each = replace(shown(found, State.ACTIVE), ask_url="/ask")
    view = result.view([each], zone=ZONE, opened=NOW, banner=banner, csrf="token", visit="visit-1")
    said = card(found, State.ACTIVE, zone=ZONE, threshold=0.05)
    told: dict[str, Any] = {"zone": ZONE, "name": "Noor Halloran", "born": date(1961, 4, 17)}
    return {
        "page.txt": pages.text(pages.render("result.html", view=view, language="en")),
        "card.json": json.dumps(said, indent=1, ensure_ascii=False) + "\n",
        **{
            f"handout-{language}.txt": pages.text(leaflet_of(found, State.ACTIVE, language, **told))
            for language in ("en", "es")
        },
    }


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Assessment:
    return answered(tmp_path_factory.mktemp("artefacts"))


def test_an_order_and_a_draw_that_is_not_back_are_no_troponin(found: Assessment) -> None:
    assert any(row["resourceType"] == "ServiceRequest" for row in resources())
    assert (found.status, found.before_first, found.draws) == (Status.ASSESSED, True, ())
    assert {row.variable for row in found.inputs} == {"hr", "sbp", "creatinine"}


@pytest.mark.parametrize("name", FILES)
def test_a_bundle_without_a_troponin_gives_the_golden_faces(found: Assessment, name: str) -> None:
    assert faces(found)[name] == (BUNDLES / f"before-first-{name}").read_text(encoding="utf-8")


def test_the_golden_faces_speak_of_the_first_and_of_no_latest_value(found: Assessment) -> None:
    told = faces(found)
    assert lint(json.loads(told["card.json"])) == ()
    for text in told.values():
        assert "latest" not in text
        assert "next value" not in text
    assert "not ordered" not in told["page.txt"].split("Not measured")[1].split("Small pushes")[0]
    assert "for a first draw 1.5 h from now (07:42)" in told["page.txt"]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        for file, text in faces(answered(Path(place))).items():
            (BUNDLES / f"before-first-{file}").write_text(text, encoding="utf-8")
