"""An export is of one moment, whoever writes meanwhile, and what is half written or changed of it is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from governance import export
from governance.errors import ExportRefusal, LedgerUnavailable
from governance.export import ExportedSite
from governance.ledger import Ledger
from governance.outcomes import Outcome, Outcomes
from governance.store import Store
from inference.assessment import VENTILATION, State
from tests.governance.answers import NOON, answer

SITE = ExportedSite("north", "UTC", {VENTILATION: {"ventilation-24h": 0.2}})
LATER = NOON + timedelta(days=2)
FILES = ("answers.parquet", "outcomes.parquet", f"seismometer/{VENTILATION}/ventilation-24h/events.parquet")


def settled(ledger: Ledger, store: Store, patient: str) -> str:
    key = ledger.record(answer(), tenant="north", patient=patient, door="hook", state=State.SILENT).id
    Outcomes(store, clock=lambda: LATER).record(Outcome(key, "ventilation-24h", "no", known_at=LATER))
    return key


def keys(folder: Path, name: str, column: str) -> set[str]:
    return set(pq.read_table(folder / "north" / name)[column].to_pylist())


def test_an_export_is_of_one_moment_whoever_writes_meanwhile(
    ledger: Ledger, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = {settled(ledger, store, "p") for _ in range(3)}
    write: Callable[..., int] = export._table

    def meanwhile(*told: Any) -> int:
        count = write(*told)
        settled(ledger, store, "q")  # as another process would, between one table and the next
        return count

    monkeypatch.setattr(export, "_table", meanwhile)
    out = tmp_path / "out"
    export.write(out, store, [SITE], now=LATER)
    assert keys(out, "answers.parquet", "id") == first
    for name, column in (
        ("predictions.parquet", "assessment_id"),
        ("outcomes.parquet", "assessment_id"),
        (f"seismometer/{VENTILATION}/ventilation-24h/predictions.parquet", "prediction"),
        (f"seismometer/{VENTILATION}/ventilation-24h/events.parquet", "prediction"),
    ):
        assert keys(out, name, column) == first, name


def test_a_moment_of_the_ledger_is_only_read(store: Store) -> None:
    with store.snapshot() as moment, pytest.raises(LedgerUnavailable), moment.writing():
        pass


@pytest.fixture
def folder(ledger: Ledger, store: Store, tmp_path: Path) -> Path:
    settled(ledger, store, "p")
    export.write(tmp_path / "out", store, [SITE], now=LATER)
    export.checked(tmp_path / "out")
    return tmp_path / "out"


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_cut_off_missing_or_changed_is_named(folder: Path, name: str) -> None:
    path = folder / "north" / name
    whole = path.read_bytes()
    for left in (whole[: len(whole) // 2], b"", whole[:-1], whole[:-1] + bytes([whole[-1] ^ 1])):
        path.write_bytes(left)
        with pytest.raises(ExportRefusal, match=f"north/{name} is not as it was written"):
            export.checked(folder)
    path.unlink()
    with pytest.raises(ExportRefusal, match=f"north/{name} is missing"):
        export.checked(folder)


def test_a_file_that_is_not_of_it_is_named(folder: Path) -> None:
    (folder / "north" / "more.parquet").write_bytes(b"PAR1")
    with pytest.raises(ExportRefusal, match=r"more\.parquet is not of it"):
        export.checked(folder)


def test_a_manifest_that_is_missing_or_cut_off_is_named(folder: Path) -> None:
    manifest = folder / "manifest.json"
    text = manifest.read_text()
    for left in (text[: len(text) // 2], "", json.dumps({"format": 1})):
        manifest.write_text(left)
        with pytest.raises(ExportRefusal, match="not finished"):
            export.checked(folder)
    manifest.unlink()
    with pytest.raises(ExportRefusal, match="no manifest"):
        export.checked(folder)


def test_what_was_cut_off_while_it_was_written_is_neither_read_nor_written_over(
    ledger: Ledger, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settled(ledger, store, "p")

    def broken(*_: object, **__: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(export.seismometer, "write", broken)
    with pytest.raises(KeyboardInterrupt):
        export.write(tmp_path / "out", store, [SITE], now=LATER)
    assert not (tmp_path / "out").exists()
    with pytest.raises(ExportRefusal, match="cut off"):
        export.checked(tmp_path / ".out.part")
    with pytest.raises(ExportRefusal, match="delete it"):
        export.write(tmp_path / "out", store, [SITE], now=datetime.now(LATER.tzinfo))
