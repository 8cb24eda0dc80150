"""Reports: for people and machines, and nothing of a patient in any of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from xml.etree import ElementTree as Xml

import pytest

from adapter.cli.validate import check
from adapter.outcome import finding
from adapter.validation.frame import excerpt, hide_json
from adapter.validation.report import FORMATS, Checked, as_outcome, as_sarif, as_text
from tests.shipped import validator as shipped_validator

if TYPE_CHECKING:
    from adapter.validation import Validator

NAME, CODE = "Testinen", "010190-999X"
JSON = f"""{{
  "resourceType": "Patient",
  "identifier": [{{"system": "urn:oid:1.2.246.21", "value": "{CODE}"}}],
  "name": [{{"family": "{NAME}"}}],
  "gender": "{NAME}",
  "multipleBirthInteger": "4711"
}}
"""
XML = f"""<Patient xmlns="http://hl7.org/fhir">
  <identifier><system value="urn:oid:1.2.246.21"/><value value="{CODE}"/></identifier>
  <name><family
     value="{NAME}"/></name>
  <gender value="{NAME}"/>
</Patient>
"""


@pytest.fixture(scope="module", params=[JSON, XML], ids=["json", "xml"])
def checked(request: pytest.FixtureRequest) -> Checked:
    """A person with faults, as each format has it."""
    return check("person", request.param.encode(), shipped_validator(), [])


@pytest.mark.parametrize("name", ["text", *FORMATS])
@pytest.mark.parametrize("value", [NAME, CODE, "4711"])
def test_no_report_holds_a_value(checked: Checked, name: str, value: str) -> None:
    """Whatever the format, what the record says is not in it."""
    said = as_text([checked]) if name == "text" else FORMATS[name]([checked])

    assert value not in said


def test_values_show_when_asked_for(checked: Checked) -> None:
    """The reader may ask to see the source as it is."""
    assert NAME in as_text([checked], show_values=True)


def test_each_finding_has_line_and_column(checked: Checked) -> None:
    """Every issue knows its place in the source."""
    assert all(issue.line and issue.column for issue in checked.issues)


def test_the_caret_stands_under_the_value() -> None:
    """The frame has the line before, the line itself, and a caret as wide as the value."""
    frame = excerpt('{\n  "gender": "x"\n}', 2, 3, show_values=True)

    assert frame == ["  |", "1 | {", '2 |   "gender": "x"', "  |             ^^^"]


@pytest.mark.parametrize(
    ("line", "hidden"),
    [
        ('"family": "Testinen",', '"family": "********",'),
        ('"value": 12.5e3, "deceasedBoolean": true', '"value": ******, "deceasedBoolean": ****'),
        ('"resourceType": "Patient"', '"resourceType": "Patient"'),
        ('"given": ["A \\" B", null]', '"given": ["******", null]'),
        ('"Testinen Tero": 1', '"*************": *'),
    ],
)
def test_lines_of_json_are_starred(line: str, hidden: str) -> None:
    """Values are hidden, names of elements stay."""
    assert hide_json(line) == hidden


def test_a_line_that_is_no_json_is_starred_too() -> None:
    """A line cut from the middle of a text shows nothing of it."""
    assert "Testinen" not in hide_json('"open: "Testinen')


def test_a_long_line_is_shown_around_the_caret() -> None:
    """A document on one line gives a frame a person can read."""
    line = '{"a": [' + '"x", ' * 2000 + '"y"]}'

    assert max(len(one) for one in excerpt(line, 1, 9000, show_values=True)) < 120


def test_sarif_names_rule_and_region(checked: Checked) -> None:
    """Each result of the SARIF log has its rule, level, file, line and column."""
    log = json.loads(as_sarif([checked]))
    result = log["runs"][0]["results"][0]

    assert result["locations"][0]["physicalLocation"]["region"]["startLine"] == checked.issues[0].line
    assert {one["id"] for one in log["runs"][0]["tool"]["driver"]["rules"]} == {
        i.code for i in checked.issues
    }


def test_junit_is_xml_and_counts_failures(checked: Checked) -> None:
    """A file with errors is one failed test case."""
    suites = Xml.fromstring(FORMATS["junit"]([checked]))  # noqa: S314 - our own words

    assert suites[0].attrib["failures"] == "1"


def test_the_outcome_names_the_file_and_line(checked: Checked) -> None:
    """Each issue of the OperationOutcome says where in which file."""
    outcome = json.loads(as_outcome([checked]))

    assert outcome["issue"][0]["location"][0].startswith(f"person:{checked.issues[0].line}:")


def test_a_file_that_cannot_be_read_is_a_finding(validator: Validator) -> None:
    """Bytes that are no JSON give a finding with its place."""
    assert [issue.is_error for issue in check("x", b'{"a": ', validator, []).issues] == [True]


@pytest.mark.parametrize("language", ["en", "fi", "sv"])
def test_the_sum_is_said_in_each_language(checked: Checked, language: str) -> None:
    """The last line counts, in the language asked for."""
    words = {"en": "error", "fi": "virhe", "sv": "fel"}

    assert words[language] in as_text([checked], language).splitlines()[-1]  # type: ignore[arg-type]


def test_every_code_of_validation_is_in_three_languages() -> None:
    """No entry of the catalogue lacks a language in text or help."""
    from adapter.outcome import catalogue

    entries = [finding(code) for code in catalogue() if code.startswith("VA")]

    assert all(set(one.text) == set(one.help) == {"en", "fi", "sv"} for one in entries)


def test_all_places_found_at_once_are_those_found_one_by_one() -> None:
    """Reading the body once for many paths gives the same lines and columns."""
    from adapter.fhir import locate, locate_all

    body = b'{"resourceType": "Patient",\n "name": [{"family": "x"}],\n "_birthDate": {"extension": [{}]}}'
    paths = ["Patient", "Patient.name[0].family", "Patient.birthDate.extension[0]", "Patient.gender"]

    found = locate_all(body, "application/fhir+json", paths)

    assert found == {path: locate(body, "application/fhir+json", path) for path in paths}
