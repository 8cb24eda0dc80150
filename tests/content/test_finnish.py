"""The messages keep the rules of the Finnish base profiles, release 1.0.0 and 2.0.0-rc2."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from adapter.fhir.packages import load
from adapter.shipped import folder
from adapter.validation.validator import Validator
from tests.content import expected
from tests.content.conftest import NOTIFICATIONS, read

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.corpus

BASE = "https://hl7.fi/fhir/finnish-base-profiles/StructureDefinition"
PROFILES = {
    "Patient": f"{BASE}/fi-base-patient",
    "Organization": f"{BASE}/fi-base-organization",
    "Procedure": f"{BASE}/fi-base-procedure",
    "Observation": f"{BASE}/fi-base-observation",
    "Condition": f"{BASE}/fi-base-condition",
    "PractitionerRole": f"{BASE}/fi-base-practitioner-role",
}
PACKAGES = ("hl7.fhir.fi.base-1.0.0.tgz", "hl7.fhir.fi.base-2.0.0-rc2.tgz")


@pytest.fixture(scope="module", params=PACKAGES)
def finnish(request: pytest.FixtureRequest, corpus: Path) -> Validator:
    """R4, the shipped profiles and one release of the Finnish base."""
    return Validator.shipped([load(corpus / "finnish-profiles" / request.param)])


def _messages() -> list[tuple[str, dict[str, Any]]]:
    found = [(case.name, expected.read(case)) for case in expected.VALID]
    return [*found, ("gallbladder", read(NOTIFICATIONS / "gallbladder.fhir.json"))]


@pytest.mark.parametrize(("name", "bundle"), _messages(), ids=[name for name, _ in _messages()])
def test_a_message_keeps_the_finnish_base_rules(
    name: str, bundle: dict[str, Any], finnish: Validator
) -> None:
    """Each resource that has a Finnish base profile holds to it."""
    entries = [entry["resource"] for entry in bundle["entry"]]

    found = [
        (resource["resourceType"], issue.code, issue.at)
        for resource in entries
        if (profile := PROFILES.get(resource["resourceType"]))
        for issue in finnish.validate(resource, profile)
        if issue.is_error
    ]

    assert found == [], name


def test_the_examples_keep_to_either_release(finnish: Validator) -> None:
    """Our profiles rest on whichever release is loaded, and their examples hold to it."""
    found = [
        (path.name, issue.code, issue.at)
        for path in sorted((folder("fixtures") / "examples").glob("*.json"))
        for issue in finnish.validate(read(path))
        if issue.is_error
    ]

    assert found == []


def test_an_official_identifier_of_another_system_breaks_the_finnish_rules(finnish: Validator) -> None:
    """The Finnish profile is really asked: what it forbids is found."""
    patient = {
        "resourceType": "Patient",
        "identifier": [{"use": "official", "system": "urn:x", "value": "1"}],
    }

    issues = finnish.validate(patient, PROFILES["Patient"])

    assert any(issue.is_error and "identifier" in (issue.at or "") for issue in issues)
