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
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from markupsafe import Markup

from inference.assessment import Assessment, State, Status
from inference.errors import OrdertimeError
from webapp import charts, matrix, question, telling, words
from webapp.words import say

STATIC: Final = Path(__file__).resolve().parent.parent / "static"
BASE: Final = "http://printed.invalid/"  # what the printed page's relative addresses resolve to
# WeasyPrint reads what is added as a user's sheet: only "important" outweighs the page's own.
SET: Final = """
body {{ line-height: {line} !important }} .big {{ font-size: {big}pt !important; margin-block: {gap}pt !important }}
h1 {{ font-size: {title}pt !important }} h2 {{ font-size: {head}pt !important; margin-block-start: {gap}pt !important }}
.clear, footer {{ margin-block-start: {gap}pt !important }} .ask li {{ display: block !important }}
@page letter {{ margin: {edge} !important }} @page a4 {{ margin: {edge} !important }}
"""
RUN_ON: Final = """
.ask li { display: inline-block !important; margin-inline-end: 12pt !important }
.tell h2, .tell p, .clear h2, .clear p { display: inline !important }
.stamp { padding: 0 8pt !important; margin-block-end: 2pt !important } .call { padding-block: 0 !important }
.number { gap: 10pt !important; margin-block-start: 2pt !important }
"""  # what stood one below the other runs on
SETTINGS: Final = (  # from roomy to close: the first that makes one sheet is taken; 16 pt stays
    SET.format(line=1.4, title=30, head=20, big=22, gap=14, edge="14mm 16mm"),
    SET.format(line=1.3, title=28, head=19, big=20, gap=9, edge="11mm 14mm"),
    SET.format(line=1.2, title=26, head=18, big=19, gap=6, edge="8mm 12mm"),
    SET.format(line=1.16, title=26, head=17, big=18, gap=4, edge="7.5mm 11mm"),
    SET.format(line=1.12, title=24, head=16, big=17, gap=4, edge="7mm 10mm"),
    SET.format(line=1.05, title=24, head=16, big=17, gap=2, edge="6.5mm 9mm"),
    SET.format(line=1.05, title=22, head=16, big=17, gap=1, edge="5.5mm 7mm") + RUN_ON,
)
PAPERS: Final = frozenset({"letter", "a4"})


class RefusedAddress(OrdertimeError):
    """The printed page asked for something outside static/."""


class PrintingUnavailable(OrdertimeError):
    """This machine lacks what draws a PDF; the page can still be printed from the browser."""


@dataclass(frozen=True, slots=True)
class Hundred:
    """The number as people: the sentence, its counterpart, how sure we are, and the drawing."""

    sentence: str
    rest: str
    gist: str  # the same without a number
    between: str
    planned: str  # the draw it is for, where one was stated
    like: str
    people: Markup
    caption: str


@dataclass(frozen=True, slots=True)
class Slip:
    """Where a reader says how clear the page was: the short address, with the code in it, and the code alone."""

    url: str
    code: str


@dataclass(frozen=True, slots=True)
class Clear:
    """The same as the page shows it: the sentence and the address as a square for a phone's camera."""

    heading: str
    text: str
    square: Markup


@dataclass(frozen=True, slots=True)
class Fact:
    """One line of the page's foot: name, date, version."""

    label: str
    value: str


@dataclass(frozen=True, slots=True)
class HandoutView:
    """The whole page, in one language."""

    language: str
    direction: str  # "ltr" or "rtl"
    title: str
    whose: tuple[Fact, ...]  # name and date of birth: at the head, so that no page goes to the wrong person
    demonstration: str
    draft: str
    lead: str
    text: str  # what stands in the number's place where there is none
    hundred: Hundred | None
    about: str
    rule: str  # what the guideline's steps show; "" where none was applied
    heading_next: str
    next: tuple[str, ...]
    call: str  # when to call for help
    heading_computer: str
    computer: str
    truncated: str  # that the chart was longer than what was read
    decline: str
    heading_ask: str
    ask: tuple[str, ...]
    summary: str  # the page in two lines, where there is room: where there is no number
    heading_tell: str
    teach: str
    clear: Clear | None  # on a page that was given
    not_diagnosis: str
    facts: tuple[Fact, ...]
    given: str
    paper: str
    bar: Bar | None  # the clinician's, on the screen only


@dataclass(frozen=True, slots=True)
class Bar:
    """What stands above the page on the screen, for the clinician, in the clinicians' language."""

    back: Fact | None
    papers: tuple[Fact, ...]  # label and address of each PDF
    languages: tuple[Fact, ...]  # the other languages: name and address
    print: str
    blocked: str
    no_words: str  # that the patient's own language has no page yet


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
    slip: Slip | None = None,
    pdf_url: str = "",
    papers: Mapping[str, str] = MappingProxyType({}),
    back_url: str = "",
    languages: Mapping[str, str] = MappingProxyType({}),
    unspoken: str = "",
) -> HandoutView:
    """The patient's page for a stored assessment, in a language that has words (another: English).

    `languages` maps other languages' codes to their page's address, `papers` "letter" and "a4" to their PDF's;
    `unspoken` is the patient's own language where it has no words. Without `released_at` it is a draft, and has no
    `slip`.
    """
    speech = spoken_language(language)
    site = words.zone_of(zone)
    kind = telling.kind_of(found, state)
    model = telling.table_of(found)
    steps = telling.steps_of(found, kind)
    about_computer, computer = telling.computer(kind, speech)
    hundred = _hundred(found, speech, site) if kind == Status.ASSESSED.value else None
    given = ""
    if released_at is not None:
        when = words.moment(released_at, site, speech)
        given = say(speech, "handout.given", by=released_by or "-", at=when)
    return HandoutView(
        language=speech,
        direction=say(speech, "handout.direction"),
        title=say(speech, f"{model}.title"),
        whose=_whose(speech, name, born),
        demonstration=say(speech, "handout.demonstration") if state is State.DEMONSTRATION else "",
        draft="" if released_at is not None else say(speech, "handout.draft"),
        lead=say(speech, f"{model}.lead" if hundred is not None else f"handout.{kind}-lead"),
        text="" if hundred is not None else telling.instead(found, kind, speech),
        hundred=hundred,
        about=say(speech, f"{model}.about"),
        rule=telling.rule(found, kind, speech),
        heading_next=say(speech, "handout.heading-next"),
        next=telling.numbered(speech, f"{steps}next"),
        call=say(speech, f"{steps}call"),
        heading_computer=about_computer,
        computer=computer,
        truncated=say(speech, "handout.truncated") if found.truncated and kind in telling.READ else "",
        decline=say(speech, "handout.decline"),
        heading_ask=say(speech, "handout.heading-ask"),
        ask=telling.numbered(speech, f"{steps}ask"),
        summary="" if hundred is not None else say(speech, "handout.summary"),
        heading_tell=say(speech, "handout.heading-tell"),
        teach=_teach(found, speech, hundred),
        clear=_clear(slip, speech) if slip is not None and released_at is not None else None,
        not_diagnosis=say(speech, "handout.not-diagnosis"),
        facts=_facts(found, speech, site),
        given=given,
        paper=paper if paper in PAPERS else "letter",
        bar=_bar(pdf_url, papers, back_url, languages, unspoken),
    )


def spoken_language(language: str) -> str:
    """The page's language for a BCP 47 tag as FHIR has it: "es-MX" is "es"; one without words is "en"."""
    primary = language.lower().replace("_", "-").split("-")[0]
    return primary if primary in words.LANGUAGES else "en"


def unspoken(tag: str) -> str:
    """The tag of a language that has no words here, as the chart gives it; "" where it has, or none is given."""
    primary = tag.lower().replace("_", "-").split("-")[0]
    return "" if primary in ("", *words.LANGUAGES) else tag


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


def sheets(html: str, *, static: Path = STATIC, draws: Callable[[], Any] = engine) -> bytes:
    """A page of any length as PDF (tagged, PDF/UA), on as many sheets as it takes. Fetches what `pdf` does."""
    found = draws()
    from weasyprint.urls import FatalURLFetchingError

    try:
        page = found.HTML(string=html, base_url=BASE, url_fetcher=_static_only(static))
        made: bytes = page.write_pdf(pdf_variant="pdf/ua-1")
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


def _hundred(found: Assessment, language: str, zone: tzinfo) -> Hundred | None:
    p = found.headline
    if p is None or p.probability is None:
        return None
    n = words.of_hundred(p.probability)
    low, high = (words.of_hundred(p.probability if end is None else end) for end in (p.low, p.high))
    many = _many(p.probability, n, language)
    rest = _many(1 - p.probability, 100 - n, language)
    model, draw = telling.table_of(found), question.fields(found, zone, language)
    return Hundred(
        sentence=say(language, f"{model}.number", n=many, hours=p.hours),
        rest=say(language, f"{model}.rest", rest=rest),
        gist=say(language, f"{model}.{telling.gist(low / 100, high / 100)}"),
        between=say(language, "handout.between", low=low, high=high),
        planned=say(language, f"{model}.planned", **draw) if draw else "",
        like=say(language, "handout.like"),
        people=charts.icon_array(n, say(language, "handout.people-label", n=n)),
        caption=say(language, "handout.people-caption", n=n),
    )


def _clear(slip: Slip, language: str) -> Clear:
    """The slip: the address in words is short, the one in the square brings the code along."""
    place = slip.url.partition("://")[2].removesuffix(f"/{slip.code}")
    return Clear(
        heading=say(language, "handout.heading-clear"),
        text=say(language, "handout.clear", url=place, code=f"{slip.code[:4]}-{slip.code[4:]}"),
        square=matrix.square(slip.url, say(language, "handout.square-label", url=place)),
    )


def _bar(
    pdf_url: str, papers: Mapping[str, str], back_url: str, languages: Mapping[str, str], unspoken: str
) -> Bar | None:
    drawn = [Fact(say("en", f"paper.pdf-{paper}"), url) for paper, url in papers.items()]
    if pdf_url and not drawn:
        drawn = [Fact(say("en", "paper.pdf"), pdf_url)]
    if not (drawn or back_url or languages):
        return None
    return Bar(
        back=Fact(say("en", "paper.back"), back_url) if back_url else None,
        papers=tuple(drawn),
        languages=tuple(Fact(say(code, "handout.language-name"), url) for code, url in languages.items()),
        print=say("en", "paper.print"),
        blocked=say("en", "paper.blocked"),
        no_words=say("en", "paper.no-words", tag=unspoken) if unspoken else "",
    )


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
    return say(language, f"{telling.table_of(found)}.teach", n=_many(p.probability, n, language))


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
