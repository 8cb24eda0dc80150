"""XML of any kind, CDA R2 first, as a source tree.

Children and attributes are properties by local name; text is `xmlText`, stripped of the white space around
it, and a list of its runs where it stands between child elements. `xsi:type` is the type of the node. The
narrative of a CDA section is one leaf (`xmlText`, its lines) with `div` beside it, the same as XHTML.

Nothing is fetched, no document type is processed, and what a document may cost is bounded before the parser
sees it, because the parser's own limits come late.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from lxml import etree

from adapter.errors import Malformed, TooCostly
from adapter.fhir.budget import DEFAULT
from adapter.mapping.nodes import SourceTree, Step, Typed
from adapter.mapping.readers import narrative
from adapter.outcome import Issue

if TYPE_CHECKING:
    from adapter.fhir.budget import Budget

DEEPEST = 100
"""Elements inside each other, at most."""
V3 = "urn:hl7-org:v3"
_SECTION, _NARRATIVE = f"{{{V3}}}section", f"{{{V3}}}text"
XSI = "http://www.w3.org/2001/XMLSchema-instance"
PREFIXES = {
    "urn:hl7-org:sdtc": "sdtc",
    "urn:hl7finland": "hl7fi",
    "http://www.w3.org/XML/1998/namespace": "",
    "http://www.w3.org/1999/xhtml": "",
}
"""Namespaces beside the document's own that have a name of ours, put in front of the element's."""
_CODECS = {
    "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8", "ascii": "utf-8",
    "iso-8859-1": "iso8859-1", "latin1": "iso8859-1", "iso-8859-15": "iso8859-15", "windows-1252": "cp1252",
    "utf-16": "utf-16", "utf-16le": "utf-16", "utf-16be": "utf-16",
}  # fmt: skip
_DECLARATION = re.compile(r"\s*<\?xml\s[^>]*?\?>")
_DECLARED = re.compile(rb"""\s*<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._:-]+)["']""")
_PROLOG = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s++|<!--.*?-->|<\?.*?\?>)*+", re.DOTALL)
_QUOTED = rb"""(?:"[^"<]*+"|'[^'<]*+')"""


def read(body: bytes, *, budget: Budget = DEFAULT) -> SourceTree:
    """Read one document.

    Raises Malformed SR201 (not well-formed) or SR202 (DOCTYPE) with line and column, TooCostly SR203.
    """
    root = _parse(_as_utf8(body, budget), budget)
    walk = _Walk(budget, root)
    tree = walk.node(root, 1, is_in_section=False)
    name = etree.QName(root).localname

    def place(steps: tuple[Step, ...], key: str | None, index: int | None) -> str:
        return place_below(name, steps, key, index)

    return SourceTree(tree, "xml", place, walk.issues)


def _as_utf8(body: bytes, budget: Budget) -> bytes:
    """Bring the document to UTF-8, so that every look at its bytes means what it says."""
    if len(body) > budget.bytes:
        raise TooCostly("SR203", params={"limit": budget.bytes, "unit": "bytes"})
    name = "utf-16" if body[:2] in (b"\xff\xfe", b"\xfe\xff") else None
    if name is None:
        declared = _DECLARED.match(body.removeprefix(b"\xef\xbb\xbf"))
        name = declared[1].decode("ascii").lower() if declared else "utf-8"
    codec = _CODECS.get(name)
    if codec is None:
        raise Malformed("SR201", line=1, column=1)
    if codec == "utf-8":
        return body
    try:
        return _DECLARATION.sub("", body.decode(codec), count=1).encode("utf-8")
    except UnicodeError:
        raise Malformed("SR201", line=1, column=1) from None


def _parse(body: bytes, budget: Budget) -> etree._Element:
    prolog = _PROLOG.match(body)
    if prolog and body[prolog.end() : prolog.end() + 2] == b"<!":
        line = body.count(b"\n", 0, prolog.end()) + 1
        raise Malformed(
            "SR202", line=line, column=prolog.end() - (body.rfind(b"\n", 0, prolog.end()) + 1) + 1
        )
    parts = body.split(b"<")
    if len(parts) > budget.elements and len(parts) - 1 - body.count(b"</") > budget.elements:
        raise TooCostly("SR203", params={"limit": budget.elements, "unit": "elements"})
    # What stands between two signs < must be long to hold that many attributes; hardly anything is.
    room = budget.attributes * len(b' a=""')
    wide = [part for part in parts if len(part) > room and part.count(b"=") > budget.attributes]
    if wide and _wide_tag(budget.attributes).search(body):
        raise TooCostly("SR203", params={"limit": budget.attributes, "unit": "attributes"})
    try:
        root: etree._Element = etree.fromstring(body, _parser())
    except etree.XMLSyntaxError as problem:
        raise _unreadable(problem, budget) from None
    except ValueError:
        raise Malformed("SR201", line=1, column=1) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise Malformed("SR202", line=1, column=1)
    return root


def _unreadable(problem: etree.XMLSyntaxError, budget: Budget) -> Malformed | TooCostly:
    line, column = problem.position
    message = problem.msg or ""
    if "huge" in message or "depth" in message.lower():
        return TooCostly(
            "SR203", params={"limit": budget.text, "unit": "characters"}, line=line, column=column
        )
    return Malformed("SR201", line=line, column=column)


def _parser() -> etree.XMLParser[Any]:
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False,
        attribute_defaults=False, huge_tree=False, recover=False, remove_comments=True, remove_pis=True,
    )  # fmt: skip


@cache
def _wide_tag(attributes: int) -> re.Pattern[bytes]:
    """Return the pattern of a start tag too wide for the parser, which is quadratic in attributes."""
    return re.compile(rb"<(?![!?])[^<>\"']*+(?:%s[^<>\"']*+){%d,}+" % (_QUOTED, attributes + 1))


class _Walk:
    """One pass over a parsed document."""

    def __init__(self, budget: Budget, root: etree._Element) -> None:
        self.budget = budget
        self.home = etree.QName(root).namespace
        self.names: dict[str, str] = {}
        self.attribute_names: dict[str, str | None] = {}
        self.issues: list[Issue] = []
        self.strangers: set[str | None] = set()

    def node(self, element: etree._Element, depth: int, is_in_section: bool) -> Typed:
        """Return the node of an element with everything below it."""
        if depth > DEEPEST:
            raise TooCostly("SR203", params={"limit": DEEPEST, "unit": "levels"}, line=element.sourceline)
        made = Typed(None, element.sourceline)
        attributes = element.items()
        if attributes:
            self.attributes(attributes, made)
        if is_in_section and element.tag == _NARRATIVE:
            made.type = "StrucDoc.Text"
            lines, div = narrative.of(element)
            if lines:
                made["xmlText"], made["div"] = lines, div
            return made
        text = element.text
        if len(element):
            self.children(element, text, made, depth + 1)
        elif text and (text := text.strip()):
            self.check(text, element)
            made["xmlText"] = text
        return made

    def children(self, element: etree._Element, text: str | None, made: Typed, depth: int) -> None:
        runs = [text] if text and not text.isspace() else []
        names, node, is_section = self.names, self.node, element.tag == _SECTION
        for child in element:
            key = names.get(child.tag) or self.name(child)  # type: ignore[arg-type]
            part = node(child, depth, is_section)
            there = made.get(key)
            if there is None:
                made[key] = part
            elif there.__class__ is list:
                there.append(part)
            else:
                made[key] = [there, part]
            tail = child.tail
            if tail and not tail.isspace():
                runs.append(tail)
        if runs:
            texts = [run.strip() for run in runs]
            made["xmlText"] = texts[0] if len(texts) == 1 else texts

    def check(self, text: str, element: etree._Element) -> None:
        if len(text) > self.budget.text:
            raise TooCostly(
                "SR203", params={"limit": self.budget.text, "unit": "characters"}, line=element.sourceline
            )

    def attributes(self, attributes: list[tuple[str, str]], made: Typed) -> None:
        known = self.attribute_names
        for name, value in attributes:
            key = known[name] if name in known else self.attribute_name(name)
            if key is not None:
                # `lang` and `xml:lang` may stand side by side; neither may push the other out.
                made[key if key not in made else f"x_{key}"] = value
            elif name == f"{{{XSI}}}type":
                made.type = value.rpartition(":")[2]

    def attribute_name(self, name: str) -> str | None:
        """Return the property of an attribute; None for those of XML Schema, which carry no content."""
        if name[0] != "{":
            key: str | None = name
        else:
            namespace, _, local = name[1:].partition("}")
            key = None if namespace == XSI else _joined(PREFIXES.get(namespace), local) or f"x_{local}"
            if namespace == self.home:
                key = local
        self.attribute_names[name] = key
        return key

    def name(self, child: etree._Element) -> str:
        """Return the property of a child element."""
        qualified = etree.QName(child)
        namespace, local = qualified.namespace, qualified.localname
        if namespace == self.home:
            key = local
        else:
            ours = _joined(PREFIXES.get(namespace or ""), local)
            key = ours or f"{child.prefix or 'x'}_{local}"
            if ours is None and self.home == V3 and namespace not in self.strangers:
                self.strangers.add(namespace)
                self.issues.append(Issue("SR204", params={"element": local}, line=child.sourceline))
        self.names[str(child.tag)] = key
        return key


def _joined(prefix: str | None, local: str) -> str | None:
    if prefix is None:
        return None
    return f"{prefix}{local[:1].upper()}{local[1:]}" if prefix else local


def place_below(root: str, steps: tuple[Step, ...], key: str | None, index: int | None) -> str:
    """Write an XPath: `/ClinicalDocument/component[2]/section/code/@code`; positions count from 1."""
    words = f"/{root}"
    for name, at in steps:
        words += f"/{name}" + ("" if at is None else f"[{at + 1}]")
    if key in (None, "div"):
        return words
    if key == "xmlText":
        return words if index is None else f"{words}/text()[{index + 1}]"
    return f"{words}/@{key}"
