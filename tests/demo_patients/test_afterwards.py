"""What becomes of the authored patients: after their stories, of their own stays, and labelled as made up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from demo.patients import STORIES, later

NOW = datetime(2026, 3, 8, 12, tzinfo=UTC)


def test_it_happens_after_the_story_to_somebody_in_it() -> None:
    found = later(NOW)
    assert len({row["id"] for _, row in found}) == len(found) >= 10
    for when, row in found:
        assert NOW < when < NOW + timedelta(hours=24)
        subject = row.get("subject") or row["patient"]
        assert subject["reference"].removeprefix("Patient/") in STORIES
        assert {tag["code"] for tag in row["meta"]["tag"]} == {"synthetic"}


def test_the_same_moment_gives_the_same_future() -> None:
    assert later(NOW) == later(NOW)
