"""The limits a profile sets. R4 ElementDefinition.minValue, maxValue and maxLength."""

from __future__ import annotations

import re
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from adapter.validation.found import Found
from adapter.validation.values import number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date

    from adapter.fhir.json import Json
    from adapter.validation.found import ItemCheck, Verdict
    from adapter.validation.items import Item
    from adapter.validation.visit import Visit


UCUM = "http://unitsofmeasure.org"
_DAYS = {"a": Decimal("365.2425"), "mo": Decimal("30.436875"), "wk": Decimal(7), "d": Decimal(1)}
"""Days in a UCUM unit of time, as far as dates need it."""

MUST_HAVE = frozenset({"extension-ElementDefinition.mustHaveValue"})
ALTERNATIVES = "extension-ElementDefinition.valueAlternatives"
LANGUAGE_CONTROL = "http://hl7.org/fhir/StructureDefinition/narrative-language-control"
_SECTION = re.compile(r"""<div\b[^<>]*?\s(?:xml:)?lang\s*=\s*["']([^"']+)""")
MIN_LENGTH = "http://hl7.org/fhir/StructureDefinition/minLength"


def limits(rule: dict[str, Any], profile: str) -> Iterator[ItemCheck]:
    """Yield the checks of the limits an ElementDefinition sets."""
    for key, wanted in rule.items():
        if key.startswith("minValue"):
            yield _value(wanted, "VA213", -1, profile)
        elif key.startswith("maxValue"):
            yield _value(wanted, "VA214", 1, profile)
    longest = rule.get("maxLength")
    if isinstance(longest, int):
        yield _length(lambda size: size <= longest, "VA215", {"max": longest, "profile": profile})
    for extension in rule.get("extension", ()):
        url = extension.get("url", "").rpartition("/")[2]
        if url in MUST_HAVE and extension.get("valueBoolean", True) is True:
            yield _present(profile, None)
        elif url == ALTERNATIVES and isinstance(extension.get("valueCanonical"), str):
            yield _present(profile, extension["valueCanonical"])
        if extension.get("url") == LANGUAGE_CONTROL and isinstance(extension.get("valueCode"), str):
            yield _languages(extension["valueCode"], profile)
        if extension.get("url") == MIN_LENGTH and isinstance(extension.get("valueInteger"), int):
            yield _at_least(extension["valueInteger"], profile)


def _languages(wanted: str, profile: str) -> ItemCheck:
    """Make the check that a narrative has sections by language: `_yes`, `_no`, or one it must have."""

    def check(item: Item, visit: Visit) -> Verdict:
        div = item.value.get("div") if isinstance(item.value, dict) else None
        if not isinstance(div, str):
            return None
        sections = {one.lower() for one in _SECTION.findall(div, div.find(">"))}
        fits = not sections if wanted == "_no" else bool(sections)
        if not wanted.startswith("_"):
            fits = wanted.lower() in sections
        return None if fits else [Found("VA908", {"profile": profile})]

    return check


def _present(profile: str, instead: str | None) -> ItemCheck:
    """Make the check that a primitive has a value, or the one extension that may stand for it."""

    def check(item: Item, visit: Visit) -> Verdict:
        if item.value is not None:
            return None
        beside = item.beside.get("extension") if isinstance(item.beside, dict) else None
        for one in beside if isinstance(beside, list) and instead else ():
            if isinstance(one, dict) and one.get("url") == instead:
                return None
        return [Found("VA220", {"profile": profile})]

    return check


def _at_least(least: int, profile: str) -> ItemCheck:
    return _length(lambda size: size >= least, "VA216", {"min": least, "profile": profile})


def _length(fits: Callable[[int], bool], code: str, params: dict[str, Any]) -> ItemCheck:
    def check(item: Item, visit: Visit) -> Verdict:
        if not isinstance(item.value, str) or fits(len(item.value)):
            return None
        return [Found(code, {**params, "found": len(item.value)})]

    return check


def _value(wanted: Json, code: str, wrong: int, profile: str) -> ItemCheck:
    """Make the check that a value does not lie on the `wrong` side (-1 below, 1 above) of `wanted`."""
    limit = wanted.get("value") if isinstance(wanted, dict) else wanted
    unit = wanted.get("code") or wanted.get("unit") if isinstance(wanted, dict) else None
    params = {"limit": f"{limit} {unit}" if unit else str(limit), "profile": profile}

    def check(item: Item, visit: Visit) -> Verdict:
        limit = _moment(wanted, wrong, visit.session.today) if isinstance(item.value, str) else wanted
        order = compare(item.value, limit)
        if order is None:
            return None if item.value is None else [Found("VA218", params)]
        return [Found(code, params)] if order == wrong else None

    return check


def compare(value: Json, wanted: Json) -> int | None:
    """Return -1, 0 or 1 as `value` is below, at or above `wanted`; None if they cannot be compared.

    Quantities need the same unit. Dates compare as far as both are written out.
    """
    if isinstance(wanted, dict) and isinstance(value, dict):
        if not _same_unit(value, wanted):
            return _converted(value, wanted)
        return compare(value.get("value"), wanted.get("value"))
    one, other = number(value), number(wanted)
    if one is not None and other is not None:
        return (one > other) - (one < other)
    if isinstance(value, str) and isinstance(wanted, str):
        size = min(len(value), len(wanted))
        return (value[:size] > wanted[:size]) - (value[:size] < wanted[:size])
    return None


def _converted(value: dict[str, Any], wanted: dict[str, Any]) -> int | None:
    """Compare two quantities of different units through UCUM; None if they do not measure the same."""
    from adapter.fhirpath.units import measure

    if value.get("system") != UCUM or wanted.get("system") != UCUM:
        return None
    one, other = measure(str(value.get("code"))), measure(str(wanted.get("code")))
    amount, limit = number(value.get("value")), number(wanted.get("value"))
    if one is None or other is None or one.dimension != other.dimension:
        return None
    if amount is None or limit is None:
        return None
    left, right = amount * one.factor + one.offset, limit * other.factor + other.offset
    return (left > right) - (left < right)


def _moment(wanted: Json, wrong: int, today: date | None) -> Json:
    """Return the day that a limit given as a duration means: back from today for a least, on for a greatest.

    R4 ElementDefinition.minValue[x]: "if a Quantity is given for a date, it is counted from now".
    """
    if not isinstance(wanted, dict) or today is None:
        return wanted
    days = _DAYS.get(str(wanted.get("code")))
    amount = number(wanted.get("value"))
    if days is None or amount is None:
        return None
    try:
        return (today + timedelta(days=float(amount * days) * wrong)).isoformat()
    except OverflowError:
        return None


def _same_unit(value: dict[str, Any], wanted: dict[str, Any]) -> bool:
    if "code" in wanted and "code" in value:
        return bool(value["code"] == wanted["code"] and value.get("system") == wanted.get("system"))
    return bool(value.get("unit") == wanted.get("unit"))
