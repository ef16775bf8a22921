"""`python -m training adapt`: a release and a site's export in, a release of the site's own out."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from ehr.errors import EhrError
from ehr.tenants import load_tenant
from inference.artefact import newest
from inference.errors import OrdertimeError
from training.adaptation import AdaptationRefused
from training.adaptation.export_reader import Export
from training.cohorts import TRAINED_ANALYTES
from training.readers import DataMissing
from training.tasks import TASKS, task

ROOT: Final = Path(__file__).resolve().parent.parent.parent
NAMES: Final = ("ventilation", "troponin")


def add(commands: Any) -> None:
    """Adds `adapt` to the training command's subcommands; `options.main` is what runs it."""
    parser: argparse.ArgumentParser = commands.add_parser("adapt", help="make a release this site's own")
    parser.set_defaults(main=main)
    parser.add_argument("--task", choices=(*NAMES, "all"), default="all")
    parser.add_argument("--export", type=Path, help="folder with the bulk export's NDJSON")
    parser.add_argument("--tenant", type=Path, help="the site's file: its name, codes, care units, time zone")
    parser.add_argument("--site", help="the site's name, where there is no --tenant")
    parser.add_argument("--artifacts", type=Path, help="the site's own folder, where versions are written")
    parser.add_argument(
        "--released", type=Path, default=ROOT / "inference" / "artifacts", help="what is adapted"
    )
    parser.add_argument("--argue", action="append", default=[], metavar="INPUT=WHY", help="for the leak scan")
    parser.add_argument(
        "--limit", action="append", default=[], metavar="ANALYTE=NG/L", help="reported from there"
    )
    parser.add_argument(
        "--work", type=Path, default=ROOT / "var" / "adaptation", help="spool; to resume from"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--experiment", action="store_true", help="on open data, against training from scratch"
    )
    parser.add_argument(
        "--data", type=Path, default=ROOT.parent / "shared" / "data", help="publishers' files"
    )
    parser.add_argument("--cache", type=Path, default=ROOT / "var" / "training", help="feature matrices")
    parser.add_argument("--report", type=Path, default=ROOT / "training" / "reports" / "adaptation.json")
    parser.add_argument("--repeats", type=int, default=3, help="of the experiment")


def main(options: argparse.Namespace) -> int:
    """Exit code 0 when everything was written, 1 when something was refused, with the reason."""
    import torch

    from training.leaks import Leak

    torch.set_num_threads(options.threads)
    torch.use_deterministic_algorithms(True)
    chosen = TASKS if options.task == "all" else (task(options.task),)
    for one in chosen:
        try:
            said = _experiment(one.name, options) if options.experiment else _adapt(one.name, options)
        except (AdaptationRefused, Leak, DataMissing, EhrError, OrdertimeError, FileExistsError) as refused:
            sys.stderr.write(f"{one.name}: {refused}\n")
            return 1
        sys.stdout.write(f"{one.name}: {said}\n")
    return 0


def _adapt(name: str, options: argparse.Namespace) -> str:
    from training.adaptation.adapt import Site, adapt
    from training.adaptation.released import opened

    for given, flag in ((options.export, "--export"), (options.artifacts, "--artifacts")):
        if given is None:
            raise AdaptationRefused(f"{flag} is missing")
    site = Site(
        export=_export(options),
        artifacts=options.artifacts,
        work=options.work,
        argued=_pairs(options.argue, "--argue"),
        limits=_limits(options.limit),
        threads=options.threads,
    )
    release = opened(newest(options.released, name))
    created = datetime.now(UTC).replace(microsecond=0)
    made = adapt(release, site, created=created, say=lambda text: _say(name, text))
    return f"{made.version}, {made.choice.name} ({made.choice.why}): {made.folder}\nIt is silent until the site's gate."


def _experiment(name: str, options: argparse.Namespace) -> str:
    from training.adaptation import experiment

    bench = experiment.Bench(
        options.data, options.cache, options.work, options.threads, say=lambda text: _say(name, text)
    )
    return str(experiment.run(name, bench, repeats=options.repeats, report=options.report))


def _export(options: argparse.Namespace) -> Export:
    if options.tenant is None:
        if not options.site:
            raise AdaptationRefused("--tenant is missing, or --site with the site's name")
        return Export(options.export, options.site)
    tenant = load_tenant(options.tenant, production=False)
    return Export(
        options.export,
        options.site or tenant.id,
        tenant.local_codes,
        tenant.care_units,
        ZoneInfo(tenant.time_zone),
    )


def _pairs(given: list[str], flag: str) -> dict[str, str]:
    found = {}
    for one in given:
        name, _, said = one.partition("=")
        if not name or not said.strip():
            raise AdaptationRefused(f"{flag} {one}: write it as NAME=VALUE")
        found[name] = said.strip()
    return found


def _limits(given: list[str]) -> dict[str, float]:
    found = {}
    for name, said in _pairs(given, "--limit").items():
        if name not in TRAINED_ANALYTES:
            raise AdaptationRefused(f"--limit {name}: one of {', '.join(TRAINED_ANALYTES)}")
        try:
            found[name] = float(said)
        except ValueError:
            raise AdaptationRefused(f"--limit {name}={said}: no number of ng/L") from None
    return found


def _say(name: str, text: str) -> None:
    sys.stderr.write(f"{name}: {text}\n")
