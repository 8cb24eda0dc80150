"""The narrative of FHIR as the text of a CDA section: XHTML elements become those of CDA that mean the same.

The reverse of `readers.narrative`. What CDA has no element for is kept as its content. FHIR R4
narrative.html; CDA R2 4.3.5 (StrucDoc.Text).
"""

from __future__ import annotations

from typing import Any, TypeAlias

from adapter.mapping.readers.narrative import STYLES, XHTML_OF

Element: TypeAlias = Any
"""An element as the XML writer has it, whose library stays there."""
CDA_OF = {xhtml: cda for cda, xhtml in XHTML_OF.items() if cda != "content"} | {
    "ul": "list", "ol": "list", "span": "content", "a": "linkHtml", "br": "br",
    **dict.fromkeys(("h1", "h2", "h3", "h4", "h5", "h6"), "paragraph"),
}  # fmt: skip
STYLE_OF = {xhtml: style for style, xhtml in STYLES.items()} | {"strong": "Bold"}
ATTRIBUTES = {"id": "ID", "colspan": "colspan", "rowspan": "rowspan", "href": "href"}


def into(text: Element, div: Element, namespace: str | None) -> None:
    """Put what stands in `div` into the section's `text`."""
    _add_text(text, div.text)
    for child in div:
        _add(text, child, namespace)
        _add_text(text, child.tail)


def _add(parent: Element, element: Element, namespace: str | None) -> None:
    name = str(element.tag).rpartition("}")[2]
    known = "content" if name in STYLE_OF else CDA_OF.get(name)
    if known is None:
        into(parent, element, namespace)
        return
    made = parent.makeelement(f"{{{namespace}}}{known}" if namespace else known)
    parent.append(made)
    for key, value in element.items():
        if key in ATTRIBUTES:
            made.set(ATTRIBUTES[key], value)
    if name in STYLE_OF:
        made.set("styleCode", STYLE_OF[name])
    if name == "ol":
        made.set("listType", "ordered")
    into(made, element, namespace)


def _add_text(element: Element, text: str | None) -> None:
    """Put text behind what stands in an element already."""
    if not text:
        return
    if len(element):
        element[-1].tail = (element[-1].tail or "") + text
    else:
        element.text = (element.text or "") + text
