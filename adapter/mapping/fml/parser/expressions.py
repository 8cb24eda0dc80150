"""FHIRPath inside of a map: where it begins, where it must end, and how its texts are quoted there."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from adapter.errors import AdapterError
from adapter.fhirpath.parser import parse_prefix
from adapter.fhirpath.tree import Literal
from adapter.mapping.fml.parser.cursor import APOSTROPHE, Lost
from adapter.mapping.fml.paths import renamed
from adapter.outcome import Issue

if TYPE_CHECKING:
    from adapter.fhirpath.tree import Tree
    from adapter.mapping.fml.parser.cursor import Cursor

STOPS = frozenset({"as"})
"""What ends an expression that stands without brackets, and is no type test there."""


def expression(cursor: Cursor, end: int | None = None, stops: frozenset[str] = frozenset()) -> Tree:
    """Read FHIRPath from here on; `end` is an offset it may not pass, `stops` are words that end it."""
    start = cursor.token.start
    body = cursor.paths if end is None else cursor.paths[:end]
    try:
        tree, stop = parse_prefix(body, start, stops=stops)
    except AdapterError as error:
        cursor.issues.append(
            Issue(
                error.code,
                cursor.text.file,
                error.issue.params,
                line=error.issue.line,
                column=error.issue.column,
            )
        )
        raise Lost from error
    while cursor.token.kind != "end" and cursor.token.start < stop:
        cursor.advance()
    return renamed(tree, _apostrophes) if APOSTROPHE in body[start:stop] else tree


def bracketed(cursor: Cursor) -> Tree:
    """Read `( expression )`."""
    cursor.expect("(")
    tree = expression(cursor)
    cursor.expect(")")
    return tree


def condition(cursor: Cursor) -> Tree:
    """Read what follows `where`, `check` or `log`: R4 maps leave the brackets out."""
    return expression(cursor, clause_end(cursor), STOPS)


def clause_end(cursor: Cursor) -> int:
    """Find the offset where a clause without brackets must end."""
    depth, at = 0, cursor.at
    while True:
        token = cursor.tokens[at]
        if token.kind == "end":
            return token.start
        if token.kind == "symbol":
            if depth == 0 and token.text in ("->", ",", ";", "}"):
                return token.start
            depth += (token.text in "([{") - (token.text in ")]}")
        elif depth == 0 and at > cursor.at and token.kind == "name":
            previous = cursor.tokens[at - 1].text
            if token.text in ("then", "check", "log") and previous != ".":
                return token.start
        at += 1


def _apostrophes(tree: Tree) -> Tree:
    if isinstance(tree, Literal):
        return replace(tree, text=tree.text.replace(APOSTROPHE, "'"))
    return tree
