"""`python -m demo.unit`, which is `make board`: the app's job that looks at a unit, against the running demonstration.

What a hospital's scheduler would start hourly. The job is the app's own command in a process of its own, with the
demonstration's settings; nothing of the app is imported.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from demo.config import ConfigError, from_environment
from demo.up import ROOT, VAR, app_environment

JOB = ("-m", "flask", "--app", "wsgi", "board", "--tenant", "demo")


def look(environment: Mapping[str, str], var: Path = VAR) -> int:
    """Run the job and hand on its exit status. Raises ConfigError."""
    told = {**environment, **app_environment(from_environment(environment), var)}
    return subprocess.run((sys.executable, *JOB), cwd=ROOT, env=told, check=False).returncode


if __name__ == "__main__":
    try:
        sys.exit(look(os.environ))
    except ConfigError as error:
        sys.exit(f"not started: {error}")
