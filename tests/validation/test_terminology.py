"""Value sets over code systems: in, out, or not to be known."""

from __future__ import annotations

from typing import Any

import pytest

from adapter.fhir.types import r4
from adapter.validation.library import Library, Loose
from adapter.validation.terminology import Terminology

TREE: dict[str, Any] = {
    "resourceType": "CodeSystem",
    "url": "urn:x:tree",
    "content": "complete",
    "concept": [
        {"code": "a", "concept": [{"code": "b", "concept": [{"code": "c"}]}]},
        {"code": "d", "property": [{"code": "kind", "valueCode": "leaf"}]},
        {"code": "e", "property": [{"code": "parent", "valueCode": "d"}]},
    ],
}
PART = {"resourceType": "CodeSystem", "url": "urn:x:part", "content": "fragment", "concept": [{"code": "p"}]}


def including(*parts: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a value set of the parts given."""
    return {"resourceType": "ValueSet", "url": "urn:x:set", "compose": {"include": [*parts], **more}}


def filtered(name: str, operator: str, value: str) -> dict[str, Any]:
    """Return an include of the tree with one filter."""
    return {"system": "urn:x:tree", "filter": [{"property": name, "op": operator, "value": value}]}


CASES = [
    ("listed", including({"system": "urn:x:s", "concept": [{"code": "x"}]}), "urn:x:s", "x", True),
    ("not listed", including({"system": "urn:x:s", "concept": [{"code": "x"}]}), "urn:x:s", "y", False),
    ("another system", including({"system": "urn:x:s", "concept": [{"code": "x"}]}), "urn:x:t", "x", False),
    ("any system", including({"system": "urn:x:s", "concept": [{"code": "x"}]}), None, "x", True),
    ("whole system", including({"system": "urn:x:tree"}), "urn:x:tree", "c", True),
    ("not in the system", including({"system": "urn:x:tree"}), "urn:x:tree", "z", False),
    ("unknown system", including({"system": "urn:x:none"}), "urn:x:none", "z", None),
    ("part of a system", including({"system": "urn:x:part"}), "urn:x:part", "p", True),
    ("beyond the part", including({"system": "urn:x:part"}), "urn:x:part", "q", None),
    ("is-a itself", including(filtered("concept", "is-a", "b")), "urn:x:tree", "b", True),
    ("is-a below", including(filtered("concept", "is-a", "a")), "urn:x:tree", "c", True),
    ("is-a beside", including(filtered("concept", "is-a", "a")), "urn:x:tree", "d", False),
    ("is-a by property", including(filtered("concept", "is-a", "d")), "urn:x:tree", "e", True),
    ("below, not itself", including(filtered("concept", "descendent-of", "b")), "urn:x:tree", "b", False),
    ("is-not-a", including(filtered("concept", "is-not-a", "a")), "urn:x:tree", "d", True),
    ("generalizes", including(filtered("concept", "generalizes", "c")), "urn:x:tree", "a", True),
    ("property", including(filtered("kind", "=", "leaf")), "urn:x:tree", "d", True),
    ("property of another", including(filtered("kind", "=", "leaf")), "urn:x:tree", "a", False),
    ("in", including(filtered("code", "in", "a, b")), "urn:x:tree", "b", True),
    ("not-in", including(filtered("code", "not-in", "a,b")), "urn:x:tree", "b", False),
    ("regex", including(filtered("code", "regex", "[ab]")), "urn:x:tree", "b", True),
    ("exists", including(filtered("kind", "exists", "true")), "urn:x:tree", "a", False),
    ("unknown operator", including(filtered("kind", "odd", "true")), "urn:x:tree", "a", None),
    (
        "excluded",
        including({"system": "urn:x:tree"}, exclude=[filtered("concept", "is-a", "b")]),
        "urn:x:tree",
        "c",
        False,
    ),
    ("itself", including({"valueSet": ["urn:x:set"]}), "urn:x:s", "x", None),
    ("a set not at hand", including({"valueSet": ["urn:x:other"]}), "urn:x:s", "x", None),
    (
        "imported and filtered",
        including(
            {**filtered("concept", "is-a", "a"), "valueSet": ["http://hl7.org/fhir/ValueSet/event-status"]}
        ),
        "urn:x:tree",
        "c",
        False,
    ),
]


@pytest.mark.parametrize(
    ("value_set", "system", "code", "answer"), [row[1:] for row in CASES], ids=[row[0] for row in CASES]
)
def test_a_set_knows_its_codes(
    value_set: dict[str, Any], system: str | None, code: str, answer: bool | None
) -> None:
    """A code is in the set, is not, or cannot be known from what is at hand."""
    terminology = Terminology(Library([Loose([TREE, PART, value_set])]), r4())
    judge = terminology.value_set("urn:x:set")

    assert judge is not None
    assert judge(system, code) is answer


def test_a_set_that_is_not_at_hand_is_none() -> None:
    """There is no judge of a set nobody has."""
    assert Terminology(Library([]), r4()).value_set("urn:x:none") is None


def test_sets_of_the_core_need_no_package() -> None:
    """The type table knows the required sets of R4."""
    judge = Terminology(Library([]), r4()).value_set("http://hl7.org/fhir/ValueSet/event-status|4.0.1")

    assert judge is not None
    assert judge("http://hl7.org/fhir/event-status", "completed") is True
