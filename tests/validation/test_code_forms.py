"""Codes of systems that nobody carries: what cannot be one of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from adapter.validation.code_forms import FORMS, UCUM, is_unit

if TYPE_CHECKING:
    from adapter.validation import Validator

LOINC, SNOMED = "http://loinc.org", "http://snomed.info/sct"
CASES = [
    (LOINC, "85354-9", True),
    (LOINC, "85354-8", False),
    (LOINC, "58354-9", False),
    (LOINC, "LA6576-8", True),
    (LOINC, "weight", False),
    (SNOMED, "75367002", True),
    (SNOMED, "75367003", False),
    (SNOMED, "57367002", False),
    (SNOMED, "71341001:272741003=7771000", True),
    (SNOMED, "bp", False),
    ("urn:iso:std:iso:3166", "FI", True),
    ("urn:iso:std:iso:3166", "Finland", False),
    ("urn:iso:std:iso:4217", "EUR", True),
]


@pytest.mark.parametrize(("system", "code", "can_be"), CASES, ids=[row[1] for row in CASES])
def test_a_code_has_the_form_of_its_system(system: str, code: str, can_be: bool) -> None:
    """Check digits and patterns tell a slip of the pen from a code."""
    assert FORMS[system](code) is can_be


def test_a_code_that_cannot_be_is_a_warning(validator: Validator) -> None:
    """Two digits of a LOINC code that changed places are said, at the code."""
    coding = {"system": LOINC, "code": "58354-9"}
    resource = {"resourceType": "Observation", "status": "final", "code": {"coding": [coding]}}

    found = [(issue.code, issue.severity, issue.at) for issue in validator.validate(resource)]

    assert found == [("VA410", "warning", "Observation.code.coding[0].code")]


@pytest.mark.parametrize(
    ("code", "is_one"),
    [
        ("mm[Hg]", True),
        ("10*9/L", True),
        ("{score}", True),
        ("dB[SPL]", True),
        ("mmHg", False),
        ("bpm", False),
    ],
)
def test_a_unit_is_an_expression_of_ucum(code: str, is_one: bool) -> None:
    """What people write for a unit is told from what UCUM calls it."""
    assert is_unit(code) is is_one


def test_a_unit_that_is_none_is_a_warning(validator: Validator) -> None:
    """The slip every system makes once is said, at the code."""
    value = {"value": 120, "unit": "mmHg", "system": UCUM, "code": "mmHg"}
    resource = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "valueQuantity": value,
    }

    found = [(issue.code, issue.severity, issue.at) for issue in validator.validate(resource)]

    assert found == [("VA410", "warning", "Observation.value.code")]
