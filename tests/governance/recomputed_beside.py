"""What stands on pages beside the rates, from an exported folder alone: boards' records, the queue, what came since.

A second hand, as recomputed.py: pandas, nothing of the product. Run as `python recomputed_beside.py FOLDER SITE ASKED`,
what is asked as JSON; what it finds goes to standard output as JSON.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

WITHIN, WINDOW = timedelta(minutes=45), timedelta(days=90)


def board(home: Path, unit: str, version: str, now: datetime) -> list[dict[str, Any]]:
    """How a unit's forecasts of each horizon did: coverage, error, the error of "nothing changes", and not scored."""
    rows = pd.read_parquet(home / "forecasts.parquet")
    rows = rows[(rows.unit == unit) & (rows.made_at >= now - WINDOW)]
    seen = rows[rows.unread == 0].drop_duplicates("made_at").set_index("made_at").in_use
    rows = rows[rows.version == version]
    return [_horizon(hours, some, seen, now) for hours, some in rows.groupby("hours")]


def _horizon(hours: float, rows: pd.DataFrame, seen: pd.Series, now: datetime) -> dict[str, Any]:
    scored, unscored = [], 0
    for row in rows.itertuples():
        due = row.made_at + timedelta(hours=hours)
        if due > now:
            continue
        near = sorted((abs(at - due), at) for at in seen.index if abs(at - due) <= WITHIN)
        if near:
            truth = int(seen[near[0][1]])
            inside = (row.low80 <= truth <= row.high80, row.low95 <= truth <= row.high95)
            scored.append((*inside, abs(row.mean - truth), abs(row.in_use - truth)))
        elif due + WITHIN < now:
            unscored += 1
    means = [sum(each) / len(scored) for each in zip(*scored, strict=True)] or [None] * 4
    names = ("within80", "within95", "error", "error_of_persistence")
    return {"hours": hours, "scored": len(scored), "unscored": unscored, **dict(zip(names, means, strict=True))}


def latest(home: Path, unit: str) -> list[dict[str, Any]]:
    """The forecasts of the newest look, as the board draws them."""
    rows = pd.read_parquet(home / "forecasts.parquet")
    rows = rows[rows.unit == unit]
    rows = rows[rows.made_at == rows.made_at.max()].sort_values("hours")
    names = ["hours", "mean", "low80", "high80", "low95", "high95", "short", "in_use", "patients", "unread"]
    return rows[names].to_dict("records")


def queue(home: Path, cut: datetime) -> dict[str, int]:
    """How many answers wait for a person, of moments before `cut` and since."""
    answers, said, settled, referred = (
        pd.read_parquet(home / f"{name}.parquet") for name in ("answers", "predictions", "outcomes", "referrals")
    )
    keys = ["assessment_id", "outcome"]
    said = said[said.probability.notna()]
    done, reviewed = settled[keys].drop_duplicates(), settled[settled.source == "review"][keys].drop_duplicates()
    open_ = _without(said[keys], done)
    doubted = answers[(answers.status == "indeterminate") & answers.id.isin(open_.assessment_id)].id
    waits = answers[answers.id.isin({*doubted, *_without(referred[keys], reviewed).assessment_id})]
    return {"older": int((waits.as_of < cut).sum()), "since": int((waits.as_of >= cut).sum())}


def _without(rows: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    both = rows.merge(others, how="left", indicator=True)
    return both[both._merge == "left_only"]


def later(home: Path, model: str, version: str, outcome: str, moment: datetime) -> int:
    """How many answers were settled after a card was measured."""
    rows = pd.read_parquet(home / "outcomes.parquet")
    rows = rows[(rows.model == model) & (rows.version == version) & (rows.outcome == outcome)]
    return int((rows.recorded_at > moment).sum())


def main(folder: str, site: str, asked: str) -> None:
    """Compute and tell."""
    home, told = Path(folder) / site, json.loads(asked)
    moment = {name: datetime.fromisoformat(told[name]) for name in ("now", "cut", "measured")}
    found = {
        "board": board(home, told["unit"], told["version"], moment["now"]),
        "latest": latest(home, told["unit"]),
        "queue": queue(home, moment["cut"]),
        "later": later(home, told["model"], told["answered"], told["outcome"], moment["measured"]),
    }
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
