"""The look an EHR asks apps to take on (SMART App Launch 2.2, styling), as values that can stand in a style sheet.

Fetched here, never by the browser, and only from the tenant's own origins. What does not look like a colour, a
length or a list of font names is left out; a style that cannot be had is no style, never an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import httpx

from ehr.errors import EhrError
from ehr.tenants import Tenant
from ehr.transport import Budget, ask, origin

COLOUR: Final = re.compile(
    r"#(?:[0-9a-fA-F]{3,4}|[0-9a-fA-F]{6}|[0-9a-fA-F]{8})|[a-zA-Z]{3,20}"
    r"|(?:rgb|hsl)a?\(\s*[\d.]{1,6}%?(?:\s*[,/ ]\s*[\d.]{1,6}%?){2,3}\s*\)"
)
LENGTH: Final = re.compile(r"\d{1,4}(?:\.\d{1,3})?(?:px|pt|em|rem|%)")
FONTS: Final = re.compile(
    r"(?:[A-Za-z0-9 \-]+|'[A-Za-z0-9 \-]+')(?:,\s*(?:[A-Za-z0-9 \-]+|'[A-Za-z0-9 \-]+'))*"
)
PROPERTIES: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {
        **dict.fromkeys(
            ("color_background", "color_error", "color_highlight", "color_modal_backdrop"), COLOUR
        ),
        **dict.fromkeys(("color_success", "color_text"), COLOUR),
        **dict.fromkeys(("dim_border_radius", "dim_font_size", "dim_spacing_size"), LENGTH),
        **dict.fromkeys(("font_family_body", "font_family_heading"), FONTS),
    }
)
LARGEST: Final = 16 * 1024  # bytes
LONGEST: Final = 200  # characters of one value


def read_style(client: httpx.Client, tenant: Tenant, url: str, budget: Budget) -> Mapping[str, str]:
    """The usable properties at `url` by SMART's names; empty when there is none to be had."""
    try:
        if origin(url) not in {origin(one) for one in (tenant.issuer, *tenant.frame_ancestors)}:
            return MappingProxyType({})
        headers = {"Accept": "application/json"}
        answer = ask(client, "GET", url, budget=budget, where="style", headers=headers, largest=LARGEST)
        document = answer.document("style") if answer.good else {}
    except (EhrError, httpx.InvalidURL):
        return MappingProxyType({})
    return MappingProxyType(
        {name: str(document[name]) for name in PROPERTIES if _usable(name, document.get(name))}
    )


def _usable(name: str, value: object) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST and PROPERTIES[name].fullmatch(value) is not None
