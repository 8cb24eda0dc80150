"""What the validator refuses only when told to, and rules of single values that were added to R4's walk."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from adapter.validation import Loose, Validator

if TYPE_CHECKING:
    from pathlib import Path

PERSON = {"resourceType": "Patient"}
UNKNOWN = {**PERSON, "extension": [{"url": "https://partner.test/ext", "valueCode": "x"}]}
EXAMPLE = {**PERSON, "identifier": [{"system": "http://id.example.org/mrn", "value": "1"}]}
ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


def errors(validator: Validator, resource: dict[str, Any]) -> list[str]:
    """Return the codes of the errors."""
    return [issue.code for issue in validator.validate(resource) if issue.is_error]


@pytest.mark.parametrize(
    ("refuse", "resource", "code"),
    [("unknown-extensions", UNKNOWN, "VA601"), ("example-addresses", EXAMPLE, "VA125")],
)
def test_what_is_tolerated_is_refused_on_request(refuse: Any, resource: dict[str, Any], code: str) -> None:
    """The same resource passes by default and is refused when that was asked for."""
    assert (errors(Validator(), resource), errors(Validator(refuse=[refuse]), resource)) == ([], [code])


@pytest.mark.parametrize(
    ("element", "code"),
    [
        ({"photo": [{"contentType": "image/png", "data": "AAAA", "size": 3}]}, None),
        ({"photo": [{"contentType": "image/png", "data": "AAAA", "size": 4}]}, "VA124"),
        ({"managingOrganization": {"reference": "ht tps://x.test/Organization/1"}}, "VA510"),
        ({"implicitRules": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"}, None),
        ({"implicitRules": "urn:uuid:C757873D-ec9a-4326-a141-556f43239520"}, "VA116"),
        ({"implicitRules": "urn:oid:1.2.03"}, "VA116"),
        ({"identifier": [{"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3"}]}, None),
        ({"identifier": [{"system": "urn:ietf:rfc:3986", "value": "1.2.3"}]}, "VA126"),
        ({"_gender": {"extension": [{"url": ABSENT, "valueCode": "unknown"}]}}, "VA405"),
    ],
)
def test_a_single_value_is_held_to_its_rule(
    validator: Validator, element: dict[str, Any], code: str | None
) -> None:
    """Sizes are those of the data, references hold no space, UUIDs and OIDs have their form, codes stand."""
    assert errors(validator, {**PERSON, **element}) == ([code] if code else [])


@pytest.mark.parametrize(("url", "found"), [("https://x.test/ValueSet/a", []), ("ValueSet/a", ["VA127"])])
def test_a_definition_has_a_whole_address(validator: Validator, url: str, found: list[str]) -> None:
    """What is looked up by its url cannot have a relative one."""
    assert errors(validator, {"resourceType": "ValueSet", "status": "draft", "url": url}) == found


def test_a_vital_sign_without_its_profile_at_hand_is_said(validator: Validator) -> None:
    """An Observation whose code calls for a profile that is not here is not passed in silence."""
    code = {"coding": [{"system": "http://loinc.org", "code": "85354-9"}]}
    resource = {"resourceType": "Observation", "status": "final", "code": code}

    assert "VA202" in [issue.code for issue in validator.validate(resource)]


def test_a_package_may_be_a_path(tmp_path: Path) -> None:
    """A folder of definitions is loaded where only its path is given."""
    definition = {
        "resourceType": "CodeSystem",
        "url": "urn:x:colours",
        "content": "complete",
        "status": "draft",
    }
    (tmp_path / "colours.json").write_text(json.dumps(definition))
    person = {**PERSON, "maritalStatus": {"coding": [{"system": "urn:x:colours", "code": "red"}]}}

    found = [issue.code for issue in Validator([tmp_path]).validate(person)]

    assert "VA407" in found


@pytest.mark.parametrize(
    ("system", "severity"),
    [
        ("http://hl7.org/fhir/colours", "error"),
        ("http://hl7.org/fhir/us/core/CodeSystem/colours", "warning"),
        ("https://partner.test/colours", "warning"),
    ],
)
def test_a_code_nobody_gave_is_as_grave_as_its_system_is_settled(system: str, severity: str) -> None:
    """Only the release's own systems are known to have no newer version."""
    colours = {"resourceType": "CodeSystem", "url": system, "content": "complete"}
    person = {**PERSON, "maritalStatus": {"coding": [{"system": system, "code": "red"}]}}

    found = [issue for issue in Validator([Loose([colours])]).validate(person) if issue.code == "VA407"]

    assert [issue.severity for issue in found] == [severity]
