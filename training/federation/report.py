"""What the three ways are worth: figures per site on its held-back patients, as JSON and as a short table.

Intervals draw whole patients again, and differences are paired: both networks answer the same drawn patients.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from training import measure
from training.federation import audit
from training.federation.experiment import ALONE, FEDERATED, POOLED, WAYS, Experiment, Outcome
from training.federation.flower import FederationFailed
from training.federation.rounds import ARRIVED
from training.federation.sites import LEFT
from training.resample import Draws, interval

MEAN: Final = "mean of the sites"
AGAINST: Final = {
    f"{FEDERATED} minus {ALONE}": (FEDERATED, ALONE),
    f"{FEDERATED} minus {POOLED}": (FEDERATED, POOLED),
}


def report(experiment: Experiment, outcome: Outcome, packages: Mapping[str, str]) -> dict[str, Any]:
    """All that is said of one task. Raises FederationFailed when something left a site past its door."""
    asked = asdict(experiment.recipe)
    return {
        "recipe": {name: value for name, value in asked.items() if name not in ("task", "held")},
        "held_back": f"{experiment.folds} of {experiment.fold.max() + 1} folds, every site's own: whole hospitals "
        "of eICU, whole patients elsewhere; no way was trained on them",
        "sites": [asdict(site) for site in outcome.sites],
        "figures": figures(experiment, outcome),
        "left_the_sites": departures(experiment),
        "seconds": {way: round(spent, 1) for way, spent in outcome.seconds.items()},
        "packages": dict(packages),
    }


def figures(experiment: Experiment, outcome: Outcome) -> dict[str, dict[str, Any]]:
    """By site, then by way: AUROC and AUPRC of the headline outcome, and the paired differences."""
    rows = experiment.rows
    judged = rows.reported & ~rows.too_soon & (experiment.fold < experiment.folds)
    found: dict[str, dict[str, Any]] = {}
    drawn: dict[str, list[NDArray[np.float64]]] = {way: [] for way in WAYS}
    for name in (site.name for site in outcome.sites):
        keep = judged & (experiment.names == name)
        y, draws = rows.y[keep, -1], Draws.of(rows.patient[keep])
        answers = {way: outcome.answers[way][keep].astype(np.float64) for way in WAYS}
        found[name] = {way: measure.ranking(y, answers[way], draws) for way in WAYS} | {
            title: measure.difference(y, answers[ours], answers[theirs], draws)
            for title, (ours, theirs) in AGAINST.items()
        }
        if "auroc" in found[name][POOLED]:
            for way in WAYS:
                drawn[way].append(draws.ranking(y, answers[way]))
    return found | ({MEAN: _mean(found, drawn)} if drawn[POOLED] else {})


def departures(experiment: Experiment) -> dict[str, Any]:
    """What left the sites, from the asking side's lists, laid beside the sites' own."""
    folder = experiment.folder
    arrived = [line for path in folder.glob(f"federated/*/{ARRIVED}") for line in audit.read(path)]
    left = [line for path in folder.glob(f"sites/*/{LEFT}") for line in audit.read(path)]
    if strangers := audit.unexplained(arrived, left):
        raise FederationFailed(f"{len(strangers)} arrivals are on no site's list; the first: {strangers[0]}")
    return {
        "things": len(arrived),
        "on_no_sites_list": 0,
        "bytes": sum(line.bytes for line in arrived),
        "kinds": {kind: _kind([line for line in arrived if line.kind == kind]) for kind in _kinds(arrived)},
    }


def write(path: Path, task: str, said: Mapping[str, Any]) -> None:
    """Puts one task's report into the file, beside the other's, and the tables into the same name with .md."""
    whole = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    whole[task] = said
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(
        "\n".join(table(name, whole[name]) for name in sorted(whole)), encoding="utf-8"
    )


def table(task: str, said: Mapping[str, Any]) -> str:
    """One task in Markdown."""
    heads = ("site", "patients (with the outcome)", *WAYS, *AGAINST)
    people = {site["name"]: f"{site['patients']:,} ({site['with_outcome']:,})" for site in said["sites"]}
    lines = [f"## {task}", "", f"Held back: {said['held_back']}.", ""]
    for figure in ("auroc", "auprc"):
        lines += [
            f"{figure.upper()} with 95 % intervals over patients:",
            "",
            _row(heads),
            _row(["---"] * len(heads)),
        ]
        for name, cells in said["figures"].items():
            shown = [_cell(cells[way], figure) for way in WAYS]
            shown += [_cell(cells[title], figure, "+") for title in AGAINST]
            lines.append(_row([name, people.get(name, ""), *shown]))
        lines.append("")
    return "\n".join(lines)


def _mean(
    found: Mapping[str, Mapping[str, Any]], drawn: Mapping[str, list[NDArray[np.float64]]]
) -> dict[str, Any]:
    """Every site counts the same; sites with too few of an outcome are not in it."""
    shown = [cells for cells in found.values() if "auroc" in cells[POOLED]]
    total = {way: np.mean(drawn[way], axis=0) for way in WAYS}
    cells = {way: _averaged([one[way] for one in shown], total[way]) for way in WAYS}
    for title, (ours, theirs) in AGAINST.items():
        cells[title] = _averaged([one[title] for one in shown], total[ours] - total[theirs])
    return cells


def _averaged(parts: list[Mapping[str, Any]], drawn: NDArray[np.float64]) -> dict[str, Any]:
    said: dict[str, Any] = {"sites": len(parts)}
    for column, figure in enumerate(("auroc", "auprc")):
        said[figure] = round(float(np.mean([part[figure] for part in parts])), 4)
        said[f"{figure}_95"] = interval(drawn[:, column])
    return said


def _kinds(lines: Iterable[audit.Passage]) -> list[str]:
    return sorted({line.kind for line in lines})


def _kind(lines: list[audit.Passage]) -> dict[str, Any]:
    """Of one kind: what it is made of, how often a site sent it, and how much at most at a time."""
    sent: Counter[tuple[str, int, str]] = Counter()
    for line in lines:
        sent[line.run, line.turn, line.site] += line.bytes
    return {
        "names": {line.name: list(line.shape) for line in sorted(lines, key=lambda line: line.name)},
        "times": len(sent),
        "bytes_at_most": max(sent.values()),
    }


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(found: Mapping[str, Any], figure: str, sign: str = "") -> str:
    if figure not in found:
        return str(found.get("withheld", ""))
    bounds = found[f"{figure}_95"]
    within = f" ({bounds[0]:{sign}.3f} to {bounds[1]:{sign}.3f})" if bounds else ""
    return f"{found[figure]:{sign}.3f}{within}"
