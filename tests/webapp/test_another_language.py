"""A further language of the patient's page is one file of words: nothing else is touched, and nobody is asked."""

from __future__ import annotations

import io
import json
import re
import shutil
import subprocess
import sys
from typing import Any

import pytest
from pypdf import PdfReader

from tests.webapp.pages import ROOT

NEEDED = ("webapp", "inference", "ehr", "governance", "templates", "static", "tests/webapp")
SCRIPT = """
import json, pathlib, sys
from tests.webapp.cases import HANDOUTS, leaflet
from tests.webapp import pages
from webapp import handout, opinions, words
page = leaflet("troponin-planned", "xq-ZZ", languages={code: "/" + code for code in words.LANGUAGES})
pathlib.Path(sys.argv[1]).write_bytes(handout.pdf(page))
told = {
    "languages": words.LANGUAGES,
    "spoken": handout.spoken_language("xq-ZZ"),
    "page": page,
    "every": [leaflet(name, "xq") for name in sorted(HANDOUTS)],
    "asked": pages.render("clear.html", view=opinions.view("xq")),
}
print(json.dumps(told))
"""


def made_up() -> str:
    """A language nobody speaks, from right to left: every patient's word of English, turned round and marked."""
    text = (ROOT / "webapp" / "words" / "en.toml").read_text(encoding="utf-8")
    tables = re.split(r"(?m)^(?=\[)", text)
    mine = [table for table in tables if re.match(r"\[(time|handout|clarity)[\].]", table)]
    turned = "".join(mine).replace('direction = "ltr"', 'direction = "rtl"')
    turned = turned.replace('language-name = "English"', 'language-name = "Xqish"')
    return re.sub(r'(?m)^((?!direction|months|and\b|language-name)[\w-]+ = ")(.)', r"\1~\2", turned)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a copy of the house says with one file more."""
    house = tmp_path_factory.mktemp("house")
    for room in NEEDED:
        shutil.copytree(
            ROOT / room, house / room, ignore=shutil.ignore_patterns("__pycache__", "artifacts", "*.onnx")
        )
    (house / "webapp" / "words" / "xq.toml").write_text(made_up(), encoding="utf-8")
    ran = subprocess.run(  # our own interpreter, our own copy
        [sys.executable, "-c", SCRIPT, str(house / "page.pdf")],
        cwd=house,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    found: dict[str, Any] = json.loads(ran.stdout.splitlines()[-1])
    return found | {"pdf": (house / "page.pdf").read_bytes()}


def test_one_file_makes_a_language(told: dict[str, Any]) -> None:
    assert told["languages"] == ["en", "es", "xq"]
    assert told["spoken"] == "xq"
    assert "Xqish" in told["page"]


def test_its_page_is_wholly_in_it_and_from_right_to_left(told: dict[str, Any]) -> None:
    assert '<html lang="xq" dir="rtl">' in told["page"]
    assert "~Your heart blood test" in told["page"]
    assert "~22 of 100 people like you" in told["page"]
    for page in told["every"]:
        main = page[page.index("<main>") : page.index("</main>")]
        said = re.findall(
            r"<(?:h1|h2|li|p|figcaption)(?: class=\"(?:big|lead|call|like|rule|short)\")?>(?:<svg.*?</svg>)?([^<]+)<",
            main,
        )
        assert said
        assert all(text.strip().startswith(("~", "“")) for text in said if text.strip()), said


def test_its_paper_is_one_sheet(told: dict[str, Any]) -> None:
    reader = PdfReader(io.BytesIO(told["pdf"]))
    assert len(reader.pages) == 1
    assert str(reader.trailer["/Root"]["/Lang"]) == "xq"


def test_its_readers_are_asked_in_it_whether_it_was_clear(told: dict[str, Any]) -> None:
    assert '<html lang="xq" dir="rtl">' in told["asked"]
    assert "~Was the page clear?" in told["asked"]


def test_no_style_of_the_page_knows_left_from_right() -> None:
    style = (ROOT / "static" / "handout.css").read_text(encoding="utf-8")
    assert not re.findall(
        r"(?:margin|padding|border)-(?:left|right)|text-align: *(?:left|right)|[{; ](?:left|right):", style
    )
