"""The app's gate file for this hospital: an example with the usual limits, which nobody has approved.

The demonstration shows what a gate says before anything has been proven: that it refuses, and what it lacks. It is
text in the app's documented format; nothing of the app is imported.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

OUTCOMES: Final = {"ventilation-need": ("ventilation-24h", 0.2), "troponin-trend": ("troponin-rise-24h", 0.3)}


def gate_file(artifacts: Path) -> str:
    """The gates as TOML, each of the newest version of its model in the folder `artifacts`."""
    parts = ["# Written by the demonstration at every start; changes here are lost.\n"]
    for model, (outcome, threshold) in OUTCOMES.items():
        parts.append(
            f'\n[[gates]]\nmodel = "{model}"\noutcome = "{outcome}"\nversion = "{newest(artifacts / model)}"\n'
            f"threshold = {threshold}\nsensitivity = 0.85\nfalse_alarms = 0.10\n"
            "positives = 50\ndays = 30\nmargin = 0.10\n"
        )
    return "".join(parts)


def newest(folder: Path) -> str:
    """The highest version among the folders of one model; "none" where there is none."""
    numbered = [each.name for each in folder.iterdir() if each.name.replace(".", "").isdigit()]
    return max(numbered, key=lambda name: tuple(map(int, name.split("."))), default="none")


def write_gates(artifacts: Path, folder: Path) -> Path:
    """Write demo.toml into `folder`, whole or not at all; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path, draft = folder / "demo.toml", folder / "demo.toml.draft"
    draft.write_text(gate_file(artifacts), encoding="utf-8")
    return draft.replace(path)
