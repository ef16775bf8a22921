"""A server that is missing is said to be missing, and where it must be there that is a failure."""

from __future__ import annotations

import pytest
from _pytest.outcomes import Failed, Skipped

from tests.servers import program


def test_a_missing_program_skips_and_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(Skipped, match=r"no-such-server is not installed .*package nowhere"):
        program("no-such-server", "nowhere")


def test_where_ci_is_true_a_missing_program_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(Failed, match="no-such-server"):
        program("no-such-server", "nowhere")
