"""Which library does what, held: what carries tokens over the wire, what is pinned, what judges a card."""

from __future__ import annotations

import ast
import importlib.metadata
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("inference", "ehr", "governance", "webapp")
PINNED = ("requirements.txt", "requirements-train.txt", "requirements-dev.txt")  # one environment
KNOWN = {  # none opens a connection of its own
    ("ehr/pace.py", "httpcore"),  # a deadline around the connections of the one transport
    ("ehr/reach.py", "socket"),  # names looked up for the one transport
    ("webapp/serving.py", "socket"),  # a time-out on what a client sends to us
}
CARRIERS = {"requests", "urllib3", "aiohttp", "http", "httpcore", "socket", "urllib.request", "pycurl"}


def imported() -> Iterator[tuple[str, str]]:
    """File and module of every import of the product."""
    for path in (path for room in PRODUCT for path in (ROOT / room).rglob("*.py")):
        name = str(path.relative_to(ROOT))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((name, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield name, node.module
                yield from ((name, f"{node.module}.{alias.name}") for alias in node.names)


def pins() -> dict[str, Requirement]:
    """Each requirement of the app's environment that this machine needs, by file and name."""
    found: dict[str, Requirement] = {}
    for file in PINNED:
        for line in (ROOT / file).read_text(encoding="utf-8").splitlines():
            text = line.split(" #")[0].split("\t#")[0].strip()
            if text and not text.startswith(("#", "-r")):
                wanted = Requirement(text)
                if wanted.marker is None or wanted.marker.evaluate():
                    found[f"{file}: {wanted.name}"] = wanted
    return found


def test_fhirclient_carries_nothing_over_the_wire() -> None:
    # CONFORMANCE 107
    parts = {module for _, module in imported() if module.split(".")[0] == "fhirclient"}
    assert parts
    assert all(module.startswith("fhirclient.models") for module in parts), parts


def test_fhirclients_models_serve_what_is_written_and_nothing_that_is_read() -> None:
    # CONFORMANCE 107, 108
    assert {file for file, module in imported() if module.startswith("fhirclient")} == {
        "ehr/notes.py",
        "ehr/offers.py",
    }


def test_all_that_goes_out_goes_through_one_transport() -> None:
    # CONFORMANCE 108
    strangers = {(file, module) for file, module in imported() if module in CARRIERS}
    assert strangers == KNOWN
    for path in (ROOT / "ehr").glob("*.py"):
        if path.name != "transport.py":
            sends = re.search(
                r"(client|httpx)\.(send|request|stream|get|post)\(", path.read_text(encoding="utf-8")
            )
            assert not sends, path


def test_oauth_is_authlibs_and_signatures_are_joserfcs() -> None:
    # CONFORMANCE 20, 108
    users = {file for file, module in imported() if module.startswith("authlib")}
    assert users <= {"ehr/smart.py", "ehr/client_auth.py"}
    assert users
    assert not any(module.startswith("authlib.jose") for _, module in imported())  # it is deprecated


@pytest.mark.parametrize("where", sorted(pins()))
def test_what_runs_is_what_is_pinned(where: str) -> None:
    # CONFORMANCE 109
    wanted = pins()[where]
    (exactly,) = wanted.specifier
    assert exactly.operator == "=="
    installed = importlib.metadata.version(wanted.name).split("+")[0]  # a build's label is no version
    assert installed == exactly.version, f"pip install '{wanted.name}{wanted.specifier}'"


def test_no_validator_of_an_older_version_judges_a_card() -> None:
    # CONFORMANCE 92
    judges = [ROOT / file for file in PINNED] + [ROOT / "Makefile", ROOT / ".ci" / "run"]
    judges += [path for path in (ROOT / "tests").rglob("*.py") if path != Path(__file__)]
    assert [path.name for path in judges if "cds-validator" in path.read_text(encoding="utf-8")] == []
    assert not list(ROOT.glob("package*.json"))  # it is a Node program; none is needed here
