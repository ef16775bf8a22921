"""A synthetic trend model of the second generation: it hears when the next draw is planned, and may be asked
before the first troponin is back. A later planned draw raises its answer.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from inference.assessment import TROPONIN
from inference.model import MANIFEST
from tests import artefacts


def build_planned(artifacts: Path, version: str = "0.0.2") -> Path:
    """Write it under `artifacts`; the folder is returned."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(artefacts, "TROPONIN_INPUTS", (*artefacts.TROPONIN_INPUTS, "hours_ahead"))
        patch.setitem(artefacts.PUSHES, "hours_ahead", (6.0, 4.0, 0.5))
        folder = artefacts.build(artifacts, TROPONIN, version)
    path = folder / MANIFEST
    path.write_text(json.dumps(json.loads(path.read_text()) | {"before_first": True}))
    return folder
