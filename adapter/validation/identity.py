"""Identifiers whose system says how their value must be: Finnish personal identity codes, and URIs.

A wrong check character is an error for the individual numbers 002-899 and a warning in the test range
900-999, since official examples fail it there. Findings never quote a code. Finnish base profiles,
fi-base-patient.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from adapter.fhir import hetu
from adapter.fhir.canonical import URI
from adapter.validation.found import Found
from adapter.validation.primitives import JUDGES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adapter.fhir.json import Json
    from adapter.outcome import Severity
    from adapter.validation.found import Verdict
    from adapter.validation.visit import Visit

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def _read(text: str, visit: Visit) -> hetu.Hetu | None:
    """Read a code, once for the Identifier and the person it stands in."""
    read = visit.session.identity_codes
    if text not in read:
        read[text] = hetu.read(text)
    return read[text]


def _level(code: hetu.Hetu) -> Severity:
    return "warning" if code.is_test else "error"


def check_identifier(value: Json, visit: Visit) -> Verdict:
    """Return what is wrong with the value of an Identifier, as far as its system tells."""
    system, text = value.get("system"), value.get("value")
    if not isinstance(text, str):
        return None
    if system == URI:
        return None if _ABSOLUTE.match(text) else [Found("VA126", step="value")]
    if system != hetu.SYSTEM:
        return None
    code = _read(text, visit)
    if code is None or not code.is_given_out:
        return [Found("VA951", step="value")]
    if not code.check_agrees:
        return [Found("VA952", level=_level(code), step="value")]
    return None


def check_person(value: Json, visit: Visit) -> Verdict:
    """Return where a Patient's birth date or sex contradicts the code."""
    if not isinstance(value, dict):
        return None
    found: list[Found] = []
    for code in _codes(value.get("identifier"), visit):
        born, gender = value.get("birthDate"), value.get("gender")
        if (
            isinstance(born, str)
            and JUDGES["date"](born) is None
            and not code.birth_date.isoformat().startswith(born[:10])
        ):
            found.append(Found("VA953", level=_level(code), step="birthDate"))
        if gender in ("male", "female") and gender != code.sex:
            found.append(Found("VA954", level=_level(code), step="gender"))
    return found or None


def _codes(identifiers: Json, visit: Visit) -> Iterator[hetu.Hetu]:
    for one in identifiers if isinstance(identifiers, list) else ():
        if isinstance(one, dict) and one.get("system") == hetu.SYSTEM and isinstance(one.get("value"), str):
            code = _read(one["value"], visit)
            if code is not None:
                yield code
