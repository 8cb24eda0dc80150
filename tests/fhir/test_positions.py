"""A FHIRPath is found again in the bytes it came from."""

from __future__ import annotations

import pytest

from adapter.errors import Unsupported
from adapter.fhir import encode, json, locate

JSON = b"""{
  "resourceType": "Patient",
  "name": [
    {"family": "A", "given": ["B", "C"]},
    {
      "_given": [null, {"extension": [{"url": "u", "valueString": "x"}]}],
      "given": ["D", "E"]
    }
  ],
  "deceasedBoolean": false,
  "contact": [{"name": {"family": "F"}}]
}
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Patient", '{\n  "resourceType"'),
        ("Patient.name", '"name"'),
        ("Patient.name[0]", '{"family": "A"'),
        ("Patient.name[0].given[1]", '"C"'),
        ("Patient.name.given", '"given": ["B"'),
        ("Patient.name[1].given[1]", '"E"'),
        ("Patient.name[1].given[1].extension[0].value", '"valueString"'),
        ("Patient.deceased", '"deceasedBoolean"'),
        ("Patient.deceased.ofType(boolean)", '"deceasedBoolean"'),
        ("Patient.contact[0].name.family", '"family": "F"'),
        ("Patient.contact.where(true)[0].name", '"name": {"family": "F"'),
        ("Patient.contact[0].nothing", '{"name": {"family": "F"'),
        ("Patient.nothing", '{\n  "resourceType"'),
        ("", '{\n  "resourceType"'),
        ("name[1].given[0]", '"D"'),
    ],
)
def test_a_path_leads_to_its_place_in_json(path, expected):
    """The place is the key, the item of an array, or the nearest element around what is missing."""
    line, column = locate(JSON, "application/fhir+json", path)
    assert "\n".join(JSON.decode().split("\n")[line - 1 :])[column - 1 :].startswith(expected)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("Patient", "<Patient"),
        ("Patient.name[1]", '<name>\n    <given value="D"/>'),
        ("Patient.name[0].given[1]", '<given value="C"'),
        ("Patient.name[1].given[1].extension[0].value", '<valueString value="x"'),
        ("Patient.deceased", "<deceasedBoolean"),
        ("Patient.contact[0].name.family", '<family value="F"'),
        ("Patient.contact[0].nothing", "<contact>"),
        ("Patient.nothing", "<Patient"),
    ],
)
def test_a_path_leads_to_its_place_in_xml(path, expected):
    """In XML the place is the start tag."""
    body = encode(json.read(JSON), "xml", pretty=True)
    line, column = locate(body, "xml", path)
    assert "\n".join(body.decode().split("\n")[line - 1 :])[column - 1 :].startswith(expected)


def test_resources_inside_resources_are_no_step():
    """`Bundle.entry[1].resource.status` goes through the element that names the type in XML."""
    bundle = {
        "resourceType": "Bundle",
        "entry": [{"resource": {"resourceType": "Task", "status": status}} for status in ("draft", "ready")],
    }
    body = encode(bundle, "xml", pretty=True)
    line, _ = locate(body, "xml", "Bundle.entry[1].resource.status")
    assert body.decode().split("\n")[line - 1].strip() == '<status value="ready"/>'


@pytest.mark.parametrize("body", [b"", b"{", b'{"a":', b"\xff", b"[[[["])
def test_what_cannot_be_read_has_a_place_too(body):
    """The place of the fault, or the beginning."""
    assert min(locate(body, "json", "Patient.name"), (1, 1)) == (1, 1)


def test_other_media_types_are_unsupported():
    """Positions exist in FHIR's formats only."""
    with pytest.raises(Unsupported):
        locate(b"", "text/plain", "Patient")
