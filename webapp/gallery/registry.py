"""What the gallery is made of: faces, and of each face its plates, one a state.

A face registers by standing in `webapp.gallery.FACES`; it says its plates when asked. A plate's page is drawn when it
is looked at, inside the app, from a stored assessment: no chart, no model, no ledger.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plate:
    """One state of one face. `name` is its place in the address; `draw` gives the whole page as HTML."""

    name: str
    title: str
    draw: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Face:
    """One face: its place in the address, its title, and its plates in the order they hang."""

    name: str
    title: str
    plates: Callable[[], tuple[Plate, ...]]
