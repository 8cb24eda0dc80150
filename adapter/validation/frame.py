"""A few lines of the source around a finding, with a caret, and nothing in them that a patient's record says.

Values are hidden by stars of the same width unless asked for, so the caret stays under its place. What is
kept: names of properties, elements and attributes, and the words of `PLAIN` properties, which speak of
definitions and not of people.
"""

from __future__ import annotations

import re
from typing import NamedTuple

PLAIN = frozenset({"resourceType", "profile", "system", "url"})
"""Properties whose text is shown: what kind of thing it is, never who."""

WIDEST = 100
"""Columns of a source line that are shown; a longer line is shown around the caret."""

_JSON = re.compile(
    r'(?P<text>"(?:[^"\\]|\\.)*"?)(?P<key>\s*:)?|(?P<plain>-?\d[\d.eE+-]*|\btrue\b|\bfalse\b)|(?P<other>[^\s{}\[\],:]+)'
)
_WORD = re.compile(r"[^\s>]+")
_SPACED = re.compile(r"\s*")
_NAME = re.compile(r'"_?[A-Za-z]{1,40}"')
_XML_TAG = re.compile(r"[?/]?[A-Za-z][\w:.-]*")


class Place(NamedTuple):
    """Where a finding is in a text: lines and columns from 1, and how many columns it takes."""

    line: int
    column: int
    width: int


def excerpt(text: str, line: int, column: int, *, show_values: bool) -> list[str]:
    """Return the line of the finding and the one before, numbered, and a line with the caret."""
    lines = text.split("\n")
    if not 1 <= line <= len(lines):
        return []
    is_xml = text.lstrip("\ufeff \t\r\n").startswith("<")
    first = max(1, line - 1)
    shown = [lines[number - 1].rstrip("\r") for number in range(first, line + 1)]
    column, width = _spot(shown[-1], column)
    if not show_values:
        shown = _hidden(lines, first, line) if is_xml else [hide_json(one) for one in shown]
    start = max(0, column - 1 - WIDEST // 2) if len(shown[-1]) > WIDEST else 0
    gutter = len(str(line))
    framed = [
        f"{number:>{gutter}} | {_tabless(one)[start : start + WIDEST]}"
        for number, one in zip(range(first, line + 1), shown, strict=True)
    ]
    room = max(1, min(width, WIDEST - (column - 1 - start)))
    return [f"{'':>{gutter}} |", *framed, f"{'':>{gutter}} | {' ' * (column - 1 - start)}{'^' * room}"]


def _tabless(line: str) -> str:
    return line.replace("\t", " ")


def _spot(line: str, column: int) -> tuple[int, int]:
    """Return where the caret goes and how wide: under the value of a property, if it stands on the line."""
    match = _JSON.match(line, column - 1)
    if match is None:
        match = _WORD.match(line, column - 1)
        return column, len(match[0]) if match else 1
    if match["key"] is not None:
        value = _SPACED.match(line, match.end())
        inner = _JSON.match(line, value.end()) if value else None
        if inner is not None:
            return inner.start() + 1, len(inner[0])
        return column, len(match["text"])
    return column, len(match[0])


def hide_json(line: str) -> str:
    """Return a line of JSON with every value starred out."""
    key = ""

    def star(match: re.Match[str]) -> str:
        nonlocal key
        if match["key"] is not None:
            key = match["text"].strip('"')
            return match[0] if _NAME.fullmatch(match["text"]) else _stars(match["text"]) + match["key"]
        if match["text"] is not None:
            return match[0] if key in PLAIN else _stars(match["text"])
        return "*" * len(match[0]) if match[0] != "null" else match[0]

    return _JSON.sub(star, line)


def _stars(text: str) -> str:
    closed = len(text) > 1 and text.endswith('"')
    return '"' + "*" * (len(text) - 1 - closed) + ('"' if closed else "")


def _hidden(lines: list[str], first: int, last: int) -> list[str]:
    """Return lines of XML with all text and attribute values starred out.

    Whether a line begins within a tag or a quotation is read off everything before it.
    """
    before = "\n".join(lines[: first - 1]) + ("\n" if first > 1 else "")
    asked = "\n".join(line.rstrip("\r") for line in lines[first - 1 : last])
    return _hide_xml(before + asked)[len(before) :].split("\n")


def _hide_xml(text: str) -> str:
    out: list[str] = []
    at = 0
    while at < len(text):
        opened = text.find("<", at)
        if opened < 0:
            out.append(_star_text(text[at:]))
            break
        out.append(_star_text(text[at:opened]))
        at = _hide_tag(text, opened, out)
    return "".join(out)


def _hide_tag(text: str, at: int, out: list[str]) -> int:
    """Put the tag that opens at `at` into `out`, its attribute values starred; return where it ends."""
    out.append("<")
    name = _XML_TAG.match(text, at + 1)
    at = name.end() if name else at + 1
    out.append(name[0] if name else "")
    plain = False
    while at < len(text) and text[at] != ">":
        if text[at] in "\"'":
            end = text.find(text[at], at + 1)
            end = len(text) if end < 0 else end
            inner = text[at + 1 : end]
            out.append(text[at] + (inner if plain else _star_text(inner)) + text[end : end + 1])
            at = end + 1
            continue
        plain = text.startswith(("xmlns", "url"), at) or (plain and text[at] != " ")
        out.append(text[at])
        at += 1
    out.append(text[at : at + 1])
    return at + 1


def _star_text(text: str) -> str:
    return re.sub(r"\S", "*", text)
