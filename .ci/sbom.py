"""`make sbom`: what the app runs on, as CycloneDX 1.6 JSON: requirements.txt and all that it brings.

The environment is read by cyclonedx-bom, so versions and licences are those really installed; what only tests and
training need is left out by following the dependencies from requirements.txt.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from packaging.markers import default_environment
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
SPECIFICATION = "1.6"


def plain(name: str) -> str:
    """A package's name as PyPI compares it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def required(text: str) -> list[Requirement]:
    """What requirements.txt pins for this machine."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    found = [Requirement(line) for line in lines if line and not line.startswith("-")]
    return [each for each in found if _here(each)]


def brought(wanted: list[Requirement]) -> dict[str, list[str]]:
    """Name -> names it needs, for `wanted` and all they bring here; extras count where somebody asks for them.

    Raises SystemExit where what is pinned is not what is installed.
    """
    needs: dict[str, list[str]] = {}
    seen: set[tuple[str, str]] = set()
    left = list(wanted)
    while left:
        asked = left.pop()
        name = plain(asked.name)
        installed = distribution(asked.name)
        if not asked.specifier.contains(installed.version, prereleases=True):
            raise SystemExit(
                f"sbom: {asked} is pinned, {installed.version} is installed; run 'make test' first"
            )
        for extra in ("", *asked.extras):
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            more = [each for each in map(Requirement, installed.requires or ()) if _here(each, extra)]
            needs[name] = sorted({*needs.get(name, []), *(plain(each.name) for each in more)})
            left += more
    return needs


def _here(asked: Requirement, extra: str = "") -> bool:
    return asked.marker is None or asked.marker.evaluate({**default_environment(), "extra": extra})


def environment(python: str) -> dict[str, Any]:
    """Everything installed for `python`, as a bill of materials."""
    command = [sys.executable, "-m", "cyclonedx_py", "environment", "--sv", SPECIFICATION, "--of", "JSON"]
    command += [
        "--output-reproducible",
        "--pyproject",
        str(ROOT / "pyproject.toml"),
        "--mc-type",
        "application",
    ]
    done = subprocess.run([*command, python], check=True, capture_output=True, text=True)  # noqa: S603
    bill: dict[str, Any] = json.loads(done.stdout)
    return bill


def kept(bill: dict[str, Any], wanted: list[Requirement]) -> dict[str, Any]:
    """`bill` with `wanted` and what they bring, and nothing else."""
    needs, main = brought(wanted), bill["metadata"]["component"]["bom-ref"]
    components = [one for one in bill["components"] if plain(one["name"]) in needs]
    ref = {plain(one["name"]): one["bom-ref"] for one in components}
    graph = [{"ref": ref[name], "dependsOn": [ref[each] for each in needs[name]]} for name in sorted(needs)]
    graph.append({"ref": main, "dependsOn": sorted({ref[plain(each.name)] for each in wanted})})
    return bill | {"components": components, "dependencies": graph}


def main(python: str, out: Path) -> None:
    """Write the bill of `python`'s environment, which runs this, to `out`."""
    bill = kept(environment(python), required((ROOT / "requirements.txt").read_text(encoding="utf-8")))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(bill, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
