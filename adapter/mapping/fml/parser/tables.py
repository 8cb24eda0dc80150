"""Code tables inside of a map: `conceptmap "#name" { .. }`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.mapping.fml.tree import CodeRow, CodeTable

if TYPE_CHECKING:
    from adapter.mapping.fml.parser.cursor import Cursor

RELATIONS = {
    "-": "relatedto", "=": "equal", "==": "equivalent", "<-": "subsumes", "<=": "subsumes",
    "->": "specializes", ">=": "specializes", ">-": "narrower", "~": "inexact", "--": "unmatched",
    "!=": "disjoint",
}  # fmt: skip
"""Signs between two codes of an inline concept map, as R4 ConceptMapEquivalence."""


def code_table(cursor: Cursor) -> CodeTable:
    """Read one block."""
    start = cursor.advance().start
    url = cursor.quoted("the url of the concept map in quotes")
    cursor.expect("{")
    prefixes: list[tuple[str, str]] = []
    rows: list[CodeRow] = []
    unmapped: list[tuple[str, str]] = []
    while not cursor.take("}"):
        if cursor.is_word("prefix") and cursor.peek().kind == "name":
            cursor.advance()
            name = cursor.name("a prefix")
            cursor.expect("=")
            prefixes.append((name, cursor.quoted("the url of a code system in quotes")))
        elif cursor.is_word("unmapped"):
            cursor.advance()
            if not cursor.take_word("for"):
                cursor.lost("'for'")
            name = cursor.name("a prefix")
            cursor.expect("=")
            unmapped.append((name, cursor.name("provided, fixed or other")))
        else:
            rows.append(_code_row(cursor, frozenset(name for name, _ in prefixes)))
        cursor.take(";")
    return CodeTable(
        url=url,
        prefixes=tuple(prefixes),
        rows=tuple(rows),
        unmapped=tuple(unmapped),
        span=cursor.span(start),
    )


def _code_row(cursor: Cursor, prefixes: frozenset[str]) -> CodeRow:
    start = cursor.token.start
    source_prefix, source = _prefixed(cursor, prefixes)
    sign = ""
    while cursor.token.kind == "symbol" and cursor.token.text in "->=<=~!=--==>-<-" and len(sign) < 2:
        sign += cursor.advance().text
    relation = RELATIONS.get(sign)
    if relation is None:
        cursor.lost("a relation such as '-' or '=='")
    if relation == "unmatched":
        return CodeRow(
            source_prefix=source_prefix, source=source, relation=relation,
            target_prefix=None, target=None, span=cursor.span(start),
        )  # fmt: skip
    target_prefix, target = _prefixed(cursor, prefixes)
    return CodeRow(
        source_prefix=source_prefix, source=source, relation=relation,
        target_prefix=target_prefix, target=target, span=cursor.span(start),
    )  # fmt: skip


def _prefixed(cursor: Cursor, prefixes: frozenset[str]) -> tuple[str, str]:
    start = cursor.token.start
    prefix = cursor.name("a prefix")
    if prefix not in prefixes:
        cursor.fault("MP107", start, prefix=prefix)
    cursor.expect(":")
    if cursor.token.kind in ("string", "doubled"):
        return prefix, cursor.advance().text
    begin = cursor.token.start
    if cursor.token.kind not in ("name", "number", "quoted"):
        cursor.lost("a code")
    # Codes such as 123-4 are several words that touch each other.
    while cursor.touches_on():
        cursor.advance()
    end = cursor.advance().end
    return prefix, cursor.content[begin:end].strip("`")
