"""The rules of one JSON property: a single value, a list, and what stands beside a primitive as `_name`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adapter.validation.found import Found, both, climb
from adapter.validation.primitives import kind_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from adapter.fhir.json import Json
    from adapter.fhir.types import ElementDef
    from adapter.validation.found import Check, KeyCheck, Verdict
    from adapter.validation.visit import Visit

    Easy = Callable[[str], object]
    """A question in C over a text that is not empty; true if the value is surely right."""


LONGEST_EASY = 65536
"""Characters up to which a text is acquitted without counting them."""


def text(careful: KeyCheck) -> KeyCheck:
    """Make the rule of a single text: what is printable and not too long is surely right."""

    def rule(item: Json, owner: Mapping[str, Any], visit: Visit) -> Verdict:
        if item.__class__ is str and 0 < len(item) < LONGEST_EASY and item.isprintable():
            return None
        return careful(item, owner, visit)

    return rule


def formed(easy: Easy, careful: KeyCheck) -> KeyCheck:
    """Make the rule of a single text with a form or a list, of which one question in C acquits most."""

    def rule(item: Json, owner: Mapping[str, Any], visit: Visit) -> Verdict:
        if item.__class__ is str and easy(item):
            return None
        return careful(item, owner, visit)

    return rule


def after(rule: KeyCheck, extra: Check) -> KeyCheck:
    """Let a key's rule be followed by a check over the object it stands in."""

    def both_of(item: Json, owner: Mapping[str, Any], visit: Visit) -> Verdict:
        verdict = rule(item, owner, visit)
        more = extra(owner, visit)
        return verdict if more is None else both(verdict, more)

    return both_of


def single(element: ElementDef, check: Check) -> KeyCheck:
    """Make the rule of a value that stands once."""
    name = element.name

    def rule(item: Json, owner: Mapping[str, Any], visit: Visit) -> Verdict:
        if item is None:
            return [Found("VA107", step=name)]
        if item.__class__ is list:
            return [Found("VA104", step=name)]
        verdict = check(item, visit)
        return None if verdict is None else climb(verdict, name)

    return rule


def repeated(
    element: ElementDef, check: Check, easy: Easy | None = None, *, is_primitive: bool = False
) -> KeyCheck:
    """Make the rule of a list. Among primitives null stands for a value that is only extended."""
    name, most = element.name, element.max

    def rule(item: Json, owner: Mapping[str, Any], visit: Visit) -> Verdict:
        if item.__class__ is not list:
            return [Found("VA103", {"found": kind_of(item)}, step=name)]
        if not item:
            return [Found("VA105", step=name)]
        found: list[Found] = []
        if most is not None and len(item) > most:
            found = [Found("VA111", {"max": most, "found": len(item)}, step=name)]
        for index, inner in enumerate(item):
            if inner is None:
                is_right = is_primitive and _is_extended(owner, name, index)
                verdict: Verdict = None if is_right else [Found("VA107")]
            elif easy is not None and _is_short(inner) and easy(inner):
                continue
            else:
                verdict = check(inner, visit)
            if verdict is not None:
                found.extend(climb(verdict, f"{name}[{index}]"))
        return found or None

    return rule


def _is_extended(owner: Mapping[str, Any], name: str, index: int) -> bool:
    """Return True if the value at `index` of a list of primitives has an id or extensions beside it."""
    others = owner.get("_" + name)
    return isinstance(others, list) and index < len(others) and others[index] is not None


def either(many: KeyCheck, one: KeyCheck) -> KeyCheck:
    """Make the rule of a list in plain JSON: a single value may stand for it, and it may be empty."""

    def rule(item: Json, owner: Mapping[str, Any], visit: Visit) -> Verdict:
        if item.__class__ is list:
            return many(item, owner, visit) if item else None
        return one(item, owner, visit)

    return rule


def _is_short(value: Json) -> bool:
    return value.__class__ is str and 0 < len(value) < LONGEST_EASY


def beside(element: ElementDef, key: str, shape: Check, *, is_coded: bool) -> KeyCheck:
    """Make the rule of `_key`, where id and extensions of a primitive stand.

    `shape`: that of an Element. `is_coded`: a code of a required set must stand, whatever extensions say.
    R4 terminologies.html, 4.1.5.1.
    """
    name = element.name
    value_set = element.binding.value_set if element.binding is not None else ""

    def one(item: Json, owner: Mapping[str, Any], visit: Visit) -> Verdict:
        verdict = shape(item, visit)
        if isinstance(item, dict) and "extension" not in item and key not in owner and item:
            verdict = both(verdict, [Found("VA106")])
        elif is_coded and key not in owner:
            verdict = both(verdict, [Found("VA405", {"value_set": value_set})])
        return None if verdict is None else climb(verdict, name)

    def many(item: Json, owner: Mapping[str, Any], visit: Visit) -> Verdict:
        if not isinstance(item, list):
            return [Found("VA103", {"found": kind_of(item)}, step=name)]
        found: list[Found] = []
        values = owner.get(key)
        if isinstance(values, list) and len(values) != len(item):
            found = [Found("VA122", {"values": len(values), "others": len(item)}, step=name)]
        for index, inner in enumerate(item):
            if inner is None:
                continue
            verdict = shape(inner, visit)
            if verdict is not None:
                found.extend(climb(verdict, f"{name}[{index}]"))
        return found or None

    return many if element.is_list else one


def content(value: Json, owner: Mapping[str, Any], visit: Visit) -> Verdict:
    """Be content: the rule of `resourceType`, which has been read already."""
    return None
