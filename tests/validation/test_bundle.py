"""Bundles: addresses of entries, and references that lead somewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.validation.test_structure import places

if TYPE_CHECKING:
    from adapter.validation import Validator

SERVER = "https://silta.example/fhir/Patient"
U1, U2 = "urn:uuid:00000000-0000-4000-8000-000000000001", "urn:uuid:00000000-0000-4000-8000-000000000002"
PERSON = {"resourceType": "Patient", "id": "p1"}
TASK = {"resourceType": "Basic", "code": {"text": "x"}}


def bundle(kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
    """Return a Bundle of the entries."""
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries)}


def about(reference: str, url: str = U2) -> dict[str, Any]:
    """Return an entry that refers to somebody."""
    return {"fullUrl": url, "resource": {**TASK, "subject": {"reference": reference}}}


CASES = [
    ("by urn", bundle("collection", {"fullUrl": U1, "resource": PERSON}, about(U1)), None, None),
    (
        "relative, same base",
        bundle("collection", {"fullUrl": f"{SERVER}/p1", "resource": PERSON}, about("Patient/p1")),
        None,
        None,
    ),
    ("nowhere", bundle("collection", about(U1)), "VA502", "Bundle.entry[0].resource.subject.reference"),
    (
        "in a message",
        bundle("message", {"fullUrl": U1, "resource": PERSON}),
        "VA701",
        "Bundle",
    ),
    ("no address", bundle("message", {"resource": PERSON}), "VA802", "Bundle.entry[0]"),
    (
        "odd urn",
        bundle("collection", {"fullUrl": "urn:uuid:1", "resource": PERSON}),
        "VA116",
        "Bundle.entry[0].fullUrl",
    ),
    (
        "relative address",
        bundle("collection", {"fullUrl": "Patient/p1", "resource": PERSON}),
        "VA806",
        "Bundle.entry[0].fullUrl",
    ),
    (
        "another id",
        bundle("collection", {"fullUrl": f"{SERVER}/p2", "resource": PERSON}),
        "VA803",
        "Bundle.entry[0].fullUrl",
    ),
    (
        "same address twice",
        bundle("collection", {"fullUrl": U1, "resource": PERSON}, {"fullUrl": U1, "resource": TASK}),
        "VA701",
        "Bundle",
    ),
    (
        "found without id",
        bundle("searchset", {"fullUrl": U1, "resource": TASK}),
        "VA808",
        "Bundle.entry[0].resource",
    ),
    (
        "of another type",
        bundle(
            "collection", {"fullUrl": f"{SERVER}/p1", "resource": {**TASK, "id": "p1"}}, about(f"{SERVER}/p1")
        ),
        "VA509",
        "Bundle.entry[1].resource.subject.reference",
    ),
]


@pytest.mark.parametrize(
    ("resource", "code", "at"), [row[1:] for row in CASES], ids=[row[0] for row in CASES]
)
def test_entries_and_their_references(
    validator: Validator, resource: dict[str, Any], code: str | None, at: str | None
) -> None:
    """Each way entries can disagree gives its finding; agreeing ones none."""
    found = {place for place in places(validator.validate(resource)) if place[0] != "VA601"}

    assert (code, at) in found if code else found == set()


def test_an_entry_is_held_to_the_profile_it_claims(validator: Validator) -> None:
    """meta.profile of an entry counts as that of a resource of its own."""
    claimed = {**PERSON, "meta": {"profile": ["urn:x:unknown"]}}

    found = places(validator.validate(bundle("collection", {"fullUrl": U1, "resource": claimed})))

    assert ("VA202", "Bundle.entry[0].resource") in found
