"""A whole file: its metadata, what it uses and imports, its constants, and around them groups and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhirpath.tree import Span
from adapter.mapping.fml.parser.cursor import Lost
from adapter.mapping.fml.parser.expressions import expression
from adapter.mapping.fml.parser.rules import group
from adapter.mapping.fml.parser.tables import code_table
from adapter.mapping.fml.tree import Constant, Import, MapFile, Metadata, Use

if TYPE_CHECKING:
    from collections.abc import Callable

    from adapter.mapping.fml.parser.cursor import Cursor
    from adapter.mapping.nodes import Item

MODEL_MODES = frozenset({"source", "queried", "target", "produced"})


def map_file(cursor: Cursor) -> MapFile | None:
    """Read it all; None if there is no group or table left to speak of."""
    parts: dict[str, list[Item]] = {key: [] for key in ("meta", *(key for key, _ in _READINGS.values()))}
    while cursor.token.kind != "end":
        try:
            if cursor.token.kind == "meta":
                parts["meta"].append(_metadata(cursor))
                continue
            reading = _READINGS.get(cursor.token.text.lower()) if cursor.token.kind == "name" else None
            if reading is None:
                cursor.lost("map, conceptmap, uses, imports, let or group")
            kind, read = reading
            parts[kind].append(read(cursor))
        except Lost:
            _skip_to_declaration(cursor)
    return _together(cursor, parts)


def _together(cursor: Cursor, parts: dict[str, list[Item]]) -> MapFile | None:
    said = {entry.name: entry.value for entry in parts["meta"]}
    url, name = parts["map"][0] if parts["map"] else ("", "")
    url = url or str(said.get("url") or "")
    name = name or str(said.get("name") or said.get("id") or url.rpartition("/")[2])
    if not parts["group"] and not parts["table"]:
        if not cursor.issues:
            cursor.fault("MP105", 0)
        return None
    return MapFile(
        url=url,
        name=name,
        text=cursor.text,
        metadata=tuple(parts["meta"]),
        tables=tuple(parts["table"]),
        uses=tuple(parts["use"]),
        imports=tuple(parts["import"]),
        constants=tuple(parts["let"]),
        groups=tuple(parts["group"]),
        has_map_line=bool(parts["map"]),
        comments=tuple(cursor.comments),
        span=Span(0, len(cursor.content)),
    )


def _skip_to_declaration(cursor: Cursor) -> None:
    """Go on at the next word of a declaration that begins a line."""
    cursor.advance()
    while cursor.token.kind != "end":
        token = cursor.token
        starts_line = cursor.text.place(token.start)[1] == 1
        if starts_line and (token.kind == "meta" or token.text.lower() in _READINGS):
            return
        cursor.advance()


def _metadata(cursor: Cursor) -> Metadata:
    start = cursor.advance().start
    line = cursor.text.place(start)[0]
    parts = [cursor.name("the name of a metadata element")]
    while cursor.take("."):
        parts.append(cursor.name())
    cursor.expect("=")
    value: str | bool | int | None = None
    if cursor.text.place(cursor.token.start)[0] == line and cursor.token.kind != "end":
        token = cursor.advance()
        value = token.text
        if token.kind == "number" and token.text.isdigit():
            value = int(token.text)
        elif token.kind == "name":
            if token.text not in ("true", "false"):
                cursor.back()
                cursor.lost("a literal")
            value = token.text == "true"
    return Metadata(name=".".join(parts), value=value, span=cursor.span(start))


def _map_line(cursor: Cursor) -> tuple[str, str]:
    cursor.advance()
    url = cursor.quoted("the url of the map in quotes")
    cursor.expect("=")
    if cursor.token.kind in ("string", "doubled"):
        return url, cursor.advance().text
    return url, cursor.name("the name of the map")


def _use(cursor: Cursor) -> Use:
    start = cursor.advance().start
    url = cursor.quoted("the url of a structure in quotes")
    alias = cursor.name("an alias") if cursor.take_word("alias") else None
    if not cursor.take_word("as"):
        cursor.lost("'as'")
    if cursor.token.text not in MODEL_MODES:
        cursor.lost("source, queried, target or produced")
    mode: Item = cursor.advance().text
    cursor.take(";")
    return Use(url=url, alias=alias, mode=mode, span=cursor.span(start))


def _import(cursor: Cursor) -> Import:
    start = cursor.advance().start
    url = cursor.quoted("the url of a map in quotes")
    cursor.take(";")
    return Import(url=url, span=cursor.span(start))


def _constant(cursor: Cursor) -> Constant:
    start = cursor.advance().start
    name = cursor.name("the name of a constant")
    cursor.expect("=")
    value = expression(cursor)
    cursor.semicolon()
    return Constant(name=name, value=value, span=cursor.span(start))


_READINGS: dict[str, tuple[str, Callable[[Cursor], Item]]] = {
    "map": ("map", _map_line),
    "conceptmap": ("table", code_table),
    "uses": ("use", _use),
    "imports": ("import", _import),
    "let": ("let", _constant),
    "group": ("group", group),
}
"""First word of a declaration: where the file keeps it, and what reads it."""
