"""`python -m demo`: the hospital alone, on EHR_PORT. `python -m demo.up` starts the app beside it."""

from __future__ import annotations

import os
import sys

from demo.config import ConfigError, from_environment
from demo.up import hospital_command

if __name__ == "__main__":
    try:
        settings = from_environment(os.environ)
    except ConfigError as error:
        sys.exit(f"the hospital does not start: {error}")
    command = hospital_command(settings.port)
    os.execv(command[0], command)  # noqa: S606  # the command is this file's own
