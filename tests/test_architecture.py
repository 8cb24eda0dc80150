"""The picture of the house, held true: which room may import which, and which door each library has."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "adapter"

# Each room may import those of a lower storey. Rooms on one storey are strangers to each other.
STOREY = {
    "outcome": 0,
    "errors": 1,
    "shipped": 1,
    "fhir": 2,
    "fhirpath": 3,
    "mapping": 4,
    "validation": 4,
    "relay": 5,
    "statistics": 6,
    "server": 7,
    "conformance": 7,
    "config": 8,
    "cli": 9,
}

# The only places where a library may be imported.
DOORS = {
    "sqlalchemy": ("relay/store",),
    "alembic": ("relay/store",),
    "sqlite3": ("relay/store",),
    "psycopg": ("relay/store",),
    "httpx": ("relay/transport.py", "conformance", "cli/operator.py"),
    "httpx_aiohttp": ("relay/transport.py", "conformance"),
    "aiohttp": ("relay/transport.py", "conformance"),
    "lxml": ("fhir/xml.py", "mapping/readers/xml.py", "mapping/writers/xml.py"),
    "fhir": ("fhir/typed.py",),
    "fastapi": ("server", "conformance/actors"),
    "starlette": ("server", "conformance/actors"),
    "uvicorn": ("server", "conformance/actors"),
    "prometheus_client": ("server",),
    "cryptography": ("relay/store",),
    "pydantic": (),
    "requests": (),
}

FILES = sorted(PACKAGE.rglob("*.py"))


@cache
def _imports(file: Path) -> list[tuple[str, int]]:
    """Every module that `file` imports, absolute, with its line; type-checking blocks included."""
    found = []
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} imports relatively"
            module = node.module or ""
            found += [(f"{module}.{alias.name}", node.lineno) for alias in node.names]
    return found


def _room(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_point_down(file):
    """A room imports only rooms below it; `adapter/__init__.py` stands outside the storeys."""
    room = _room(file)
    if room == "__init__":
        return
    wrong = []
    for module, line in _imports(file):
        parts = module.split(".")
        if parts[0] != "adapter" or len(parts) < 2 or parts[1] not in STOREY or parts[1] == room:
            continue
        if STOREY[parts[1]] >= STOREY[room]:
            wrong.append(f"{file}:{line} {room} imports {parts[1]}")
    assert not wrong


def test_conformance_knows_neither_relay_nor_server():
    """The kit that judges others must not be able to be kind to us."""
    wrong = [
        f"{file}:{line}"
        for file in FILES
        if _room(file) == "conformance"
        for module, line in _imports(file)
        if module.startswith(("adapter.relay", "adapter.server", "adapter.config"))
    ]
    assert not wrong


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_each_library_has_one_door(file):
    """A library with a door of its own is imported there and nowhere else."""
    place = str(file.relative_to(PACKAGE))
    wrong = [
        f"{place}:{line} imports {module}"
        for module, line in _imports(file)
        if (allowed := DOORS.get(module.split(".")[0])) is not None
        and not place.startswith(tuple(allowed) or "-")
    ]
    assert not wrong


def test_every_room_stands_in_the_picture():
    """A new room or file at the top of the package is given its storey here first."""
    found = {_room(file) for file in FILES} - {"__init__", "__main__"}

    assert found <= set(STOREY)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_room_is_a_lumber_room(file):
    """A thing that wants to be called helper or manager has not found its room yet."""
    refused = {"utils", "util", "helpers", "helper", "common", "manager", "handler", "misc"}

    assert not refused & set(file.relative_to(PACKAGE).with_suffix("").parts)


def test_no_test_gives_up_on_an_answer_after_five_seconds():
    """Unless told, httpx waits five seconds: every client of the tests says how long it has patience."""
    opened = re.compile(r"httpx\.(?:(?:Async)?Client|get|post|put|delete|request)\((?:[^()]|\([^()]*\))*\)")
    tests = Path(__file__).parent
    calls = [
        f"{file.relative_to(tests)}: {call}"
        for file in sorted(tests.rglob("*.py"))
        for call in opened.findall(file.read_text("utf-8"))
    ]

    assert len(calls) > 10
    assert [call for call in calls if "timeout=" not in call] == []
