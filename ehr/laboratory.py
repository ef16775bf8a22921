"""What a site's laboratory says of its troponin assays, put onto a record's rows where they are silent.

A row that names its platform, or came with an upper reference limit, keeps both: what the result says of itself
goes before what the site says of all its results. Refuses to name a platform for another analyte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

from inference.chart import Measurement, Record

TROPONINS: Final = ("hs_troponin_t", "hs_troponin_i", "troponin_t", "troponin_i")
SEXES: Final = ("all", "female", "male")


@dataclass(frozen=True, slots=True)
class LaboratoryAssay:
    """One troponin at one site: its platform in the assay table ("" when not said), its 99th percentiles in ng/L."""

    platform: str = ""
    limits: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    def limit(self, sex: str) -> float | None:
        """The upper limit for this sex, else the one for all."""
        return self.limits.get(sex, self.limits.get("all"))


def completed(record: Record, assays: Mapping[str, LaboratoryAssay]) -> Record:
    """`record` with platform and limit of `assays` (by variable) on the rows that came without."""
    if not assays:
        return record
    rows = tuple(_told(row, assays.get(row.variable), record.person.sex) for row in record.measurements)
    return replace(record, measurements=rows)


def _told(row: Measurement, assay: LaboratoryAssay | None, sex: str) -> Measurement:
    if assay is None:
        return row
    limit = assay.limit(sex) if row.reference_high is None else row.reference_high
    same = not row.assay or not assay.platform or row.assay == assay.platform
    return row._replace(
        assay=row.assay or assay.platform, reference_high=limit if same else row.reference_high
    )
