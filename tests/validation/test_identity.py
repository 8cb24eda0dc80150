"""Finnish personal identity codes: form, check character, birth date and sex. Invented, of the test range.

Codes outside the test range are made while the test runs, with a wrong check character, so they are nobody's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from adapter.fhir import hetu

if TYPE_CHECKING:
    from adapter.validation import Validator


def person(code: str, **more: Any) -> dict[str, Any]:
    """Return a Patient with the code."""
    return {"resourceType": "Patient", "identifier": [{"system": hetu.SYSTEM, "value": code}], **more}


def coded(day: str, sign: str, individual: str, *, off: int = 0) -> str:
    """Return a code whose check character is `off` places from the right one."""
    signs = "0123456789ABCDEFHJKLMNPRSTUVWXY"
    right = hetu.check_character(day + individual)
    return f"{day}{sign}{individual}{signs[(signs.index(right) + off) % 31]}"


CASES = [
    ("right", person(coded("010190", "-", "999")), []),
    ("every sign of 1900", person(coded("010190", "W", "998")), []),
    ("2000", person(coded("010105", "B", "998"), birthDate="2005-01-01"), []),
    ("1800", person(coded("010190", "+", "998"), birthDate="1890-01-01"), []),
    ("wrong, of the test range", person(coded("010190", "-", "999", off=1)), [("VA952", "warning")]),
    ("wrong, of people", person(coded("010190", "-", "123", off=1)), [("VA952", "error")]),
    ("no such day", person(coded("310290", "-", "999")), [("VA951", "error")]),
    ("no such sign", person(coded("010190", "G", "999")), [("VA951", "error")]),
    ("number nobody has", person(coded("010190", "-", "001")), [("VA951", "error")]),
    ("another birthday", person(coded("010190", "-", "999"), birthDate="1990-01-02"), [("VA953", "warning")]),
    ("the year alone", person(coded("010190", "-", "999"), birthDate="1990"), []),
    ("another sex", person(coded("010190", "-", "999"), gender="female"), [("VA954", "warning")]),
    ("sex unknown", person(coded("010190", "-", "999"), gender="unknown"), []),
    ("another system", {"resourceType": "Patient", "identifier": [{"system": "urn:x:y", "value": "1"}]}, []),
]


@pytest.mark.parametrize(("resource", "found"), [row[1:] for row in CASES], ids=[row[0] for row in CASES])
def test_h4_a_code_is_held_to_its_form_and_person(
    validator: Validator, resource: dict[str, Any], found: list[tuple[str, str]]
) -> None:
    """Each contradiction gives its finding, graver outside the test range."""
    assert [(issue.code, issue.severity) for issue in validator.validate(resource)] == found
