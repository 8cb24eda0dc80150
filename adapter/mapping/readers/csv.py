"""A table with a header line: `row` for each line, the header's columns as leaves.

With `key` columns, lines that agree in them become one row whose other lines stand under `lines`, so that a
map finds a tree and not a heap. RFC 4180; a semicolon or tab instead of the comma is told by the header.
"""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from adapter.errors import Malformed, TooCostly
from adapter.fhir.budget import DEFAULT
from adapter.mapping.nodes import Node, SourceTree, Step, Typed
from adapter.mapping.readers.hl7v2 import CHARSETS
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Sequence

    from adapter.fhir.budget import Budget

SEPARATORS = (",", ";", "\t", "|")


def read(
    body: bytes,
    *,
    budget: Budget = DEFAULT,
    charset: str | None = None,
    separator: str | None = None,
    key: Sequence[str] = (),
) -> SourceTree:
    """Read a table. Empty cells are absent; cells are not stripped or changed.

    Raises Malformed SR301 (no header), SR303 (charset), SR304 (a column twice); a line with another number of
    cells than the header is an issue SR302, and what stands beyond the header is `column5` and so on.
    """
    if len(body) > budget.bytes:
        raise TooCostly("SR108", params={"limit": budget.bytes, "unit": "bytes"})
    lines = csv.reader(
        io.StringIO(text := _decoded(body, charset), newline=""), delimiter=separator or _separator(text)
    )
    root, issues = Typed("CSV"), list[Issue]()
    try:
        header = next(lines, None)
        if not header or not any(header):
            raise Malformed("SR301", line=1)
        names = _names(header)
        _rows(lines, names, root, issues, budget, tuple(key))
    except csv.Error:
        raise Malformed(
            "SR302", params={"line": lines.line_num, "found": 0, "columns": 0}, line=lines.line_num
        ) from None
    return SourceTree(root, "csv", place, issues)


def _decoded(body: bytes, charset: str | None) -> str:
    codec = CHARSETS.get((charset or "UTF-8").upper(), "utf-8")
    try:
        return body.decode("utf-8-sig" if codec == "utf-8" else codec)
    except UnicodeDecodeError:
        raise Malformed("SR303", params={"charset": charset or "UTF-8"}) from None


def _separator(text: str) -> str:
    header = text.partition("\n")[0]
    return max(SEPARATORS, key=header.count)


def _names(header: list[str]) -> list[str]:
    names = [name.strip() or f"column{at}" for at, name in enumerate(header, 1)]
    for at, name in enumerate(names):
        if name in names[:at]:
            raise Malformed("SR304", params={"column": name}, line=1)
    return names


def _rows(
    lines: csv._reader,  # type: ignore[name-defined]
    names: list[str],
    root: Typed,
    issues: list[Issue],
    budget: Budget,
    key: tuple[str, ...],
) -> None:
    rows: list[Node] = []
    count = 0
    for cells in lines:
        if not cells:
            continue
        count += len(cells)
        if count > budget.elements:
            raise TooCostly("SR108", params={"limit": budget.elements, "unit": "cells"})
        if len(cells) != len(names):
            issues.append(
                Issue(
                    "SR302",
                    params={"line": lines.line_num, "found": len(cells), "columns": len(names)},
                    line=lines.line_num,
                )
            )
        row = Typed("row", lines.line_num)
        row.update({name: cell for name, cell in zip(names, cells, strict=False) if cell})
        row.update({f"column{at + 1}": cells[at] for at in range(len(names), len(cells)) if cells[at]})
        rows.append(row)
    if rows:
        root["row"] = _grouped(rows, key)


def grouped(tree: SourceTree, key: Sequence[str]) -> SourceTree:
    """Return a table with the lines that agree in the `key` columns under the first of them, as `lines`."""
    root = Typed("CSV")
    if "row" in tree.root:
        root["row"] = _grouped(tree.root["row"], tuple(key))
    return SourceTree(root, tree.format, tree.place, tree.issues, tree.nulls, tree.spent)


def _grouped(rows: list[Node], key: tuple[str, ...]) -> list[Node]:
    if not key:
        return rows
    first: dict[tuple[str | None, ...], Node] = {}
    more: dict[tuple[str | None, ...], list[Node]] = {}
    for row in rows:
        group = tuple(row.get(name) for name in key)
        if group in first:
            more.setdefault(group, []).append(row)
        else:
            first[group] = row
    for group, others in more.items():
        head = Typed(first[group].type, first[group].line)
        head.update(first[group])
        head["lines"] = [*head.get("lines", ()), *others]
        first[group] = head
    return list(first.values())


def place(steps: tuple[Step, ...], key: str | None, index: int | None) -> str:
    """Write a place: `row[3].birthDate`; rows count from 1, the header not among them."""
    words = ".".join(name if at is None else f"{name}[{at + 1}]" for name, at in steps)
    return f"{words}.{key}" if key is not None else words or "table"
