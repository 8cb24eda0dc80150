"""The tables of faults and of attacks are true: each row names tests that there are."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
DOCS = TESTS.parent / "docs"
TEST = re.compile(r"(\(?)`([a-z_/]+\.py)::(\w+)`")
LETTERS = {"A": 5, "B": 5, "H": 6, "J": 5, "L": 2, "M": 3, "Q": 4, "R": 3, "X": 6}
"""Rows of each letter of the attack list."""


@cache
def functions_of(file: str) -> dict[str, bool]:
    """The tests of a file, and whether each is a long one."""
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    return {
        node.name: any("mark.long" in ast.unparse(each) for each in node.decorator_list)
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }


def rows(page: str) -> list[str]:
    """The rows of the table of a page."""
    text = (DOCS / page).read_text("utf-8")
    return [line for line in text.splitlines() if line.startswith("| ")][1:]


@pytest.mark.parametrize("page", ["faults.md", "attacks.md"])
def test_each_row_names_tests_that_there_are(page: str) -> None:
    """Every row has one that runs in each `make test`, and brackets stand around those that do not."""
    wrong = []
    for row in rows(page):
        named = TEST.findall(row)
        found = [functions_of(file).get(name) is (bracket == "(") for bracket, file, name in named]
        if not all(found) or not any(bracket == "" for bracket, _, _ in named):
            wrong.append(row.split("|")[1])
    assert len(rows(page)) >= 24
    assert wrong == []


def test_each_attack_has_a_test_of_its_name() -> None:
    """No row of the list is left out, and what holds it can be found by its row."""
    known = [
        (row.split("|")[1].strip(), [name for _, _, name in TEST.findall(row)]) for row in rows("attacks.md")
    ]

    assert [name for name, _ in known] == [
        f"{letter}{number}" for letter, most in LETTERS.items() for number in range(1, most + 1)
    ]
    assert [row for row, tests in known if not any(f"_{row.lower()}_" in each for each in tests)] == []
