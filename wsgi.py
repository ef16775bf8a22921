"""Where gunicorn and the flask command find the app: `gunicorn wsgi:app`, `flask --app wsgi`."""

from __future__ import annotations

import os
import sys

from webapp import create_app
from webapp.settings import SettingsError, from_environment

try:
    app = create_app(from_environment(os.environ))
except SettingsError as error:
    sys.exit(f"ordertime does not start: {error}")
