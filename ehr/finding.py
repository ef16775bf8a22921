"""One line of a site's survey: what was found, how grave it is, and what mends it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Weight(StrEnum):
    """What a finding means for the people at the site."""

    WORKS = "works"
    LIMITS = "limits"  # something will be missing, or has to be asked for
    BLOCKS = "blocks"  # no launch, or no chart


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found. `remedy` is who does what about it; "" where nothing is to be done."""

    weight: Weight
    text: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.weight:<8}{self.text}"
        return f"{line}\n{'':<8}-> {self.remedy}" if self.remedy else line


def works(text: str) -> Finding:
    """Something that will work."""
    return Finding(Weight.WORKS, text)


def limits(text: str, remedy: str) -> Finding:
    """Something that will be missing."""
    return Finding(Weight.LIMITS, text, remedy)


def blocks(text: str, remedy: str) -> Finding:
    """Something without which there is no launch, or no chart."""
    return Finding(Weight.BLOCKS, text, remedy)


def launches(findings: Iterable[Finding]) -> bool:
    """Whether nothing found stands in the way of a launch that reads a chart."""
    return all(finding.weight is not Weight.BLOCKS for finding in findings)
