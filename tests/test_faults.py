"""The table of faults is true: each row names tests that there are."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parent
PAGE = TESTS.parent / "docs" / "faults.md"
TEST = re.compile(r"(\(?)`([a-z_/]+\.py)::(\w+)`")


@cache
def functions_of(file: str) -> dict[str, bool]:
    """The tests of a file, and whether each is a long one."""
    tree = ast.parse((TESTS / file).read_text("utf-8"))
    return {
        node.name: any("mark.long" in ast.unparse(each) for each in node.decorator_list)
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }


def rows() -> list[str]:
    """The rows of the table."""
    return [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")][1:]


def test_each_fault_names_tests_that_there_are() -> None:
    """Every row has one that runs in each `make test`, and brackets stand around those that do not."""
    wrong = []
    for row in rows():
        named = TEST.findall(row)
        found = [functions_of(file).get(name) is (bracket == "(") for bracket, file, name in named]
        if not all(found) or not any(bracket == "" for bracket, _, _ in named):
            wrong.append(row.split("|")[1])
    assert len(rows()) >= 24
    assert wrong == []
