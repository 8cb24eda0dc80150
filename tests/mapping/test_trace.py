"""Lineage and accounting: nothing lost without telling."""

# ruff: noqa: E501 (a case reads best on one line)

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from adapter.errors import AdapterError
from adapter.mapping.accounting import reach
from adapter.mapping.readers import OF_SUFFIX
from adapter.shipped import folder as shipped
from tests.mapping.conftest import JSON, V2, XML, to
from tests.shipped import maps as shipped_maps

if TYPE_CHECKING:
    from pathlib import Path


Load = "Callable[..., Map]"

V2_MAP = (
    V2
    + to("Bundle")
    + to("Patient")
    + to("Procedure")
    + """
group G(source msg : V2, target bundle : Bundle) {
  msg.PID as pid -> bundle.entry as e, e.resource = create('Patient') as patient, e.fullUrl = pointer(patient) then {
    pid.f8 as sex -> patient.gender = translate(sex, '#sex', 'code') "sex";
    pid.f5 as n -> patient.name as name, name.text = append(n.c2, ' ', n.c1) "name";
  } "patient";
  msg.PR1 as pr1 where (f2.empty()) -> bundle.entry as e, e.resource = create('Procedure') as procedure then {
    pr1.f3 as ce -> procedure.code as code, code.text = (ce.where(c3 = 'X').c2) "code";
    pr1 -> procedure.status = 'completed' "status";
  } "procedure";
}
//! ignore PID.f19: a foreign number
conceptmap "#sex" {
  prefix s = "urn:s"
  prefix t = "urn:t"
  s:F == t:female
}
"""
)
MESSAGE = (
    b"MSH|^~\\&|A||||||ADT^A03|1|T|2.5\rPID|1||||Esimerkki^Testi|||F|||||||||||x\r"
    b"PR1|1||A^B^X\rPR1|2|no|C^D^X\r"
)


@pytest.fixture
def traced(one: Load) -> tuple:
    """The outcome of a small v2 map with its lineage and accounting."""
    text = V2_MAP
    declared, _, table = text.partition("conceptmap")
    loaded = one(f"conceptmap{table}\n{declared}")
    outcome = loaded.run(MESSAGE, media_type="application/hl7-v2", lineage=True)
    return outcome, outcome.lineage, outcome.accounting


def test_a_leaf_names_its_source_its_rule_and_its_row(traced: tuple) -> None:
    """A translated code leads back to the field, the line of the map and the line of the table."""
    step = traced[1].step("Bundle.entry[0].resource.gender")

    assert (step.sources, step.map, step.rule) == (("PID-8",), "the.map", "patient/sex")
    assert step.row.startswith("the.map:")


SOURCE_FIELDS = {
    "Bundle.entry[0].resource.gender": "PID-8",
    "Bundle.entry[0].resource.name[0].text": "PID-5.2",
    "Bundle.entry[0].resource.name.text": "PID-5.2",
    "Bundle.entry[0].resource.name": "PID-5.2",
    "Bundle.entry[1].resource.code": "PR1[1]-3.2",
    "Bundle.entry[1].resource.code.text": "PR1[1]-3.2",
    "Bundle.entry[1].resource.status": "PR1[1]",
    "Bundle.entry[1].resource.subject": "PR1[1]",
    "Bundle.entry[1].resource": "PR1[1]-3.2",
    "Bundle.nothing": None,
}


@pytest.mark.parametrize(("path", "field"), SOURCE_FIELDS.items())
def test_an_element_of_the_result_names_the_sender_s_field(
    traced: tuple, path: str, field: str | None
) -> None:
    """Elements with or without indexes, with parts, written by the map itself, or missing altogether."""
    assert traced[1].source_field(path) == field


def test_a_condition_says_of_which_elements_a_path_is_left_behind(one: Load) -> None:
    """`ignore PR1 where (...)` covers what stands in the procedures of which it is true, and no other."""
    loaded = one(
        V2_MAP.replace("//! ignore PID", "//! ignore PR1 where (f2.c1 = 'no'): a no: said\n//! ignore PID")
    )
    accounting = loaded.run(MESSAGE, media_type="application/hl7-v2", lineage=True).accounting

    assert [(e.place, e.reason) for e in accounting if e.fate == "ignored" and e.place.startswith("PR1")] == [
        (place, "a no: said") for place in ("PR1[2]-1", "PR1[2]-3.1", "PR1[2]-3.2", "PR1[2]-3.3")
    ]


@pytest.mark.parametrize(
    ("path", "names", "length"),
    [
        ("a.*.c", "a.b.c.d", 3),
        ("a.*.c", "a.c", None),
        ("a.**.c", "a.c", 2),
        ("a.**.c", "a.b.b.c.d", 4),
        ("a.**.c.*.e", "a.c.c.d.e", 5),
        ("a.**.c", "a.b.b", None),
        ("**", "a.b", 0),
    ],
)
def test_a_path_reaches_over_names(path: str, names: str, length: int | None) -> None:
    """`*` stands for any one name, `**` for any number of them."""
    assert reach(tuple(path.split(".")), tuple(names.split("."))) == length


def test_every_leaf_of_the_source_has_one_fate(traced: tuple) -> None:
    """Mapped, tested, ignored with a reason, or unaccounted: nothing else and nothing twice."""
    accounting = traced[2]
    places = [entry.place for entry in accounting]

    assert len(places) == len(set(places))
    assert accounting.of("mapped") == ["PID-5.1", "PID-5.2", "PID-8", "PR1[1]-3.2"]
    assert accounting.of("tested") == ["PR1[1]-3.3", "PR1[2]-2"]
    assert [(e.place, e.reason) for e in accounting if e.fate == "ignored" and "MSH" not in e.place] == [
        ("PID-19", "a foreign number")
    ]
    assert accounting.unaccounted == [
        "MSH-3", "MSH-9.1", "MSH-9.2", "MSH-10", "MSH-11", "MSH-12", "PID-1", "PR1[1]-1", "PR1[1]-3.1",
        "PR1[2]-1", "PR1[2]-3.1", "PR1[2]-3.2", "PR1[2]-3.3",
    ]  # fmt: skip


def test_lineage_tells_both_ways(traced: tuple) -> None:
    """From a field one finds every leaf it went to."""
    assert traced[1].targets_of("PID-5.1") == ["Bundle.entry[0].resource.name[0].text"]


def test_without_lineage_there_is_none(one: Load) -> None:
    """A plain run gives neither, and the same result."""
    loaded = one(
        JSON + to("Patient") + "group G(source s : Json, target t : Patient) { s.a as a -> t.gender = a; }"
    )

    outcome = loaded.run(b'{"a": "male"}', media_type="application/json")

    assert (outcome.lineage, outcome.accounting) == (None, None)


def test_a_copied_part_is_traced_leaf_by_leaf(one: Load) -> None:
    """A deep copy leads each of its leaves to its own source."""
    text = (
        'uses "http://hl7.org/fhir/StructureDefinition/Patient" alias P as source\n'
        + to("Patient")
        + "group G(source src : P, target tgt : Patient) { src.name -> tgt.name; }"
    )
    source = b'{"resourceType":"Patient","name":[{"family":"F","given":["A","B"]}],"active":true}'
    outcome = one(text).run(source, media_type="application/fhir+json", lineage=True)

    assert outcome.lineage.source_field("Patient.name[0].given[1]") == "/name/0/given/1"
    assert outcome.accounting.unaccounted == ["/resourceType", "/active"]


PROBES = {
    "quote": 'a "b"', "apostrophe": "a 'b'", "backslash": r"a \ b \\ c", "braces": "{a} {{b}} {%c%}",
    "markup": "<a>&b;", "newline": "a\nb", "tab": "a\tb", "unicode": "Ä\u2028\U0001f600", "long": "x" * 100_000,
    "json": '{"a": 1}', "format": "%s %(a)s {0}",
}  # fmt: skip

XML_MAP = (
    XML
    + to("Bundle")
    + to("Patient")
    + (
        "group G(source doc : Xml, target bundle : Bundle) {\n"
        "  doc.p as p -> bundle.entry as e, e.resource = create('Patient') as patient then {\n"
        "    p.v as v -> patient.name as n, n.text = v; p.w as w -> patient.name as n, n.family = w; };\n}"
    )
)
JSON_MAP = XML_MAP.replace("xml-document", "json-document")
V2_PROBE = (
    V2
    + to("Bundle")
    + to("Patient")
    + (
        "group G(source doc : V2, target bundle : Bundle) {\n"
        "  doc.NTE as p -> bundle.entry as e, e.resource = create('Patient') as patient then {\n"
        "    p.f3 as v -> patient.name as n, n.text = v; };\n}"
    )
)


@pytest.mark.parametrize("text", PROBES.values(), ids=PROBES)
def test_no_text_makes_a_json_source_lose_a_resource(one: Load, text: str) -> None:
    """Every odd text arrives as it was sent, and only what no rule reads is unaccounted."""
    body = json.dumps({"p": [{"v": text, "w": "f"}, {"v": "x", "u": text}]}).encode()

    outcome = one(JSON_MAP).run(body, media_type="application/json", lineage=True)

    assert [entry["resource"]["name"][0]["text"] for entry in outcome.resources[0]["entry"]] == [text, "x"]
    assert (outcome.accounting.unaccounted, outcome.issues) == (["/p/1/u"], [])


@pytest.mark.parametrize("form", ["escaped", "cdata"])
@pytest.mark.parametrize(
    "text", [text for text in PROBES.values() if "\n" not in text], ids=lambda text: text[:8]
)
def test_no_text_makes_an_xml_source_lose_a_resource(one: Load, text: str, form: str) -> None:
    """The same through XML, escaped or as CDATA, with a byte order mark in front."""
    from xml.sax.saxutils import escape, quoteattr

    said = escape(text) if form == "escaped" else f"<![CDATA[{text}]]>"
    body = f"\ufeff<d><p><v>{said}</v></p><p u={quoteattr(text)}><v>x</v></p></d>".encode()

    outcome = one(XML_MAP).run(body, media_type="application/xml", lineage=True)

    assert [entry["resource"]["name"][0]["text"] for entry in outcome.resources[0]["entry"]] == [text, "x"]
    assert (outcome.accounting.unaccounted, outcome.issues) == (["/d/p[2]/@u"], [])


@pytest.mark.parametrize(
    "text", [text for text in PROBES.values() if "\n" not in text], ids=lambda text: text[:8]
)
def test_no_text_makes_a_v2_source_lose_a_resource(one: Load, text: str) -> None:
    """The same through HL7 v2, escaped as the standard says."""
    sent = text
    for sign, escape in {"\\": "\\E\\", "|": "\\F\\", "^": "\\S\\", "&": "\\T\\", "~": "\\R\\"}.items():
        sent = sent.replace(sign, escape) if sign != "\\" else sent.replace(sign, "\x00")
    body = f"MSH|^~\\&|||||||A^B|1|T|2.5||||||UNICODE UTF-8\rNTE|1||{sent}\rNTE|2||x".replace(
        "\x00", "\\E\\"
    ).encode()

    outcome = one(V2_PROBE).run(body, media_type="application/hl7-v2", lineage=True)

    assert [entry["resource"]["name"][0]["text"] for entry in outcome.resources[0]["entry"]] == [text, "x"]
    assert {"NTE[1]-1", "NTE[2]-1"} <= set(outcome.accounting.unaccounted)


def test_shipped_maps_take_shipped_fixtures_the_same_both_ways() -> None:
    """For each fixture the traced build gives the very result of the plain one, and accounts for every leaf."""
    maps = shipped_maps()
    paths = [path for path in sorted(shipped("fixtures").rglob("*")) if path.suffix in OF_SUFFIX]
    seen = 0
    for path in paths:
        if path.name.endswith(".fhir.json") or path.parent.name != "notification":
            continue
        options = {"media_type": OF_SUFFIX[path.suffix], "zone": "Europe/Helsinki"}
        try:
            plain = maps.run(path.read_bytes(), **options)
        except AdapterError:
            continue
        traced = maps.run(path.read_bytes(), lineage=True, **options)
        assert (plain.resources, plain.issues) == (traced.resources, traced.issues), path.name
        assert all(entry.place for entry in traced.accounting), path.name
        assert len(traced.lineage) > 0
        seen += 1
    assert seen


@pytest.mark.corpus
def test_real_messages_go_through_the_shipped_map(corpus: Path) -> None:
    """Whatever a real v2 message holds, the map gives a Bundle or our own error, and accounts exactly."""
    one = shipped_maps()["notification-from-v2"]
    for path in sorted((corpus / "hl7v2-messages").rglob("*.hl7")):
        outcome = one.run(path.read_bytes(), media_type="application/hl7-v2", lineage=True)
        assert outcome.resources[0]["resourceType"] == "Bundle", path.name
        assert len(outcome.accounting) == len({entry.place for entry in outcome.accounting}), path.name


def test_what_the_declared_model_does_not_know_is_outside_of_it(one: Load) -> None:
    """A leaf no rule reads is outside if the source's own model has no such element, else unaccounted."""
    source = {
        "resourceType": "Patient", "id": "p", "favouriteColour": "red", "gender": "female",
        "_gender": {"extension": [{"url": "urn:x", "valueString": "said", "valueThing": {"a": 1}}]},
        "name": [{"family": "Esimerkki", "house": {"roof": "red"}}],
        "contained": [{"resourceType": "Basic", "id": "b", "shape": "round"}],
    }  # fmt: skip
    text = (
        'uses "http://hl7.org/fhir/StructureDefinition/Patient" alias Source as source\n'
        'uses "http://hl7.org/fhir/StructureDefinition/Basic" alias Basic as target\n'
        "group G(source src : Source, target tgt : Basic) { src.id as id -> tgt.id = id; }"
    )
    accounting = (
        one(text)
        .run(json.dumps(source).encode(), media_type="application/fhir+json", lineage=True)
        .accounting
    )

    assert accounting.of("outside") == [
        "/favouriteColour", "/_gender/extension/0/valueThing/a", "/name/0/house/roof", "/contained/0/shape",
    ]  # fmt: skip
    assert "/_gender/extension/0/valueString" in accounting.unaccounted


def test_a_source_without_a_model_has_nothing_outside_of_it(one: Load) -> None:
    """What may stand in a document nobody modelled is known to nobody, so that all of it is to be read."""
    text = (
        JSON + to("Basic") + "group G(source src : Json, target tgt : Basic) { src.id as i -> tgt.id = i; }"
    )
    outcome = one(text).run(b'{"id":"a","x":{"y":1}}', media_type="application/json", lineage=True)

    assert outcome.accounting.counts["outside"] == 0
    assert outcome.accounting.unaccounted == ["/x/y"]
