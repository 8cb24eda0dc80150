"""Results in the receiver's own form: what is written is read back, and what cannot be written is said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapter.errors import AdapterError, Malformed
from adapter.mapping.models import Models, Shape, Slot
from adapter.mapping.readers import csv as csv_reader
from adapter.mapping.readers import hl7v2 as v2_reader
from adapter.mapping.readers import xml as xml_reader
from adapter.mapping.run import Made
from adapter.mapping.writers import csv, hl7v2, xml

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

HEADER: dict[str, Any] = {"f9": {"c1": "ADT", "c2": "A08"}, "f10": "1", "f12": "2.5"}
PROBES = [
    'a"b',
    "a\\b",
    "{a}",
    "a|b^c~d&e",
    "\\F\\",
    "x\ny",
    "x\ry",
    "\x01\x1c\x0b",
    "a,b;c\td",
    "<a>&amp;]]>",
    '""',
]
"""Values that broke somebody's software: quotes, backslashes, braces, delimiters, controls, the null."""


def made(tree: Any) -> Any:
    """A tree as a map makes it."""
    if isinstance(tree, dict):
        part = Made(None)
        part.update({key: made(one) for key, one in tree.items()})
        return part
    return [made(one) for one in tree] if isinstance(tree, list) else tree


def message(**segments: Any) -> bytes:
    """Write a message of these segments."""
    return hl7v2.write(made({"MSH": HEADER, **segments}))


def faults(write: Callable[..., bytes], *arguments: Any, **options: Any) -> list[tuple[str, str | None]]:
    """Code and place of everything that cannot be written."""
    with pytest.raises(Malformed) as refused:
        write(*arguments, **options)
    return [(issue.code, issue.at) for issue in refused.value.issues]


# HL7 v2


def test_a_message_is_written_to_the_byte() -> None:
    """Positions, repetitions, components, subcomponents; empty ends are left out. HL7 v2.5.1, 2.6."""
    pid = {"f3": [{"c1": "A", "c4": "X", "c4s2": "1.2"}, "B"], "f5": {"c2": "Testi"}, "f8": ""}

    assert message(PID=pid) == b"MSH|^~\\&|||||||ADT^A08|1||2.5\rPID|||A^^^X&1.2~B||^Testi\r"


def test_segments_stand_as_they_are_made_and_followers_at_their_leader() -> None:
    """MSH goes first wherever it was made; what stands under a segment follows it."""
    body = hl7v2.write(
        made({"OBR": [{"f1": "1", "OBX": [{"f1": "1"}, {"f1": "2"}]}, {"f1": "2"}], "MSH": HEADER})
    )

    assert [line[:5] for line in body.split(b"\r")[1:]] == [b"OBR|1", b"OBX|1", b"OBX|2", b"OBR|2", b""]


@pytest.mark.parametrize("probe", PROBES)
def test_every_value_comes_back_from_a_message(probe: str) -> None:
    """Whatever a value holds is escaped, and read back as it was."""
    tree = v2_reader.read(message(OBX={"f5": {"c1": probe, "c2s2": probe}}))

    assert (tree.root["OBX"]["f5"]["c1"], tree.root["OBX"]["f5"]["c2s2"], tree.issues) == (probe, probe, [])


def test_the_null_is_written_only_where_the_map_says_so() -> None:
    """`null = true` deletes at the receiver; a text that looks like it does not."""
    tree = v2_reader.read(message(PID={"f7": {"null": True}, "f8": '""'}))

    assert (tree.nulls, tree.root["PID"]["f8"]["c1"]) == (["PID-7.1"], '""')


@pytest.mark.parametrize(
    ("charset", "declared", "codec"),
    [("", "UNICODE UTF-8", "utf-8"), ("8859/1", "8859/1", "latin-1"), ("UTF-8", "UTF-8", "utf-8")],
)
def test_the_charset_is_the_one_that_is_declared(charset: str, declared: str, codec: str) -> None:
    """MSH-18 and the bytes agree; where the map says nothing and needs more than ASCII, it is UTF-8."""
    header = {**HEADER, **({"f18": charset} if charset else {})}
    body = hl7v2.write(made({"MSH": header, "PID": {"f5": "Mäkelä"}}))

    assert (f"|{declared}\r".encode() in body, "Mäkelä".encode(codec) in body) == (True, True)


def test_the_receivers_delimiters_are_used() -> None:
    """MSH-1 and MSH-2 of the map are what everything is written with."""
    header = {**HEADER, "f1": "#", "f2": "*~!%"}
    body = hl7v2.write(made({"MSH": header, "PID": {"f5": {"c1": "a^b", "c2": "c*d#e"}}}))

    assert body.split(b"\r")[1] == b"PID#####a^b*c!S!d!F!e"


REFUSED_V2: dict[str, tuple[dict[str, Any], list[tuple[str, str]]]] = {
    "no header": ({"PID": {}}, [("MP347", "MSH")]),
    "no delimiters": ({"MSH": {"f2": "^^^^"}}, [("MP348", "MSH-2")]),
    "all at once": (
        {"MSH": HEADER, "PIX1": {}, "PID": {"f5": {"x": 1}, "f3": [{"c1": [1, 2]}, {"c2": {"c1": 1}}]}},
        [("MP342", "PIX1"), ("MP342", "PID-5"), ("MP345", "PID-3[1].1"), ("MP346", "PID-3[2].2")],
    ),
    "no such letter": ({"MSH": {"f18": "8859/1"}, "PID": {"f5": "\u20ac"}}, [("MP343", "PID-5.1")]),
    "no such charset": ({"MSH": {"f18": "KLINGON"}}, [("MP343", "MSH-18")]),
    "no escape": ({"MSH": {"f2": "^~"}, "PID": {"f5": "a|b"}}, [("MP349", "PID-5.1")]),
}  # fmt: skip


@pytest.mark.parametrize(("tree", "expected"), REFUSED_V2.values(), ids=REFUSED_V2)
def test_what_a_message_cannot_hold_is_refused(tree: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    """Everything that cannot be written is said at once, at its place, and no half message leaves."""
    assert faults(hl7v2.write, made(tree)) == expected


TEXT = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\ufffd\u00c2\u00c3"),
    min_size=1,
    max_size=8,
)
FIELD = st.one_of(
    st.fixed_dictionaries({"c1": TEXT}, optional={"c2": TEXT, "c9": TEXT}),
    st.tuples(TEXT, TEXT).map(lambda two: {"c3": two[0], "c3s1": two[0], "c3s2": two[1]}),
)
SEGMENT = st.dictionaries(
    st.integers(1, 30).map("f{}".format),
    st.one_of(FIELD, st.lists(FIELD, min_size=2, max_size=3)),
    max_size=4,
)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["ZZA", "ZZB", "ZZC"]),
        st.one_of(SEGMENT, st.lists(SEGMENT, min_size=2, max_size=3)),
        max_size=3,
    )
)
def test_any_message_is_read_as_it_was_made(segments: dict[str, Any]) -> None:
    """Reader after writer gives the tree that was written."""
    root = v2_reader.read(message(**segments)).root

    assert {name: root[name] for name in segments} == segments


@pytest.mark.corpus
@pytest.mark.parametrize("folder", ["hl7v2-messages", "hl7v2-edge", "hl7v2-fhir-pairs"])
def test_real_messages_survive_writing(corpus: Path, folder: str) -> None:
    """Real messages, read and written and read again, say the same."""
    for path in (corpus / folder).rglob("*.hl7"):
        try:
            root = v2_reader.read(path.read_bytes()).root
        except AdapterError:
            continue
        assert v2_reader.read(hl7v2.write(root)).root == root, path.name


# Tables


def test_a_table_has_all_its_columns_and_its_groups() -> None:
    """Cells are quoted as RFC 4180 says; the further lines of a group follow its first."""
    tree = {"row": [{"id": "1", "text": 'a,"b"', "lines": [{"id": "1", "done": True}]}, {"id": "2", "n": 5}]}

    assert csv.write(made(tree), columns=["id", "text", "done", "n"]) == (
        b'id,text,done,n\r\n1,"a,""b""",,\r\n1,,true,\r\n2,,,5\r\n'
    )


REFUSED_TABLES: dict[str, tuple[dict[str, Any], dict[str, Any], list[tuple[str, str]]]] = {
    "parts": ({"row": {"a": {"b": "c"}}}, {}, [("MP346", "row[1].a")]),
    "several": ({"row": {"a": ["b", "c"]}}, {}, [("MP345", "row[1].a")]),
    "control": ({"row": [{"a": "x"}, {"a": "\x00"}]}, {}, [("MP344", "row[2].a")]),
    "letter": ({"row": {"a": "\u20ac"}}, {"charset": "8859/1"}, [("MP343", "row[1].a")]),
    "column": ({"row": {"a": "x", "b": "y"}}, {"columns": ["a"]}, [("MP342", "row[1].b")]),
    "not a row": ({"line": {"a": "x"}}, {}, [("MP342", "line")]),
}  # fmt: skip


@pytest.mark.parametrize(("tree", "options", "expected"), REFUSED_TABLES.values(), ids=REFUSED_TABLES)
def test_what_a_table_cannot_hold_is_refused(
    tree: dict[str, Any], options: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    """No cell is cut, joined or left out."""
    assert faults(csv.write, made(tree), **options) == expected


CELL = st.text(
    st.characters(blacklist_categories=["Cs", "Cc"]) | st.sampled_from("\n,;\"'"), min_size=1, max_size=6
)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), CELL, min_size=1), min_size=1, max_size=4),
    st.sampled_from([",", ";", "tab", "|"]),
)
def test_any_table_is_read_as_it_was_made(rows: list[dict[str, str]], separator: str) -> None:
    """Reader after writer gives the rows that were written."""
    body = csv.write(made({"row": rows}), separator=separator, columns="abc")

    assert csv_reader.read(body, separator=csv.NAMED_SEPARATORS.get(separator, separator)).root["row"] == rows


# XML


def test_without_a_model_xml_is_written_as_it_would_be_read() -> None:
    """What has parts is an element, a leaf an attribute, xmlText the text."""
    tree = {"id": {"root": "1.2"}, "item": [{"xmlText": "a"}, {"xmlText": "b"}], "version": "1"}
    body = xml.write(made(tree), root="Message", namespace="urn:x")

    assert (
        b'<Message xmlns="urn:x" version="1"><id root="1.2"/><item>a</item><item>b</item></Message>' in body
    )
    assert xml_reader.read(body).root == tree


@pytest.mark.parametrize("probe", [one for one in PROBES if one.isprintable()])
def test_every_printable_value_comes_back_from_xml(probe: str) -> None:
    """Quotes, brackets and ampersands are nothing special, in attribute and text."""
    assert xml_reader.read(xml.write(made({"a": {"b": probe, "xmlText": probe}}))).root["a"] == {
        "b": probe, "xmlText": probe,
    }  # fmt: skip


def test_what_xml_cannot_hold_is_refused() -> None:
    """Each fault at its path: a control character, a name that is none, two values for one attribute."""
    tree = {"a": [{"b": "\x01"}, {"b": ["1", "2"]}], "no name": {}}

    assert faults(xml.write, made(tree)) == [
        ("MP341", "/document/a[1]/@b"), ("MP345", "/document/a[2]/@b"), ("MP342", "/document"),
    ]  # fmt: skip


DIV = (
    '<div xmlns="http://www.w3.org/1999/xhtml"><p>Leikattu <b>nilkka</b> &amp; sidottu</p><ul><li>yksi</li>'
    "<li>kaksi</li></ul><table><tbody><tr><td>a</td><td>b</td></tr></tbody></table></div>"
)


def section(text: str) -> Made:
    """A CDA section, made by a model, with this narrative."""
    slot = Slot("text", ("xhtml",), is_list=False)
    shape = Shape("section", "logical", {"text": slot}, "urn:model", namespace=xml_reader.V3)
    part = Made(shape)
    part["text"] = text
    return part


def test_a_narrative_becomes_the_text_of_a_section() -> None:
    """XHTML goes out as what CDA has for it, and comes back as the same XHTML."""
    body = xml.write(section(DIV))
    tree = xml_reader.read(b'<a xmlns="urn:hl7-org:v3">' + body.partition(b"?>")[2] + b"</a>")

    assert b'<paragraph>Leikattu <content styleCode="Bold">nilkka</content> &amp; sidottu</paragraph>' in body
    assert tree.root["section"]["text"]["div"] == DIV


@pytest.mark.parametrize("text", ["a < b & c", "<p>not closed"])
def test_text_that_is_no_xhtml_stands_for_itself(text: str) -> None:
    """What cannot be read as XHTML is written as text, not dropped."""
    tree = xml_reader.read(
        b'<a xmlns="urn:hl7-org:v3">' + xml.write(section(text)).partition(b"?>")[2] + b"</a>"
    )

    assert tree.root["section"]["text"]["xmlText"] == text


def test_without_a_model_a_narrative_and_a_type_have_names_of_their_own() -> None:
    """`div` is the text of a section, whatever lines stand beside it; `xmlType` is said by xsi:type."""
    tree = {"text": {"div": DIV, "xmlText": "lines"}, "value": {"xmlType": "CD", "code": "a"}}
    body = xml.write(made(tree), root="section", namespace=xml_reader.V3)

    value = xml_reader.read(body).root["value"]
    assert (value.type, value["code"]) == ("CD", "a")
    assert xml_reader.read(b'<a xmlns="urn:hl7-org:v3">' + body.partition(b"?>")[2] + b"</a>").root[
        "section"
    ]["text"]["div"] == DIV  # fmt: skip


TOOLS = "http://hl7.org/fhir/tools/StructureDefinition"


def test_parts_of_a_group_stand_in_the_element_itself() -> None:
    """`item` of a CDA name is no element: its parts follow each other, in their order. CDA-core-sd, EN."""
    definition = {
        "resourceType": "StructureDefinition", "kind": "logical", "url": "urn:model/PN", "name": "PN",
        "extension": [{"url": f"{TOOLS}/xml-namespace", "valueUri": "urn:n"}],
        "snapshot": {"element": [
            {"path": "PN"},
            {"path": "PN.item", "min": 0, "max": "*", "extension": [
                {"url": f"{TOOLS}/xml-choice-group", "valueBoolean": True},
            ]},
            {"path": "PN.item.family", "min": 0, "max": "1", "type": [{"code": "string"}]},
            {"path": "PN.item.given", "min": 0, "max": "1", "type": [{"code": "string"}]},
        ]},
    }  # fmt: skip
    shape = Models([definition]).by_url("urn:model/PN")
    assert shape is not None
    name = Made(shape)
    name["item"] = [made({"given": "A"}), made({"family": "B"})]
    for part in name["item"]:
        part.shape = Models([definition]).by_url("urn:model/PN")
    flat = Made(shape)
    flat["given"], flat["family"] = ["A"], ["B"]

    assert b'<given value="A"/><family value="B"/></PN>' in xml.write(name)
    assert b'<family value="B"/><given value="A"/></PN>' in xml.write(flat)


@pytest.mark.corpus
def test_naughty_strings_come_back_from_every_form_or_are_refused(corpus: Path) -> None:
    """Whatever a person typed: it is read back as it was, or refused with a code; nothing in between."""
    strings = [
        one
        for one in json.loads((corpus / "naughty-strings" / "blns-dev.json").read_bytes())
        if one.strip() and one.strip() == one
    ]
    assert len(strings) > 200
    changed = []
    for text in strings:
        for form, (write, read) in THERE_AND_BACK.items():
            try:
                body = write(text)
            except Malformed:
                continue
            if read(body) != text:
                changed.append((form, text))
    assert changed == []


THERE_AND_BACK: dict[str, tuple[Callable[[str], bytes], Callable[[bytes], Any]]] = {
    "hl7v2": (
        lambda text: message(OBX={"f5": text}),
        lambda body: v2_reader.read(body).root["OBX"]["f5"]["c1"],
    ),
    "csv": (
        lambda text: csv.write(made({"row": {"a": text}})),
        lambda body: csv_reader.read(body, separator=",").root["row"][0]["a"],
    ),
    "xml": (
        lambda text: xml.write(made({"a": {"xmlText": text}})),
        lambda body: xml_reader.read(body).root["a"]["xmlText"],
    ),
}
