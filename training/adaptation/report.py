"""The experiment in figures: every way and size at the site's reported moments, as JSON and as a short table.

All ways answer the same rows, so a difference is paired, drawn over the same patients. A figure is the mean over
repeats; `over_repeats` is their standard deviation. The calibration error's interval is of resampled patients too, and
lies high, since resampling adds error of its own.
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
from sklearn.metrics import average_precision_score, roc_auc_score

from training.adaptation.experiment import Answers, Plan
from training.adaptation.judging import AS_IS, SCRATCH, WAYS, log_loss
from training.adaptation.ways import Tuning
from training.contenders import place
from training.matrix import Table
from training.resample import Draws, interval

CHOSEN: Final = "as chosen on the folds"
FIGURES: Final = ("auroc", "auprc", "ece", "log_loss")
BINS: Final = 10
AGAINST: Final = (AS_IS, SCRATCH)
Floats = NDArray[np.float64]


def report(rows: Table, plan: Plan, found: Mapping[int, Answers], tuning: Tuning) -> dict[str, Any]:
    """All that is said of one model."""
    told = rows.reported & ~rows.too_soon
    y, draws = rows.y[told, -1], Draws.of(rows.patient[told])
    return {
        "base": plan.base,
        "site": plan.site,
        "design": f"the site is dealt into {plan.parts} parts by hospital (by patient where it is one hospital); each "
        "part is answered by every way adapted on stays drawn from the other parts; each repeat deals and draws anew",
        "rows": len(y),
        "positive": int(y.sum()),
        "patients": draws.patients,
        "patients_with_the_outcome": len(np.unique(rows.patient[told][y])),
        "stays": len(np.unique(rows.stay[told])),
        "tuning": asdict(tuning),
        "sizes": {str(size): of_size(y, told, draws, answers) for size, answers in found.items()},
    }


def of_size(y: NDArray[np.bool_], told: NDArray[np.bool_], draws: Draws, answers: Answers) -> dict[str, Any]:
    """Figures of every way and of what would be chosen, and differences to no adaptation and to training anew."""
    given = {name: answers.probability[:, told, place] for place, name in enumerate(WAYS)}
    given[CHOSEN] = _chosen(answers)[:, told]
    points = {name: np.array([_figures(y, p) for p in each]) for name, each in given.items()}  # [R,4]
    drawn = {
        name: np.mean([_drawn(y, p, draws) for p in each], axis=0) for name, each in given.items()
    }  # [B,4]
    return {
        "ways": {name: _cell(points[name], drawn[name]) for name in given},
        "differences": {
            f"{name} minus {other}": _cell(points[name] - points[other], drawn[name] - drawn[other])
            for other in AGAINST
            for name in given
            if name not in (other, AS_IS)
        },
        "chosen": dict(Counter(map(str, answers.chosen.ravel())).most_common()),
        "repeats": len(answers.chosen),
    }


def write(path: Path, name: str, said: Mapping[str, Any]) -> Path:
    """Puts one model's report into the file, beside the other's, and the tables into the same name with .md."""
    whole = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    whole[name] = said
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    tables = "\n".join(table(one, whole[one]) for one in sorted(whole))
    path.with_suffix(".md").write_text(tables, encoding="utf-8")
    return path


def table(name: str, said: Mapping[str, Any]) -> str:
    """One model in Markdown."""
    lines = [
        f"## {name}: {place(said['base'])} adapted to {place(said['site'])}",
        "",
        f"{said['rows']:,} moments of {said['patients']:,} patients at the site, {said['positive']:,} of "
        f"{said['patients_with_the_outcome']:,} with the outcome: {said['design']}. Means over repeats with 95 % "
        "intervals over patients, ± the standard deviation over repeats.",
        "",
    ]
    for size, found in said["sizes"].items():
        chosen = ", ".join(f"{one} {count}" for one, count in found["chosen"].items())
        lines += [f"{int(size):,} stays, {found['repeats']} repeats. Chosen on the folds: {chosen}.", ""]
        lines += [
            _row(("", *map(_title, FIGURES), f"AUROC minus {AS_IS}", f"AUROC minus {SCRATCH}")),
            _row(["---"] * 7),
        ]
        for one, cell in found["ways"].items():
            gaps = [found["differences"].get(f"{one} minus {other}") for other in AGAINST]
            cells = [*(_shown(cell, figure) for figure in FIGURES), *(_gap(gap) for gap in gaps)]
            lines.append(_row([one, *cells]))
        lines.append("")
    return "\n".join(lines)


def _chosen(answers: Answers) -> Floats:
    """[R,N]: each part answered by the way that was chosen on the folds of the stays drawn for it."""
    at = np.vectorize(WAYS.index)(answers.chosen)  # [R,parts]
    column = np.take_along_axis(at, answers.part, axis=1)
    found: Floats = np.take_along_axis(answers.probability, column[:, :, None], axis=2)[:, :, 0]
    return found


def _figures(y: NDArray[np.bool_], p: Floats) -> list[float]:
    ece = float(sum(abs(p[part].sum() - y[part].sum()) for part in _parts(p)) / len(p))
    return [
        float(roc_auc_score(y, p)),
        float(average_precision_score(y, p)),
        ece,
        float(log_loss(y, p).mean()),
    ]


def _drawn(y: NDArray[np.bool_], p: Floats, draws: Draws) -> Floats:
    """The same figures in each draw of patients, [B,4]."""
    off = [np.abs(draws.total(np.where(_within(part, len(p)), p - y, 0.0))) for part in _parts(p)]
    ece = np.sum(off, axis=0) / draws.total(np.ones(len(p)))
    return np.column_stack([draws.ranking(y, p), ece, draws.mean(log_loss(y, p))])


def _parts(p: Floats) -> list[NDArray[np.intp]]:
    return [part for part in np.array_split(np.argsort(p, kind="stable"), BINS) if len(part)]


def _within(part: NDArray[np.intp], rows: int) -> NDArray[np.bool_]:
    found = np.zeros(rows, dtype=bool)
    found[part] = True
    return found


def _cell(points: Floats, drawn: Floats) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for column, figure in enumerate(FIGURES):
        said[figure] = round(float(points[:, column].mean()), 4)
        said[f"{figure}_95"] = interval(drawn[:, column])
        said[f"{figure}_over_repeats"] = (
            round(float(points[:, column].std(ddof=1)), 4) if len(points) > 1 else None
        )
    return said


def _title(figure: str) -> str:
    return {"log_loss": "log loss"}.get(figure, figure.upper())


def _shown(cell: Mapping[str, Any], figure: str) -> str:
    low, high = cell[f"{figure}_95"] or (float("nan"),) * 2
    spread = cell[f"{figure}_over_repeats"]
    about = "" if spread is None else f" ± {spread:.3f}"
    return f"{cell[figure]:.3f} ({low:.3f} to {high:.3f}){about}"


def _gap(cell: Mapping[str, Any] | None) -> str:
    if cell is None:
        return ""
    low, high = cell["auroc_95"] or (float("nan"),) * 2
    return f"{cell['auroc']:+.3f} ({low:+.3f} to {high:+.3f})"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
