"""A Questionnaire read for its answers: what each question wants, and when it is asked at all.

R4 questionnaire.html; the extensions of R4 and of Structured Data Capture on items. A condition that cannot
be evaluated is None, and then an answer is neither demanded nor refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.errors import AdapterError
from adapter.validation.limits import compare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from adapter.fhir.json import Json
    from adapter.validation.visit import Visit

    Scopes = tuple[list[dict[str, Any]], ...]
    """Lists of response items around the one in hand, the outermost first."""

_EXTENSION = "http://hl7.org/fhir/StructureDefinition/"
_SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"
URLS = {
    "minLength": _EXTENSION + "minLength",
    "regex": _EXTENSION + "regex",
    "minValue": _EXTENSION + "minValue",
    "maxValue": _EXTENSION + "maxValue",
    "maxDecimalPlaces": _EXTENSION + "maxDecimalPlaces",
    "maxSize": _EXTENSION + "maxSize",
    "mimeType": _EXTENSION + "mimeType",
    "minOccurs": _EXTENSION + "questionnaire-minOccurs",
    "maxOccurs": _EXTENSION + "questionnaire-maxOccurs",
    "exclusive": _EXTENSION + "questionnaire-optionExclusive",
    "unitOption": _EXTENSION + "questionnaire-unitOption",
    "unitValueSet": _EXTENSION + "questionnaire-unitValueSet",
    "referenceResource": _EXTENSION + "questionnaire-referenceResource",
    "minQuantity": _SDC + "minQuantity",
    "maxQuantity": _SDC + "maxQuantity",
}
"""Extensions that limit an answer, by the short name used here."""

ENABLED_BY = frozenset(
    {
        _SDC + "enableWhenExpression",
        "http://phr.kanta.fi/StructureDefinition/fiphr-ext-questionnaire-enablewhen",
    }
)
"""Extensions whose FHIRPath says when an item is asked: SDC's, and that of the Finnish Kanta PHR."""

ANSWER_TYPES: dict[str, frozenset[str]] = {
    "boolean": frozenset({"Boolean"}),
    "decimal": frozenset({"Decimal"}),
    "integer": frozenset({"Integer"}),
    "date": frozenset({"Date"}),
    "dateTime": frozenset({"DateTime"}),
    "time": frozenset({"Time"}),
    "string": frozenset({"String"}),
    "text": frozenset({"String"}),
    "url": frozenset({"Uri"}),
    "choice": frozenset({"Coding"}),
    "open-choice": frozenset({"Coding", "String"}),
    "attachment": frozenset({"Attachment"}),
    "reference": frozenset({"Reference"}),
    "quantity": frozenset({"Quantity"}),
}
"""Question type -> what follows `value` in the key of an answer. R4 item-type."""


def listed(value: Json, name: str) -> list[dict[str, Any]]:
    """Return the objects under a repeating key."""
    found = value.get(name) if isinstance(value, dict) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def valued(value: Json, stem: str = "value") -> tuple[str, Json] | None:
    """Return the type, as the key names it, and the value of a choice; None if there is none."""
    for key, inner in value.items() if isinstance(value, dict) else ():
        if key.startswith(stem) and key[len(stem) : len(stem) + 1].isupper():
            return key[len(stem) :], inner
    return None


def stated(question: dict[str, Any], name: str) -> Iterator[Json]:
    """Yield the values of the extensions of an item that go by a short name of `URLS`."""
    for one in listed(question, "extension"):
        if one.get("url") == URLS[name]:
            value = valued(one)
            if value is not None:
                yield value[1]


def limit(question: dict[str, Any], name: str) -> Json | None:
    """Return the value of an extension of an item, or None."""
    return next(stated(question, name), None)


def same(one: Json, other: Json) -> bool:
    """Return True if two answers are the same: codes by system and code, all else by value."""
    if isinstance(one, dict) and isinstance(other, dict):
        if "code" in one or "code" in other:
            return bool(one.get("code") == other.get("code") and one.get("system") == other.get("system"))
        return one == other
    return type(one) is type(other) and bool(one == other)


def links(items: list[dict[str, Any]]) -> Iterator[str]:
    """Yield every linkId of a Questionnaire."""
    for item in items:
        if isinstance(item.get("linkId"), str):
            yield item["linkId"]
        yield from links(listed(item, "item"))


def is_enabled(question: dict[str, Any], scopes: Scopes, visit: Visit) -> bool | None:
    """Return whether an item is asked, given the answers around it. R4 Questionnaire.item.enableWhen."""
    said = [_condition(one, scopes) for one in listed(question, "enableWhen")]
    for one in listed(question, "extension"):
        if one.get("url") in ENABLED_BY:
            value = valued(one)
            said.append(_evaluated(None if value is None else value[1], visit))
    if not said:
        return True
    if question.get("enableBehavior") == "any":
        return True if True in said else (None if None in said else False)
    return False if False in said else (None if None in said else True)


def _evaluated(stated: Json, visit: Visit) -> bool | None:
    text = stated.get("expression") if isinstance(stated, dict) else stated
    if not isinstance(text, str) or (
        isinstance(stated, dict) and stated.get("language", "text/fhirpath") != "text/fhirpath"
    ):
        return None
    from adapter.fhirpath import compile_expression

    try:
        return compile_expression(text).is_true(visit.resource, visit.environment)
    except AdapterError:
        return None


_ORDERED: dict[str, Callable[[int], bool]] = {
    ">": lambda order: order > 0,
    "<": lambda order: order < 0,
    ">=": lambda order: order >= 0,
    "<=": lambda order: order <= 0,
}


def _condition(condition: dict[str, Any], scopes: Scopes) -> bool | None:
    operator, wanted = condition.get("operator"), valued(condition, "answer")
    if wanted is None or not isinstance(condition.get("question"), str):
        return None
    given = [answer[1] for answer in _answers_to(condition["question"], scopes)]
    if operator == "exists":
        return bool(given) is wanted[1]
    if not given:
        return None if operator == "!=" else False
    if operator == "=":
        return any(same(one, wanted[1]) for one in given)
    if operator == "!=":
        return not any(same(one, wanted[1]) for one in given)
    test = _ORDERED.get(str(operator))
    orders = [compare(one, wanted[1]) for one in given]
    if test is None or None in orders:
        return None
    return any(test(order) for order in orders if order is not None)


def _answers_to(link: str, scopes: Scopes) -> list[tuple[str, Json]]:
    """Return the answers to a question, from the nearest group around that has it."""
    for items in reversed(scopes):
        found = list(_with_link(items, link))
        if found:
            values = [valued(answer) for item in found for answer in listed(item, "answer")]
            return [value for value in values if value is not None]
    return []


def _with_link(items: list[dict[str, Any]], link: str) -> Iterator[dict[str, Any]]:
    for item in items:
        if item.get("linkId") == link:
            yield item
        yield from _with_link(listed(item, "item"), link)
        for answer in listed(item, "answer"):
            yield from _with_link(listed(answer, "item"), link)
