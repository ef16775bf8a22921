"""JSON from outside, read within limits: of bytes, of parts, of depth.

A few megabytes of `[[],[],[],...]` become gigabytes of lists; real FHIR has a value every ten to thirty bytes. The
depth is the parser's own limit, 1024 levels. Refuses (NotJson, TooManyParts) without repeating what stands there.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import Any, Final

import orjson

MOST_PARTS: Final = 2_000_000  # values and members; a page of 1000 Observations has about 60,000
PIECE: Final = 64 * 1024  # bytes unpacked at a time: what a bomb may cost before it is found out


class NotJson(ValueError):
    """Bytes that are no JSON; says where they break off."""


class TooManyParts(ValueError):
    """JSON of more values than we are willing to hold."""


class NotUnpacked(ValueError):
    """A packing nobody asked for, or damage in one."""


def read_json(body: bytes, *, most: int = MOST_PARTS) -> Any:
    """The JSON in `body`. Raises NotJson and TooManyParts."""
    # Counted in the raw bytes, so that nothing is built first: what stands in strings only makes it stricter.
    if body.count(b",") + body.count(b"[") + body.count(b"{") > most:
        raise TooManyParts(f"more than {most} values")
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise NotJson(str(error)) from None


def unpacked(packing: str, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """`pieces` of a body as its Content-Encoding `packing` says, unpacked a little at a time.

    Knows gzip, once. Raises NotUnpacked.
    """
    if packing.strip().lower() in ("", "identity"):
        yield from pieces
        return
    if packing.strip().lower() not in ("gzip", "x-gzip"):
        raise NotUnpacked("is packed in a way that was not asked for")
    unpack = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    for piece in pieces:
        left = piece
        while left and not unpack.eof:
            try:
                yield unpack.decompress(left, PIECE)
            except zlib.error:
                raise NotUnpacked("is damaged gzip") from None
            left = unpack.unconsumed_tail
    if not unpack.eof:
        raise NotUnpacked("is gzip that breaks off")
