"""Primitive values and required codes of the core: one look-up where the value is right."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from adapter.validation.found import Found
from adapter.validation.primitives import ADDRESS, FORMS, JSON_KIND, JUDGES, kind_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from adapter.fhir.json import Json
    from adapter.fhir.types import ElementDef
    from adapter.outcome import Param
    from adapter.validation.found import Check, Verdict
    from adapter.validation.visit import Visit

MIME = re.compile(r"[A-Za-z0-9!#$&^_.+*-]+(?:/[A-Za-z0-9!#$&^_.+*-]+)?(?:\s*;.*)?")
LANGUAGE = re.compile(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*")
OPEN_CODES: dict[str, re.Pattern[str]] = {
    "http://hl7.org/fhir/ValueSet/mimetypes": MIME,
    "http://hl7.org/fhir/ValueSet/all-languages": LANGUAGE,
}
"""Value sets without a list, whose codes have a form instead: BCP 13 and BCP 47."""


FEW = 12
"""How many codes of a set are named in a finding."""


def outside(value_set: str, codes: Collection[str]) -> dict[str, Param]:
    """Return the parameters of VA401: the set, and its codes if they are few."""
    named = ", ".join(sorted(codes)) if len(codes) <= FEW else ""
    return {"value_set": value_set, "allowed": f": {named}" if named else ""}


def primitive(name: str) -> Check:
    """Make the rule of a primitive type. `System.String` and the like are taken as they come."""
    judge = JUDGES.get(name)
    if judge is None:
        return lambda value, visit: None
    expected, form = JSON_KIND.get(name, "a string"), FORMS.get(name, ADDRESS)

    def check(value: Json, visit: Visit) -> Verdict:
        code = judge(value)
        if code is None:
            return None
        return [Found(code, {"type": name, "expected": expected, "found": kind_of(value), "form": form})]

    return check


def coded(type_name: str, codes: frozenset[str] | re.Pattern[str], element: ElementDef) -> Check:
    """Make the rule of a primitive whose codes are listed: one look-up, where the code is right."""
    plain = primitive(type_name)
    assert element.binding is not None  # noqa: S101 - the caller asked for its codes
    params = outside(element.binding.value_set, () if isinstance(codes, re.Pattern) else codes)
    if isinstance(codes, re.Pattern):
        fits = codes.fullmatch

        def formed(value: Json, visit: Visit) -> Verdict:
            if isinstance(value, str) and fits(value):
                return None
            return plain(value, visit) or [Found("VA401", params)]

        return formed

    def listed(value: Json, visit: Visit) -> Verdict:
        if isinstance(value, str) and value in codes:
            return None
        return plain(value, visit) or [Found("VA401", params)]

    return listed


def bound(type_name: str, codes: frozenset[str], element: ElementDef) -> Check:
    """Make the rule of a Coding, CodeableConcept or Quantity whose codes are listed."""
    assert element.binding is not None  # noqa: S101 - the caller asked for its codes
    params = outside(element.binding.value_set, codes)

    def check(value: Json, visit: Visit) -> Verdict:
        if not isinstance(value, dict):
            return None
        codings = value.get("coding", ()) if type_name == "CodeableConcept" else (value,)
        if not isinstance(codings, list | tuple):
            return None
        given = [coding.get("code") for coding in codings if isinstance(coding, dict)]
        if type_name == "Quantity" and given == [None]:
            return None
        if any(isinstance(code, str) and code in codes for code in given):
            return None
        return [Found("VA401", params)]

    return check
