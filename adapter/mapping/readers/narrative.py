"""The narrative of a CDA section: its lines as plain text, and the same as XHTML of FHIR.

Only what FHIR's narrative allows comes out: elements of the CDA text become those of XHTML that mean the
same, everything else is kept as its content. CDA R2 4.3.5 (StrucDoc.Text); FHIR R4 narrative.html, txt-1.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, TypeAlias
from xml.sax.saxutils import escape, quoteattr

Element: TypeAlias = Any
"""An element as the XML reader has it, whose library stays there."""
XHTML_OF = {
    "paragraph": "p", "content": "span", "table": "table", "thead": "thead", "tbody": "tbody",
    "tfoot": "tfoot",
    "tr": "tr", "td": "td", "th": "th", "caption": "caption", "item": "li", "sub": "sub", "sup": "sup",
    "col": "col", "colgroup": "colgroup",
}  # fmt: skip
LINES = frozenset({"paragraph", "item", "tr", "list", "table", "caption", "thead", "tbody", "text"})
"""Elements that begin a line of their own."""
_CELLS = frozenset({"td", "th"})
STYLES = {"Bold": "b", "Italics": "i", "Underline": "u", "Emphasis": "em"}
_KEPT = {"colspan", "rowspan"}
_SPECIAL = re.compile("[&<>]")
_BREAK = "\0"
"""Stands between lines; XML has no such character."""
_SPACE = re.compile(r"[ \t\r\n\f]+")


def of(element: Element) -> tuple[str, str]:
    """Return the lines of a section's `text`, and its XHTML `div`; both empty if there is no text."""
    words: list[str] = []
    inside: list[str] = []
    _walk(element, "text", words, inside)
    lines = _SPACE.sub(" ", "".join(words)).split(_BREAK)
    text = "\n".join(line for line in map(str.strip, lines) if line)
    if not text:
        return "", ""
    return text, f'<div xmlns="http://www.w3.org/1999/xhtml">{"".join(inside)}</div>'


@lru_cache(256)
def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _walk(element: Element, name: str, words: list[str], parts: list[str]) -> None:
    """Add the text of an element to the words, and the XHTML of what is in it to the parts."""
    begins = name in LINES
    if begins or name == "br":
        words.append(_BREAK)
    elif name in _CELLS and _is_begun(words):
        words.append(" | ")
    text = element.text
    if text:
        words.append(text)
        parts.append(escape(text) if _SPECIAL.search(text) else text)
    for child in element:
        _add(child, words, parts)
        tail = child.tail
        if tail:
            words.append(tail)
            parts.append(escape(tail) if _SPECIAL.search(tail) else tail)
    if begins:
        words.append(_BREAK)


def _is_begun(words: list[str]) -> bool:
    """True if there is something on the last line."""
    for word in reversed(words):
        if word == _BREAK:
            return False
        if not word.isspace():
            return True
    return False


def _add(element: Element, words: list[str], parts: list[str]) -> None:
    """Add an element below the text: itself, or where XHTML has nothing like it what is in it."""
    name = _local(element.tag)
    if name == "br":
        _walk(element, name, words, [])
        parts.append("<br/>")
        return
    known = XHTML_OF.get(name)
    if name == "list":
        known = "ol" if element.get("listType") == "ordered" else "ul"
    elif name == "content":
        styles = [STYLES[style] for style in (element.get("styleCode") or "").split() if style in STYLES]
        known = styles[0] if styles else "span"
    if known is None:
        _walk(element, name, words, parts)
        return
    said = "".join(
        [
            f" {'id' if key == 'ID' else key}={quoteattr(str(value))}"
            for key, value in element.items()
            if key == "ID" or key in _KEPT
        ]
    )
    parts.append(f"<{known}{said}>")
    before = len(parts)
    _walk(element, name, words, parts)
    if known == "col" and len(parts) == before:
        parts[-1] = f"<{known}{said}/>"
    else:
        parts.append(f"</{known}>")
