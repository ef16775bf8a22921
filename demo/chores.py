"""`python -m demo.chores VAR DAYS`: done for the app once it answers: its gates weighed, the simulated year played.

Runs beside the two servers at low priority, as one process that ends by itself; a year that was broken off is played
anew. Uses the app's own command line and imports nothing of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

FLASK: Final = (sys.executable, "-m", "flask", "--app", "wsgi")


def main(var: Path, days: str) -> None:
    """Weigh, then become the process that plays the year, unless it was played before."""
    os.nice(10)
    subprocess.run([*FLASK, "gate", "weigh"], check=False)
    year = var / "simulated"
    if not (year / "year.json").is_file():
        shutil.rmtree(year, ignore_errors=True)
        os.execv(sys.executable, [*FLASK, "simulate", "--out", str(year), "--days", days])  # noqa: S606  no shell is wanted


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
