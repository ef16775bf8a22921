"""The EHR's look on our page: its fonts, corners and colours, as far as every word stays readable.

Takes values that `ehr.style` has found harmless and gives a style sheet of our own tokens. Refuses a colour that
would bring any pair of text and ground that it is part of below 4.5 : 1, and one whose contrast it cannot tell;
where the reader's screen is dark, our own dark colours stay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product
from typing import Final

AA: Final = 4.5  # WCAG 2.2, 1.4.3
GROUNDS: Final = {
    "--ground": "#f6f4ef",
    "--sheet": "#fffefb",
    "--sunken": "#f0ede5",
    "--accent-ground": "#e3eeed",
    "--warn-ground": "#fbf0d6",
    "--alarm-ground": "#fae6e2",
}
INKS: Final = {
    "--ink": "#1d2530",
    "--ink-soft": "#55606d",
    "--accent": "#0d5560",
    "--raises": "#a03a12",
    "--lowers": "#1c5688",
    "--warn-ink": "#6b4300",
    "--alarm-ink": "#8a1c1c",
}
TOKENS: Final = {  # SMART's name -> our tokens
    "color_background": ("--ground", "--sheet"),
    "color_text": ("--ink",),
    "color_highlight": ("--accent",),
    "color_error": ("--alarm-ink",),
}
NAMED: Final = {
    "black": "#000000",
    "white": "#ffffff",
    "teal": "#008080",
    "navy": "#000080",
    "maroon": "#800000",
}
SIZE: Final = re.compile(r"(\d{1,2}(?:\.\d{1,3})?)px")
SMALLEST, LARGEST = 14.0, 20.0  # pixels a body text may have

Rgb = tuple[float, float, float]


def sheet(style: Mapping[str, str]) -> str:
    """The style sheet for these properties; "" where nothing can be used."""
    plain = {**_fonts(style), **_size(style)}
    radius = style.get("dim_border_radius", "")
    blocks = [_block(":root", plain)] if plain else []
    if radius.endswith("px"):
        blocks.append(_block("button, .button, select, textarea", {"border-radius": radius}))
    if colours := _colours(style):
        blocks.append(f"@media screen and (prefers-color-scheme: light) {{\n{_block(':root', colours)}}}\n")
    return "".join(blocks)


def contrast(one: str, other: str) -> float | None:
    """WCAG's ratio of two colours; None where one is not opaque or not understood."""
    first, second = _rgb(one), _rgb(other)
    if first is None or second is None:
        return None
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _colours(style: Mapping[str, str]) -> dict[str, str]:
    """Our tokens with the EHR's colours, each taken only if all that it meets stays readable."""
    taken: dict[str, str] = {}
    for name, tokens in TOKENS.items():
        if name in style:
            wanted = taken | dict.fromkeys(tokens, style[name])
            if _readable(GROUNDS | INKS | wanted, tokens):
                taken = wanted
    return taken


def _readable(colours: Mapping[str, str], changed: tuple[str, ...]) -> bool:
    pairs = ((ink, ground) for ink, ground in product(INKS, GROUNDS) if {ink, ground} & set(changed))
    found = (contrast(colours[ink], colours[ground]) for ink, ground in pairs)
    return all(ratio is not None and ratio >= AA for ratio in found)


def _fonts(style: Mapping[str, str]) -> dict[str, str]:
    names = {"font_family_body": "--text", "font_family_heading": "--display"}
    return {token: style[name] for name, token in names.items() if name in style}


def _size(style: Mapping[str, str]) -> dict[str, str]:
    told = SIZE.fullmatch(style.get("dim_font_size", ""))
    return {"--step-0": told[0]} if told and SMALLEST <= float(told[1]) <= LARGEST else {}


def _block(selector: str, values: Mapping[str, str]) -> str:
    rows = "".join(f"  {name}: {value};\n" for name, value in values.items())
    return f"{selector} {{\n{rows}}}\n"


def _rgb(colour: str) -> Rgb | None:
    text = NAMED.get(colour.lower(), colour)
    if re.fullmatch(r"#[0-9a-fA-F]{3}", text):
        text = "#" + "".join(2 * digit for digit in text[1:])
    if re.fullmatch(r"#[0-9a-fA-F]{6}", text):
        return tuple(int(text[place : place + 2], 16) / 255 for place in (1, 3, 5))  # type: ignore[return-value]
    whole = re.fullmatch(r"rgb\(\s*(\d{1,3})\s*[, ]\s*(\d{1,3})\s*[, ]\s*(\d{1,3})\s*\)", text)
    if whole is None or any(int(part) > 255 for part in whole.groups()):
        return None
    return tuple(int(part) / 255 for part in whole.groups())  # type: ignore[return-value]


def _luminance(colour: Rgb) -> float:
    linear = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
