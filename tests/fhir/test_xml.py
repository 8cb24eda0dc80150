"""FHIR XML becomes FHIR's JSON shape and comes back, and nothing in it can do harm."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import pytest

from adapter.errors import ContentError, Malformed, TooCostly, Unsupported
from adapter.fhir import xml
from adapter.fhir.budget import DEFAULT
from adapter.fhir.decimals import ExactDecimal
from tests.fhir.generated import told

HEAD = '<Patient xmlns="http://hl7.org/fhir">'


def patient(inside: str) -> bytes:
    return f"{HEAD}{inside}</Patient>".encode()


def observation(inside: str) -> bytes:
    return f'<Observation xmlns="http://hl7.org/fhir">{inside}</Observation>'.encode()


def fault(body: bytes, **limits: int) -> ContentError:
    with pytest.raises(ContentError) as caught:
        xml.read(body, replace(DEFAULT, **limits))
    return caught.value


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ('<active value="true"/>', {"active": True}),
        ('<id value="1"/><birthDate value="1970"/>', {"id": "1", "birthDate": "1970"}),
        ('<name><given value="A"/></name>', {"name": [{"given": ["A"]}]}),
        ('<multipleBirthInteger value="2"/>', {"multipleBirthInteger": 2}),
        (
            '<name id="n"><family id="f" value="A"/></name>',
            {"name": [{"id": "n", "family": "A", "_family": {"id": "f"}}]},
        ),
        (
            '<name><given value="A"/><given><extension url="u"/></given></name>',
            {"name": [{"given": ["A", None], "_given": [None, {"extension": [{"url": "u"}]}]}]},
        ),
        (
            '<birthDate><extension url="u"><valueString value=""/></extension></birthDate>',
            {"_birthDate": {"extension": [{"url": "u", "valueString": ""}]}},
        ),
        (
            '<contained><Organization><id value="o"/></Organization></contained>',
            {"contained": [{"resourceType": "Organization", "id": "o"}]},
        ),
        (
            '<name><family value="a&#10;b&#9;&amp;&lt;&quot;"/></name>',
            {"name": [{"family": 'a\nb\t&<"'}]},
        ),
    ],
)
def test_xml_and_json_say_the_same(inside, expected):
    """The JSON shape is read from the XML, and written as the same XML again."""
    body = patient(inside)
    resource = xml.read(body)
    assert resource == {"resourceType": "Patient"} | expected
    assert xml.write(resource).decode().endswith(body.decode())


@pytest.mark.parametrize("text", ["1.50", "1e2", "-0", "100", "0.0000001", "1.0E-245"])
def test_numbers_keep_their_text(text):
    """A decimal in XML is the same number text as in JSON."""
    body = observation(f'<valueQuantity><value value="{text}"/></valueQuantity>')
    resource = xml.read(body)
    assert str(resource["valueQuantity"]["value"]) == text
    assert f'value="{text}"'.encode() in xml.write(resource)


@pytest.mark.parametrize(
    ("inside", "key", "value"),
    [
        ('<valueInteger value="many"/>', "valueInteger", "many"),
        ('<valueInteger value="007"/>', "valueInteger", "007"),
        ('<valueBoolean value="TRUE"/>', "valueBoolean", "TRUE"),
        ('<valueQuantity><value value="1,5"/></valueQuantity>', "valueQuantity", {"value": "1,5"}),
    ],
)
def test_a_value_that_does_not_fit_its_type_stays_a_text(inside, key, value):
    """Validation shall see what was sent; nothing is guessed or dropped."""
    resource = xml.read(observation(inside))
    assert resource[key] == value
    assert xml.read(xml.write(resource)) == resource


@pytest.mark.parametrize(
    "div",
    [
        '<div xmlns="http://www.w3.org/1999/xhtml">Invented</div>',
        "<div xmlns='http://www.w3.org/1999/xhtml'  id = 'a'><p>x&#160;&amp;</p><br/><!-- c --></div>",
        '<div xmlns="http://www.w3.org/1999/xhtml"><div>a</div><![CDATA[</div>]]><div/></div>',
        '<div xmlns="http://www.w3.org/1999/xhtml" xml:lang="fi">åäö 😀\r\n</div>',
    ],
)
def test_narrative_is_kept_as_it_was_written(div):
    """The div is the same text in XML and in JSON, quotes and entities included."""
    text = f'<text><status value="generated"/>{div}</text>'
    resource = xml.read(patient(text))
    assert resource["text"]["div"] == div
    assert div.encode() in xml.write(resource)


@pytest.mark.parametrize(
    ("around", "div", "expected"),
    [
        (
            ' xmlns:h="http://www.w3.org/1999/xhtml"',
            '<h:div title="a"><h:p>x &amp; y</h:p>&gt;<h:br/></h:div>',
            '<div xmlns="http://www.w3.org/1999/xhtml" title="a"><p>x &amp; y</p>&gt;<br/></div>',
        ),
        (
            "",
            '<div xmlns="http://www.w3.org/1999/xhtml" xmlns:o="urn:o"><b o:a="1"/><o:p>x</o:p></div>',
            '<div xmlns="http://www.w3.org/1999/xhtml"><b xmlns:n0="urn:o" n0:a="1"/>'
            '<p xmlns="urn:o">x</p></div>',
        ),
    ],
)
def test_narrative_that_leans_on_its_surroundings_is_written_anew(around, div, expected):
    """Prefixes declared outside mean nothing in JSON, so the div declares what it needs."""
    body = patient(f"<text><status value='generated'/>{div}</text>").replace(
        b'fhir">', f'fhir"{around}>'.encode()
    )
    assert xml.read(body)["text"]["div"] == expected


def test_a_div_without_a_namespace_gets_one():
    """Senders of JSON forget it; in XML it would be another element."""
    resource = {"resourceType": "Patient", "text": {"status": "generated", "div": "<div>a</div>"}}
    assert b'<div xmlns="http://www.w3.org/1999/xhtml">a</div>' in xml.write(resource)


def test_comments_instructions_and_schema_locations_are_passed_over():
    """They carry nothing in FHIR."""
    body = (
        '<?xml version="1.0" encoding="UTF-8"?><!-- a --><?b c?>\n'
        '<Patient xmlns="http://hl7.org/fhir" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        'xsi:schemaLocation="http://hl7.org/fhir x.xsd"> <!-- d --> <id value="1"/><?e f?>\n'
        "</Patient><!-- g -->"
    )
    assert xml.read(body.encode()) == {"resourceType": "Patient", "id": "1"}


@pytest.mark.parametrize(
    ("body", "code", "at", "place"),
    [
        (b"", "FH100", None, (1, 1)),
        (b"nothing", "FH200", None, (1, 1)),
        (b"<Patient", "FH200", None, (1, 8)),
        (b'<!DOCTYPE a []><Patient xmlns="http://hl7.org/fhir"/>', "FH201", None, (1, 1)),
        (b"<?xml version='1.0'?><!-- --> \n<!DOCTYPE a><a/>", "FH201", None, (2, 1)),
        (b"<Patient/>", "FH203", None, (1, 1)),
        (b'<Nothing xmlns="http://hl7.org/fhir"/>', "FH204", None, (1, 1)),
        (patient('\n <name>\n  <nope value="1"/></name>'), "FH205", "Patient.name[0].nope", (3, 3)),
        (patient('<name/><name value="x"><family value="a"/></name>'), "FH210", "Patient.name[0]", (1, 38)),
        (patient('<name text="x"><family value="a"/></name>'), "FH206", "Patient.name[0]", (1, 38)),
        (patient('<name>x<family value="a"/></name>'), "FH207", "Patient.name[0]", (1, 38)),
        (patient('<id value="a"/><id value="b"/>'), "FH209", "Patient.id", (1, 53)),
        (patient("<active/>"), "FH210", "Patient.active", (1, 38)),
        (patient("<contained/>"), "FH211", "Patient.contained[0]", (1, 38)),
        (patient("<contained><Nothing/></contained>"), "FH204", "Patient.contained[0]", (1, 49)),
    ],
)
def test_a_fault_is_named_with_its_place(body, code, at, place):
    """Each kind of fault has its own code, a FHIRPath, a line and a column."""
    found = fault(body)
    assert (found.code, found.issue.at, (found.issue.line, found.issue.column)) == (code, at, place)


def test_all_faults_are_raised_together():
    """A sender learns everything at once."""
    found = fault(patient('<nope/><name x="y"><family value="a"/></name><gender/>'))
    assert [issue.code for issue in found.issues] == ["FH205", "FH206", "FH210"]


def test_a_caller_may_have_the_resource_in_spite_of_faults():
    """With a list for the findings, what has no definition is kept as it looks."""
    found = []
    body = patient(
        '<a value="1"/><b><c value="2"/><c value="3"/></b><birthDate value="1970"/><gender value="male"/>'
    )
    resource = xml.read(body, found=found)
    assert resource == {
        "resourceType": "Patient",
        "a": "1",
        "b": {"c": ["2", "3"]},
        "birthDate": "1970",
        "gender": "male",
    }
    assert [issue.code for issue in found] == ["FH205", "FH205", "FH208"]


def test_a_wrong_order_is_only_a_warning():
    """Nothing is lost by it, so the resource is read."""
    body = patient('<birthDate value="1970"/><gender value="male"/>')
    assert xml.read(body)["gender"] == "male"


@pytest.mark.parametrize(
    "body",
    [
        patient("").decode().encode("utf-16"),
        b'<?xml version="1.0" encoding="ISO-8859-1"?>' + patient(""),
        b'<?xml version="1.0" encoding="utf-7"?>' + patient(""),
        b'<?xml version="1.0" encoding="utf-16"?>' + patient(""),
    ],
)
def test_other_encodings_are_refused(body):
    """FHIR is UTF-8, and a parser is not left to guess."""
    assert isinstance(fault(body), Unsupported)


@pytest.mark.parametrize(
    ("body", "limits", "code"),
    [
        (patient('<id value="1"/>'), {"bytes": 10}, "FH120"),
        (patient("<name>" * 300 + "</name>" * 300), {}, "FH121"),
        (patient("<a/>" * 3_000_000), {}, "FH122"),
        (patient(f'<id value="{"a" * 9_000_000}"/>'), {}, "FH123"),
        (patient(f'<id value="{"a" * 11_000_000}"/>'), {}, "FH123"),
        (patient("<id " + " ".join(f'a{n}="1"' for n in range(200_000)) + "/>"), {}, "FH124"),
        (observation(f'<valueInteger value="{"1" * 129}"/>'), {}, "FH107"),
        (observation('<valueQuantity><value value="1e401"/></valueQuantity>'), {}, "FH108"),
        (
            b'<Questionnaire xmlns="http://hl7.org/fhir">'
            + b"<item>" * 40
            + b"</item>" * 40
            + b"</Questionnaire>",
            {},
            "FH121",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.timeout(10)
def test_what_goes_beyond_the_budget_is_too_costly(body, limits, code):
    """Size, depth, elements, text, attributes and numbers are bounded; nothing hangs."""
    found = fault(body, **limits)
    assert (type(found), found.code) == (TooCostly, code)


@pytest.mark.parametrize(
    ("resource", "code", "at"),
    [
        ({"nope": 1}, "FH205", "Patient.nope"),
        ({"_name": {}}, "FH205", "Patient.?"),
        ({"fhir_comments": ["x"]}, "FH205", "Patient.fhir_comments"),
        ({"active": "true"}, "FH215", "Patient.active"),
        ({"active": 1}, "FH215", "Patient.active"),
        ({"birthDate": 1970}, "FH215", "Patient.birthDate"),
        ({"multipleBirthInteger": "2"}, "FH215", "Patient.multipleBirth"),
        ({"multipleBirthInteger": True}, "FH215", "Patient.multipleBirth"),
        ({"active": None}, "FH210", "Patient.active"),
        ({"active": [True]}, "FH216", "Patient.active"),
        ({"name": {}}, "FH216", "Patient.name"),
        ({"name": []}, "FH216", "Patient.name"),
        ({"name": [{}]}, "FH210", "Patient.name[0]"),
        ({"name": ["x"]}, "FH216", "Patient.name[0]"),
        ({"name": [{"given": [None]}]}, "FH210", "Patient.name[0].given[0]"),
        ({"_active": "x"}, "FH216", "Patient.active"),
        ({"text": {"div": "<div>"}}, "FH212", "Patient.text.div"),
        ({"text": {"div": "<p/>"}}, "FH212", "Patient.text.div"),
        ({"text": {"div": "<div>&nbsp;</div>"}}, "FH212", "Patient.text.div"),
        ({"text": {"div": "<!DOCTYPE div><div/>"}}, "FH212", "Patient.text.div"),
        ({"text": {"div": 1}}, "FH212", "Patient.text.div"),
        ({"name": [{"family": "a\u0001"}]}, "FH214", "Patient.name[0].family"),
        ({"name": [{"family": "\ud800"}]}, "FH214", "Patient.name[0].family"),
        ({"name": [{"id": 1, "family": "a"}]}, "FH215", "Patient.name[0]"),
        ({"contained": [{"resourceType": "Nothing"}]}, "FH204", "Patient.contained[0]"),
        ({"contained": [1]}, "FH204", "Patient.contained[0]"),
    ],
)
def test_what_xml_cannot_say_is_not_written(resource, code, at):
    """Nothing is dropped or changed to make it fit: it is an issue with its path."""
    with pytest.raises(Malformed) as caught:
        xml.write({"resourceType": "Patient"} | resource)
    assert (caught.value.code, caught.value.issue.at) == (code, at.replace("?", "_name"))


def test_only_resources_are_written():
    """A piece of a resource has no root element."""
    for value in ({}, {"resourceType": "HumanName"}, {"resourceType": 1}, []):
        with pytest.raises(Malformed):
            xml.write(value)


def test_pretty_changes_no_value():
    """Indented XML reads the same; narrative is not touched."""
    resource = {
        "resourceType": "Observation",
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>a</p> b</div>'},
        "valueQuantity": {"value": ExactDecimal("1.50")},
    }
    assert told(xml.read(xml.write(resource, pretty=True))) == told(resource)


@pytest.mark.corpus
def test_hostile_documents_are_refused_without_growing(corpus):
    """Entity bombs, external entities and DTDs end at the door, whole files and single payloads."""
    tracemalloc.start()
    for file in sorted((corpus / "xml-hostile").iterdir()):
        body = file.read_bytes()
        payloads = body.splitlines() if file.suffix == ".txt" else []
        for payload in (body, *payloads):
            with pytest.raises(ContentError):
                xml.read(payload)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 5_000_000
