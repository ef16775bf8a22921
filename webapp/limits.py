"""How much one caller may ask of a door in a minute, counted for all workers together.

The limits are far above what a ward does (docs/settings.md says why so much) and below what would stop the app for
everybody else. What is counted: at the hooks a proven caller, so that nobody can use up another's share; at a launch
the hospital and the address it comes from; for paper the visit. Refuses (TooManyRequests) with the seconds to wait.
"""

from __future__ import annotations

from flask import request

from webapp.errors import TooManyRequests
from webapp.rooms import Rooms

STRETCH = 60.0  # seconds


def within(rooms: Rooms, door: str, *whom: str) -> None:
    """Count one more call of `whom` at `door`. Raises TooManyRequests above the door's limit."""
    most = rooms.settings.limits[door]
    if not most:
        return
    many, left = rooms.vault.count(f"limit/{door}", "|".join(whom), STRETCH)
    if many > most:
        raise TooManyRequests(f"more than {most} a minute", left)


def address() -> str:
    """Where the request comes from: hashed with the tally's key, kept for a minute, shown nowhere."""
    return request.remote_addr or ""
