"""Codes held against the value set an element is bound to. R4 terminologies.html, 4.1.5."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.validation.codes import OPEN_CODES, outside
from adapter.validation.found import CORE, Found

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapter.fhir.json import Json
    from adapter.validation.found import ItemCheck, Verdict
    from adapter.validation.items import Item
    from adapter.validation.terminology import Judge, Terminology
    from adapter.validation.visit import Visit


MAX_VALUE_SET = "http://hl7.org/fhir/StructureDefinition/elementdefinition-maxValueSet"

FINDING = {"required": "VA401", "extensible": "VA402", "preferred": "VA403"}
"""What to say of a code outside, by the strength of the binding."""

LENIENT = frozenset({"http://hl7.org/fhir/ValueSet/ucum-vitals-common"})
"""Sets that R4 requires where it cannot be meant: the vital signs profile binds the unit of every component
to the units of vital signs, which the oxygen flow of its own pulse oximetry (L/min) is not among."""

CODED = frozenset({"code", "Coding", "CodeableConcept", "Quantity", "string", "uri", "Age", "Duration"})

Code = tuple[str | None, str]


def codes_of(value: Json, type_name: str) -> list[Code] | None:
    """Return (system, code) of each coding in a value; None if the type carries no codes.

    A plain code has the system None, for any; a Coding without a system has the empty one.
    """
    if type_name not in CODED:
        return None
    if isinstance(value, str):
        return [(None, value)]
    if not isinstance(value, dict):
        return []
    codings = value.get("coding", ()) if type_name == "CodeableConcept" else (value,)
    if not isinstance(codings, list | tuple):
        return []
    return [
        (_text(coding.get("system")), coding["code"])
        for coding in codings
        if isinstance(coding, dict) and isinstance(coding.get("code"), str)
    ]


def _text(value: Json) -> str:
    """Return a text, the empty one for any other kind: what it should have been is said elsewhere."""
    return value if isinstance(value, str) else ""


class Bindings:
    """Makes the checks of bindings over the value sets at hand."""

    def __init__(self, terminology: Terminology) -> None:
        self.terminology = terminology

    def member(self, value_set: str) -> Callable[[Item, Visit], bool]:
        """Make the test that a value has a code of the set; one that cannot be known has none."""

        def test(item: Item, visit: Visit) -> bool:
            judge = self.terminology.value_set(value_set)
            codes = codes_of(item.value, item.type)
            return judge is not None and any(judge(system, code) for system, code in codes or ())

        return test

    def has(self, value: Json, value_set: str) -> bool | None:
        """Answer FHIRPath's memberOf() for a code, Coding or CodeableConcept; None if it cannot be known."""
        judge = self.terminology.value_set(value_set)
        if isinstance(value, dict):
            kind = "CodeableConcept" if "coding" in value else "Coding"
            return _ask(judge, codes_of(value, kind) or [])
        return _ask(judge, [(None, value)]) if isinstance(value, str) else None

    def checks(self, binding: dict[str, Any], profile: str | None) -> Iterator[ItemCheck]:
        """Yield the checks of one ElementDefinition.binding: its set, and the widest set allowed."""
        strength = binding.get("strength", "example")
        if strength in FINDING:
            yield self.check(binding["valueSet"], strength, profile)
        for extension in binding.get("extension", ()):
            if extension.get("url") == MAX_VALUE_SET:
                widest = extension.get("valueCanonical") or extension.get("valueUri")
                if isinstance(widest, str):
                    yield self.check(widest, "required", profile)

    def check(self, value_set: str, strength: str, profile: str | None) -> ItemCheck:
        """Make the check of one value set. A set that is not at hand is said, once per place."""
        if value_set.partition("|")[0] in LENIENT:
            strength = "extensible"
        params: dict[str, Any] = {"value_set": value_set, "profile": profile or CORE}
        open_form = OPEN_CODES.get(value_set.partition("|")[0])

        asked: list[Judge | None] = []

        def check(item: Item, visit: Visit) -> Verdict:
            if not asked:
                asked.append(self.terminology.value_set(value_set))
            judge = asked[0]
            if judge is None and strength != "required":
                return None
            codes = codes_of(item.value, item.type)
            if codes is None or item.value is None:
                return None
            if open_form is not None:
                inside = any(open_form.fullmatch(code) for _, code in codes)
                return None if inside else _outside(strength, outside(value_set, ()) | params)
            if not codes:
                return _uncoded(item, strength, params)
            said = _ask(judge, codes)
            if said:
                return None
            if said is None:
                return [Found("VA404", params)] if strength == "required" else None
            return _outside(strength, outside(value_set, self.terminology.codes(value_set)) | params)

        return check


def _ask(judge: Judge | None, codes: list[Code]) -> bool | None:
    if judge is None:
        return None
    answers = [judge(system, code) for system, code in codes]
    if any(answers):
        return True
    return None if None in answers else False


def _outside(strength: str, params: dict[str, Any]) -> Verdict:
    """Say that a code is outside. Where R4's own set is extensible, a national code is no cause to warn."""
    is_usual = strength == "extensible" and params["profile"] == CORE
    return [Found(FINDING[strength], params, level="information" if is_usual else None)]


def _uncoded(item: Item, strength: str, params: dict[str, Any]) -> Verdict:
    """Say of a concept without any code that one is needed; extended ones may say why there is none."""
    if item.type == "Quantity" and isinstance(item.value, dict) and "unit" not in item.value:
        return None
    if strength == "required":
        return [Found("VA405", params)]
    if strength != "extensible":
        return None
    return [Found("VA406", params, level="information" if params["profile"] == CORE else None)]
