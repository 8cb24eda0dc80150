"""XML and CDA as a source tree."""

# ruff: noqa: E501 (a case reads best on one line)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from lxml import etree

from adapter.errors import AdapterError, Malformed, TooCostly
from adapter.fhir.budget import Budget
from adapter.mapping.nodes import leaves, watch
from adapter.mapping.readers.xml import read

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

V3 = 'xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:sdtc="urn:hl7-org:sdtc"'


def test_attributes_children_and_text_are_properties() -> None:
    """A child that repeats is a list, text is stripped, CDATA and entities are text like any other."""
    root = read(b'<a x="1"><b>one</b><b>two &amp; <![CDATA[<3>]]></b><c/>\n</a>').root

    assert root == {"x": "1", "b": [{"xmlText": "one"}, {"xmlText": "two & <3>"}], "c": {}}


def test_mixed_content_is_kept_in_runs() -> None:
    """Text around child elements is not lost."""
    root = read(b"<name>Dr. <given>A</given> von <family>B</family></name>").root

    assert root == {"given": {"xmlText": "A"}, "family": {"xmlText": "B"}, "xmlText": ["Dr.", "von"]}


def test_xsi_type_is_the_type_and_extension_namespaces_have_their_prefix() -> None:
    """A CDA value knows its type; sdtc elements are told from those of CDA."""
    root = read(f'<o {V3}><value xsi:type="PQ" value="5"/><sdtc:raceCode code="x"/></o>'.encode()).root

    assert (root["value"].type, root["value"], root["sdtcRaceCode"]) == ("PQ", {"value": "5"}, {"code": "x"})


def test_attributes_of_one_name_are_both_kept() -> None:
    """`lang` of two namespaces are two leaves."""
    assert read(b'<a xml:lang="fi" lang="sv"/>').root == {"lang": "fi", "x_lang": "sv"}


def test_an_unknown_namespace_is_kept_and_said() -> None:
    """What is outside of CDA is in the tree under its prefix, with an issue at its line."""
    tree = read(f'<o {V3} xmlns:q="urn:q">\n<q:odd v="1"/></o>'.encode())

    assert tree.root["q_odd"] == {"v": "1"}
    assert [(issue.code, issue.line, issue.params) for issue in tree.issues] == [
        ("SR204", 2, {"element": "odd"})
    ]


STRANGERS = {
    "declared where it is used": ('<q:odd xmlns:q="urn:q"/><q:odd xmlns:q="urn:q"/>', ["odd"]),
    "without a namespace": ('<b xmlns=""><c/></b>', ["b"]),
    "written in characters by number": ('<q:odd xmlns:q="urn&#58;q"/>', ["odd"]),
    "ours, written so": ('<q:odd xmlns:q="urn&#58;hl7-org&#58;v3"/>', []),
    "declared and not used": ('<b xmlns:q="urn:q"/>', []),
    "of XML Schema": ("<xsi:odd/>", ["odd"]),
    "many": ("".join(f'<q:x{at} xmlns:q="urn:q{at}"/>' for at in range(20)), [f"x{at}" for at in range(20)]),
    "in a narrative": ('<section><text>a<q:odd xmlns:q="urn:q"/></text></section>', []),
}


@pytest.mark.parametrize(("inside", "told"), STRANGERS.values(), ids=STRANGERS)
def test_every_foreign_namespace_is_told_once(inside: str, told: list[str]) -> None:
    """However it is declared, the first element of a namespace outside of CDA is an issue."""
    assert [issue.params["element"] for issue in read(f"<o {V3}>{inside}</o>".encode()).issues] == told


QUESTIONS: dict[str, Callable[[Any], object]] = {
    "get": lambda node: node.get("b"),
    "[]": lambda node: node["b"],
    "in": lambda node: "b" in node,
    "len": len,
    "bool": bool,
    "iter": list,
    "keys": lambda node: list(node.keys()),
    "items": lambda node: list(node.items()),
    "values": lambda node: list(node.values()),
    "==": lambda node: node == {"b": "1"},
    "!=": lambda node: node != {"b": "1"},
    "dict": dict,
    "**": lambda node: {**node},
    "|": lambda node: node | {},
    "copy": lambda node: node.copy(),
    "repr": repr,
    "type": lambda node: node.type,
    "line": lambda node: node.line,
}


@pytest.mark.parametrize("ask", QUESTIONS.values(), ids=QUESTIONS)
def test_the_first_question_reads_a_node(ask: Callable[[Any], object]) -> None:
    """A node that nobody has asked for anything answers as one that is read."""

    def node() -> Any:
        return read(f'<o {V3}>\n<a xsi:type="T" b="1"/></o>'.encode()).root["a"]

    known = node()
    list(known)

    assert ask(node()) == ask(known)


def test_narrative_is_lines_and_xhtml() -> None:
    """The text of a section is one leaf, with XHTML that FHIR allows beside it."""
    text = (
        "<text><paragraph>One <content styleCode='Bold'>two</content></paragraph><table onclick='x'><tbody><tr>"
        "<td>a &lt; b</td><td>c</td></tr></tbody></table><list><item>i</item></list></text>"
    )
    node = read(f"<section {V3}><title>T</title>{text}</section>".encode()).root["text"]

    assert node["xmlText"] == "One two\na < b | c\ni"
    assert node["div"] == (
        '<div xmlns="http://www.w3.org/1999/xhtml"><p>One <b>two</b></p><table><tbody><tr><td>a &lt; b</td>'
        "<td>c</td></tr></tbody></table><ul><li>i</li></ul></div>"
    )


def test_places_are_paths_with_positions() -> None:
    """Attributes, repeated elements and text have the place an XML person expects."""
    tree = read(b'<doc><e k="1">t</e><e k="2"/></doc>')
    found = [tree.place(node.steps(), key, index) for node, key, index in leaves(watch(tree.root, []))]

    assert found == ["/doc/e[1]/@k", "/doc/e[1]", "/doc/e[2]/@k"]


@pytest.mark.parametrize(
    ("name", "codec"), [("ISO-8859-1", "iso8859-1"), ("windows-1252", "cp1252"), ("UTF-16", "utf-16")]
)
def test_declared_encodings_are_honoured(name: str, codec: str) -> None:
    """A document in an older encoding reads right."""
    body = f'<?xml version="1.0" encoding="{name}"?><a b="Hämäläinen"/>'.encode(codec)

    assert read(body).root == {"b": "Hämäläinen"}


REFUSED = {
    "doctype": (b"<?xml version='1.0'?>\n<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", Malformed, "SR202"),
    "doctype in UTF-16": ("<!DOCTYPE a><a/>".encode("utf-16"), Malformed, "SR202"),
    "not closed": (b"<a>\n<b></a>", Malformed, "SR201"),
    "nothing": (b"", Malformed, "SR201"),
    "unknown entity": (b"<a>&b;</a>", Malformed, "SR201"),
    "unknown encoding": (b"<?xml version='1.0' encoding='x-odd'?><a/>", Malformed, "SR201"),
    "control character": (b"<a>\x01</a>", Malformed, "SR201"),
    "deep": (b"<a>" * 150 + b"</a>" * 150, TooCostly, "SR203"),
    "deep beside a narrative": (
        f"<section {V3}><text>{'<a>' * 110}{'</a>' * 110}</text>{'<a>' * 100}{'</a>' * 100}</section>".encode(),
        TooCostly,
        "SR203",
    ),
    "very deep": (b"<a>" * 5000 + b"</a>" * 5000, TooCostly, "SR203"),
    "wide": (b"<a " + b" ".join(b'a%d="1"' % at for at in range(100)) + b"/>", TooCostly, "SR203"),
}


@pytest.mark.parametrize(("body", "kind", "code"), REFUSED.values(), ids=REFUSED)
def test_hostile_or_broken_documents_are_refused(body: bytes, kind: type[AdapterError], code: str) -> None:
    """No document type is processed and no limit of the parser is relied on."""
    with pytest.raises(kind) as raised:
        read(body)

    assert raised.value.code == code


def test_a_narrative_is_one_leaf_however_deep() -> None:
    """What stands inside each other in a narrative is not counted, because no map goes into it."""
    text = f"<text>{'<content>' * 110}x{'</content>' * 110}</text>"

    assert read(f"<section {V3}>{text}</section>".encode()).root["text"]["xmlText"] == "x"


def test_a_text_beyond_its_budget_is_refused() -> None:
    """Also where it is put together of pieces that are none too long."""
    with pytest.raises(TooCostly):
        read(b"<a><b>12345<![CDATA[67890]]></b></a>", budget=Budget(text=9))


def test_a_document_beyond_its_budget_is_refused() -> None:
    """Elements are counted before the parser runs."""
    with pytest.raises(TooCostly):
        read(b"<a>" + b"<b/>" * 1000 + b"</a>", budget=Budget(elements=100))


@pytest.mark.corpus
def test_hostile_files_are_all_refused(corpus: Path) -> None:
    """Entity bombs and external entities give our own error."""
    for path in (corpus / "xml-hostile").iterdir():
        with pytest.raises(AdapterError):
            read(path.read_bytes())


@pytest.mark.corpus
@pytest.mark.parametrize(
    "folder", ["finnish-kanta-cda", "ccda-documents", "ccda-examples", "cda-core", "cda-fhir-swiss"]
)
def test_every_value_of_a_real_document_is_one_leaf(corpus: Path, folder: str) -> None:
    """Attributes, runs of text and narratives, as many as another count of the document gives."""
    paths = sorted((corpus / folder).rglob("*.xml"))
    assert paths
    odd = []
    for path in paths:
        body = path.read_bytes()
        if b"<!DOCTYPE" in body[:2000]:
            continue
        found = sum(key != "div" for _, key, _ in leaves(watch(read(body).root, [])))
        if found != _said(etree.fromstring(body)):
            odd.append((path.name, found, _said(etree.fromstring(body))))
    assert odd == []


def _said(element: etree._Element, parent: str = "") -> int:
    """Count what an element and all below it says; the narrative of a section says one thing."""
    if not isinstance(element.tag, str):
        return 0
    count = sum(not name.startswith("{http://www.w3.org/2001/XMLSchema-instance}") for name in element.attrib)
    if (parent, element.tag) == ("{urn:hl7-org:v3}section", "{urn:hl7-org:v3}text"):
        return count + bool("".join(element.itertext(tag=etree.Element)).strip())
    text = element.text or ""
    for child in element:
        if isinstance(child.tag, str):
            count, text = count + bool(text.strip()), child.tail or ""
        else:
            text += child.tail or ""
        count += _said(child, element.tag)
    return count + bool(text.strip())
