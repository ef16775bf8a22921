"""`python -m training federate`: split the rows by site, train alone, pooled and federated, write the report."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any, Final

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from training.federation.flower import ENVIRONMENT, ROOT, EnvironmentMissing, FederationFailed, programs
from training.federation.recipe import ROUNDS, recipe_for
from training.federation.sites import GROUPS, folds, sites_of
from training.readers import DataMissing
from training.tasks import TASKS, Task, task

FOLDS: Final = 5
Say = Callable[[str], None]


def add(commands: Any) -> None:
    """Adds `federate` to the training command's subcommands; `options.main` is what runs it."""
    parser: argparse.ArgumentParser = commands.add_parser("federate", help="train across sites, and compare")
    parser.set_defaults(main=main)
    parser.add_argument("--task", choices=("ventilation", "troponin", "all"), default="all")
    parser.add_argument(
        "--data", type=Path, default=ROOT.parent / "shared" / "data", help="publishers' files"
    )
    parser.add_argument("--cache", type=Path, default=ROOT / "var" / "training", help="feature matrices")
    parser.add_argument("--work", type=Path, default=ROOT / "var" / "federation", help="to resume from")
    parser.add_argument("--report", type=Path, default=ROOT / "training" / "reports" / "federated.json")
    parser.add_argument("--environment", type=Path, default=ENVIRONMENT, help="where Flower is installed")
    parser.add_argument("--groups", type=int, default=GROUPS, help="sites made of eICU's hospitals")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--epochs", type=int, help="of one site in one round")
    parser.add_argument("--proximal", type=float, default=0.0, help="FedProx's pull; 0 is FedAvg")
    parser.add_argument("--folds", type=int, default=FOLDS, help="into which every site is cut")
    parser.add_argument("--first", type=int, help="run only so many of the folds")
    parser.add_argument("--split-only", action="store_true", help="write the sites' rows and stop")


def main(options: argparse.Namespace) -> int:
    """Exit code 0 when the report is written, 1 when data, Flower or a process is missing, with the reason."""
    chosen = TASKS if options.task == "all" else (task(options.task),)
    for one in chosen:
        try:
            with _leaving(), _telling(one.name) as say:
                said = _one(one, options, say)
        except (DataMissing, EnvironmentMissing, FederationFailed) as refused:
            sys.stderr.write(f"{one.name}: {refused}\n")
            return 1
        sys.stdout.write(f"{one.name}: {said}\n")
    return 0


def _one(one: Task, options: argparse.Namespace, say: Say) -> str:
    from training.federation import experiment, report
    from training.matrix import table

    if not options.split_only:
        programs(options.environment)
    rows, _ = table(one, options.data, options.cache, lambda text, _count: say(text))
    names = sites_of(rows, options.groups)
    planned = experiment.Experiment(
        rows=rows,
        names=names,
        fold=folds(rows, names, options.folds),
        recipe=recipe_for(one, rounds=options.rounds, epochs=options.epochs, proximal=options.proximal),
        folds=min(options.first or options.folds, options.folds),
        work=options.work,
    )
    if options.split_only:
        found = experiment.split(planned, say)
        return f"{len(found)} sites under {planned.folder / 'sites'}"
    with experiment.Flower(planned, options.environment) as across:
        outcome = experiment.run(planned, across, say)
    say("measuring")
    report.write(options.report, one.name, report.report(planned, outcome, _packages(options.environment)))
    return str(options.report)


def _packages(environment: Path) -> dict[str, str]:
    """Versions that a figure depends on. Flower's is that of its own environment."""
    flower = sorted(environment.glob("lib/python*/site-packages/flwr-*.dist-info"))
    here = {name: metadata.version(name) for name in ("numpy", "torch")}
    return {"flwr": flower[-1].name.split("-")[1].removesuffix(".dist"), **here} if flower else here


@contextmanager
def _leaving() -> Iterator[None]:
    """A request to end is an ordinary way out, on which the sites' processes are stopped too."""

    def leave(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _telling(name: str) -> Iterator[Say]:
    """Progress on the terminal, or one line a step where there is none."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns) as progress:
        bar, last = progress.add_task(name, total=None), ""

        def say(text: str) -> None:
            nonlocal last
            progress.update(bar, description=f"{name}: {text}")
            if text != last and not progress.console.is_terminal:
                sys.stderr.write(f"{name}: {text}\n")
            last = text

        yield say
