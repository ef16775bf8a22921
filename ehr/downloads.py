"""The files of a bulk export -> a folder, within limits of size and time; a transfer that breaks off goes on.

A file is written as it comes, unpacked, and never held. Where the connection is lost, the rest alone is asked for if
the server can send a part of the very same file (RFC 9110, Range with If-Range), and else the file is begun again. The
token goes to the hospital's own server alone, and only where the manifest asks for one; a redirect is judged as a
file's address is.

Refuses more bytes than the export may have (AnswerTooLarge) and a file that does not come (EhrError). What it wrote is
patient data: the folder is the caller's to protect and to remove.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, cast
from urllib.parse import urljoin

import httpx

from ehr.answers import Answer, patience, refusal
from ehr.documents import NotUnpacked, unpacked
from ehr.errors import (
    AnswerTooLarge,
    BudgetSpent,
    EhrError,
    EhrUnavailable,
    MalformedAnswer,
    Throttled,
    Unauthorised,
)
from ehr.exports import FILES, NDJSON, check_place
from ehr.transport import REDIRECTS, Budget, FhirHttp, streaming

TRIES: Final = 4  # in a row in which nothing of a file came
LARGEST_EXPORT: Final = 8 * 1024**3  # bytes of all files together, unpacked
WORDS: Final = 64 * 1024  # bytes of a refusal that are read
PAUSE: Final = 2.0  # seconds before a broken transfer is taken up again


@dataclass
class Downloads:
    """How files are fetched. `http` gives the hospital's server with a token that is good, a new one if asked."""

    client: httpx.Client
    http: Callable[[bool], FhirHttp]
    needs_token: bool
    listed: Collection[str]
    budget: Budget
    wait: Callable[[float], None]
    largest: int = LARGEST_EXPORT  # bytes that may still come

    def fetch(self, url: str, path: Path) -> None:
        """The file at `url`, written to `path`. Raises EhrError."""
        part, idle, renewed = _Part(path), 0, False
        with path.open("wb") as file:
            while True:
                before = part.size
                try:
                    self._take(url, file, part)
                except (AnswerTooLarge, BudgetSpent, MalformedAnswer):
                    raise
                except Unauthorised:
                    if renewed:
                        raise
                    renewed = True
                    self.http(True)
                except EhrUnavailable as fault:
                    idle = 0 if part.size > before else idle + 1
                    seconds = fault.retry_after if isinstance(fault, Throttled) else 0.0
                    self._pause(max(seconds, PAUSE * idle), fault, last=idle >= TRIES)
                else:
                    self.largest -= part.size
                    return

    def _pause(self, seconds: float, fault: EhrError, *, last: bool) -> None:
        if last or seconds >= self.budget.left():
            raise fault
        self.wait(seconds)

    def _take(self, url: str, file: IO[bytes], part: _Part) -> None:
        """Ask once for the file, or for the rest of it, and write what comes."""
        for _ in range(REDIRECTS + 1):
            check_place(self.http(False), url, needs_token=self.needs_token, listed=self.listed)
            with self._answered(url, part) as response:
                if response.status_code in (301, 302, 303, 307, 308) and response.headers.get("location"):
                    url = urljoin(url, response.headers["location"])
                    continue
                self._write(response, file, part)
                return
        raise MalformedAnswer("the server of the export's files redirects without end", FILES)

    @contextmanager
    def _answered(self, url: str, part: _Part) -> Iterator[httpx.Response]:
        headers = {"Accept": NDJSON, **part.asking()}
        if self.needs_token:
            headers |= self.http(False).bearer(url)
        try:
            with streaming(self.client, "GET", url, headers, budget=self.budget, where=FILES) as response:
                yield response
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise EhrUnavailable(f"the transfer broke off ({type(error).__name__})", FILES) from None

    def _write(self, response: httpx.Response, file: IO[bytes], part: _Part) -> None:
        sent = cast("httpx.SyncByteStream", response.stream)
        packing = response.headers.get("content-encoding", "")
        if response.status_code not in (200, 206):
            raise _refused(response, b"".join(_few(sent)), self.http(False))
        if not part.goes_on(response):
            part.begin(response)
            file.seek(0)
            file.truncate()
        try:
            for piece in unpacked(packing, sent):
                part.size += len(piece)
                if part.size > self.largest:
                    raise AnswerTooLarge("the export is larger than we are willing to hold; ask for less", FILES)
                self.budget.need(FILES)
                file.write(piece)
        except NotUnpacked as fault:
            part.tag = ""
            raise EhrUnavailable(f"a file {fault}", FILES) from None


@dataclass
class _Part:
    """What has come of one file, and by what its very same version is known (a strong ETag); "" begins again."""

    path: Path
    size: int = 0
    tag: str = ""
    tried: bool = False

    def asking(self) -> dict[str, str]:
        """Headers of the next request: all of it, packed where that is offered; after a break, the rest of it."""
        first, self.tried = not self.tried, True
        if first:
            return {"Accept-Encoding": "gzip"}
        plain = {"Accept-Encoding": "identity"}  # what is packed cannot be gone on with
        return {**plain, "Range": f"bytes={self.size}-", "If-Range": self.tag} if self.size and self.tag else plain

    def goes_on(self, response: httpx.Response) -> bool:
        """Whether this answer is the rest of the file. Raises EhrUnavailable for another part of it."""
        if response.status_code != 206:
            return False
        said = re.fullmatch(r"bytes (\d+)-\d+/(?:\d+|\*)", response.headers.get("content-range", ""))
        if not said or int(said[1]) != self.size or not self.tag:
            self.tag = ""
            raise EhrUnavailable("another part of the file came than was asked for", FILES)
        return True

    def begin(self, response: httpx.Response) -> None:
        """A file from its first byte."""
        tag = response.headers.get("etag", "")
        packed = response.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity")
        self.size, self.tag = 0, "" if packed or tag.startswith("W/") else tag


def _few(pieces: httpx.SyncByteStream) -> Iterator[bytes]:
    size = 0
    for piece in pieces:
        size += len(piece)
        if size > WORDS:
            return
        yield piece


def _refused(response: httpx.Response, body: bytes, http: FhirHttp) -> EhrError:
    answer = Answer(response.status_code, {k.lower(): v for k, v in response.headers.items()}, body)
    now = http.now()
    fault = refusal(answer, FILES, now)
    wait = patience(answer.headers, now)
    if isinstance(fault, EhrUnavailable) and not isinstance(fault, Throttled) and wait is not None:
        return Throttled(fault.message, FILES, retry_after=wait, causes=fault.causes)
    return fault
