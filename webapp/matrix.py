"""An address as a square that a phone's camera reads (QR code, ISO/IEC 18004), as SVG text in black and white.

Drawn by hand from the matrix, so that no style attribute comes in: the pages' Content-Security-Policy forbids it.
Refuses nothing; what does not fit a square raises what segno raises (some 1,800 characters, far above an address).
"""

from __future__ import annotations

from typing import Final

import segno
from markupsafe import Markup, escape

QUIET: Final = 2  # modules of white around it; the page's own white makes up the four the standard asks for


def square(text: str, label: str) -> Markup:
    """`text` as a square, with `label` for those who do not see it."""
    rows = [list(row) for row in segno.make(text, error="m", micro=False, boost_error=False).matrix]
    side = len(rows) + 2 * QUIET
    dark = "".join(
        f"M{x + QUIET} {y + QUIET}h1v1h-1z"
        for y, row in enumerate(rows)
        for x, cell in enumerate(row)
        if cell
    )
    ground = f'<path fill="#fff" d="M0 0h{side}v{side}h-{side}z"/>'
    body = f'{ground}<path d="{dark}"/>'
    frame = f'class="square" viewBox="0 0 {side} {side}" shape-rendering="crispEdges" focusable="false"'
    # Drawn here from whether a module is dark; the label is escaped.
    return Markup(f'<svg {frame} role="img" aria-label="{escape(label)}">{body}</svg>')  # noqa: S704  # nosec B704
