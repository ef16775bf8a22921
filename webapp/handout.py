"""The patient's page: one stored assessment in plain words, on one sheet of Letter or A4, in 16 pt.

Natural frequencies ("12 of 100 people like you") with a drawing of the hundred, what happens next, how a
computer helped and how to say no, questions to ask and one to answer. Written for grade 6; English and
Spanish complete. Refuses a number nobody stands behind: an indeterminate answer, a silent or a suspended
model give none. The page is a draft until a clinician releases it, and says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from itertools import count, takewhile
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from markupsafe import Markup

from inference.assessment import Assessment, State, Status
from inference.errors import OrdertimeError
from webapp import charts, question, words
from webapp.words import say

STATIC: Final = Path(__file__).resolve().parent.parent / "static"
BASE: Final = "http://printed.invalid/"  # what the printed page's relative addresses resolve to
# WeasyPrint reads what is added as a user's sheet: only "important" outweighs the page's own.
CLOSER: Final = """
body {{ line-height: {line} !important }} .big {{ font-size: {big}pt !important; margin-block: {gap}pt !important }}
h1 {{ font-size: {title}pt !important }} h2 {{ font-size: {head}pt !important; margin-top: {gap}pt !important }}
@page letter {{ margin: {edge} !important }} @page a4 {{ margin: {edge} !important }}
"""
SETTINGS: Final = (  # the page's own, then closer and closer: the first that makes one sheet is taken; 16 pt stays
    "",
    CLOSER.format(line=1.16, title=26, head=17, big=18, gap=4, edge="7.5mm 11mm"),
    CLOSER.format(line=1.12, title=24, head=16, big=17, gap=4, edge="7mm 10mm"),
    CLOSER.format(line=1.05, title=24, head=16, big=17, gap=2, edge="6.5mm 9mm"),
)
PAPERS: Final = frozenset({"letter", "a4"})
NO_NUMBER: Final = frozenset({State.SILENT, State.SUSPENDED})
UNREAD: Final = frozenset(
    {*NO_NUMBER, Status.EXCLUDED}
)  # pages on which the computer read nothing for the patient


class RefusedAddress(OrdertimeError):
    """The printed page asked for something outside static/."""


class PrintingUnavailable(OrdertimeError):
    """This machine lacks what draws a PDF; the page can still be printed from the browser."""


@dataclass(frozen=True, slots=True)
class Hundred:
    """The number as people: the sentence, its counterpart, how sure we are, and the drawing."""

    sentence: str
    rest: str
    between: str
    planned: str  # the draw it is for, where one was stated
    like: str
    people: Markup


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the page's foot: name, date, version."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class HandoutView:
    """The whole page, in one language."""

    language: str
    title: str
    whose: tuple[Fact, ...]  # name and date of birth: at the head, so that no page goes to the wrong person
    demonstration: str
    draft: str
    lead: str
    text: str  # what stands in the number's place where there is none
    hundred: Hundred | None
    about: str
    heading_next: str
    next: tuple[str, ...]
    heading_computer: str
    computer: str
    truncated: str  # that the chart was longer than what was read
    decline: str
    heading_ask: str
    ask: tuple[str, ...]
    heading_tell: str
    teach: str
    not_diagnosis: str
    facts: tuple[Fact, ...]
    given: str
    paper: str
    pdf_url: str
    back_url: str
    languages: tuple[Fact, ...]  # the other languages: name and address


def view(
    found: Assessment,
    *,
    language: str,
    state: State,
    zone: str | tzinfo,
    name: str,
    born: date | None = None,
    released_by: str = "",
    released_at: datetime | None = None,
    paper: str = "letter",
    pdf_url: str = "",
    back_url: str = "",
    languages: Mapping[str, str] = MappingProxyType({}),
) -> HandoutView:
    """The patient's page for a stored assessment. `language` is "en" or "es" (another: English).

    `languages` maps other languages' codes to their page's address. Without `released_at` it is a draft.
    """
    speech = spoken_language(language)
    site = words.zone_of(zone)
    kind = _kind(found, state)
    model = _words_of(found)
    steps = "handout.excluded-" if kind == Status.EXCLUDED.value else f"{model}."
    hundred = _hundred(found, speech, site) if kind == Status.ASSESSED.value else None
    given = ""
    if released_at is not None:
        when = words.moment(released_at, site, speech)
        given = say(speech, "handout.given", by=released_by or "-", at=when)
    return HandoutView(
        language=speech,
        title=say(speech, f"{model}.title"),
        whose=_whose(speech, name, born),
        demonstration=say(speech, "handout.demonstration") if state is State.DEMONSTRATION else "",
        draft="" if released_at is not None else say(speech, "handout.draft"),
        lead=say(speech, f"{model}.lead" if hundred is not None else f"handout.{kind}-lead"),
        text="" if hundred is not None else say(speech, _instead(found, kind, speech)),
        hundred=hundred,
        about=say(speech, f"{model}.about"),
        heading_next=say(speech, "handout.heading-next"),
        next=_numbered(speech, f"{steps}next"),
        heading_computer=say(speech, "handout.heading-computer"),
        computer=say(speech, _computer(kind)),
        truncated=say(speech, "handout.truncated") if found.truncated and kind not in UNREAD else "",
        decline=say(speech, "handout.decline"),
        heading_ask=say(speech, "handout.heading-ask"),
        ask=_numbered(speech, f"{steps}ask"),
        heading_tell=say(speech, "handout.heading-tell"),
        teach=_teach(found, speech, hundred),
        not_diagnosis=say(speech, "handout.not-diagnosis"),
        facts=_facts(found, speech, site),
        given=given,
        paper=paper if paper in PAPERS else "letter",
        pdf_url=pdf_url,
        back_url=back_url,
        languages=tuple(Fact(say(code, "handout.language-name"), url) for code, url in languages.items()),
    )


def spoken_language(language: str) -> str:
    """The page's language for a BCP 47 tag as FHIR has it: "es-MX" is "es"; one without words is "en"."""
    primary = language.lower().replace("_", "-").split("-")[0]
    return primary if primary in words.LANGUAGES else "en"


def engine() -> Any:
    """WeasyPrint. Raises PrintingUnavailable where its system libraries are not installed."""
    try:
        import weasyprint  # half a second to import: only when a page is printed
    except OSError:  # Pango is loaded when the package is imported
        raise PrintingUnavailable(
            "no PDF can be made here: install libpango-1.0-0, libpangoft2-1.0-0 and libharfbuzz-subset0 (Debian)"
        ) from None
    return weasyprint


def pdf(html: str, css: str = "", *, static: Path = STATIC, draws: Callable[[], Any] = engine) -> bytes:
    """The printed page as PDF (tagged, PDF/UA). `css` is added to the page's own.

    Fetches files of `static` and nothing else: any other address raises RefusedAddress.
    """
    found = draws()
    from weasyprint.urls import FatalURLFetchingError

    fetcher = _static_only(static)
    try:
        page = found.HTML(string=html, base_url=BASE, url_fetcher=fetcher)
        for setting in SETTINGS:  # a long name, or letters wider than usual, need a closer one
            sheet = found.CSS(string=css + setting, url_fetcher=fetcher)
            document = page.render(stylesheets=[sheet], pdf_variant="pdf/ua-1")
            if len(document.pages) == 1:
                break
        made: bytes = document.write_pdf(pdf_variant="pdf/ua-1")
    except FatalURLFetchingError as refused:
        raise RefusedAddress(str(refused)) from None
    return made


def _static_only(static: Path) -> Any:
    """A fetcher for WeasyPrint that knows the files under `static` and nothing else."""
    from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

    class StaticOnly(URLFetcher):  # type: ignore[misc]  # WeasyPrint is not typed
        def fetch(self, url: str, headers: Any = None) -> Any:
            path = (static / unquote(urlsplit(url).path).removeprefix("/static/")).resolve()
            if not url.startswith(f"{BASE}static/") or not path.is_relative_to(static.resolve()):
                raise FatalURLFetchingError(
                    f"the printed page may not fetch '{urlsplit(url).scheme}:' addresses"
                )
            kind = {".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png"}.get(path.suffix)
            if kind is None or not path.is_file():
                raise FatalURLFetchingError(f"static/ has no '{path.name}' that a printed page could use")
            return URLFetcherResponse(url, path.read_bytes(), {"Content-Type": kind})

    return StaticOnly()


def _kind(found: Assessment, state: State) -> str:
    """Which page this is: "silent", "suspended", or the assessment's status."""
    if state in NO_NUMBER:
        return state.value
    if found.status is Status.ASSESSED and found.headline is None:
        return Status.INSUFFICIENT.value
    return found.status.value


def _words_of(found: Assessment) -> str:
    """The table of words for this model's page; where nothing was ever drawn, nobody speaks of a next test."""
    return f"handout.{found.model}{'-first' if found.before_first and not found.draws else ''}"


def _instead(found: Assessment, kind: str, language: str) -> str:
    """The key of what is said where there is no number."""
    special = f"handout.{kind}-{found.reason.code}" if found.reason is not None else ""
    return special if special and words.knows(language, special) else f"handout.{kind}-text"


def _hundred(found: Assessment, language: str, zone: tzinfo) -> Hundred | None:
    p = found.headline
    if p is None or p.probability is None:
        return None
    n = words.of_hundred(p.probability)
    low, high = (words.of_hundred(p.probability if end is None else end) for end in (p.low, p.high))
    many = _many(p.probability, n, language)
    rest = _many(1 - p.probability, 100 - n, language)
    model, draw = _words_of(found), question.fields(found, zone, language)
    return Hundred(
        sentence=say(language, f"{model}.number", n=many, hours=p.hours),
        rest=say(language, f"{model}.rest", rest=rest),
        between=say(language, "handout.between", low=low, high=high),
        planned=say(language, f"{model}.planned", **draw) if draw else "",
        like=say(language, "handout.like"),
        people=charts.icon_array(n, say(language, "handout.people-label", n=n)),
    )


def _numbered(language: str, stem: str) -> tuple[str, ...]:
    """The sentences under `stem`-1, `stem`-2, ... as far as they go."""
    keys = takewhile(lambda key: words.knows(language, key), (f"{stem}-{n}" for n in count(1)))
    return tuple(say(language, key) for key in keys)


def _many(probability: float, n: int, language: str) -> str:
    """ "12"; "Fewer than 1" and "More than 99" at the ends, where the screen says "<1 %" and ">99 %"."""
    if probability < 0.01:
        return say(language, "handout.fewer")
    return say(language, "handout.more") if probability > 0.99 else str(n)


def _teach(found: Assessment, language: str, hundred: Hundred | None) -> str:
    p = found.headline
    if hundred is None or p is None or p.probability is None:
        return say(language, "handout.teach-plain")
    n = words.of_hundred(p.probability)
    return say(language, f"{_words_of(found)}.teach", n=_many(p.probability, n, language))


def _computer(kind: str) -> str:
    """How the computer came in: it read the chart for an answer, or it did not."""
    used = kind in (Status.ASSESSED.value, Status.INDETERMINATE.value)
    return "handout.computer" if used else "handout.computer-none"


def _whose(language: str, name: str, born: date | None) -> tuple[Fact, ...]:
    months = say(language, "time.months").split()
    day = "" if born is None else f"{born.day} {months[born.month - 1]} {born.year}"
    facts = (Fact(say(language, "handout.for"), name), Fact(say(language, "handout.born"), day))
    return tuple(fact for fact in facts if fact.value)


def _facts(found: Assessment, language: str, zone: tzinfo) -> tuple[Fact, ...]:
    read = f"{words.moment(found.as_of, zone, language)} ({words.offset(found.as_of, zone)})"
    return (
        Fact(say(language, "handout.date"), read),
        Fact(say(language, "handout.version"), f"{found.model} {found.version}"),
    )
