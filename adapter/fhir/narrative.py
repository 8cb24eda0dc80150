"""XHTML inside a resource: kept as it was written, or written anew where it cannot stand alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from adapter.fhir.xml_plan import XHTML, split

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.fhir.xml_plan import Node

_XML = "http://www.w3.org/XML/1998/namespace"
_TO_ESCAPE = re.compile('[&<>"\r]')
_ESCAPED = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\r": "&#13;"}
_DIV = re.compile(r"<div(?=[\s>/])[^>]*\sxmlns\s*=\s*[\"']http://www\.w3\.org/1999/xhtml[\"']")
_FOREIGN_NAME = re.compile(r"</?[\w.-]+:|\s(?!xml:)[\w.-]+:[\w.-]+\s*=")


def stands_alone(raw: str) -> bool:
    """Return True if a narrative means the same wherever it is put: it declares its namespace itself."""
    return _DIV.match(raw) is not None and _FOREIGN_NAME.search(raw) is None


def xhtml(node: Node, around: str | None = None) -> str:
    """Write an XHTML element anew, each namespace declared where it begins."""
    namespace, name = split(node.tag)
    namespace = namespace or XHTML
    declared = "" if namespace == around else f' xmlns="{_escaped(namespace)}"'
    said = [f"<{name}{declared}", *_attributes(node)]
    inside = [_escaped(node.text or "")]
    for child in node:
        if isinstance(child.tag, str):
            inside.append(xhtml(child, namespace))
        elif not hasattr(child, "target"):  # a comment; a processing instruction has a target
            inside.append(f"<!--{child.text}-->")
        inside.append(_escaped(child.tail or ""))
    content = "".join(inside)
    said.append(f">{content}</{name}>" if content else "/>")
    return "".join(said)


def _attributes(node: Node) -> Iterator[str]:
    for number_of, (key, text) in enumerate(node.items()):
        namespace, name = split(key)
        if not namespace:
            yield f' {name}="{_escaped(text)}"'
        elif namespace == _XML:
            yield f' xml:{name}="{_escaped(text)}"'
        else:
            prefix = f"n{number_of}"
            yield f' xmlns:{prefix}="{_escaped(namespace)}" {prefix}:{name}="{_escaped(text)}"'


def _escaped(text: str) -> str:
    """Write a text that came out of a parser, so holds no character XML forbids."""
    return _TO_ESCAPE.sub(lambda match: _ESCAPED[match[0]], text)
