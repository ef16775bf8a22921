"""Observations -> measurements, and evidence of ventilation. One pass, one row at a time; a bad row loses
only itself.

Reads the row's own value and every component; knows blood-pressure panels, oxygen inside a pulse-oximetry
row, coma scores in parts, running totals, and rows whose label contradicts their code.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, NamedTuple

from ehr.lexicon import Entry, Lexicon
from ehr.moments import Clock, NotUsed
from ehr.values import Value, converted, points, read_value
from inference.chart import Measurement, Source
from inference.vocabulary import Variable

USED: Final = {"final": False, "amended": False, "corrected": False, "preliminary": True, "unknown": True}
HIGH_SENSITIVITY: Final = frozenset({"hs_troponin_t", "hs_troponin_i"})
SEXES: Final = {
    "female": "female",
    "f": "female",
    "248152002": "female",
    "male": "male",
    "m": "male",
    "248153007": "male",
}
WRONG: Final = (
    TypeError,
    ValueError,
    KeyError,
    AttributeError,
    IndexError,
    OverflowError,
)  # what malformed JSON causes


class Evidence(NamedTuple):
    """A row that shows breathing support: kind of event, when it could be known, and the row."""

    kind: str
    time: datetime
    source: Source


class ComaPart(NamedTuple):
    """Eye, verbal or motor points, to be added up with the other two of the same moment."""

    part: str
    points: int
    mark: str
    time: datetime
    known: datetime
    source: Source
    preliminary: bool


class Sink:
    """What the rows of one patient amount to."""

    def __init__(self) -> None:
        self.measurements: list[Measurement] = []
        self.evidence: list[Evidence] = []
        self.coma: list[ComaPart] = []
        self.spans: dict[tuple[str, datetime], float] = {}  # a running total's row and time -> hours it spans
        self.refused: list[tuple[str, str, str]] = []
        self.only_issued: list[str] = []

    def forget(self, where: str) -> None:
        """Undo what a row, and what it contains, came to: a newer version of it is there."""
        inside = f"{where}#"

        def stays(name: str) -> bool:
            return name != where and not name.startswith(inside)

        self.measurements = [row for row in self.measurements if stays(row.source.resource)]
        self.evidence = [row for row in self.evidence if stays(row.source.resource)]
        self.coma = [part for part in self.coma if stays(part.source.resource)]
        self.spans = {key: hours for key, hours in self.spans.items() if stays(key[0])}
        self.refused = [refusal for refusal in self.refused if stays(refusal[0])]
        self.only_issued = [name for name in self.only_issued if stays(name)]


class Observations:
    """Reads one patient's Observations into a Sink. `devices` are the words that name each Device."""

    def __init__(
        self, lexicon: Lexicon, clock: Clock, sex: str, devices: Mapping[str, str], sink: Sink
    ) -> None:
        self.lexicon, self.clock, self.sex, self.devices, self.sink = lexicon, clock, sex, devices, sink

    def read(self, row: Mapping[str, Any], where: str) -> None:
        """Read one Observation. Raises NotUsed, or one of WRONG where it is malformed,
        with nothing kept of it.
        """
        preliminary = USED.get(row.get("status", ""))
        if preliminary is None:
            raise NotUsed("status", str(row.get("status"))[:40])
        if "modifierExtension" in row:
            raise NotUsed("modifier-extension")  # FHIR: what it changes is not known here, so nothing is read
        entry = self.lexicon.entry(row["code"])
        components = row.get("component")
        if entry.wrong:
            raise NotUsed(entry.wrong, entry.code)
        if entry.variable is None:
            if entry.meaning is None and not components:
                raise NotUsed("code-unknown", entry.code)
            if entry.meaning is not None and entry.meaning.kind == "apart":
                raise NotUsed(entry.meaning.name, entry.code)
        time, known, only_issued = self.clock.times(row)
        meta = row.get("meta") or {}
        version = str(meta.get("versionId") or meta.get("lastUpdated") or "")[:64]
        if only_issued:
            self.sink.only_issued.append(where)
        at = _At(where, version, time, known, preliminary)
        if components:
            self._components(components, row, at)
        if entry.variable is not None:
            self._variable(row, row, entry, at, bool(components))
        elif entry.meaning is not None:
            self._one(row, row, entry, at, bool(components))

    def _components(self, components: Any, row: Mapping[str, Any], at: _At) -> None:
        used = False
        for component in components:
            try:
                entry = self.lexicon.entry(component["code"])
                if entry.meaning is None or entry.meaning.kind == "apart":
                    continue
                if entry.wrong:
                    raise NotUsed(entry.wrong, entry.code)
                self._one(component, row, entry, at, False)
                used = True
            except NotUsed as why:
                self.sink.refused.append((at.where, why.reason, why.detail))
            except WRONG as wrong:
                self.sink.refused.append((at.where, "malformed", f"component: {type(wrong).__name__}"))
        if not used and self.lexicon.entry(row["code"]).meaning is None:
            self.sink.refused.append((at.where, "code-unknown", self.lexicon.entry(row["code"]).code))

    def _one(
        self, holder: Mapping[str, Any], row: Mapping[str, Any], entry: Entry, at: _At, has_more: bool
    ) -> None:
        meaning = entry.meaning
        assert meaning is not None  # noqa: S101 - both callers checked
        if meaning.kind == "variable":
            self._variable(holder, row, entry, at, has_more)
        elif meaning.kind == "coma":
            number, mark = points(holder, self.lexicon)
            source = Source(at.where, at.version, entry.code, f"{number}{mark}", "")
            self.sink.coma.append(
                ComaPart(meaning.name, number, mark, at.time, at.known, source, at.preliminary)
            )
        elif meaning.kind in ("mode", "tidal"):
            self._ventilator(holder, entry, at)

    def _variable(
        self, holder: Mapping[str, Any], row: Mapping[str, Any], entry: Entry, at: _At, has_more: bool
    ) -> None:
        variable = entry.variable
        assert variable is not None  # noqa: S101 - kind "variable" carries one
        if entry.in_vitals and _in_vitals(row):
            variable = self.lexicon.vocabulary[entry.in_vitals]
        if (has_more or "hasMember" in holder) and not _has_value(holder):
            return  # a panel that also bears a quantity's code: its parts were read
        value = read_value(holder, variable, entry.loinc, self.lexicon)
        source = Source(at.where, at.version, entry.code, value.value_sent, value.unit_sent)
        ranges = holder.get("referenceRange")
        high = self._upper(ranges, holder, variable, entry.loinc) if ranges else None
        assay = self._assay(entry, row, variable) if variable.name in HIGH_SENSITIVITY else ""
        self.sink.measurements.append(
            Measurement(
                variable.name,
                value.number,
                at.time,
                at.known,
                source,
                value.bound,
                high,
                assay,
                at.preliminary,
            )
        )
        if entry.loinc in self.lexicon.table.totals:
            self.sink.spans[(at.where, at.time)] = self.lexicon.table.totals[entry.loinc]

    def _ventilator(self, holder: Mapping[str, Any], entry: Entry, at: _At) -> None:
        assert entry.meaning is not None  # noqa: S101 - the caller read its kind
        kind, sent = "ventilation", ""
        if entry.meaning.kind == "mode":
            concept = holder.get("valueCodeableConcept") or {}
            words = [holder.get("valueString"), concept.get("text")]
            words += [coding.get("display") or coding.get("code") for coding in concept.get("coding") or ()]
            sent = " ; ".join(str(word) for word in words if word)
            if not sent:
                raise NotUsed("no-value")
            kind = next((k for k, said in self.lexicon.table.mode_words.items() if said.search(sent)), kind)
        else:
            volume = holder["valueQuantity"]["value"]
            sent = str(volume)
            kind = kind if volume > 0 else "none"
        if kind != "none":
            source = Source(at.where, at.version, entry.code, sent[:60], "")
            self.sink.evidence.append(Evidence(kind, at.known, source))

    def _upper(self, ranges: Any, holder: Mapping[str, Any], variable: Variable, loinc: str) -> float | None:
        """The one upper reference limit that applies to this patient; None where none, or more than one,
        does.
        """
        found = set()
        for row in ranges:
            high = row.get("high")
            if not high or "value" not in high or not _is_normal(row) or not self._applies(row):
                continue
            if not high.get("unit") and not high.get("code"):
                high = {**(holder.get("valueQuantity") or {}), "value": high["value"]}
            try:
                found.add(converted(high, variable, loinc, self.lexicon))
            except NotUsed:
                continue
        return found.pop() if len(found) == 1 else None

    def _applies(self, row: Mapping[str, Any]) -> bool:
        told = [
            c.get("code", "") for concept in row.get("appliesTo") or () for c in concept.get("coding") or ()
        ]
        sexes = {SEXES[code.casefold()] for code in told if code.casefold() in SEXES}
        return not sexes or self.sex in sexes

    def _assay(self, entry: Entry, row: Mapping[str, Any], variable: Variable) -> str:
        """The platform: as the tenant says for this code, or as method or device name it,
        on the analyte it measures.
        """
        if entry.meaning is not None and entry.meaning.assay:
            return entry.meaning.assay
        method, device = row.get("method") or {}, row.get("device") or {}
        words = [method.get("text"), device.get("display"), self.devices.get(str(device.get("reference")))]
        words += [coding.get("display") for coding in method.get("coding") or ()]
        said = " ; ".join(str(word) for word in words if word)
        if not said:
            return ""
        named = {
            key
            for key, assay in self.lexicon.table.assays.items()
            if assay.variable == variable.name and assay.words.search(said)
        }
        return named.pop() if len(named) == 1 else ""


class _At(NamedTuple):
    where: str
    version: str
    time: datetime
    known: datetime
    preliminary: bool


def _has_value(holder: Mapping[str, Any]) -> bool:
    return any(name.startswith("value") for name in holder)


def _in_vitals(row: Mapping[str, Any]) -> bool:
    return any(
        coding.get("code") == "vital-signs"
        for concept in row.get("category") or ()
        for coding in concept.get("coding") or ()
    )


def _is_normal(row: Mapping[str, Any]) -> bool:
    """A critical or therapeutic range is no reference range."""
    kind = row.get("type")
    codes = [coding.get("code") for coding in (kind or {}).get("coding") or ()]
    return not codes or "normal" in codes


__all__ = ["WRONG", "ComaPart", "Evidence", "Observations", "Sink", "Value"]
