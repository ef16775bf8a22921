"""Where gunicorn and the flask command find the app: `gunicorn wsgi:app`, `flask --app wsgi`."""

from __future__ import annotations

import os
import sys

from ehr.errors import TenantError
from webapp import create_app
from webapp.settings import SettingsError, from_environment

NOT_TO_BE_TRIED_AGAIN = 3  # gunicorn's WORKER_BOOT_ERROR: the master stops instead of forking for ever

try:
    app = create_app(from_environment(os.environ))
except (SettingsError, TenantError) as error:
    print(f"ordertime does not start: {error}", file=sys.stderr)  # noqa: T201  there is no log yet
    sys.exit(NOT_TO_BE_TRIED_AGAIN)
