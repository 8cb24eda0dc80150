"""References are followed where the standard leads, and no further."""

from __future__ import annotations

import pytest

from adapter.fhir.bundles import BundleIndex, contained, references, resolve, target_of


def entry(url: str | None, resource_type: str, identifier: str, version: str | None = None) -> dict:
    resource = {"resourceType": resource_type, "id": identifier}
    if version:
        resource["meta"] = {"versionId": version}
    return {"fullUrl": url, "resource": resource} if url else {"resource": resource}


BUNDLE = {
    "resourceType": "Bundle",
    "entry": [
        entry("https://a.example/fhir/Patient/1", "Patient", "1", "3"),
        entry("https://b.example/fhir/Patient/1", "Patient", "1"),
        entry("https://b.example/fhir/Task/2", "Task", "2"),
        entry("urn:uuid:00000000-0000-4000-8000-000000000001", "Organization", "o"),
        entry(None, "Location", "l"),
        {"request": {"method": "GET", "url": "x"}},
    ],
}


@pytest.mark.parametrize(
    ("reference", "base", "expected"),
    [
        ("https://a.example/fhir/Patient/1", None, 0),
        ("https://a.example/fhir/Patient/1/_history/3", None, 0),
        ("https://a.example/fhir/Patient/1/_history/4", None, None),
        ("urn:uuid:00000000-0000-4000-8000-000000000001", "https://b.example/fhir/Task/2", 3),
        ("Patient/1", "https://b.example/fhir/Task/2", 1),
        ("Patient/1", "https://a.example/fhir/Task/9", 0),
        ("Patient/1", "https://c.example/fhir/Task/2", None),
        ("Patient/1", None, None),
        ("Task/2", None, 2),
        ("Task/2", "urn:uuid:00000000-0000-4000-8000-000000000001", 2),
        ("Location/l", None, 4),
        ("Location/l", "https://b.example/fhir/Task/2", None),
        ("Patient?identifier=x", None, None),
        ("#o", None, None),
        ("", None, None),
        ("Nothing/1", None, None),
    ],
)
def test_a_reference_is_resolved_as_bundles_say(reference, base, expected):
    """Absolute by fullUrl, relative by the server of its entry; two of one name are nobody."""
    found = BundleIndex(BUNDLE).resolve(reference, base)
    assert found is (None if expected is None else BUNDLE["entry"][expected]["resource"])


def test_a_reference_element_is_resolved_too():
    """`resolve` takes the element or its text."""
    assert resolve({"reference": "Task/2"}, BUNDLE) is resolve("Task/2", BUNDLE) is not None


def test_an_element_without_a_literal_reference_leads_nowhere():
    """An identifier alone is no reference into the Bundle."""
    assert resolve({"identifier": {"value": "1"}}, BUNDLE) is None


@pytest.mark.parametrize("meta", ["x", [], 1, None, {"versionId": {}}])
def test_a_meta_of_another_shape_has_no_version(meta):
    """A versioned reference to such a resource leads nowhere, and breaks nothing."""
    url = "https://a.example/fhir/Task/1"
    odd = {"fullUrl": url, "resource": {"resourceType": "Task", "id": "1", "meta": meta}}

    assert BundleIndex({"entry": [odd]}).resolve(f"{url}/_history/1") is None


def test_odd_bundles_do_no_harm():
    """Entries of any shape are passed over."""
    odd = {"entry": [1, {"resource": 1}, {"fullUrl": 1, "resource": {"id": []}}, {}]}
    assert (resolve("Patient/1", odd), resolve("Patient/1", {"entry": {}}), resolve("x", {})) == (None,) * 3


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("Patient/1", ("Patient", "1", None, None)),
        ("https://x/fhir/Patient/1/_history/2", ("Patient", "1", "2", "https://x/fhir/")),
        ("urn:uuid:1", None),
        ("Patient", None),
        ("Patient/a b", None),
        ("../Patient/1", None),
    ],
)
def test_a_literal_reference_is_taken_apart(reference, expected):
    """Type, id, version and server of a RESTful reference."""
    target = target_of(reference)
    assert (target and (target.type, target.id, target.version, target.root)) == expected


def test_contained_resources_are_found_by_their_id():
    """`#id` names one inside, `#` the whole."""
    resource = {"resourceType": "Patient", "contained": [{"resourceType": "Organization", "id": "o"}, 1]}
    assert (contained(resource, "#o"), contained(resource, "#"), contained(resource, "#x")) == (
        resource["contained"][0],
        resource,
        None,
    )


def test_references_are_listed_with_their_paths():
    """Wherever the type table has a Reference: in backbones, choices, extensions, resources inside."""
    refs = [{"reference": str(number)} for number in range(5)]
    bundle = {
        "resourceType": "Bundle",
        "entry": [
            {
                "resource": {
                    "resourceType": "MedicationRequest",
                    "medicationReference": refs[0],
                    "contained": [{"resourceType": "Patient", "generalPractitioner": [refs[1]]}],
                    "_status": {"extension": [{"url": "u", "valueReference": refs[2]}]},
                    "dispenseRequest": {"performer": refs[3]},
                    "unknown": refs[4],
                }
            }
        ],
    }
    assert list(references(bundle)) == [
        ("Bundle.entry[0].resource.medication", refs[0]),
        ("Bundle.entry[0].resource.contained[0].generalPractitioner[0]", refs[1]),
        ("Bundle.entry[0].resource.status.extension[0].value", refs[2]),
        ("Bundle.entry[0].resource.dispenseRequest.performer", refs[3]),
    ]
