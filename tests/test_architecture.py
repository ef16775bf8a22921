"""The doors between the rooms, held."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("inference", "ehr", "governance", "webapp", "training", "demo", "benchmarks")
MAY_IMPORT = {
    "inference": set(),
    "ehr": {"inference"},
    "governance": {"inference"},
    "webapp": {"inference", "ehr", "governance"},
    "training": {"inference", "ehr"},
    "demo": set(),
    "benchmarks": {"inference", "ehr", "governance", "webapp", "demo"},
}
HEAVY = {"torch", "shap", "lightgbm", "pandas", "sklearn"}
FACES = (
    *("cards", "result", "answer", "reasons", "bedside", "handout", "about", "charts", "words", "question"),
    *("repeats", "writes", "look", "plots", "glance", "hours", "nextdraw", "peers", "plain", "provenance"),
    *("origin", "supposing", "telling", "matrix", "opinions", "queue_view"),
    *("shares", "report", "tradeoff", "gate_view", "review_view", "cards_view", "drift_view", "equity_view"),
    *("live_card", "applied_card", "board_view", "suspended", "history_view", "unturned"),
)
DOORS = (
    *("hooks", "launch", "pages", "models", "sources", "gallery", "cli", "clear", "queue", "review", "boards"),
    "model_cards",
)


def modules(room: str) -> Iterator[Path]:
    """The Python files of one room."""
    return (path for path in (ROOT / room).rglob("*.py") if "artifacts" not in path.parts)


def imports(path: Path) -> set[str]:
    """Every module `path` imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def tops(path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports(path)}


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_rooms_it_has_a_door_to(room: str) -> None:
    for path in modules(room):
        strangers = (tops(path) & set(ROOMS)) - MAY_IMPORT[room] - {room}
        assert not strangers, f"{path.relative_to(ROOT)} imports {strangers}"


@pytest.mark.parametrize("room", ["inference", "ehr", "governance", "webapp"])
def test_the_web_process_never_imports_the_workshops_packages(room: str) -> None:
    for path in modules(room):
        assert not tops(path) & HEAVY, f"{path.relative_to(ROOT)} imports {tops(path) & HEAVY}"


@pytest.mark.parametrize("room", ["inference", "ehr", "governance", "training"])
def test_only_the_webapp_and_the_stand_in_hospital_know_flask(room: str) -> None:
    for path in modules(room):
        assert "flask" not in tops(path), path


def test_the_medicine_knows_no_web_no_clock_and_no_environment() -> None:
    for path in modules("inference"):
        assert not tops(path) & {"httpx", "requests", "os", "time", "random", "secrets", "sqlalchemy"}, path
        assert ".now(" not in path.read_text(), f"{path} reads the clock"


@pytest.mark.parametrize("room", ["inference", "ehr", "governance", "webapp"])
def test_the_environment_is_read_in_settings_alone(room: str) -> None:
    for path in modules(room):
        text = path.read_text()
        assert not re.search(r"os\.environ|getenv", text), f"{path} reads the environment"


@pytest.mark.parametrize("face", FACES)
def test_a_face_imports_the_types_of_inference_and_other_faces_only(face: str) -> None:
    path = ROOT / "webapp" / f"{face}.py"
    assert not tops(path) & {"flask", "ehr", "governance", "sqlalchemy"}, path
    inner = {name for name in imports(path) if name.startswith("webapp.")}
    assert all(name.split(".")[1] in FACES for name in inner), inner


def test_nothing_imports_a_door_but_the_factory() -> None:
    for path in modules("webapp"):
        if path.name == "__init__.py":
            continue
        doors = {f"webapp.{door}" for door in DOORS}
        assert not imports(path) & doors, f"{path} imports a door"


def test_no_file_is_longer_than_the_house_allows() -> None:
    for room in ROOMS:
        for path in modules(room):
            lines = len(path.read_text().splitlines())
            assert lines <= 400, f"{path.relative_to(ROOT)} has {lines} lines: above 400 it wants splitting"


def test_every_module_says_what_it_is_for() -> None:
    for room in ROOMS:
        for path in modules(room):
            if path.read_text().strip() and "versions" not in path.parts:
                assert ast.get_docstring(ast.parse(path.read_text())), (
                    f"{path.relative_to(ROOT)} has no docstring"
                )
