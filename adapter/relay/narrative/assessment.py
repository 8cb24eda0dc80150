"""A work-ability assessment in words: its results one by one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.fhir.canonical import BASE
from adapter.relay.element import child, children, codes, text
from adapter.relay.message import Meaning
from adapter.relay.narrative.phrase import day, of_type, person
from adapter.relay.narrative.wording import concept, known, label, said

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter.outcome import Language
    from adapter.relay.element import Element
    from adapter.relay.narrative.told import Told


def rows(resources: Sequence[Element], panel: Element, told: Told) -> Iterator[tuple[str, str]]:
    """Yield label and value of each row, in the order they are read."""
    language = told.language
    for patient in of_type(resources, "Patient"):
        yield "who", person(patient, language)
    if told.sender:
        yield "from", told.sender
    period = child(panel, "effectivePeriod")
    when = text(panel, "effectiveDateTime") or text(period, "end") or text(period, "start")
    kinds = (
        concept({"coding": [coding]}, language)
        for category in children(panel, "category")
        for coding in children(category, "coding")
        if (text(coding, "system") or "").startswith(BASE)
    )
    yield "assessed", ", ".join(each for each in (next(kinds, ""), day(when)) if each)
    for found in of_type(resources, "Observation"):
        if found is not panel:
            yield "result", _result(found, language)
    proposed = [concept(child(each, "code"), language) for each in of_type(resources, "ServiceRequest")]
    if advice := "; ".join(each for each in proposed if each):
        yield "proposed", advice
    if told.basis:
        yield "basis", said("basis", told.basis, language)
    if told.meaning is not Meaning.CANCEL:
        yield "left-out", label("rest-of-assessment", language)


def _result(found: Element, language: Language) -> str:
    """Say one result: what it is of, and its value."""
    code = child(found, "code")
    named = next((words for _, each in codes(code) if (words := known("item", each, language))), None)
    bands = [concept(each, language) for each in children(found, "interpretation")]
    value = ", ".join(each for each in (_value(found, language), *bands) if each)
    return f"{named or concept(code, language)}: {value}"


def _value(found: Element, language: Language) -> str:
    quantity = child(found, "valueQuantity")
    number, flag = found.get("valueInteger", quantity.get("value")), found.get("valueBoolean")
    if isinstance(flag, bool):
        return label("yes" if flag else "no", language)
    if number is not None:
        return f"{number} {text(quantity, 'unit') or ''}".strip()
    values = (
        concept(child(found, "valueCodeableConcept"), language),
        text(found, "valueString"),
        day(text(found, "valueDateTime")),
        label("withheld", language) if "dataAbsentReason" in found else "",
    )
    return next((each for each in values if each), "")
