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
_SPACE = re.compile(r"[ \t\r\n\f]+")


def of(element: Element) -> tuple[str, str]:
    """Return the lines of a section's `text`, and its XHTML `div`; both empty if there is no text."""
    lines: list[str] = [""]
    inside = _inside(element, "text", lines)
    text = "\n".join(line for line in (_SPACE.sub(" ", line).strip() for line in lines) if line)
    if not text:
        return "", ""
    return text, f'<div xmlns="http://www.w3.org/1999/xhtml">{inside}</div>'


@lru_cache(256)
def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def _escaped(text: str) -> str:
    return escape(text) if _SPECIAL.search(text) else text


def _inside(element: Element, name: str, lines: list[str]) -> str:
    """Return the XHTML of what is in an element, and write its text to the lines."""
    begins = name in LINES
    if begins or name == "br":
        lines.append("")
    elif name in _CELLS and lines[-1].strip():
        lines[-1] += " | "
    text = element.text
    parts: list[str] = []
    if text:
        lines[-1] += text
        parts.append(_escaped(text))
    for child in element:
        parts.append(_xhtml(child, lines))
        tail = child.tail
        if tail:
            lines[-1] += tail
            parts.append(_escaped(tail))
    if begins:
        lines.append("")
    return "".join(parts)


def _xhtml(element: Element, lines: list[str]) -> str:
    name = _local(element.tag)
    inside = _inside(element, name, lines)
    if name == "br":
        return "<br/>"
    if name == "list":
        return _tagged("ol" if element.get("listType") == "ordered" else "ul", element, inside)
    if name == "content":
        styles = [STYLES[style] for style in (element.get("styleCode") or "").split() if style in STYLES]
        return _tagged(styles[0] if styles else "span", element, inside)
    known = XHTML_OF.get(name)
    return inside if known is None else _tagged(known, element, inside)


def _tagged(name: str, element: Element, inside: str) -> str:
    said = "".join(
        f" {'id' if key == 'ID' else key}={quoteattr(str(value))}"
        for key, value in element.items()
        if key == "ID" or key in _KEPT
    )
    return f"<{name}{said}>{inside}</{name}>" if inside or name not in ("col",) else f"<{name}{said}/>"
