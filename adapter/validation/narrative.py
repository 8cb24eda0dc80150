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


_OPENING = re.compile(r"([a-z][a-z0-9]*)((?:\s+[A-Za-z:]+=(?:\"[^\"<&]*\"|'[^'<&]*'))*)\s*(/?)")
_ATTRIBUTE = re.compile(r"([A-Za-z:]+)=(?:\"([^\"]*)\"|'([^']*)')")
_LOOSE_AMPERSAND = re.compile(r"&(?!(?:amp|lt|gt|quot|apos|nbsp|#[1-9][0-9]{1,4});)")
_LEGAL = bytes({9, 10, 13, *range(0x20, 0x100)})
"""The bytes of UTF-8 that XML can hold, but for the two that end U+FFFE and U+FFFF."""

_KEPT = 2000
"""How many different tags are remembered."""

_FIRST = f'<div xmlns="{XHTML}">'
_TEXT = re.compile(r">[^<\s]|>\s+[^<\s]")
_OTHER_TAG = re.compile(
    r"<(?!/?(?:[abipq]|d(?:iv|[dlt])|t(?:[dhr]|able|body|head)|[hb]r|[ou]l|li|h[1-6]|span|em|strong|pre|su[bp])\s?/?>)"
)
"""Anything but the tags that most narratives are made of, without attributes."""

_Tag = tuple[int, str]
"""1 opens, -1 closes, 0 is empty; and the name."""
_tags: dict[str, _Tag] = {}


def _is_plain(value: str) -> bool:
    """Return True if a narrative is surely right; False sends it to the parser, which says what is not.

    Most narratives are made of a few plain tags, and then the parser answers for the form without calling
    back. Else each different tag is judged once and remembered.
    """
    if value.startswith(_FIRST) and _OTHER_TAG.search(value, len(_FIRST)) is None:
        return _TEXT.search(value) is not None and _is_well_formed(value)
    before, *parts = value.split("<")
    if before or not parts or not parts[0].startswith("div") or XHTML not in parts[0]:
        return False
    if _has_illegal(value) or ("&" in value and _LOOSE_AMPERSAND.search(value)):
        return False
    return _is_nested(parts)


def _is_well_formed(value: str) -> bool:
    """Ask the parser for the form alone. Entities by name are unknown to it."""
    try:
        expat.ParserCreate().Parse(value, True)
    except (expat.ExpatError, UnicodeEncodeError):
        return False
    return True


def _has_illegal(value: str) -> bool:
    """Return True for what XML cannot hold."""
    try:
        octets = value.encode()
    except UnicodeEncodeError:
        return True
    if octets.translate(None, _LEGAL):
        return True
    return b"]]>" in octets or b"\xef\xbf\xbe" in octets or b"\xef\xbf\xbf" in octets


def _is_nested(parts: list[str]) -> bool:
    """Return True if every tag is allowed and closed in turn, up to the end, and there is some text.

    `parts`: what stands after each `<`, tag and text.
    """
    look = _tags.get
    open_names: list[str] = []
    has_text = False
    for part in parts:
        text, closed, after = part.partition(">")
        tag = look(text) or _judged(text)
        if tag is None or not closed:
            return False
        kind, name = tag
        if kind > 0:
            open_names.append(name)
        elif kind < 0 and open_names.pop() != name:
            return False
        if not open_names:
            return has_text and part is parts[-1] and not after
        has_text = has_text or (after != "" and not after.isspace())
    return False


def _judged(text: str) -> _Tag | None:
    """Take a tag apart; None if it is not surely allowed. Tags without much in them are remembered."""
    tag = _taken_apart(text)
    if tag is not None and len(text) <= 80 and len(_tags) < _KEPT:
        _tags[text] = tag
    return tag


def _taken_apart(text: str) -> _Tag | None:
    if text.startswith("/"):
        name = text[1:].rstrip()
        return (-1, name) if name in ELEMENTS else None
    match = _OPENING.fullmatch(text)
    if match is None or match[1] not in ELEMENTS:
        return None
    seen: set[str] = set()
    for name, quoted, single in _ATTRIBUTE.findall(match[2]):
        value = quoted or single
        if name in seen or (name == "xmlns" and value != XHTML) or _SCRIPT.match(value):
            return None
        if name != "xmlns" and name not in ANYWHERE and name not in ATTRIBUTES.get(match[1], ()):
            return None
        seen.add(name)
    return (0 if match[3] else 1, match[1])


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
