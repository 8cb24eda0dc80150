"""A notification in words: who, what happened, what is asked, who continues, whom to call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from adapter.relay.element import child, children, codes, text
from adapter.relay.message import Level, Meaning
from adapter.relay.narrative.phrase import day, of_type, person
from adapter.relay.narrative.wording import label, said

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from adapter.outcome import Language
    from adapter.relay.element import Element
    from adapter.relay.narrative.told import Told


def leads(told: Told) -> Iterator[str]:
    """Yield what stands above the rows."""
    if told.meaning is Meaning.CANCEL:
        yield label("cancelled", told.language)
    elif told.is_correction:
        yield label("corrected", told.language)


def rows(resources: Sequence[Element], told: Told) -> Iterator[tuple[str, str]]:
    """Yield label and value of each row, in the order they are read."""
    is_cancel = told.meaning is Meaning.CANCEL
    yield from _who(resources, told)
    if not is_cancel:
        yield from _happened(resources, told)
        yield from _goes_on(resources, told)
    if told.basis:
        yield "basis", said("basis", told.basis, told.language)
    if not is_cancel:
        yield "left-out", "; ".join(label(each, told.language) for each in _left_out(told))


def _who(resources: Sequence[Element], told: Told) -> Iterator[tuple[str, str]]:
    for patient in of_type(resources, "Patient"):
        yield "who", person(patient, told.language)
        if told.meaning is not Meaning.CANCEL:
            numbers = [
                text(each, "value")
                for each in children(patient, "telecom")
                if text(each, "system") == "phone"
            ]
            if found := ", ".join(each for each in numbers if each):
                yield "reach", found
    if told.sender:
        units = dict.fromkeys(
            text(child(each, "location"), "display") for each in of_type(resources, "Procedure")
        )
        yield "from", ", ".join([told.sender, *(each for each in units if each)])


def _happened(resources: Sequence[Element], told: Told) -> Iterator[tuple[str, str]]:
    language, is_planned = told.language, told.meaning is Meaning.PLANNED
    what = "to-come" if is_planned else "what"
    if told.level is Level.MINIMAL:
        yield what, label("planned-episode" if is_planned else "episode", language)
    for procedure in of_type(resources, "Procedure"):
        yield what, _procedure(procedure, language)
    for condition in of_type(resources, "Condition"):
        yield "diagnosis", _concept(child(condition, "code"))
    for leave in of_type(resources, "Observation"):
        yield "leave", _leave(leave, language)


def _goes_on(resources: Sequence[Element], told: Told) -> Iterator[tuple[str, str]]:
    language = told.language
    asked = [
        said("request", code, language)
        for request in of_type(resources, "ServiceRequest")
        for _, code in codes(child(request, "code"))
    ]
    if asked:
        yield "asked", "; ".join(asked)
    for leave in of_type(resources, "Observation"):
        yield "continues", _continues(leave, language)
    for communication in of_type(resources, "Communication"):
        for payload in children(communication, "payload"):
            yield "note", text(payload, "contentString") or ""
        for extension in children(communication, "extension"):
            contact = child(extension, "valueContactPoint")
            if number := text(contact, "value"):
                yield (
                    "contact",
                    number if text(contact, "system") != "phone" else f"{label('phone', language)} {number}",
                )


def _left_out(told: Told) -> Iterator[str]:
    if told.level is Level.MINIMAL:
        yield "minimal"
    if told.is_protected:
        yield "protected"
    yield "attachments"


def _procedure(procedure: Element, language: Language) -> str:
    period = child(procedure, "performedPeriod")
    when = text(procedure, "performedDateTime") or text(period, "end") or text(period, "start")
    status = said("status", text(procedure, "status") or "unknown", language)
    return f"{_concept(child(procedure, 'code'))}, {status}{f' {day(when)}' if when else ''}"


def _leave(leave: Element, language: Language) -> str:
    period = child(leave, "effectivePeriod")
    days = f"{day(text(period, 'start'))}–{day(text(period, 'end'))} ({label('included', language)})"
    degree = [said("degree", code, language) for code in _component(leave, "incapacity-degree")]
    return ", ".join([days, *degree])


def _continues(leave: Element, language: Language) -> str:
    """Say who decides on the leave from its end on, and when it is looked at again."""
    words = [said("practice", code, language) for code in _component(leave, "sick-leave-practice")]
    words += [label("review", language).format(day=day(each)) for each in _component(leave, "review-date")]
    return " ".join(words) or label("not-stated", language)


def _component(leave: Element, item: str) -> Iterator[str]:
    """Yield what a component of the leave says: its code, or its day."""
    for each in children(leave, "component"):
        if any(code == item for _, code in codes(child(each, "code"))):
            yield from (code for _, code in codes(child(each, "valueCodeableConcept")))
            if day := text(each, "valueDateTime"):
                yield day


def _concept(concept: Element) -> str:
    displays = [text(coding, "display") for coding in children(concept, "coding")]
    named = " ".join(code for _, code in codes(concept))
    words = text(concept, "text") or next((each for each in displays if each), None)
    return f"{words} ({named})" if words and named else words or named
