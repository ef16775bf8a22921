"""What CDS Hooks 2.0.1, and this house, would not have of a card: the contract that every card of ours is held to."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from webapp.cards import LONGEST

INDICATORS: Final = ("info", "warning", "critical")
RAW_HTML: Final = re.compile(r"(?<!\\)<[a-zA-Z/!?]")


def lint(card: Mapping[str, Any]) -> tuple[str, ...]:
    """What CDS Hooks 2.0.1 would not have: () for a sound card."""
    faults = [f"{key} is missing" for key in ("summary", "indicator", "source", "uuid") if key not in card]
    summary, detail = str(card.get("summary", "")), str(card.get("detail", ""))
    if len(summary) > LONGEST:
        faults.append(f"summary has {len(summary)} characters, {LONGEST} are allowed")
    if "\n" in summary:
        faults.append("summary has more than one line")
    if card.get("indicator") not in INDICATORS:
        faults.append(f"indicator is {card.get('indicator')!r}")
    if not dict(card.get("source") or {}).get("label"):
        faults.append("source has no label")
    if RAW_HTML.search(detail) or RAW_HTML.search(summary):
        faults.append("raw HTML")
    if card.get("suggestions") and card.get("selectionBehavior") not in ("at-most-one", "any"):
        faults.append("suggestions without selectionBehavior")
    faults += [
        f"suggestion {each.get('label')!r}: {fault}"
        for each in card.get("suggestions", ())
        for fault in _suggestion_faults(each)
    ]
    faults += [
        f"link {link.get('label')!r}: {fault}"
        for link in card.get("links", ())
        for fault in _link_faults(link)
    ]
    faults += [
        f"override reason without {part}"
        for reason in card.get("overrideReasons", ())
        for part in ("code", "system", "display")
        if not reason.get(part)
    ]
    return tuple(faults + [f"{path} is empty" for path in _empty(card, "card")])


def _link_faults(link: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"no {key}" for key in ("label", "url", "type") if not link.get(key))
    if link.get("type") not in ("smart", "absolute"):
        yield f"type {link.get('type')!r}"
    if "appContext" in link and link.get("type") != "smart":
        yield "appContext on a link that launches nothing"


def _suggestion_faults(suggestion: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"no {key}" for key in ("label", "uuid") if not suggestion.get(key))
    for action in suggestion.get("actions", ()):
        yield from (f"an action without {key}" for key in ("type", "description") if not action.get(key))
        kind, resource = action.get("type"), action.get("resource")
        whole = isinstance(resource, Mapping) and bool(resource.get("resourceType"))
        if kind not in ("create", "update", "delete"):
            yield f"an action of type {kind!r}"
        elif kind == "delete" and not action.get("resourceId"):
            yield "a delete without resourceId"
        elif kind != "delete" and not whole:
            yield f"a {kind} without a whole resource"


def _empty(value: Any, path: str) -> Iterator[str]:
    if value is None or value in ("", [], {}):
        yield path
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _empty(inner, f"{path}.{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _empty(inner, f"{path}[{index}]")
