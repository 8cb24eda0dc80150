"""Narrative: the little of XHTML that R4 lets into a resource. R4 narrative.html, txt-1 and txt-2."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.parsers import expat

from adapter.validation.found import Found

if TYPE_CHECKING:
    from adapter.fhir.json import Json
    from adapter.validation.found import Verdict
    from adapter.validation.visit import Visit

XHTML = "http://www.w3.org/1999/xhtml"

ELEMENTS = frozenset(
    [
        "a",
        "abbr",
        "acronym",
        "b",
        "big",
        "blockquote",
        "br",
        "caption",
        "cite",
        "code",
        "col",
        "colgroup",
        "dd",
        "dfn",
        "div",
        "dl",
        "dt",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "li",
        "ol",
        "p",
        "pre",
        "q",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "tt",
        "ul",
        "var",
        "bdi",
        "bdo",
        "del",
        "ins",
        "kbd",
        "map",
        "area",
    ]
)
"""Chapters 7-11 (but section 4 of 9) and 15 of HTML 4.0, and links, images and anchors."""

ANYWHERE = frozenset(
    [
        "title",
        "style",
        "class",
        "id",
        "lang",
        "dir",
        "accesskey",
        "tabindex",
        "align",
        "valign",
        "width",
        "xml:lang",
        "name",
    ]
)
ATTRIBUTES: dict[str, frozenset[str]] = {
    name: frozenset(allowed.split())
    for name, allowed in {
        "a": "href rel rev charset hreflang type shape coords target",
        "img": "src alt longdesc height usemap ismap border",
        "blockquote": "cite",
        "q": "cite",
        "del": "cite datetime",
        "ins": "cite datetime",
        "table": "summary border frame rules cellspacing cellpadding bgcolor",
        "tr": "char charoff bgcolor",
        "td": "abbr axis headers scope rowspan colspan char charoff bgcolor nowrap height",
        "th": "abbr axis headers scope rowspan colspan char charoff bgcolor nowrap height",
        "col": "span char charoff",
        "colgroup": "span char charoff",
        "thead": "char charoff",
        "tbody": "char charoff",
        "tfoot": "char charoff",
        "ol": "type start compact",
        "ul": "type compact",
        "dl": "compact",
        "li": "type value",
        "pre": "xml:space",
        "hr": "size noshade",
        "br": "clear",
        "map": "shape coords href nohref alt",
        "area": "shape coords href nohref alt",
        "p": "xml:space",
    }.items()
}
_NAMED = re.compile(r"&(?!(?:amp|lt|gt|quot|apos);)([A-Za-z][A-Za-z0-9]*);")
_SCRIPT = re.compile(r"^\s*(?:java|vb|live)script\s*:", re.IGNORECASE)


class _Reader:
    """Listens to the parser and notes what R4 does not allow."""

    def __init__(self) -> None:
        self.wrong: list[Found] = []
        self.has_text = False
        self._depth = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        space, _, local = name.rpartition(" ")
        if self._depth == 0 and (local != "div" or space != XHTML):
            self.wrong.append(Found("VA904"))
        self._depth += 1
        if local not in ELEMENTS or (space != XHTML and self._depth > 1):
            self.wrong.append(Found("VA902", {"name": _shown(local)}))
        if local == "img" and (attributes.get("src") or attributes.get("alt")):
            self.has_text = True
        for attribute, value in attributes.items():
            self._attribute(local, attribute, value)

    def _attribute(self, element: str, attribute: str, value: str) -> None:
        space, _, local = attribute.rpartition(" ")
        name = "xml:" + local if space == "http://www.w3.org/XML/1998/namespace" else local
        if name not in ANYWHERE and name not in ATTRIBUTES.get(element, ()):
            self.wrong.append(Found("VA903", {"name": _shown(name), "element": _shown(element)}))
        elif name in ("href", "src") and _SCRIPT.match(value):
            self.wrong.append(Found("VA906", {"name": _shown(name)}))

    def end(self, name: str) -> None:
        self._depth -= 1

    def text(self, text: str) -> None:
        if not self.has_text and text.strip():
            self.has_text = True


def _shown(name: str) -> str:
    return name if re.fullmatch(r"[a-zA-Z:]{1,20}", name) else "?"


_TAG = re.compile(r"<[^<>]*>")
_OPENING = re.compile(r"<([a-z][a-z0-9]*)((?:\s+[A-Za-z:]+=(?:\"[^\"<&]*\"|'[^'<&]*'))*)\s*/?>")
_ATTRIBUTE = re.compile(r"([A-Za-z:]+)=(?:\"([^\"]*)\"|'([^']*)')")
_TEXT = re.compile(r">[^<\s]|>\s+[^<\s]")
_BARE = frozenset(form.format(name) for name in ELEMENTS for form in ("<{}>", "</{}>", "<{}/>", "<{} />"))
"""The tags that most narratives are made of."""


def _is_plain(value: str) -> bool:
    """Return True if a narrative is surely right; False sends it to the reader, which says what is not.

    The parser answers for the form without calling back; each different tag is looked at once.
    """
    tags = set(_TAG.findall(value))
    first = value[: value.find(">") + 1]
    if not first.startswith("<div") or XHTML not in first or _TEXT.search(value) is None:
        return False
    if not all(_is_allowed(tag) for tag in tags - _BARE):
        return False
    try:
        expat.ParserCreate().Parse(value, True)
    except (expat.ExpatError, UnicodeEncodeError):
        return False
    return True


def _is_allowed(tag: str) -> bool:
    """Return True if a tag is surely of an element and with attributes that a narrative may have."""
    match = _OPENING.fullmatch(tag)
    if match is None or match[1] not in ELEMENTS:
        return False
    for name, quoted, single in _ATTRIBUTE.findall(match[2]):
        value = quoted or single
        if (name == "xmlns" and value != XHTML) or _SCRIPT.match(value):
            return False
        if name != "xmlns" and name not in ANYWHERE and name not in ATTRIBUTES.get(match[1], ()):
            return False
    return True


def check_div(value: Json, visit: Visit) -> Verdict:
    """Return what is wrong with Narrative.div: form, elements, attributes, emptiness, script."""
    if not isinstance(value, str) or not value or _is_plain(value):
        return None
    if "<!" in value and re.search(r"<!(?:DOCTYPE|ENTITY)", value, re.IGNORECASE):
        return [Found("VA907")]
    reader = _Reader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(_NAMED.sub("\N{NO-BREAK SPACE}x", value), True)
    except (expat.ExpatError, UnicodeEncodeError):
        return [Found("VA901")]
    if not reader.has_text:
        reader.wrong.append(Found("VA905"))
    return reader.wrong or None
