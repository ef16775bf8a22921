"""One site's way of writing, resolved and remembered: codes -> meanings, units -> conversions.

The same forty codings and thirty units come thousands of times; each is resolved once and then looked up.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, NamedTuple

from ehr.codes import Code, CodesError, CodeTable, Conversion, Meaning, code_table
from ehr.moments import NotUsed
from inference.vocabulary import Variable, vocabulary

REMEMBERED: Final = (
    20_000  # entries of each memory: a hostile export cannot fill the machine with made-up codes
)
PULSE_OXIMETRY: Final = frozenset({"spo2", "sao2"})  # both codings stand on one pulse-oximetry row


class Entry(NamedTuple):
    """What a CodeableConcept of this site stands for."""

    meaning: Meaning | None  # None: no coding of it is known here
    variable: Variable | None
    code: str  # "system|code" that was believed, or the first that was sent
    loinc: str  # its bare code, for conversions that depend on it
    in_vitals: str = ""  # the variable it means in category vital-signs, if another
    wrong: str = ""  # reason it must not be used, whatever its value


class Lexicon:
    """Look-ups for one site. Holds no patient data beyond the codes and units themselves."""

    def __init__(self, table: CodeTable, local: Mapping[str, str]) -> None:
        self.table = table
        self.vocabulary = vocabulary()
        self._local = {key: _understood(table, text) for key, text in local.items()}
        self._entries: dict[Any, Entry] = {}
        self._units: dict[Any, Conversion | str] = {}

    def entry(self, concept: Any) -> Entry:
        """What `concept` (a CodeableConcept) stands for.
        Raises TypeError and its like where it is malformed.
        """
        codings = concept.get("coding") or ()
        key = (*[(c.get("system"), c.get("code"), c.get("display")) for c in codings], concept.get("text"))
        found = self._entries.get(key)
        if found is None:
            found = self._resolve(key[:-1], key[-1])
            _remember(self._entries, key, found)
        return found

    def level(self, category: str, concept: Any) -> int | None:
        """The level of `category` that a coded or written answer stands for;
        None where it is unknown here.
        """
        for coding in concept.get("coding") or ():
            meaning = self.meaning(coding.get("system"), coding.get("code"))
            if meaning is not None and meaning.kind == "level" and meaning.name == category:
                return meaning.level
        return self.named_level(category, concept.get("text"))

    def named_level(self, category: str, text: object) -> int | None:
        """The level a bare flowsheet string stands for: as the tenant maps it, or the level's own name."""
        if not isinstance(text, str):
            return None
        meaning = self._local.get(f"|{text.strip()}")
        if meaning is not None:
            return meaning.level if meaning.kind == "level" and meaning.name == category else None
        named = text.strip().casefold()
        return next((i for name, i in self.table.levels[category].items() if name.casefold() == named), None)

    def meaning(self, system: Any, code: Any) -> Meaning | None:
        """What one coding stands for: the tenant's word first, then the table's."""
        local = self._local.get(f"{system or ''}|{code}")
        if local is not None:
            return local
        return self.table.meanings.get((self.table.system(system), code)) if system else None

    def event(self, concept: Any) -> str:
        """The kind of event a procedure's or device's concept stands for, "" if none."""
        for coding in concept.get("coding") or ():
            local = self._local.get(f"{coding.get('system') or ''}|{coding.get('code')}")
            if local is not None and local.kind == "event":
                return local.name
            kind = self.table.events.get((self.table.system(coding.get("system")), coding.get("code")))
            if kind:
                return kind
        return ""

    def conversion(self, variable: str, loinc: str, system: Any, code: Any, unit: Any) -> Conversion:
        """How a quantity's unit becomes the vocabulary's. Raises NotUsed: missing, not understood,
        or contradicting.
        """
        key = (variable, loinc, system, code, unit)
        found = self._units.get(key)
        if found is None:
            found = self._convert(*key)
            _remember(self._units, key, found)
        if found.__class__ is Conversion:
            return found
        raise NotUsed(str(found), f"{unit or code or ''}"[:40])

    def _convert(self, variable: str, loinc: str, system: Any, code: Any, unit: Any) -> Conversion | str:
        table = self.table
        sent = code if code and (not unit or table.system(system) == table.ucum) else unit
        if not sent:
            return table.conversion(variable, "", loinc) or "unit-missing"
        found = table.conversion(variable, sent, loinc)
        if found is None:
            return "unit-unknown"
        printed = table.conversion(variable, unit, loinc) if unit and sent is not unit else None
        return "unit-contradiction" if printed is not None and printed != found else found

    def _resolve(self, codings: tuple[tuple[Any, Any, Any], ...], text: Any) -> Entry:
        sent = [(system, code) for system, code, _ in codings if code]
        first = f"{sent[0][0] or ''}|{sent[0][1]}" if sent else ""
        known = [(c, m) for c in sent if (m := self.meaning(*c)) is not None]
        if not known:
            return Entry(None, None, first or _short(text), "")
        best = self._best(known)
        if best is None:
            return Entry(known[0][1], None, first, "", wrong="codes-disagree")
        code, meaning = best
        labels = " ; ".join(str(label) for label in (*[d for _, _, d in codings], text) if label)
        in_vitals = self.table.vital.get((self.table.system(code[0] or ""), code[1]), "")
        return Entry(
            meaning,
            self.vocabulary[meaning.name] if meaning.kind == "variable" else None,
            f"{code[0] or ''}|{code[1]}",
            str(code[1]) if self.table.system(code[0] or "") == self.table.loinc else "",
            "" if in_vitals == meaning.name else in_vitals,
            "label-contradicts-code" if self._contradicts(meaning.name, labels) else "",
        )

    def _best(self, known: list[tuple[Any, Meaning]]) -> tuple[Code, Meaning] | None:
        """The tenant's own code before others; a quantity before a panel;
        None where two quantities are claimed.
        """
        for code, meaning in known:
            if f"{code[0] or ''}|{code[1]}" in self._local:
                return code, meaning
        strong = [pair for pair in known if pair[1].kind not in ("panel", "apart", "level")] or known
        names = {meaning.name for _, meaning in strong}
        if names == PULSE_OXIMETRY:
            return next(pair for pair in strong if pair[1].name == "spo2")
        return strong[0] if len(names) == 1 else None

    def _contradicts(self, variable: str, labels: str) -> bool:
        rule = self.table.labels.get(variable)
        return bool(rule and rule.never.search(labels) and not rule.proper.search(labels))


@lru_cache(maxsize=64)
def _lexicon(local: frozenset[tuple[str, str]]) -> Lexicon:
    return Lexicon(code_table(), dict(local))


def lexicon(local_codes: Mapping[str, str]) -> Lexicon:
    """The lexicon of a site with these codes of its own; made once a process."""
    return _lexicon(frozenset(local_codes.items()))


def _understood(table: CodeTable, text: str) -> Meaning:
    """A tenant's target; one that is wrong (the tenant file's check says so) makes the code unused,
    not guessed.
    """
    try:
        return table.target(text)
    except CodesError:
        return Meaning("apart", "local-map-wrong")


def _remember(memory: dict[Any, Any], key: Any, found: Any) -> None:
    if len(memory) >= REMEMBERED:
        memory.clear()
    memory[key] = found


def _short(text: object) -> str:
    return text[:60] if isinstance(text, str) else ""
