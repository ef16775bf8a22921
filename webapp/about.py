"""What the models are: each one's card and evaluation as they ship with it, its limits before all else.

The files are generic JSON; this face orders and words them, it adds no fact. A card without limits is shown
with the warning that there are none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from inference.assessment import State
from webapp import words
from webapp.words import say

# Keys of a card that say what it must not be trusted with, wherever they stand in it.
LIMITS: Final = ("limit", "caution", "risk", "not_for", "not_intended", "out_of_scope", "warning", "do_not")
SPELT: Final = {
    "auroc": "AUROC",
    "auroc,": "AUROC,",
    "auprc": "AUPRC",
    "auprc,": "AUPRC,",
    "ece": "ECE",
    "mae": "MAE",
    "ppv": "PPV",
    "ppv,": "PPV,",
    "news2": "NEWS2",
    "rox": "ROX",
}
FOREMOST: Final = "first"  # the key under which a card says what to know before anything else
ATTRIBUTES: Final = "attributes"  # the key of its numbered source attributes
PLOTS: Final = "plots"  # the artefact's folder of drawings, and the key under which its evaluation words them
DEEPEST: Final = 4  # levels of nesting that become sections; below that a line
SHORT: Final = 4  # significant figures of a number


@dataclass(frozen=True, slots=True)
class Line:
    """One fact: what it is about, and what is said of it."""

    label: str
    said: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows that share their columns: results by split, subgroups, data sets."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a card: its heading, its facts and its tables."""

    title: str
    lines: tuple[Line, ...]
    tables: tuple[Table, ...]


@dataclass(frozen=True, slots=True)
class Attribute:
    """One source attribute: its number, what it is about, what is said, and where that comes from."""

    number: int
    title: str
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Drawing:
    """A drawing that ships with the model: its address, what it shows, and what it comes to in words."""

    url: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class Model:
    """One model's card."""

    id: str
    name: str
    version: str
    state: str
    suspended: tuple[str, ...]
    demonstration: bool
    foremost: str
    limits: tuple[str, ...]
    attributes: tuple[Attribute, ...]
    drawings: tuple[Drawing, ...]
    parts: tuple[Part, ...]
    folded: tuple[Part, ...]
    card_url: str
    card_link: str


@dataclass(frozen=True, slots=True)
class AboutView:
    """The page."""

    language: str
    title: str
    lead: str
    limits_title: str
    attributes_title: str
    drawings_title: str
    folded_title: str
    no_limits: str
    models: tuple[Model, ...]


def view(
    manifests: Mapping[str, Mapping[str, Any]],
    cards: Mapping[str, Mapping[str, Any]],
    states: Mapping[str, Collection[State]],
    address: Callable[[str, str], str] = "/about/{}/{}.svg".format,
    card_of: Callable[[str], str] = "/models/{}/card".format,
    suspended: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> AboutView:
    """The page for all models. `cards` holds "card" and "evaluation" by model, `states` where each stands, `suspended`
    the decisions by which it is suspended, in words.

    `address` makes the address of a drawing from the model and the drawing's name, `card_of` that of a model's card.
    """
    return AboutView(
        language="en",
        title=say("en", "about.title"),
        lead=say("en", "about.lead"),
        limits_title=say("en", "about.limits"),
        attributes_title=say("en", "about.attributes"),
        drawings_title=say("en", "about.drawings"),
        folded_title=say("en", "about.folded"),
        no_limits=say("en", "about.no-limits"),
        models=tuple(
            _model(
                *(name, manifest, cards.get(name, {}), states.get(name, ())),
                *(address, card_of(name), suspended.get(name, ())),
            )
            for name, manifest in manifests.items()
        ),
    )


def drawings(manifest: Mapping[str, Any]) -> list[str]:
    """Names of the drawings the manifest lists and so vouches for, without folder and ending."""
    listed = [part for part in manifest.get("files", {}) if part.startswith(f"{PLOTS}/")]
    return [part.removeprefix(f"{PLOTS}/").removesuffix(".svg") for part in listed if part.endswith(".svg")]


def _model(
    name: str,
    manifest: Mapping[str, Any],
    files: Mapping[str, Any],
    states: Collection[State],
    address: Callable[[str, str], str],
    card_url: str,
    suspended: Sequence[str],
) -> Model:
    card, evaluation = files.get("card", {}), files.get("evaluation", {})
    titles = [say("en", f"states.{State(state).value}.title") for state in states]
    apart = (FOREMOST, ATTRIBUTES)
    rest = {key: value for key, value in card.items() if not _limiting(key) and key not in apart}
    figures = {key: value for key, value in evaluation.items() if key != PLOTS}
    origin = {key: value for key, value in manifest.items() if key not in ("files", "layout")}
    return Model(
        id=name,
        name=say("en", f"models.{name}.name"),
        version=str(manifest.get("version", "")),
        state=say("en", "about.state", n=len(titles), states=words.listed(titles)) if titles else "",
        suspended=tuple(suspended),
        demonstration=State.DEMONSTRATION in states,
        foremost=shown(card[FOREMOST]) if card.get(FOREMOST) else "",
        limits=tuple(_limits(card)),
        attributes=tuple(_attribute(one) for one in card.get(ATTRIBUTES, ())),
        drawings=tuple(_drawings(name, manifest, evaluation.get(PLOTS, {}), address)),
        parts=tuple(_parts(say("en", "about.card"), rest)),
        folded=(
            *_parts(say("en", "about.evaluation"), figures),
            *_parts(say("en", "about.record"), origin),
        ),
        card_url=card_url,
        card_link=say("en", "about.live-card"),
    )


def _attribute(one: Mapping[str, Any]) -> Attribute:
    code = str(one.get("source", ""))
    key = f"about.source.{code.replace(' ', '-')}"
    source = say("en", key) if words.knows("en", key) else code
    return Attribute(int(one["number"]), str(one["title"]), str(one["text"]), source)


def _drawings(
    name: str,
    manifest: Mapping[str, Any],
    worded: Mapping[str, Mapping[str, str]],
    address: Callable[[str, str], str],
) -> list[Drawing]:
    """The manifest's drawings in the order in which the evaluation words them; one without words by its name."""
    order = list(worded)
    listed = [(plot, f"{plot}.svg") for plot in drawings(manifest)]
    listed.sort(key=lambda pair: order.index(pair[1]) if pair[1] in order else len(order))
    found = []
    for plot, file in listed:
        said = worded.get(file, {})
        found.append(Drawing(address(name, plot), said.get("title", labelled(plot)), said.get("text", "")))
    return found


def _limiting(key: str) -> bool:
    return any(word in key.lower().replace("-", "_").replace(" ", "_") for word in LIMITS)


def _limits(card: Mapping[str, Any]) -> list[str]:
    """Every sentence under a key that speaks of limits, wherever it stands."""
    found: list[str] = []
    for key, value in card.items():
        if _limiting(str(key)):
            found += _sentences(value)
        elif isinstance(value, Mapping):
            found += _limits(value)
    return list(dict.fromkeys(found))


def _sentences(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{labelled(key)}: {said}" for key, inner in value.items() for said in _sentences(inner)]
    if isinstance(value, Sequence) and not isinstance(value, str) and not _pair(value):
        return [said for inner in value for said in _sentences(inner)]
    return [shown(value)]


def _parts(title: str, facts: Mapping[str, Any], depth: int = 0) -> list[Part]:
    """One part for the plain facts at this level, then one for each nested level."""
    lines: list[Line] = []
    tables: list[Table] = []
    below: list[Part] = []
    for key, value in facts.items():
        label = labelled(key)
        if (table := _table(label, value)) is not None:
            tables.append(table)
        elif isinstance(value, Mapping) and value and depth < DEEPEST:
            below += _parts(f"{title}: {words.inline(label)}" if depth else label, value, depth + 1)
        else:
            lines.append(Line(label, tuple(_sentences(value)) or (say("en", "about.none"),)))
    here = [Part(title, tuple(lines), tuple(tables))] if lines or tables else []
    return here + below


def _table(title: str, value: Any) -> Table | None:
    """A table where all rows are flat mappings with the same keys; None otherwise."""
    named = isinstance(value, Mapping)
    rows = list(value.values()) if isinstance(value, Mapping) else value
    if not isinstance(rows, list) or not rows or not all(isinstance(row, Mapping) and row for row in rows):
        return None
    columns = list(dict.fromkeys(key for row in rows for key in row))
    flat = all(not isinstance(cell, Mapping) and not _nested(cell) for row in rows for cell in row.values())
    alike = sum(len(row) for row in rows) >= 0.6 * len(columns) * len(rows)
    if not flat or not alike or (named and len(rows) < 2):
        return None
    heads = list(value) if named else []
    body = tuple(
        (
            *([labelled(heads[i])] if named else []),
            *(shown(row[column]) if column in row else "–" for column in columns),
        )
        for i, row in enumerate(rows)
    )
    return Table(title, (*([""] if named else []), *map(labelled, columns)), body)


def _pair(value: Any) -> bool:
    """An interval: two numbers, the lower first."""
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(isinstance(end, float) for end in value)
        and value[0] <= value[1]
    )


def _nested(cell: Any) -> bool:
    return isinstance(cell, list) and any(isinstance(inner, (Mapping, list)) for inner in cell)


def labelled(key: object) -> str:
    """A file's key as a label: "false_alarm_rate" is "False alarm rate", "auroc_95" is "AUROC, 95 % interval"."""
    text = str(key).replace("_", " ").strip()
    text = f"{text.removesuffix(' 95')}, 95{words.NBSP}% interval" if text.endswith(" 95") else text
    return words.capital(" ".join(SPELT.get(word, word) for word in text.split(" ")))


def shown(value: Any) -> str:
    """A file's value as text: numbers to four figures, intervals with a dash, nothing as "not stated"."""
    if value is None or value == "" or value == []:
        return say("en", "about.none")
    if isinstance(value, bool):
        return say("en", "about.yes" if value else "about.no")
    if _pair(value):
        between = "–" if value[0] >= 0 else " to "  # a minus and a dash are too easily taken for one another
        return f"{value[0]:.{SHORT}g}{between}{value[1]:.{SHORT}g}"
    if isinstance(value, float):
        return f"{value:.{SHORT}g}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(shown(inner) for inner in value)
    return str(value)
