"""A review of some time ago is computed again as the ledger stood then, whatever was settled since."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import insert, select

from governance import export
from governance.export import ExportedSite
from governance.store import migrate, open_store
from governance.tables import outcomes
from governance.weekly import compiled
from inference.assessment import VENTILATION
from tests.governance.played import TENANT, played
from tests.governance.test_recomputed import SCRIPT, WEEK, unlike


def recounted(folder: Path, week: str) -> Any:
    command = [sys.executable, "-Es", str(SCRIPT), str(folder), TENANT, week]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)["reviews"][week]


def test_a_review_of_then_is_found_again_after_more_was_settled(tmp_path: Path) -> None:
    store = open_store(f"sqlite:///{tmp_path}/ledger.db")
    migrate(store)
    made = played(store)
    asked, then = made.asked(WEEK), made.clock()
    body = json.loads(json.dumps(compiled(made.books, asked, now=then, why=lambda _: ("a reason",))))
    o = outcomes.c
    with store.writing() as connection:
        by_rule = connection.execute(select(outcomes).where(o.source != "review", o.label == "no")).mappings().all()
        reviewed = set(connection.scalars(select(o.assessment_id).where(o.source == "review")))
        later = {"source": "review", "label": "yes", "recorded_at": then + timedelta(days=1)}
        mended = [
            dict(row) | later | {"id": str(uuid4())}
            for row in by_rule
            if row["assessment_id"] not in reviewed
        ]
        assert len(mended) > 20
        connection.execute(insert(outcomes), mended)
    thresholds = {VENTILATION: {"ventilation-24h": asked.cards[VENTILATION]}}
    site = ExportedSite(TENANT, "UTC", thresholds)
    export.write(tmp_path / "out", store, [site], now=then + timedelta(days=2))
    store.close()
    parts = {key: body[key] for key in ("models", "cards", "feedback", "offers", "clarity")}
    assert unlike(parts, recounted(tmp_path / "out", f"{WEEK.name}@{body['made_at']}")) == []
    assert unlike(parts, recounted(tmp_path / "out", WEEK.name))
