"""docs/openapi.json describes the app's addresses: each of them, and none that is not there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.test_architecture import ROOT
from webapp import create_app
from webapp.settings import from_environment

DESCRIBED: dict[str, Any] = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))


def test_it_describes_every_address_and_method_and_no_other(tmp_path: Path) -> None:
    settings = from_environment({"DATABASE_URL": f"sqlite:///{tmp_path / 'x.db'}"})
    found = {
        (re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in create_app(settings).url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.endpoint != "static"
    }
    described = {(path, method) for path, methods in DESCRIBED["paths"].items() for method in methods}
    assert described == found


def test_everything_it_refers_to_is_in_it_and_every_refusal_is_described() -> None:
    def references(value: Any) -> list[str]:
        if isinstance(value, dict):
            here = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
            return here + [each for inner in value.values() for each in references(inner)]
        return [each for inner in value for each in references(inner)] if isinstance(value, list) else []

    for name in references(DESCRIBED):
        at: Any = DESCRIBED
        for step in name.removeprefix("#/").split("/"):
            at = at[step]
    for path, methods in DESCRIBED["paths"].items():
        for operation in methods.values():
            assert "405" in operation["responses"], path
            guarded = path.startswith(
                (
                    "/cds-services/",
                    "/sites/{site}/cds-services/",
                    "/assessments",
                    "/handout",
                    "/result",
                    "/close",
                )
            )
            assert not guarded or "401" in operation["responses"], path


def test_its_version_is_the_apps() -> None:
    said = re.search(r'^version = "([^"]+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert said is not None
    assert DESCRIBED["info"]["version"] == said[1]
