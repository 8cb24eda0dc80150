"""What R4 allows in a narrative: the checks behind htmlChecks().

A scanner of one pass over the text: no entity is ever expanded, nothing is fetched, and time grows with
the text alone. R4 narrative.html, invariants txt-1 and txt-2.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_ELEMENTS = frozenset(
    {
        "a", "abbr", "acronym", "b", "big", "blockquote", "br", "caption", "cite", "code", "col",
        "colgroup", "dd", "dfn", "div", "dl", "dt", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
        "i", "img", "li", "ol", "p", "pre", "q", "samp", "small", "span", "strong", "sub", "sup",
        "table", "tbody", "td", "tfoot", "th", "thead", "tr", "tt", "ul", "var", "u", "kbd",
        "address", "ins", "del", "bdo", "map", "area", "nav",
    }
)  # fmt: skip
_EVERYWHERE = frozenset(
    {
        "title", "style", "class", "id", "lang", "xml:lang", "dir", "accesskey", "tabindex", "span",
        "width", "align", "valign", "char", "charoff", "abbr", "axis", "headers", "scope",
        "rowspan", "colspan", "summary", "border", "frame", "rules", "cellspacing", "cellpadding",
        "idref", "height",
    }
)  # fmt: skip
_OF_ELEMENT = {
    "a": frozenset(
        {"name", "href", "rel", "rev", "type", "hreflang", "charset", "shape", "coords", "target"}
    ),
    "img": frozenset({"src", "alt", "longdesc", "height", "width", "usemap", "ismap"}),
    "map": frozenset({"name"}),
    "area": frozenset({"shape", "coords", "href", "nohref", "alt"}),
    "blockquote": frozenset({"cite"}),
    "q": frozenset({"cite"}),
    "ins": frozenset({"cite", "datetime"}),
    "del": frozenset({"cite", "datetime"}),
    "table": frozenset({"bgcolor"}),
    "td": frozenset({"nowrap", "bgcolor"}),
    "th": frozenset({"nowrap", "bgcolor"}),
    "tr": frozenset({"bgcolor"}),
    "col": frozenset({"span"}),
    "ol": frozenset({"start", "type"}),
    "ul": frozenset({"type"}),
    "li": frozenset({"value", "type"}),
}
_SAID = r"""\s+([A-Za-z_][-\w:.]*)\s*=\s*("[^"<]*"|'[^'<]*')"""
_UNNAMED = _SAID.replace("([", "(?:[").replace('("', '(?:"')
_ATTRIBUTE = re.compile(_SAID, re.ASCII)
_TAG = re.compile(rf"</?([A-Za-z_][-\w:.]*)((?:{_UNNAMED})*)\s*(/?)>", re.ASCII)
_COMMENT = re.compile(r"<!--(?:(?!--).)*-->", re.DOTALL)
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_DEEPEST = 256


def faults_of(xhtml: str) -> Iterator[str]:
    """Yield a word for each fault of a narrative's `div`; none if it is as R4 wants it.

    Words: form, root, namespace, element, attribute, entity, empty.
    """
    stack: list[str] = []
    place, has_content, roots = 0, False, 0
    text = xhtml.strip()
    while place < len(text):
        if text[place] != "<":
            end = text.find("<", place)
            end = len(text) if end < 0 else end
            words = text[place:end]
            if words.strip():
                has_content = True
                if not stack:
                    yield "root"
                if words.count("&") != len(_ENTITY.findall(words)):
                    yield "entity"
            place = end
            continue
        comment = _COMMENT.match(text, place) or _CDATA.match(text, place)
        if comment is not None:
            has_content = has_content or bool(comment.re is _CDATA and comment[1].strip())
            place = comment.end()
            continue
        tag = _TAG.match(text, place)
        if tag is None or len(stack) > _DEEPEST:
            yield "form"
            return
        place = tag.end()
        name = tag[1]
        if tag[0].startswith("</"):
            if not stack or stack.pop() != name or tag[2] or tag[3]:
                yield "form"
                return
            continue
        if not stack:
            roots += 1
        yield from _faults_of_tag(name, tag[2], is_root=not stack)
        has_content = has_content or name == "img"
        if not tag[3]:
            stack.append(name)
    if stack or roots != 1:
        yield "form"
    if not has_content:
        yield "empty"


def _faults_of_tag(name: str, said: str, *, is_root: bool) -> Iterator[str]:
    local = name.rpartition(":")[2]
    if is_root and local != "div":
        yield "root"
    if local not in _ELEMENTS:
        yield "element"
    seen: set[str] = set()
    allowed = _OF_ELEMENT.get(local, frozenset())
    for match in _ATTRIBUTE.finditer(said):
        attribute, value = match[1], match[2][1:-1]
        if attribute in seen:
            yield "form"
        seen.add(attribute)
        if attribute == "xmlns" or attribute.startswith("xmlns:"):
            if is_root and attribute == "xmlns" and value != "http://www.w3.org/1999/xhtml":
                yield "namespace"
            continue
        if attribute not in _EVERYWHERE and attribute not in allowed:
            yield "attribute"
        if attribute in ("href", "src") and value.strip().lower().startswith(("javascript:", "vbscript:")):
            yield "attribute"
