"""Rates in words: a share, its interval, what it was counted on. The same on the gate's page, the review and audits."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from webapp.words import say


def share(value: float | None) -> str:
    """ "82.1 %"; what stands for no figure where there is none."""
    return say("en", "gate.none") if value is None else f"{value * 100:.1f} %"


def interval(rate: Mapping[str, Any]) -> str:
    """ "75.0 to 88.2 %"; "" where there is none."""
    if rate["low"] is None or rate["high"] is None:
        return ""
    return say("en", "gate.interval", low=f"{rate['low'] * 100:.1f}", high=f"{rate['high'] * 100:.1f}")


def rate(found: Mapping[str, Any]) -> str:
    """ "82.1 % (75.0 to 88.2 %)"."""
    said = interval(found)
    return f"{share(found['value'])} ({said})" if said else share(found["value"])


def of(found: Mapping[str, Any]) -> str:
    """What a rate was counted on, and how its interval was made."""
    return say(
        "en",
        "gate.of",
        count=f"{found['count']:g}",
        of=f"{found['of']:g}",
        patients=found["patients"],
        method=say("en", f"gate.method-{found['method']}"),
    )
