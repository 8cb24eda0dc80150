"""XML of any kind, CDA R2 first, as a source tree.

Children and attributes are properties by local name; text is `xmlText`, stripped of the white space around
it, and a list of its runs where it stands between child elements. `xsi:type` is the type of the node. The
narrative of a CDA section is one leaf (`xmlText`, its lines) with `div` beside it, the same as XHTML.

Nothing is fetched, no document type is processed, and what a document may cost is bounded before the parser
sees it, because the parser's own limits come late.

A node is read when it is first asked for anything: a map looks at a part of a document, and to turn the rest
into nodes would take several times as long as to parse it. What can be wrong with a document is told at once.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from lxml import etree

from adapter.errors import Malformed, TooCostly
from adapter.fhir.budget import DEFAULT
from adapter.mapping.nodes import SourceTree, Step, Typed, reads_first
from adapter.mapping.readers import narrative
from adapter.outcome import Issue

if TYPE_CHECKING:
    from collections.abc import Iterator

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
_SHORTEST = len(b"<a/>")
_KNOWN = frozenset({V3, *PREFIXES})
_CODECS = {
    "utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8", "ascii": "utf-8",
    "iso-8859-1": "iso8859-1", "latin1": "iso8859-1", "iso-8859-15": "iso8859-15", "windows-1252": "cp1252",
    "utf-16": "utf-16", "utf-16le": "utf-16", "utf-16be": "utf-16",
}  # fmt: skip
_DECLARATION = re.compile(r"\A\s*+<\?xml\s[^>]*?\?>")
_DECLARED = re.compile(rb"""\s*<\?xml\s[^>]*?encoding\s*=\s*["']([A-Za-z0-9._:-]+)["']""")
_PROLOG = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s++|<!--.*?-->|<\?.*?\?>)*+", re.DOTALL)
_DECLARES = re.compile(rb"""xmlns(?::([^\s=]+))?\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_ESCAPED = re.compile(r"[&{}\s]")
"""What a namespace may be written with that is not the namespace itself."""
_NAMESPACES_AT_MOST = 8
"""Beyond these it is quicker to look at every element."""
_TOO_DEEP = etree.XPath(
    f"(/{'/'.join('*' * (DEEPEST + 1))}[not(ancestor::v3:text[parent::v3:section])])[1]",
    namespaces={"v3": V3},
)
"""The first element below as many as there may be, if it is not in a narrative, which is one leaf."""
_QUOTED = rb"""(?:"[^"<]*+"|'[^'<]*+')"""


def read(body: bytes, *, budget: Budget = DEFAULT) -> SourceTree:
    """Read one document.

    Raises Malformed SR201 (not well-formed) or SR202 (DOCTYPE) with line and column, TooCostly SR203.
    """
    body = _as_utf8(body, budget)
    root = _parse(body, budget)
    _bound(root, body, budget)
    reading = _Reading(root)
    name = etree.QName(root).localname

    def place(steps: tuple[Step, ...], key: str | None, index: int | None) -> str:
        return place_below(name, steps, key, index)

    return SourceTree(reading.unread(root), "xml", place, list(_strangers(root, body)))


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
    if len(body) > _SHORTEST * budget.elements:
        starts = body.count(b"<")
        if starts > budget.elements and starts - body.count(b"</") > budget.elements:
            raise TooCostly("SR203", params={"limit": budget.elements, "unit": "elements"})
        if body.count(b'="') + body.count(b"='") > budget.elements:
            raise TooCostly("SR203", params={"limit": budget.elements, "unit": "attributes"})
    if _may_be_wide(body, budget.attributes) and _wide_tag(budget.attributes).search(body):
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


def _may_be_wide(body: bytes, attributes: int) -> bool:
    """True if somewhere between two signs < there is room for more attributes, and signs = for them.

    From one sign the last within reach is taken next, so that not every tag is looked at.
    """
    find, rfind, reach = body.find, body.rfind, attributes * len(b' a=""')
    at, size = 0, len(body)
    while at < size:
        last = rfind(b"<", at + 1, at + 1 + reach)
        if last >= 0:
            at = last
            continue
        start, at = at, find(b"<", at + 1)
        if body.count(b"=", start, at if at >= 0 else size) > attributes:
            return True
        if at < 0:
            return False
    return False


def _bound(root: etree._Element, body: bytes, budget: Budget) -> None:
    """Raise TooCostly SR203 for elements too deep inside each other, or a text too long, in what is read."""
    for deep in _TOO_DEEP(root):
        raise TooCostly("SR203", params={"limit": DEEPEST, "unit": "levels"}, line=deep.sourceline)
    if len(body) <= budget.text:
        return
    for element in root.iter():
        text = element.text
        if not text or len(text.strip()) <= budget.text or len(element) or _is_in_narrative(element):
            continue
        raise TooCostly("SR203", params={"limit": budget.text, "unit": "characters"}, line=element.sourceline)


def _is_narrative(element: etree._Element) -> bool:
    if element.tag != _NARRATIVE:
        return False
    parent = element.getparent()
    return parent is not None and parent.tag == _SECTION


def _is_in_narrative(element: etree._Element) -> bool:
    return any(_is_narrative(one) for one in (element, *element.iterancestors(_NARRATIVE)))


def _strangers(root: etree._Element, body: bytes) -> Iterator[Issue]:
    """Yield one issue for each namespace outside of CDA, at its first element."""
    declared = _declared(body)
    unknown = {
        name
        for name, prefixes in declared.items()
        if name not in _KNOWN and any(not prefix or b"<%s:" % prefix in body for prefix in prefixes)
    }
    if not unknown or etree.QName(root).namespace != V3:
        return
    is_plain = len(unknown) <= _NAMESPACES_AT_MOST and not any(map(_ESCAPED.search, unknown))
    seen = set(_KNOWN)
    for element in root.iter(*(f"{{{one}}}*" for one in unknown)) if is_plain else root.iter():
        qualified = etree.QName(element)
        if (qualified.namespace or "") not in seen and not _is_in_narrative(element):
            seen.add(qualified.namespace or "")
            yield Issue("SR204", params={"element": qualified.localname}, line=element.sourceline)


def _declared(body: bytes) -> dict[str, set[bytes]]:
    """Return what is declared as a namespace, as it is written, with its prefixes; the default's is empty."""
    found: dict[str, set[bytes]] = {}
    at = body.find(b"xmlns")
    while at >= 0:
        match = _DECLARES.match(body, at)
        if match is not None:
            found.setdefault((match[2] or match[3] or b"").decode(), set()).add(match[1] or b"")
        at = body.find(b"xmlns", at + 5)
    return found


class Element(Typed):
    """The node of an element, read."""

    __slots__ = ("reading", "source")

    reading: _Reading | None
    source: etree._Element | None
    """The element, until it is read."""


class Unread(Element):
    """The node of an element that nobody has asked for anything: the first question reads it."""

    __slots__ = ()
    is_unread = True


_new = dict.__new__


def _fill(node: Element) -> None:
    """Read the element of a node, and leave those below it to whoever asks."""
    element, reading = node.source, node.reading
    node.__class__ = Element
    node.type = node.namespace = node.reading = node.source = None
    if element is None or reading is None:
        return
    node.line = element.sourceline
    attributes = element.items()
    for name, value in attributes:
        if name[0] == "{":
            node.clear()
            reading.attributes(attributes, node)
            break
        node[name] = value
    if len(element):
        reading.children(element, node)
        return
    text = element.text
    if text and (text := text.strip()):
        node["xmlText"] = text


def _fill_narrative(node: Element) -> None:
    """Read the text of a section, which is one leaf."""
    element, reading = node.source, node.reading
    node.__class__ = Element
    node.type = node.namespace = node.reading = node.source = None
    if element is None or reading is None:
        return
    node.line = element.sourceline
    reading.attributes(element.items(), node)
    node.type = "StrucDoc.Text"
    lines, div = narrative.of(element)
    if lines:
        node["xmlText"], node["div"] = lines, div


class UnreadNarrative(Unread):
    """The node of a section's text that nobody has asked for anything."""

    __slots__ = ()


reads_first(Unread, _fill, Element)
reads_first(UnreadNarrative, _fill_narrative, Element)


class _Reading:
    """What the nodes of one document share."""

    def __init__(self, root: etree._Element) -> None:
        self.home = etree.QName(root).namespace
        self.names: dict[str, str] = {}
        self.attribute_names: dict[str, str | None] = {}

    def unread(self, element: etree._Element) -> Unread:
        """Return the node of an element."""
        node: Unread = _new(Unread)
        node.source, node.reading = element, self
        return node

    def children(self, element: etree._Element, made: Element) -> None:
        """Make the nodes below an element, and its text if it has any around them."""
        text = element.text
        runs = [text] if text and not text.isspace() else []
        names = self.names
        for child in element[:]:
            tag: Any = child.tag
            key = names.get(tag) or self.name(child)
            part: Unread = _new(UnreadNarrative if tag == _NARRATIVE and _is_narrative(child) else Unread)
            part.source, part.reading = child, self
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

    def attributes(self, attributes: list[tuple[str, str]], made: Element) -> None:
        """Read attributes some of which have a namespace."""
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
            key = _joined(PREFIXES.get(namespace or ""), local) or f"{child.prefix or 'x'}_{local}"
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
