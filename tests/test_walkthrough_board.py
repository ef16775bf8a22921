"""The unit board as somebody in the demonstration finds it: the job run once, then a way there from a result page.

Hospital, app and job are three processes that speak over loopback, with the models as released; the browser is real and
the board opens inside the hospital's page.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from demo.patients import STORIES
from demo.unit import look
from tests.conftest import Demonstration
from tests.test_walkthrough import app_frame, open_chart, order, physician

__all__ = ["physician"]
pytestmark = pytest.mark.browser


def test_the_job_looks_at_the_unit_and_its_board_opens_beside_the_chart(
    physician: Any, demonstration: Demonstration, pictures: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    # CONFORMANCE 34
    ports = {name: url.rpartition(":")[2] for name, url in
             (("EHR_PORT", demonstration.hospital), ("APP_PORT", demonstration.app))}  # fmt: skip
    assert look({**os.environ, **ports}, demonstration.var) == 0
    said = capfd.readouterr().out
    assert f"monitored: {len(STORIES)} patients of 24 beds; 1 on a ventilator of 4" in said
    assert "in 24 h:" in said

    page = physician
    open_chart(page, "sepsis")  # of whom no other walk has been told a minute ago
    order(page, "oxygen")
    page.locator("article.card [data-launch] button").first.click()
    frame = app_frame(page)
    frame.get_by_role("link", name="Unit board").click()
    frame.get_by_role("heading", name="Ventilators needed").wait_for(timeout=20_000)
    text = frame.locator("body").inner_text()
    assert "Never a substitute for the bedside" in text
    assert "Demonstration" in text
    assert "In use now: 1 of 4." in text
    page.screenshot(path=pictures / "board-in-the-chart.png")
