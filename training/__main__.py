"""`python -m training run --task ventilation|troponin|all`: data in, signed artefact folders out.

`adapt` makes a release a site's own (training/adaptation), `federate` trains across sites (training/federation).
"""

from __future__ import annotations

import argparse
import sys
import warnings
from datetime import UTC, datetime
from pathlib import Path

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from training.adaptation import command as adaptation
from training.federation import command as federation
from training.readers import DataMissing
from training.tasks import TASKS, Task, task

HERE = Path(__file__).resolve().parent.parent


def main(arguments: list[str] | None = None) -> int:
    """What the subcommand says: exit code 0, or 1 when something was refused."""
    options = _parser().parse_args(arguments)
    code: int = options.main(options)
    return code


def _train(options: argparse.Namespace) -> int:
    """Exit code 0 when every artefact was written, 1 when data is missing or a version is released."""
    import torch

    from training.leaks import Leak

    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    chosen = TASKS if options.task == "all" else (task(options.task),)
    for one in chosen:
        try:
            folder = _run(one, options)
        except (DataMissing, FileExistsError, Leak) as refused:
            sys.stderr.write(f"{one.name}: {refused}\n")
            return 1
        sys.stdout.write(f"{one.name} {one.version}: {folder}\n")
    return 0


def _reword(options: argparse.Namespace) -> int:
    """Exit code 0 when the version was written, 1 when it is released already or the one before does not load."""
    from inference.errors import ArtifactError
    from training.reword import reword

    one = task(options.task)
    try:
        folder = reword(one, options.artifacts, created=datetime.now(UTC).replace(microsecond=0))
    except (ArtifactError, FileExistsError) as refused:
        sys.stderr.write(f"{one.name}: {refused}\n")
        return 1
    sys.stdout.write(f"{one.name} {one.version}: {folder}\n")
    return 0


def _run(one: Task, options: argparse.Namespace) -> Path:
    from training.run import Bench, run

    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns) as progress, warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=UserWarning, module="sklearn|lightgbm")
        warnings.filterwarnings(
            "ignore", message="Mean of empty slice|Degrees of freedom", category=RuntimeWarning
        )
        bar = progress.add_task(one.name, total=None)

        def say(text: str) -> None:
            progress.update(bar, description=f"{one.name}: {text}")
            if not progress.console.is_terminal:
                sys.stderr.write(f"{one.name}: {text}\n")

        def advance(text: str, count: int) -> None:
            progress.update(bar, advance=count, description=f"{one.name}: {text}")

        bench = Bench(
            options.data, options.cache, options.artifacts, options.threads, say=say, advance=advance
        )
        options.cache.mkdir(parents=True, exist_ok=True)
        return run(one, bench, created=datetime.now(UTC).replace(microsecond=0), replace=options.replace)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="train, judge and write artefacts")
    run.set_defaults(main=_train)
    run.add_argument("--task", choices=("ventilation", "troponin", "all"), default="all")
    run.add_argument(
        "--data", type=Path, default=HERE.parent / "shared" / "data", help="folder with the publishers' files"
    )
    run.add_argument(
        "--cache", type=Path, default=HERE / "var" / "training", help="feature matrices, to resume from"
    )
    run.add_argument(
        "--artifacts", type=Path, default=HERE / "inference" / "artifacts", help="where versions are written"
    )
    run.add_argument("--threads", type=int, default=2)
    run.add_argument("--replace", action="store_true", help="write over a version that is there")
    again = commands.add_parser("reword", help="the newest release with its card's sentences as they are written now")
    again.set_defaults(main=_reword)
    again.add_argument("--task", choices=("ventilation", "troponin"), required=True)
    again.add_argument("--artifacts", type=Path, default=HERE / "inference" / "artifacts")
    adaptation.add(commands)
    federation.add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
