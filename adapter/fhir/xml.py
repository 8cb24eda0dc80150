"""FHIR XML: bytes to FHIR's JSON shape and back, nothing lost on the way.

The type table tells what JSON says by its brackets: which elements repeat, which values are numbers, what is
an attribute. White space between elements and comments outside narrative carry nothing and are not kept;
narrative is kept as it was written.

No document type is ever processed: one in the prolog is refused before the parser sees it, so there are no
entities, nothing is fetched and nothing grows. FHIR R4 xml.html.
"""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from lxml import etree

from adapter.errors import Malformed, TooCostly, Unsupported
from adapter.fhir.budget import DEFAULT
from adapter.fhir.json_tokens import place_of
from adapter.fhir.xml_reader import Reader
from adapter.fhir.xml_writer import Writer
from adapter.outcome import has_errors

if TYPE_CHECKING:
    from adapter.fhir.budget import Budget
    from adapter.fhir.json import Resource
    from adapter.fhir.xml_plan import Node
    from adapter.outcome import Issue

_PARSER_DEPTH = 256
"""Where libxml2 stops; narrative may nest so deep, FHIR is bounded by the budget before."""
_PROLOG = re.compile(rb"(?:\xef\xbb\xbf)?(?:\s++|<!--.*?-->|<\?.*?\?>)*+", re.DOTALL)
_DECLARED = re.compile(rb"""(?:\xef\xbb\xbf)?<\?xml\s[^>]*?encoding\s*=\s*["']([^"']*)["']""")
_ENCODINGS = {b"utf-8", b"utf8", b"us-ascii", b"ascii"}
_QUOTED = rb"""(?:"[^"<]*+"|'[^'<]*+')"""


def read(body: bytes, budget: Budget = DEFAULT, *, found: list[Issue] | None = None) -> Resource:
    """Read one FHIR resource from XML.

    Numbers keep their text as in JSON. What is well-formed but not FHIR (an unknown element, a wrong order,
    text between elements) is an issue with path, line and column. All of them are raised together; a caller
    who wants the resource in spite of them gives a list as `found`, and what has no definition is then kept
    as it looks.

    Raises Malformed, Unsupported (other encodings) or TooCostly; never anything else for bytes.
    FHIR R4 xml.html; XML 1.0.
    """
    root = _parse(body, budget)
    reader = Reader(body=body, budget=budget)
    resource = reader.document(root)
    if found is not None:
        found.extend(reader.issues)
    elif has_errors(reader.issues):
        first = reader.issues[0]
        raise Malformed(
            first.code,
            at=first.at,
            params=first.params,
            line=first.line,
            column=first.column,
            issues=reader.issues,
        )
    return resource


def write(resource: Resource, *, pretty: bool = False) -> bytes:
    """Write a resource as XML, elements in the order of the standard.

    Raises Malformed, with all issues, if XML cannot say what `resource` holds: an unknown element, a value of
    another JSON kind than its type, narrative that is not well-formed, a control character.
    FHIR R4 xml.html.
    """
    writer = Writer(pretty=pretty, parse=_parse_narrative)
    written = writer.document(resource)
    if writer.issues:
        first = writer.issues[0]
        raise Malformed(first.code, at=first.at, params=first.params, issues=writer.issues)
    return written


def _parse(body: bytes, budget: Budget) -> Node:
    """Return the root of a well-formed document without a document type.

    Everything is bounded before the parser runs, because its own limits come late.
    """
    if len(body) > budget.bytes:
        raise TooCostly("FH120", params={"limit": budget.bytes})
    if not body.strip():
        raise Malformed("FH100", line=1, column=1)
    _refuse_other_encodings(body)
    prolog = _PROLOG.match(body)
    if prolog and body.startswith(b"<!", prolog.end()):
        raise _at("FH201", body, prolog.end())
    if body.count(b"<") - body.count(b"</") > budget.elements:
        raise TooCostly("FH122", params={"limit": budget.elements})
    quotes = body.count(b'="') + body.count(b"='")
    if quotes > budget.elements:
        raise TooCostly("FH122", params={"limit": budget.elements})
    if quotes > budget.attributes and (wide := _wide_tag(budget.attributes).search(body)):
        raise _at("FH124", body, wide.start(), limit=budget.attributes)
    try:
        root = etree.fromstring(body, _parser())
    except etree.XMLSyntaxError as problem:
        raise _unreadable(problem, budget) from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise Malformed("FH201")
    return root


def _parse_narrative(body: bytes) -> Node:
    """Return the root of a well-formed piece of XML without a document type; ValueError for all else."""
    prolog = _PROLOG.match(body)
    if prolog and body.startswith(b"<!", prolog.end()):
        raise ValueError("a document type")
    try:
        return etree.fromstring(body, _parser())
    except etree.XMLSyntaxError:
        raise ValueError("not well-formed") from None


def _parser() -> etree.XMLParser[Any]:
    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        huge_tree=False,
        recover=False,
        strip_cdata=False,
        remove_blank_text=False,
    )


@cache
def _wide_tag(attributes: int) -> re.Pattern[bytes]:
    """Return the pattern of a start tag with more attributes than allowed; a parser is quadratic in them."""
    return re.compile(rb"<(?![!?])[^<>\"']*+(?:%s[^<>\"']*+){%d,}+" % (_QUOTED, attributes + 1))


def _refuse_other_encodings(body: bytes) -> None:
    declared = _DECLARED.match(body)
    if body[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\x00" in body[:4]:
        raise Unsupported("FH202", line=1, column=1)
    if declared and declared[1].lower() not in _ENCODINGS:
        raise Unsupported("FH202", line=1, column=1)


def _unreadable(problem: etree.XMLSyntaxError, budget: Budget) -> Malformed | TooCostly:
    said = (problem.msg or "").lower()
    line, column = problem.lineno or 1, max(problem.offset or 1, 1)
    if "depth" in said:
        return TooCostly("FH121", params={"limit": _PARSER_DEPTH}, line=line, column=column)
    if any(word in said for word in ("too long", "too big", "limit", "length", "huge")):
        return TooCostly("FH123", params={"limit": budget.text}, line=line, column=column)
    return Malformed("FH200", line=line, column=column)


def _at(code: str, body: bytes, offset: int, **params: int) -> Malformed | TooCostly:
    before = body[:offset].decode("utf-8", "replace")
    line, column = place_of(before, len(before))
    return (TooCostly if params else Malformed)(code, params=params, line=line, column=column)
